"""The names of tools, short enough for every provider."""

from __future__ import annotations

from router.core.messages import digest

MAX_NAME = 64
"""Characters of a function's name that every provider takes."""


def flat(name: str, namespace: str | None = None) -> str:
    """The one name of a tool, also of one in a namespace."""
    found = f"{namespace}{'' if namespace.endswith('__') else '__'}{name}" if namespace else name
    return found if len(found) <= MAX_NAME else f"{found[: MAX_NAME - 9]}_{digest(found)[:8]}"
