"""Chains in the formats of the gateways that people already run. See docs/gateways.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from router.config.chains import Chain
from router.config.schema import Config
from router.gateways.exported import Exported
from router.gateways.litellm import to_litellm
from router.gateways.openrouter import to_openrouter
from router.gateways.portkey import to_portkey
from router.gateways.python import to_python
from router.gateways.vercel import to_vercel

__all__ = ["TARGETS", "Exported", "Target"]


class Target(NamedTuple):
    """Somewhere that a chain can go.

    Attributes:
        name: for people.
        export: the chains in its format; raises InvalidRequest where it cannot hold them at all.
    """

    name: str
    export: Callable[[Config, Sequence[Chain]], Exported]


TARGETS: Mapping[str, Target] = {
    "litellm": Target("LiteLLM's proxy", to_litellm),
    "openrouter": Target("OpenRouter's request body", to_openrouter),
    "portkey": Target("Portkey's gateway", to_portkey),
    "vercel": Target("Vercel's AI SDK", to_vercel),
    "python": Target("Python, with this library", to_python),
}
