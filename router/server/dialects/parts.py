"""The events of an answer as its parts, one after the other, for the wires that have blocks or items.

Providers mix their events: a call's piece after the next call has begun, a signature after the text. Here a part that
has ended gets nothing more, and no piece comes before its part or with another's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from router.core.events import (
    AnswerBuilder,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import Usage
from router.core.untrusted import NO_JSON
from router.server.dialects.carrying import sealed

Kind: TypeAlias = Literal["reasoning", "text", "refusal", "call", "image"]


class Part:
    """A part of an answer.

    Attributes:
        begun: whether it has a beginning; reasoning of which there is nothing to read has only an end.
        id: a call's.
        name: a call's.
        carried: with the end of reasoning: what its producer wants back, sealed.
    """

    def __init__(self, kind: Kind, index: int | None = None, id_: str = "", name: str = "") -> None:
        self.kind = kind
        self.index = index
        self.id = id_
        self.name = name
        self.begun = False
        self.carried: str | None = None
        self.details = AnswerBuilder()
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """All of it so far; an image's address."""
        return "".join(self.pieces)


class Step(NamedTuple):
    """What happens to a part."""

    verb: Literal["begin", "piece", "end"]
    part: Part
    piece: str = ""


class Parts:
    """Puts the events of one answer in order.

    Args:
        request_id: makes ids for calls that have none, or one that every answer's first call has.

    Attributes:
        usage: the last that came.
    """

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._open: Part | None = None
        self._waiting: deque[ProviderEvent] = deque()
        self._unnamed: dict[int, list[ToolCallDelta]] = {}
        self._ids: dict[int, str] = {}
        self._late = AnswerBuilder()
        self._late_extras: dict[str, dict[str, object]] = {}
        self._producer: str | None = None
        self.usage: Usage | None = None

    def add(self, event: ProviderEvent) -> Iterator[Step]:
        """The steps that an event makes certain."""
        if isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Served):
            self._producer = event.producer or self._producer
        else:
            yield from self._take(event)
            yield from self._waited()

    def end(self) -> Iterator[Step]:
        """The steps to the end of the answer."""
        yield from self._close()
        while self._waiting:
            yield from self._waited()
            yield from self._close()
        for index, held in list(self._unnamed.items()):
            yield from self._begin_call(index, held)
            yield from self._close()
        yield from self._end_reasoning(Part("reasoning"))

    # --- One event ---------------------------------------------------------------------------------

    def _take(self, event: ProviderEvent) -> Iterator[Step]:
        if self._waiting and not self._goes_on(event):
            self._waiting.append(event)
        elif isinstance(event, ReasoningDetail):
            self._detail(event)
        elif isinstance(event, ToolCallDelta) and self._goes_on(event):
            yield from self._call_piece(event)
        elif isinstance(event, ToolCallDelta) and event.index in self._ids:
            if event.extra:
                self._late_extras[self._ids[event.index]] = dict(event.extra)
        elif self._is_unfinished():
            self._waiting.append(event)
        elif isinstance(event, ToolCallDelta):
            yield from self._new_call(event)
        elif isinstance(event, TextDelta):
            yield from self._piece("refusal" if event.refused else "text", event.text)
        elif isinstance(event, ReasoningDelta):
            yield from self._piece("reasoning", event.text)
        elif isinstance(event, ImageDelta):
            yield from self._close()
            yield from self._piece("image", event.url)
            yield from self._close()

    def _waited(self) -> Iterator[Step]:
        """What waited, in its order, as far as it need not wait longer."""
        while self._waiting and not self._is_unfinished():
            waiting, self._waiting = self._waiting, deque()
            for event in waiting:
                yield from self._take(event)

    def _goes_on(self, event: ProviderEvent) -> bool:
        part = self._open
        return isinstance(event, ToolCallDelta) and part is not None and part.index == event.index

    def _is_unfinished(self) -> bool:
        """Whether a call is open whose arguments are not whole yet."""
        if self._open is None or self._open.kind != "call":
            return False
        if not (self._open.pieces and self._open.pieces[-1].rstrip().endswith("}")):
            return True
        try:
            msgspec.json.decode(self._open.text)
        except NO_JSON:
            return True
        return False

    def _piece(self, kind: Kind, text: str) -> Iterator[Step]:
        if not text:
            return
        if self._open is None or self._open.kind != kind:
            yield from self._close()
            self._open = Part(kind)
        part = self._open
        if not part.begun:
            part.begun = True
            yield Step("begin", part)
        part.pieces.append(text)
        yield Step("piece", part, text)

    # --- Calls -------------------------------------------------------------------------------------

    def _new_call(self, event: ToolCallDelta) -> Iterator[Step]:
        held = self._unnamed.setdefault(event.index, [])
        held.append(event)
        if event.name:
            yield from self._begin_call(event.index, held)

    def _begin_call(self, index: int, held: list[ToolCallDelta]) -> Iterator[Step]:
        del self._unnamed[index]
        given = next((piece.id for piece in held if piece.id), None)
        id_ = self._ids[index] = call_id(given, index, self._request_id)
        extra = next((piece.extra for piece in held if piece.extra), None)
        yield from self._close()
        if extra:
            self._late_extras[id_] = dict(extra)
            yield from self._end_reasoning(Part("reasoning"))
        name = next((piece.name for piece in held if piece.name), "")
        self._open = part = Part("call", index, id_, name)
        part.begun = True
        yield Step("begin", part)
        for piece in held:
            if piece.arguments:
                part.pieces.append(piece.arguments)
                yield Step("piece", part, piece.arguments)

    def _call_piece(self, event: ToolCallDelta) -> Iterator[Step]:
        part = self._open
        assert part is not None  # noqa: S101  # the caller has seen it
        if event.extra:
            self._late_extras[part.id] = dict(event.extra)
        if event.arguments:
            part.pieces.append(event.arguments)
            yield Step("piece", part, event.arguments)

    # --- Reasoning ---------------------------------------------------------------------------------

    def _detail(self, event: ReasoningDetail) -> None:
        """A detail belongs to the reasoning that is open; after that, to the next or the end."""
        if self._open is None and not self._waiting:
            self._open = Part("reasoning")
        part = self._open
        (part.details if part is not None and part.kind == "reasoning" else self._late).add(event)

    def _end_reasoning(self, part: Part) -> Iterator[Step]:
        for detail in self._late.answer().reasoning_details:
            part.details.add(ReasoningDetail(detail))
        extras, self._late, self._late_extras = self._late_extras, AnswerBuilder(), {}
        part.carried = sealed(self._producer, part.text, part.details.answer().reasoning_details, extras)
        if part.begun or part.carried:
            yield Step("end", part)

    def _close(self) -> Iterator[Step]:
        part, self._open = self._open, None
        if part is None:
            return
        if part.kind == "reasoning":
            yield from self._end_reasoning(part)
        else:
            yield Step("end", part)


def call_id(given: str | None, index: int, request_id: str) -> str:
    """A call's id; one that is missing, or merely a number, would be in every answer of a conversation."""
    return given if given and given != f"call_{index}" else f"call_{request_id[:16]}_{index}"
