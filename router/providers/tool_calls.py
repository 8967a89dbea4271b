"""Tool calls of chat completions, kept apart as servers number them: by index, by id, or by neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from router.core.events import ToolCallDelta
from router.core.untrusted import (
    NO_JSON,
    count,
    mapping,
    text,
)

MAX_NAMED_PIECES = 100
"""Pieces of a call's arguments after which a piece that repeats its name, with no id, is not looked at any more."""


class ToolCalls:
    """The tool calls of one answer."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        self._at: dict[int | None, int] = {}
        self._by_id: dict[str, int] = {}

    def read(self, listed: object) -> Iterator[ToolCallDelta]:
        """The pieces of calls in one delta, or in a whole message."""
        items = listed if isinstance(listed, list) else []
        for position, item in enumerate(items):
            if not isinstance(item, dict):
                continue
            index = count(item.get("index"))
            if index is None and len(items) > 1:
                index = position
            function = mapping(item.get("function"))
            id_, name = text(item.get("id")), text(function.get("name"))
            number = self._at.get(index)
            if number is None or id_ is not None or name is not None:
                number = self._number(index, id_, name)
            arguments = as_arguments(function.get("arguments"))
            self._calls[number].arguments.append(arguments)
            yield ToolCallDelta(number, id_, name, arguments, mapping(item.get("extra_content")) or None)

    def _number(self, index: int | None, id_: str | None, name: str | None) -> int:
        """The call that a piece with an id or a name belongs to; without an index, the last one."""
        number = self._at.get(index)
        if id_ is not None and (known := self._by_id.get(id_)) is not None:
            number = known
        elif number is not None and not self._calls[number].goes_on(id_, name):
            number = None
        if number is None:
            number = index if index is not None and index not in self._calls else max(self._calls, default=-1) + 1
            self._calls[number] = _Call()
        self._at[index] = self._at[None] = number
        call = self._calls[number]
        call.id, call.name = call.id or id_, call.name or name
        if id_ is not None:
            self._by_id[id_] = number
        return number


class _Call:
    id: str | None = None
    name: str | None = None

    def __init__(self) -> None:
        self.arguments: list[str] = []

    def goes_on(self, id_: str | None, name: str | None) -> bool:
        """Whether a piece at this call's index, with an unknown id or none, belongs to this call."""
        if name is None or self.name is None:
            return True  # its id or its name came late, or a new id comes with every piece
        if id_ is not None:
            return self.id is None and name == self.name
        return name == self.name and not self._is_whole()

    def _is_whole(self) -> bool:
        if len(self.arguments) > MAX_NAMED_PIECES:
            return False
        try:
            return isinstance(msgspec.json.decode("".join(self.arguments)), dict)
        except NO_JSON:
            return False


def as_arguments(value: object) -> str:
    """Arguments as text; some servers send the object itself, or an empty one before the pieces of the text."""
    if isinstance(value, str):
        return value
    return encoded(value) if value and isinstance(value, Mapping) else ""


def encoded(value: Any) -> str:
    """A JSON value as text."""
    return msgspec.json.encode(value).decode()
