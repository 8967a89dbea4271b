"""Conversations as plain data: settings, turns, and the files of their prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from router.core.attempts import Attempt, State
from router.core.messages import Answer, Frozen, Message
from router.core.requests import Request
from router.core.schemas import is_strict
from router.core.tools import Tool


class Attachment(Frozen, frozen=True, kw_only=True):
    """A file of a prompt.

    Attributes:
        id: SHA-256 of its bytes, under which they are kept.
        size: in bytes.
    """

    id: str
    name: str
    media_type: str
    size: int


UNTITLED = "Untitled"


TITLE_LENGTH = 60
"""Characters of the first prompt that make a conversation's title."""


SAMPLING = ("top_p", "stop", "seed", "reasoning_effort")
"""The fields among a conversation's `params` that have a control of their own."""


class Settings(Frozen, frozen=True, kw_only=True):
    """The settings of a conversation's prompts.

    Attributes:
        category: the chain that answers; None if `model` does.
        model: a single model's reference.
        tools: functions that the model may call.
        schema: JSON schema for the answer.
        params: other fields of the body, such as top_p or reasoning_effort.
    """

    category: str | None = None
    model: str | None = None
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    schema: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = {}

    def without(self, parameter: str) -> Settings:
        """The same settings less a parameter: one of `SAMPLING`, "params" for all other such fields, or a field."""
        if parameter not in {*SAMPLING, "params"}:
            return msgspec.structs.replace(self, **{parameter: getattr(Settings(), parameter)})
        gone = {parameter} if parameter in SAMPLING else self.params.keys() - set(SAMPLING)
        return msgspec.structs.replace(
            self, params={name: value for name, value in self.params.items() if name not in gone}
        )

    def request(self, messages: Sequence[Message]) -> Request:
        """What is asked with these settings; the system prompt is one of the messages."""
        named = {"name": "answer", "schema": self.schema, "strict": is_strict(self.schema)}
        shaped = {"type": "json_schema", "json_schema": named}
        return Request(
            messages=tuple(messages),
            tools=tuple(tool.shape() for tool in self.tools),
            response_format=shaped if self.schema is not None else None,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            params=self.params,
        )


class ToolResult(Frozen, frozen=True, kw_only=True):
    """The result of a tool call; `call` is the call's id."""

    call: str
    content: str


class Turn(Frozen, frozen=True, kw_only=True):
    """A prompt and its answer.

    Attributes:
        id: that of its request, too.
        parent: the turn before it; two turns with one parent are branches.
        prompt: empty if the turn continues with `results`.
        results: the results of the previous turn's tool calls.
        state: running, answered, failed, or cut if it was stopped or lost.
        error: why there is no answer, one sentence.
        liked: what somebody thinks of the answer; None where nobody has said so.
    """

    id: str
    conversation: str
    parent: str | None
    created: float
    prompt: str
    settings: Settings
    attachments: tuple[Attachment, ...] = ()
    results: tuple[ToolResult, ...] = ()
    state: State = "running"
    answer: Answer = Answer()
    attempts: tuple[Attempt, ...] = ()
    error: str | None = None
    liked: bool | None = None


class Entry(Frozen, frozen=True, kw_only=True):
    """A conversation in the list of them; `updated` is Unix time."""

    id: str
    title: str
    updated: float
    pinned: bool = False

    @property
    def order(self) -> tuple[bool, float]:
        """Sorts a list: the pinned ones, then the others, each the one used last first."""
        return not self.pinned, -self.updated


def by_day(entries: Iterable[Entry], now: datetime) -> dict[str, list[Entry]]:
    """Conversations under the headings of a list, in their order.

    Args:
        now: with the time zone whose days count.
    """
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault("Pinned" if entry.pinned else _day(entry, now), []).append(entry)
    return found


def _day(entry: Entry, now: datetime) -> str:
    day = datetime.fromtimestamp(entry.updated, now.tzinfo).date()
    age = (now.date() - day).days
    if age <= 1:
        return "Yesterday" if age == 1 else "Today"
    if age <= 7:  # as the heading says
        return "Previous 7 days"
    return f"{day:%B}" if day.year == now.year else f"{day:%B %Y}"


def title_of(prompt: str) -> str:
    """A title for a conversation, from its first prompt."""
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_LENGTH else f"{line[:TITLE_LENGTH].rsplit(' ', 1)[0]} …"
