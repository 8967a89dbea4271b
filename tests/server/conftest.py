"""An endpoint to ask."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.server.serving import Served, serving

Serve: TypeAlias = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves a models.yaml given as text, with sections put in."""
    with contextlib.ExitStack() as stack:

        def start(text: str, environ: Mapping[str, str] | None = None, **sections: Any) -> Served:
            path = tmp_path / "models.yaml"
            path.write_text(json.dumps({**json.loads(text), **sections}), encoding="utf-8")
            return stack.enter_context(serving(path, environ))

        yield start
