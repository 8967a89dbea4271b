"""JSON as strictly as suites are read, with the line of each value."""

from __future__ import annotations

import bisect
import json
import math
import re
from collections.abc import Iterable
from typing import Any

from router.config.values import shortened
from router.core.strict_yaml import MAX_DIGITS, Place

_BLANK = re.compile(r"[ \t\r\n]*")


MAX_LENGTH = 20_000_000
"""Characters of one value: short ones take a hundred times the memory."""


def decode(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, too long, or has a name twice or a number that is not finite; a clause that says so.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH / 1e6:.0f} million characters; save it as JSON lines")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has the name `{shortened(name)}` twice in one object")
        found[name] = value
    return found


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"it has a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("it has a number that is not finite")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_real)
_SKIPPING = json.JSONDecoder()


class JsonLines:
    """The lines of a JSON text's values, counted from 1.

    Args:
        text: valid JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._inside: dict[int, dict[str | int, int]] = {}

    def of(self, at: Place) -> int:
        """The line of a value, or of the nearest parent where it does not exist."""
        offset = self._after(0)
        for part in at:
            inside = self._children(offset)
            if part not in inside:
                break
            offset = inside[part]
        return bisect.bisect_left(self._ends, offset) + 1

    def _children(self, offset: int) -> dict[str | int, int]:
        """Where the values of an object or a list begin."""
        if offset not in self._inside:
            self._inside[offset] = self._scanned(offset) if self._text[offset] in "{[" else {}
        return self._inside[offset]

    def _scanned(self, offset: int) -> dict[str | int, int]:
        found: dict[str | int, int] = {}
        is_object = self._text[offset] == "{"
        offset = self._after(offset + 1)
        while self._text[offset] not in "}]":
            name: str | int = len(found)
            if is_object:
                name, end = _SKIPPING.raw_decode(self._text, offset)
                offset = self._after(self._after(end) + 1)
            found[name] = offset
            offset = self._after(_SKIPPING.raw_decode(self._text, offset)[1])
            offset = self._after(offset + 1) if self._text[offset] == "," else offset
        return found

    def _after(self, offset: int) -> int:
        """Where the next value, name or sign begins."""
        blank = _BLANK.match(self._text, offset)
        return blank.end() if blank is not None else offset
