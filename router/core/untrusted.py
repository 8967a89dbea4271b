"""Typed values from a server's JSON, which may contain anything; None if the type is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

NO_JSON = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises: no JSON, no UTF-8, or nested more deeply than anything that is meant."""

MAX_NAME = 200
"""Characters of a model's name, an id or a code."""

MAX_MESSAGE = 500
"""Characters of a server's error message."""


def cut(text: str, most: int) -> str:
    """Text of at most so many characters; an ellipsis says where. To be scrubbed before: half a key is not found."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


MAX_VALUES = 100_000
"""In a row."""

_VISIBLE = re.compile(r"\S")

_LARGEST = 18
"""Digits of a whole number that all that reads JSON here can hold; a longer one is a fraction."""


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None  # such as 1e999, which nothing that writes JSON can hold


def _integer(digits: str) -> float | None:
    return int(digits) if len(digits) <= _LARGEST else _finite(digits)


_TOLERANT = json.JSONDecoder(strict=False, parse_int=_integer, parse_float=_finite, parse_constant=lambda _: None)


def json_values(data: str) -> Iterator[Any]:
    """The values of a text of JSON, or of several in a row, as the tolerant decoders of other clients read it.

    NaN and infinities are null; raw control characters are accepted. Halves of surrogate pairs stay in the texts; see
    `Halves`.

    Raises:
        ValueError, RecursionError: what comes next is no JSON, or there are too many.
    """
    at = number = 0
    while (found := _VISIBLE.search(data, at)) is not None:
        value, at = _TOLERANT.raw_decode(data, found.start())
        yield value
        if (number := number + 1) > MAX_VALUES:
            raise ValueError("more values than any answer has")


def decode_json(data: bytes | str) -> Any:
    """One value, decoded strictly, and tolerantly where that fails.

    Raises:
        NO_JSON: it is none, or there is more than one.
    """
    try:
        return msgspec.json.decode(data)
    except NO_JSON:
        [value] = json_values(data if isinstance(data, str) else data.decode(errors="replace"))
        return paired(value)


def paired(value: Any) -> Any:
    """A decoded value whose surrogates are pairs; what stays half becomes U+FFFD."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {paired(name): paired(item) for name, item in value.items()}
    return [paired(item) for item in value] if isinstance(value, list) else value


class Halves:
    """Joins the halves of a surrogate pair that a server splits over two events.

    A half at the end of a text waits for the text at the same place of a later event. A place is the path of names to
    it, and the `index` of each object on the way.

    Attributes:
        held: the halves that wait, by their place.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[object, ...], str] = {}

    def join(self, value: Any, place: tuple[object, ...] = ()) -> Any:
        """The event without a half in it."""
        if isinstance(value, str):
            value = self.held.pop(place, "") + value
            if place and "\ud800" <= value[-1:] <= "\udbff":
                self.held[place] = value[-1]
                value = value[:-1]
            return paired(value)
        if isinstance(value, dict):
            here = (*place, str(value.get("index")))
            return {paired(name): self.join(item, (*here, name)) for name, item in value.items()}
        return [self.join(item, place) for item in value] if isinstance(value, list) else value


def mapping(value: object) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    if type(value) is dict or value is None:  # nearly always: the other question takes ten times as long
        return value or {}
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; none in anything else."""
    if value is None:
        return []
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def text(value: object) -> str | None:
    """Text that is not empty."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """A whole number that is not negative, and not absurd; also one written as a fraction or as text."""
    if type(value) is not int:  # a truth value is none
        found = number(value)
        value = int(found) if found is not None and found.is_integer() else -1
    return value if 0 <= value < 2**53 else None


def number(value: object) -> float | None:
    """A finite number, also one written as text."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
