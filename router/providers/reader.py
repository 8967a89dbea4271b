"""What the readers of both protocols share: damaged events, split characters, `<think>`, and usage in pieces."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from router.core.errors import StreamCut
from router.core.events import (
    Finished,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
)
from router.core.messages import Usage
from router.core.untrusted import NO_JSON, Halves, json_values
from router.providers.endings import finish_reason

_SAYS_SOMETHING = re.compile(
    r'"(?:content|text|refusal|reasoning\w*|thinking|arguments|partial_json|input|url)"\s*:\s*"[^"]'
)
"""A field of either protocol with a piece of an answer in it."""

_CHANNELS: Mapping[object, Callable[[str], ProviderEvent]] = {
    "content": TextDelta,
    "text": TextDelta,
    "refusal": partial(TextDelta, refused=True),
    "reasoning": ReasoningDelta,
    "reasoning_content": ReasoningDelta,
    "thinking": ReasoningDelta,
}


class AnswerReader(ABC):
    """Reads one answer of a protocol; unknown fields, events and types are skipped.

    An event that cannot be decoded is skipped unless the answer may lack part of its text without it (see
    `_lacks_something`): then no finish reason is passed on, and `end` raises.
    """

    def __init__(self) -> None:
        self._reason: str | None = None
        self._fast = False  # the text has begun, and no half of a character waits: plain pieces need no second look
        self._beginning = _Beginning()
        self._halves = Halves()
        self._usage: Usage | None = None
        self._pieces = 0
        self._damaged = False
        self._damaged_visibly = False

    @property
    def is_finished(self) -> bool:
        """A finish reason has come."""
        return self._reason is not None

    @abstractmethod
    def read(self, data: str) -> Iterable[ProviderEvent]:
        """The events in the data of one server-sent event.

        Raises:
            ProviderError: the event reports an error, or a content policy stopped the answer.
        """

    @abstractmethod
    def whole(self, answer: Mapping[str, Any]) -> Iterable[ProviderEvent]:
        """The events of an answer in one body; raises the same."""

    @abstractmethod
    def _event(self, event: dict[str, Any]) -> Iterator[ProviderEvent]:
        """The same for a decoded event."""

    def end(self) -> Iterable[ProviderEvent]:
        """The last events, once the answer is over.

        Raises:
            StreamCut: it is not complete.
        """
        if self._reason is None:
            raise StreamCut("The answer ended without a finish reason.")
        if not self._damaged:
            return ()
        if self._lacks_something():
            raise StreamCut("An event of the stream could not be read, so part of the answer may be missing.")
        return (Finished(self._reason),)

    def _decoded(self, data: str) -> Iterable[ProviderEvent]:
        """The events in data that the fast path does not take."""
        try:
            event = msgspec.json.decode(data)
        except NO_JSON:
            return self._tolerated(data)
        if self._halves.held:
            event = self._joined(event)
        return self._event(event) if isinstance(event, dict) else self._listed(event)

    def _listed(self, events: object) -> Iterator[ProviderEvent]:
        """The events in a list, as Gemini sends its errors."""
        for event in events if isinstance(events, list) else ():
            if isinstance(event, dict):
                yield from self._event(event)

    def _tolerated(self, data: str) -> Iterator[ProviderEvent]:
        """The events in data that only tolerant decoders accept, or that lacks blank lines between events."""
        values = []
        try:
            for value in json_values(data.removesuffix("[DONE]")):
                values.append(self._joined(value))  # noqa: PERF401  # those before the damage count
        except NO_JSON:
            if self._reason is None and "{" in data:  # without one it was never an event of ours
                self._damaged = True
                self._damaged_visibly |= _SAYS_SOMETHING.search(data) is not None
        yield from self._listed(values)

    def _joined(self, value: Any) -> Any:
        joined = self._halves.join(value)
        self._fast = self._beginning.is_over and not self._halves.held
        return joined

    def _lacks_something(self) -> bool:
        """Whether a damaged event may have held a part of the answer.

        If usage counts the tokens, an answer with as many pieces as tokens is complete; with fewer it may not be, so a
        server that sends several tokens at once is not trusted after a damaged event. Without usage, what is left of
        the damaged event decides; one that broke off before its text cannot be told from one without text.
        """
        usage = self._usage
        if usage is None or not usage.completion_tokens:
            return self._damaged_visibly
        return self._pieces < usage.completion_tokens - (usage.reasoning_tokens or 0)

    def _text(self, piece: str) -> Iterable[ProviderEvent]:
        """A piece of the text."""
        if self._beginning.is_over:
            return (TextDelta(piece),)
        events = self._beginning.add(piece)
        self._fast = self._beginning.is_over and not self._halves.held
        return events

    def _used(self, usage: Usage) -> Usage:
        """All usage so far: a later count replaces an earlier one, unless it is a zero after a real count."""
        if (before := self._usage) is not None:
            known = {name: value for name in usage.__struct_fields__ if (value := getattr(usage, name))}
            zeros = {
                name: value
                for name in usage.__struct_fields__
                if (value := getattr(usage, name)) == 0 and getattr(before, name) is None
            }
            usage = msgspec.structs.replace(before, **known, **zeros)
        self._usage = usage
        return usage

    def _finish(self, said: str) -> Iterator[ProviderEvent]:
        reason = finish_reason(said)
        if self._reason is not None:
            return
        self._reason = reason
        yield from self._beginning.rest()
        for place in self._halves.held:
            if (channel := _CHANNELS.get(place[-1])) is not None:
                yield channel("\ufffd")
        if not self._damaged:
            yield Finished(reason)


MAX_HELD = 1_000
"""Blank characters before a text that are held back until it is clear whether the text begins with a tag."""

_OPEN, _CLOSE = "<think>", "</think>"


class _Beginning:
    """Separates `<think>…</think>` at the beginning of a text, which is reasoning, from the answer after it.

    Attributes:
        is_over: whatever comes now is the answer.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._thinks: bool | None = None
        self._held = ""

    def add(self, piece: str) -> list[ProviderEvent]:
        """The events that are certain with this piece."""
        self._held += piece
        if self._thinks is None:
            start = self._held.lstrip()
            if len(start) < len(_OPEN) and _OPEN.startswith(start) and len(self._held) < MAX_HELD:
                return []  # blank, or the beginning of the tag
            self._thinks = start.startswith(_OPEN)
            if not self._thinks:
                return self._over(self._held)
            self._held = start[len(_OPEN) :]
        events: list[ProviderEvent] = []
        if self._thinks:
            thought, tag, rest = self._held.partition(_CLOSE)
            at = len(thought) if tag else len(thought) - _overlap(thought, _CLOSE)
            if at:
                events.append(ReasoningDelta(thought[:at]))
            self._thinks, self._held = not tag, rest if tag else thought[at:]
        if not self._thinks:
            self._held = self._held.lstrip()
            events += self._over(self._held) if self._held else []
        return events

    def rest(self) -> list[ProviderEvent]:
        """What was held back, if nothing follows."""
        if not self._held or self.is_over:
            return []
        held, self._held = self._held, ""
        return [ReasoningDelta(held) if self._thinks else TextDelta(held)]

    def _over(self, answer: str) -> list[ProviderEvent]:
        self.is_over, self._held = True, ""
        return [TextDelta(answer)]


def _overlap(text: str, tag: str) -> int:
    """Characters at the end of a text that may begin a tag."""
    return next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)
