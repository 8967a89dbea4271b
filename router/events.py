"""What happens while a request is answered: a provider's events, the chain's own, and the answer they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from router.messages import Answer, Attempt, ToolCall, Usage

# --- What a provider yields while it answers -----------------------------------------------------


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's reasoning."""

    text: str


class ReasoningDetail(msgspec.Struct, frozen=True, gc=False):
    """A piece of the reasoning as the provider wants it back: pieces of one `type` and `index` belong together."""

    detail: Mapping[str, Any]


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of a tool call: id and name come once, arguments in fragments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Served(msgspec.Struct, frozen=True, gc=False):
    """Who answers: the model as the provider names it, the upstream provider, the generation's id."""

    model: str | None = None
    provider: str | None = None
    id: str | None = None


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The provider's finish reason: stop, length, tool_calls, or one unknown to us."""

    reason: str


Token: TypeAlias = TextDelta | ReasoningDelta | ReasoningDetail | ToolCallDelta
ProviderEvent: TypeAlias = Token | Served | Finished | Usage


# --- What the chain adds ---------------------------------------------------------------------------


class Queued(msgspec.Struct, frozen=True, gc=False):
    """The call waits for a place at its provider."""

    model: str


class Began(msgspec.Struct, frozen=True, gc=False):
    """A call goes on the wire."""

    model: str
    number: int


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """The same model is tried again after `seconds`."""

    model: str
    seconds: float


class Restarted(msgspec.Struct, frozen=True, gc=False):
    """The answer so far is void: drop it; the next model starts afresh."""


class Ended(msgspec.Struct, frozen=True):
    """An attempt is over."""

    attempt: Attempt


Event: TypeAlias = ProviderEvent | Queued | Began | Waiting | Restarted | Ended


# --- The answer they add up to ---------------------------------------------------------------------


class AnswerBuilder:
    """Puts an answer together from the events of one call."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._details: dict[tuple[str, str] | int, _DetailParts] = {}
        self._calls: dict[int, _CallParts] = {}
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.served: Served = Served()

    def add(self, event: ProviderEvent) -> bool:
        """Take an event in; True where it carries a token."""
        if isinstance(event, TextDelta):
            self._text.append(event.text)
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
        if isinstance(event, Finished):
            self.finish_reason = event.reason
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Served):
            before = self.served
            self.served = Served(event.model or before.model, event.provider or before.provider, event.id or before.id)
        return False

    def _detail_key(self, detail: Mapping[str, Any]) -> tuple[str, str] | int:
        index = detail.get("index")
        if index is None and "data" in detail:
            return len(self._details)  # encrypted reasoning comes in one piece
        return str(detail.get("type")), str(index)

    def answer(self) -> Answer:
        """What has arrived so far."""
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            reasoning_details=tuple(parts.detail() for parts in self._details.values()),
            tool_calls=tuple(parts.call(index) for index, parts in sorted(self._calls.items())),
            finish_reason=self.finish_reason,
        )


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
    if answer.reasoning:
        yield ReasoningDelta(answer.reasoning)
    for detail in answer.reasoning_details:
        yield ReasoningDetail(detail)
    if answer.text:
        yield TextDelta(answer.text)
    for index, call in enumerate(answer.tool_calls):
        yield ToolCallDelta(index, call.id, call.name, call.arguments)
    if answer.finish_reason is not None:
        yield Finished(answer.finish_reason)


class _CallParts:
    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []

    def add(self, event: ToolCallDelta) -> None:
        self.id = self.id or event.id
        self.name = self.name or event.name
        self.arguments.append(event.arguments)

    def call(self, index: int) -> ToolCall:
        return ToolCall(id=self.id or f"call_{index}", name=self.name or "", arguments="".join(self.arguments))


_IN_PIECES = ("text", "summary", "data")


class _DetailParts:
    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._pieces: dict[str, list[str]] = {}

    def add(self, detail: Mapping[str, Any]) -> None:
        for name, value in detail.items():
            if name in _IN_PIECES and isinstance(value, str):
                self._pieces.setdefault(name, []).append(value)
            elif value is not None or name not in self._fields:
                self._fields[name] = value

    def detail(self) -> Mapping[str, Any]:
        return self._fields | {name: "".join(pieces) for name, pieces in self._pieces.items()}
