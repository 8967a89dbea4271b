"""Messages and answers: plain frozen data, in the shape of OpenAI chat completions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from router.core.fields import Unstored

Message: TypeAlias = Mapping[str, Any]


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the data that is stored: JSON both ways, defaults left out."""


def digest(*parts: bytes | str) -> str:
    """SHA-256 over length-prefixed parts, in hexadecimal: no two lists of parts share one."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(b"%d:" % len(data))
        sha.update(data)
    return sha.hexdigest()


class Usage(Frozen, frozen=True, kw_only=True):
    """Tokens and money of one call, as the provider reports them; None is unknown, never 0.

    Attributes:
        prompt_tokens: all input tokens, cached ones included.
        completion_tokens: all output tokens, reasoning ones included.
        cached_tokens: the part of prompt_tokens read from the provider's prompt cache.
        cache_write_tokens: the part of prompt_tokens written to it.
        cache_write_1h_tokens: the part of cache_write_tokens that it keeps for an hour, at a higher price.
        reasoning_tokens: the part of completion_tokens spent on reasoning.
        cost: US dollars; stored as the attempt's.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: Unstored[int | None] = None
    reasoning_tokens: int | None = None
    cost: Unstored[float | None] = None


class ToolCall(Frozen, frozen=True, kw_only=True):
    """A call that the model asks for.

    Attributes:
        arguments: the JSON text it wrote.
        extra: what its producer wants back with it (`extra_content`), such as Gemini's signature of a thought.
    """

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] = {}

    def shape(self) -> Mapping[str, Any]:
        """The call as a message holds it."""
        function = {"name": self.name, "arguments": self.arguments or "{}"}
        extra = {"extra_content": self.extra} if self.extra else {}
        return {"id": self.id, "type": "function", "function": function, **extra}


class Answer(Frozen, frozen=True, kw_only=True):
    """A model's answer, complete or partial.

    Attributes:
        refused: the text is the model's refusal to answer, and nothing else.
        reasoning_details: reasoning as the provider wants it back in the next turn, signatures and all.
        images: data URLs or addresses.
        producer: who made it, where something of it goes back to them alone; see router/providers/producers.py.
    """

    text: str = ""
    refused: bool = False
    reasoning: str = ""
    reasoning_details: tuple[Mapping[str, Any], ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    images: tuple[str, ...] = ()
    finish_reason: str | None = None
    producer: str | None = None

    def message(self) -> Message:
        """The assistant's message of the next request."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.reasoning_details:
            message["reasoning_details"] = self.reasoning_details
        if self.tool_calls:
            message["tool_calls"] = [call.shape() for call in self.tool_calls]
        if self.producer is not None:
            message["producer"] = self.producer
        return message
