"""Keys kept out of a streamed answer, also where one comes in several pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from router.config.keys import Keys, scrubbed
from router.core.events import ImageDelta, ProviderEvent, ReasoningDelta, ReasoningDetail, TextDelta, ToolCallDelta


class Scrubbing:
    """Holds back the end of a text that a key could begin with, until the next piece tells.

    A server can only repeat keys that were sent; without one nothing is held.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._held = ""
        self._last: TextDelta | ReasoningDelta | ToolCallDelta | None = None

    def of(self, events: Sequence[ProviderEvent]) -> Sequence[ProviderEvent]:
        """The events without keys."""
        sent = self._keys.sent
        if not sent:
            return events
        return [clean for event in events for clean in self._of(event, sent)]

    def rest(self) -> list[ProviderEvent]:
        """What is still held back, at the end of the answer."""
        held, last, self._held, self._last = self._held, self._last, "", None
        if not held or last is None:
            return []
        # Of a call the arguments alone: id, name and `extra` have been sent, and clients add up what comes twice.
        return [ToolCallDelta(last.index, arguments=held) if isinstance(last, ToolCallDelta) else type(last)(held)]

    def _of(self, event: ProviderEvent, sent: tuple[str, ...]) -> Iterator[ProviderEvent]:
        if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            if self._last is not None and _place(self._last) != _place(event):
                yield from self.rest()
            text = self._keys.scrub_sent(self._held + _text(event))
            cut = len(text) - _could_begin(text, sent)
            self._held, self._last = text[cut:], event
            if isinstance(event, ToolCallDelta):
                yield self._call(event, text[:cut])
            elif cut:
                yield type(event)(text[:cut])
        else:
            yield from self.rest()
            if isinstance(event, ReasoningDetail):
                event = ReasoningDetail(scrubbed(event.detail, dict[str, Any], self._keys.scrub_sent))
            elif isinstance(event, ImageDelta):
                event = ImageDelta(self._keys.scrub_sent(event.url))
            yield event

    def _call(self, event: ToolCallDelta, arguments: str) -> ToolCallDelta:
        scrub = self._keys.scrub_sent
        return ToolCallDelta(
            event.index,
            scrub(event.id) if event.id is not None else None,
            scrub(event.name) if event.name is not None else None,
            arguments,
            scrubbed(event.extra, dict[str, Any], scrub) if event.extra is not None else None,
        )


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


def _place(event: TextDelta | ReasoningDelta | ToolCallDelta) -> tuple[type, int]:
    return type(event), event.index if isinstance(event, ToolCallDelta) else 0


def _text(event: TextDelta | ReasoningDelta | ToolCallDelta) -> str:
    return event.arguments if isinstance(event, ToolCallDelta) else event.text
