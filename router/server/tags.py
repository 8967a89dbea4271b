"""A request's tags: short labels by which the dashboard can be filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MOST = 8
"""Tags of one request."""

MAX_NAME, MAX_VALUE = 32, 64
"""Characters."""

MOST_VALUES = 200
"""Different values of one name; what comes later is `other`: labels are for groups, not for ids."""

OTHER = "other"


class Tagged(NamedTuple):
    """The tags that are kept, as `name=value`, and one sentence for each that is not kept as it came."""

    tags: tuple[str, ...]
    notes: tuple[str, ...]


class Tags:
    """Reads tags, and keeps the number of different ones small."""

    def __init__(self) -> None:
        self._values: dict[str, set[str]] = {}

    def read(self, asked: Mapping[str, str]) -> Tagged:
        """Up to `MOST` tags, sorted by name."""
        kept: list[str] = []
        notes: list[str] = []
        for name, value in sorted(asked.items()):
            if not (name.isprintable() and 0 < len(name) <= MAX_NAME and "=" not in name):
                notes.append(f"A tag's name has 1 to {MAX_NAME} characters and no `=`.")
            elif not (value.isprintable() and 0 < len(value) <= MAX_VALUE):
                notes.append(f"The tag `{name}` is left out: a value has 1 to {MAX_VALUE} characters.")
            elif len(kept) == MOST:
                notes.append(f"The tag `{name}` is left out: {MOST} are kept.")
            else:
                kept.append(f"{name}={self._few(name, value)}")
        return Tagged(tuple(kept), tuple(dict.fromkeys(notes)))

    def _few(self, name: str, value: str) -> str:
        if name not in self._values and len(self._values) >= MOST_VALUES:
            return OTHER
        known = self._values.setdefault(name, set())
        if value not in known and len(known) >= MOST_VALUES:
            return OTHER
        known.add(value)
        return value
