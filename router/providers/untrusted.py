"""Values out of a server's JSON, which may be anything: what they are, or None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

NO_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What decoding raises: no JSON, no UTF-8, or nested more deeply than anything that is meant."""


def mapping(value: object) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; none in anything else."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def text(value: object) -> str | None:
    """Text that is not empty."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """A whole number that is not negative, and not absurd."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def number(value: object) -> float | None:
    """A finite number, also one written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
