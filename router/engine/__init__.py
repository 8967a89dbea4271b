"""The engine: a request through a chain, up to its answer. Knows no store, no pages and no command line."""

from __future__ import annotations

from router.engine.chain import Engine, run_chain
from router.engine.handle import Handle
from router.engine.options import Options
from router.engine.runtime import Runtime

__all__ = ["Engine", "Handle", "Options", "Runtime", "run_chain"]
