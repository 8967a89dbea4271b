"""What OpenRouter adds to the protocols: which app asks, and the attempts that OpenRouter made itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.core.attempts import Routing, UpstreamAttempt
from router.core.untrusted import count, mapping, mappings, text

ATTRIBUTION = {"HTTP-Referer": "http://localhost:8501", "X-OpenRouter-Title": "Fallback Lab"}
"""How OpenRouter lists the app; `headers` in models.yaml override it."""

METADATA = {"X-OpenRouter-Metadata": "enabled"}
"""Asks for `openrouter_metadata` (https://openrouter.ai/docs/guides/features/router-metadata)."""

MAX_ATTEMPTS = 20
"""Upstream attempts that are kept of one call, the last ones."""


def read_routing(answer: Mapping[str, Any]) -> Routing | None:
    """What an answer's body, or one of its events, says about its routing; None if nothing."""
    said = answer.get("openrouter_metadata")
    if not isinstance(said, dict):
        return None
    endpoints = mapping(said.get("endpoints"))
    available = mappings(endpoints.get("available"))
    upstream = [_attempt(one) for one in mappings(said.get("attempts"))]
    # The list may be left out, or lack the attempt that answered; their number is always there.
    missing = min(max(count(said.get("attempt")) or 0, 1), MAX_ATTEMPTS) - len(upstream)
    if missing > 0:
        selected = next((_attempt(one) for one in available if one.get("selected") is True), UpstreamAttempt())
        upstream = [UpstreamAttempt()] * (missing - 1) + [*upstream, selected]
    if upstream == [UpstreamAttempt()]:
        return None
    return Routing(upstream=tuple(upstream[-MAX_ATTEMPTS:]), endpoints=count(endpoints.get("total")))


def _attempt(said: Mapping[str, Any]) -> UpstreamAttempt:
    status = count(said.get("status"))
    return UpstreamAttempt(
        text(said.get("provider")), text(said.get("model")), status if status and status < 1000 else None
    )
