"""Keys kept out of a streamed answer, also where one comes in several pieces."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeAlias

from router.config.keys import MIN_KEY_LENGTH, Keys, scrubbed
from router.core.events import (
    IN_PIECES,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    TextDelta,
    ToolCallDelta,
)

Place: TypeAlias = tuple[Hashable, ...]
"""A text that clients add up from pieces: the answer, the reasoning, a call's arguments, or a field of a detail."""


class Scrubbing:
    """Holds back the end of each text that a key could begin with, until the next piece of that text tells.

    A server can only repeat keys that were sent; without one nothing is held.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._texts: dict[Place, _Text] = {}

    def of(self, events: Sequence[ProviderEvent]) -> Sequence[ProviderEvent]:
        """The events without keys."""
        sent = self._keys.sent
        if not sent:
            return events
        return [clean for event in events for clean in self._of(event, sent)]

    def rest(self) -> list[ProviderEvent]:
        """What is still held back, at the end of the answer."""
        texts, self._texts = self._texts, {}
        return [text.piece(held) for text in texts.values() if (held := text.rest())]

    def _of(self, event: ProviderEvent, sent: tuple[str, ...]) -> Iterator[ProviderEvent]:
        if isinstance(event, TextDelta | ReasoningDelta):
            yield from self._before(event)
            place, more = _said(event)
            if clean := self._clean(place, event.text, more, sent):
                yield more(clean)
        elif isinstance(event, ToolCallDelta):
            yield from self._before(event)
            yield self._call(event, sent)
        elif isinstance(event, ReasoningDetail):
            yield from self._before(event)
            yield self._detail(event, sent)
        elif isinstance(event, ImageDelta):
            yield from self._before(event)
            yield ImageDelta(self._keys.scrub_sent(event.url))
        else:
            yield event

    def _before(self, event: ProviderEvent) -> Iterator[ProviderEvent]:
        """The texts that come before it in the answer, as far as they can be sent by now."""
        for place, text in self._texts.items():
            if place[0] != "call" and not _goes_on(place, event) and (released := text.release()):
                yield text.piece(released)

    def _clean(self, place: Place, piece: str, more: Callable[[str], ProviderEvent], sent: tuple[str, ...]) -> str:
        text = self._texts.get(place)
        if text is None:
            text = self._texts[place] = _Text(more)
        return text.add(piece, self._keys.scrub_sent, sent)

    def _call(self, event: ToolCallDelta, sent: tuple[str, ...]) -> ToolCallDelta:
        def more(arguments: str) -> ToolCallDelta:  # id, name and `extra` have been sent, and clients add up what comes
            return ToolCallDelta(event.index, arguments=arguments)

        scrub = self._keys.scrub_sent
        return ToolCallDelta(
            event.index,
            scrub(event.id) if event.id is not None else None,
            scrub(event.name) if event.name is not None else None,
            self._clean(("call", event.index), event.arguments, more, sent),
            scrubbed(event.extra, dict[str, Any], scrub) if event.extra is not None else None,
        )

    def _detail(self, event: ReasoningDetail, sent: tuple[str, ...]) -> ReasoningDetail:
        detail = scrubbed(event.detail, dict[str, Any], self._keys.scrub_sent)
        if event.detail.get("index") is None and "data" in event.detail:
            return ReasoningDetail(detail)  # encrypted reasoning comes in one piece
        whose = {name: event.detail[name] for name in ("type", "index") if name in event.detail}
        for name in IN_PIECES:
            if isinstance(piece := event.detail.get(name), str):

                def more(text: str, name: str = name) -> ReasoningDetail:
                    return ReasoningDetail({**whose, name: text})

                place = ("detail", name, str(whose.get("type")), str(whose.get("index")))
                detail = {**detail, name: self._clean(place, piece, more, sent)}
        return ReasoningDetail(detail)


def _said(event: TextDelta | ReasoningDelta) -> tuple[Place, Callable[[str], ProviderEvent]]:
    """Whose piece it is, and what makes another one of the same text."""
    if isinstance(event, TextDelta):
        return ("text", event.refused), functools.partial(TextDelta, refused=event.refused)
    return ("reasoning",), ReasoningDelta


def _goes_on(place: Place, event: ProviderEvent) -> bool:
    """Whether more of a text may come with an event, so that its end can be held back beyond it."""
    if isinstance(event, TextDelta):
        return place == ("text", event.refused)
    return place[0] != "text" and isinstance(event, ReasoningDelta | ReasoningDetail)


class _Text:
    """One text, as far as it may go on to be a key.

    Args:
        piece: a piece of it as an event.
    """

    def __init__(self, piece: Callable[[str], ProviderEvent]) -> None:
        self.piece = piece
        self._end = ""
        self._sent = 0

    def add(self, piece: str, scrub: Callable[[str], str], keys: Sequence[str]) -> str:
        """Take a piece in; returns what can be sent."""
        whole = self._end + piece
        clean = scrub(whole)
        if clean != whole:
            # Of a key that had begun, what was sent cannot be unsent; what follows it is left out.
            begun = min(at for key in keys if (at := whole.find(key)) >= 0)
            clean, self._sent = clean[min(begun, self._sent) :], 0
        else:
            clean = whole
        cut = len(clean) - _could_begin(clean, keys)
        out = clean[self._sent : cut]
        self._end, self._sent = clean[cut:], max(0, self._sent - cut)
        return out

    def release(self) -> str:
        """What else comes next in the answer: the held end, but never so much of it that it would be worth a key."""
        out = self._end[self._sent : MIN_KEY_LENGTH - 1]
        self._sent += len(out)
        return out

    def rest(self) -> str:
        """The held end, since nothing follows it."""
        return self._end[self._sent :]


def _could_begin(text: str, keys: Sequence[str]) -> int:
    """How many characters at the end of a text may be the beginning of a key."""
    longest = 0
    for key in keys:
        at = text.find(key[0], max(0, len(text) - len(key) + 1))
        while at >= 0:
            if key.startswith(text[at:]):
                longest = max(longest, len(text) - at)
                break
            at = text.find(key[0], at + 1)
    return longest
