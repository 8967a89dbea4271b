"""Parts of figures' keys and of filters, as displayed."""

from __future__ import annotations

from typing import Any

from router.core.formatting import place

KEYLESS = "(without a key)"
"""Shown in place of a caller for requests that came without one's key."""

SINGLE = "(single models)"
"""Shown in place of a category for requests to a single model."""


def in_words(by: str, value: Any) -> Any:
    """A part of a key, as displayed."""
    if by == "place" and isinstance(value, int):
        return place(value)
    if by == "reason" and value is not None:
        return value.replace("first_token", "first-token").replace("_", " ")
    if by in ("category", "source", "target", "stop", "outcome"):
        return {None: SINGLE, "cancelled": "stopped"}.get(value, value)
    if by == "caller" and value is None:
        return KEYLESS
    return value
