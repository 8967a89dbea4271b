"""What happens while a request is answered: a provider's events, the chain's own, and the answer they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, get_args

import msgspec

from router.core.attempts import Attempt, Routing
from router.core.messages import Answer, ToolCall, Usage

# --- What a provider yields while it answers -----------------------------------------------------


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer, or of the refusal that the model gives instead."""

    text: str
    refused: bool = False


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's reasoning."""

    text: str


class ReasoningDetail(msgspec.Struct, frozen=True, gc=False):
    """A piece of the reasoning as the provider wants it back: pieces of one `type` and `index` belong together."""

    detail: Mapping[str, Any]


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of a tool call: id and name come once, arguments in fragments; see `ToolCall` for `extra`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    extra: Mapping[str, Any] | None = None


class ImageDelta(msgspec.Struct, frozen=True, gc=False):
    """An image of the answer, as a data URL or an address."""

    url: str


class Served(msgspec.Struct, frozen=True, gc=False):
    """Who answers: the model as the provider names it, the upstream provider, the generation's id; see `Answer` for
    `producer`.
    """

    model: str | None = None
    provider: str | None = None
    id: str | None = None
    producer: str | None = None


class Noted(msgspec.Struct, frozen=True, gc=False):
    """What of the request does not reach the model as it was asked, one sentence each."""

    notes: tuple[str, ...]


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The provider's finish reason: stop, length, tool_calls, or one unknown to us."""

    reason: str


Token: TypeAlias = TextDelta | ReasoningDelta | ReasoningDetail | ToolCallDelta | ImageDelta
TOKENS: frozenset[type] = frozenset(get_args(Token))
ProviderEvent: TypeAlias = Token | Served | Routing | Noted | Finished | Usage


# --- What the chain adds ---------------------------------------------------------------------------


class Queued(msgspec.Struct, frozen=True, gc=False):
    """The call waits for a slot at its provider."""

    model: str


class Began(msgspec.Struct, frozen=True, gc=False):
    """A call goes on the wire."""

    model: str
    number: int


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """The same model is retried after `seconds`."""

    model: str
    seconds: float


class Restarted(msgspec.Struct, frozen=True, gc=False):
    """The answer so far is invalid: drop it; the next model starts over."""


class Ended(msgspec.Struct, frozen=True):
    """An attempt is over."""

    attempt: Attempt


Event: TypeAlias = ProviderEvent | Queued | Began | Waiting | Restarted | Ended


# --- The answer they add up to ---------------------------------------------------------------------


class AnswerBuilder:
    """Puts an answer together from the events of one call."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refused: set[bool] = set()
        self._reasoning: list[str] = []
        self._details: dict[tuple[str, str] | int, _DetailParts] = {}
        self._calls: dict[int, _CallParts] = {}
        self._images: list[str] = []
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.served: Served = Served()
        self.routing: Routing | None = None
        self.notes: tuple[str, ...] = ()

    def add(self, event: ProviderEvent) -> bool:
        """Take an event in; True where it carries a token."""
        if isinstance(event, TextDelta):
            self._text.append(event.text)
            self._refused.add(event.refused)
            return True
        if isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
            return True
        if isinstance(event, ReasoningDetail):
            self._details.setdefault(self._detail_key(event.detail), _DetailParts()).add(event.detail)
            return True
        if isinstance(event, ToolCallDelta):
            self._calls.setdefault(event.index, _CallParts()).add(event)
            return True
        if isinstance(event, ImageDelta):
            self._images.append(event.url)
            return True
        if isinstance(event, Finished):
            self.finish_reason = event.reason
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Served):
            before = self.served
            self.served = Served(
                event.model or before.model,
                event.provider or before.provider,
                event.id or before.id,
                event.producer or before.producer,
            )
        elif isinstance(event, Routing):
            self.routing = event
        elif isinstance(event, Noted):
            self.notes += event.notes
        return False

    def _detail_key(self, detail: Mapping[str, Any]) -> tuple[str, str] | int:
        index = detail.get("index")
        if index is None and "data" in detail:
            return len(self._details)  # encrypted reasoning comes in one piece
        return str(detail.get("type")), str(index)

    def answer(self) -> Answer:
        """What has arrived so far."""
        details = tuple(parts.detail() for parts in self._details.values())
        calls = tuple(parts.call(index) for index, parts in sorted(self._calls.items()))
        goes_back = bool(details) or any(call.extra for call in calls)
        return Answer(
            text=_joined(self._text),
            refused=self._refused == {True},
            reasoning=_joined(self._reasoning),
            reasoning_details=details,
            tool_calls=calls,
            images=tuple(self._images),
            finish_reason=self.finish_reason,
            producer=self.served.producer if goes_back else None,
        )


def _joined(pieces: list[str]) -> str:
    """Pieces as one text, and kept as one: an answer in progress is looked at again and again."""
    pieces[:] = ["".join(pieces)]
    return pieces[0]


def answer_so_far(events: Iterable[Event]) -> Answer:
    """What a request's events amount to; a restart voids what came before it."""
    builder = AnswerBuilder()
    for event in events:
        if isinstance(event, Restarted | Began):
            builder = AnswerBuilder()
        elif isinstance(event, ProviderEvent):
            builder.add(event)
    return builder.answer()


def replay(answer: Answer) -> Iterator[ProviderEvent]:
    """The events that give an answer again."""
    if answer.producer is not None:
        yield Served(producer=answer.producer)
    if answer.reasoning:
        yield ReasoningDelta(answer.reasoning)
    for detail in answer.reasoning_details:
        yield ReasoningDetail(detail)
    if answer.text:
        yield TextDelta(answer.text, answer.refused)
    for index, call in enumerate(answer.tool_calls):
        yield ToolCallDelta(index, call.id, call.name, call.arguments, call.extra or None)
    for url in answer.images:
        yield ImageDelta(url)
    if answer.finish_reason is not None:
        yield Finished(answer.finish_reason)


class _CallParts:
    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []
        self.extra: Mapping[str, Any] = {}

    def add(self, event: ToolCallDelta) -> None:
        self.id = self.id or event.id
        self.name = self.name or event.name
        self.arguments.append(event.arguments)
        self.extra = event.extra or self.extra

    def call(self, index: int) -> ToolCall:
        arguments = "".join(self.arguments)
        return ToolCall(id=self.id or f"call_{index}", name=self.name or "", arguments=arguments, extra=self.extra)


IN_PIECES = ("text", "summary", "data")
"""The fields of a reasoning detail that come in pieces."""


class _DetailParts:
    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._pieces: dict[str, list[str]] = {}

    def add(self, detail: Mapping[str, Any]) -> None:
        for name, value in detail.items():
            if name in IN_PIECES and isinstance(value, str):
                self._pieces.setdefault(name, []).append(value)
            elif value is not None or name not in self._fields:
                self._fields[name] = value

    def detail(self) -> Mapping[str, Any]:
        return self._fields | {name: "".join(pieces) for name, pieces in self._pieces.items()}
