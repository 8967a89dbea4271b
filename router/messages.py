"""What is asked and what is answered: plain frozen data, in the shape of OpenAI chat completions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from router.errors import InvalidRequest

Message: TypeAlias = Mapping[str, Any]
Outcome = Literal["answered", "failed", "skipped", "cancelled"]
CostSource = Literal["provider", "computed"]
Source = Literal["chat", "compare", "eval", "cli", "check"]

MAX_REQUEST_BYTES = 4_000_000
"""Largest request that is sent, in bytes of JSON less its files; every known provider refuses more text than this."""

MAX_FILES_BYTES = 24_000_000
"""Largest sum of a request's files, as data URLs; Anthropic takes 32 MB in all."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the data that is stored: JSON both ways, defaults left out."""


class Request(Frozen, frozen=True, kw_only=True):
    """What a user asks, with no model in it.

    Attributes:
        messages: chat completions messages, oldest first.
        tools: chat completions tools.
        tool_choice: "auto", "none", "required" or one named tool.
        response_format: chat completions response format.
        temperature: sampling temperature.
        max_tokens: upper limit of the answer, in tokens.
        params: any other field of the body (top_p, seed, stop, …), passed through.
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    response_format: Mapping[str, Any] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] = {}

    def body(self) -> dict[str, Any]:
        """The fields that go on the wire, less model and stream; unset ones are left out."""
        body: dict[str, Any] = {**self.params, "messages": self.messages}
        if self.tools:
            body["tools"] = self.tools
            if self.tool_choice is not None:
                body["tool_choice"] = self.tool_choice
        for name in ("response_format", "temperature", "max_tokens"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        return body

    def with_defaults(self, params: Mapping[str, Any]) -> Request:
        """The same request with a chain's parameters filled in where it does not set its own."""
        if not params:
            return self
        fresh = {k: v for k, v in params.items() if k not in self.params}
        named = {k: v for k, v in fresh.items() if k in _NAMED and getattr(self, k) in (None, ())}
        other = {k: v for k, v in fresh.items() if k not in _NAMED}
        return msgspec.structs.replace(self, **named, params={**other, **self.params})

    def canonical(self) -> bytes:
        """The body as canonical JSON: sorted keys, no white space.

        Raises:
            InvalidRequest: no message, no text, NUL or half a surrogate pair in it, too large, not JSON.
        """
        if not self.messages or not any(_has_content(message) for message in self.messages):
            raise InvalidRequest("The prompt is empty. Type something to send.")
        try:
            data = msgspec.json.encode(self.body(), order="sorted")
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                "The prompt holds half a surrogate pair, which no text encoding can carry"
                f" (U+{ord(error.object[error.start]):04X}). Remove that character and send it again."
            ) from None
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"The request cannot be written as JSON: {error}.") from None
        files = sum(map(_file_bytes, self.messages))
        if files > MAX_FILES_BYTES:
            raise InvalidRequest(
                f"The files of this conversation are {files / 1e6:.0f} MB together; the limit is"
                f" {MAX_FILES_BYTES / 1e6:.0f} MB. Attach fewer, or start a new conversation."
            )
        if (size := len(data) - files) > MAX_REQUEST_BYTES:
            raise InvalidRequest(
                f"The request is {size / 1e6:.1f} MB; the limit is {MAX_REQUEST_BYTES / 1e6:.0f} MB."
                " Shorten the prompt or start a new conversation."
            )
        if b"\\u0000" in data and _holds_nul(self.body()):
            raise InvalidRequest("The prompt holds NUL characters, which models cannot read. Remove them.")
        return data


SET_BY_CALL = frozenset({"messages", "model", "stream"})
"""Fields of a body that no parameter can set."""

_NAMED = ("tools", "tool_choice", "response_format", "temperature", "max_tokens")


def _has_content(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, str):
        return bool(content.strip()) and message.get("role") != "system"
    return bool(content) or bool(message.get("tool_calls"))


def _file_bytes(message: Message) -> int:
    content = message.get("content")
    if not isinstance(content, list | tuple):
        return 0
    parts = [part for part in content if isinstance(part, Mapping)]
    inner = [
        value for part in parts for value in (part.get("image_url"), part.get("file")) if isinstance(value, Mapping)
    ]
    urls = [url for value in inner for url in (value.get("url"), value.get("file_data")) if isinstance(url, str)]
    return sum(len(url) for url in urls if url.startswith("data:"))


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple) and any(_holds_nul(item) for item in value)


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
        reasoning_tokens: the part of completion_tokens spent on reasoning.
        cost: US dollars.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None


class ToolCall(Frozen, frozen=True, kw_only=True):
    """A call that the model asks for; `arguments` is the JSON text it wrote."""

    id: str
    name: str
    arguments: str

    def shape(self) -> Mapping[str, Any]:
        """The call as a message holds it."""
        function = {"name": self.name, "arguments": self.arguments or "{}"}
        return {"id": self.id, "type": "function", "function": function}


class Attempt(Frozen, frozen=True, kw_only=True):
    """One call of one model for one request, or the reason that none was made.

    Attributes:
        model: the model reference that was asked for.
        provider: its provider's name in models.yaml.
        place: position in the chain, 0 for the primary.
        number: 1 for the first try of this model, 2 for its first retry, 0 for a skip.
        outcome: answered, failed, skipped or cancelled.
        reason: the error's kind, or why it was skipped.
        detail: one sentence for people; never stored.
        started: Unix time, seconds.
        offset: seconds from the start of the request.
        wait: seconds of back-off before it.
        queued: seconds it waited for a place at its provider; not latency.
        latency: seconds from sending to the end.
        ttft: seconds from sending to the first token.
        status: HTTP status.
        served_model, served_by, generation_id: what the provider says answered.
        usage: tokens, as reported.
        cost: US dollars; None is unknown.
        cost_source: who says so.
        cached: answered from the response cache; latency and cost are then those of the original.
        shared: another identical request in flight made this call.
        injected: the fault was asked for.
    """

    model: str
    provider: str
    place: int
    number: int
    outcome: Outcome
    started: float
    offset: float
    reason: str | None = None
    detail: str | None = None
    wait: float = 0.0
    queued: float = 0.0
    latency: float | None = None
    ttft: float | None = None
    status: int | None = None
    served_model: str | None = None
    served_by: str | None = None
    generation_id: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    cost_source: CostSource | None = None
    cached: bool = False
    shared: bool = False
    injected: bool = False


class Answer(Frozen, frozen=True, kw_only=True):
    """What a model said, whole or cut.

    Attributes:
        reasoning_details: reasoning as the provider wants it back in the next turn, signatures and all.
    """

    text: str = ""
    reasoning: str = ""
    reasoning_details: tuple[Mapping[str, Any], ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None

    def message(self) -> Message:
        """The assistant's message of the next request."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.reasoning_details:
            message["reasoning_details"] = self.reasoning_details
        if self.tool_calls:
            message["tool_calls"] = [call.shape() for call in self.tool_calls]
        return message


class Completion(Frozen, frozen=True, kw_only=True):
    """The answer, the attempt that gave it, and all attempts before it.

    Attributes:
        request_id: shared with the stored observations.
        category: the chain's name; None for a single model.
        attempts: all attempts in order; the last one gave the answer, unless it is cut.
        cut: the answer is a partial one.
        model: the reference that answered, or was answering when it was cut.
    """

    request_id: str
    category: str | None
    answer: Answer
    attempts: tuple[Attempt, ...]
    cut: bool = False

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that gave the answer."""
        last = self.attempts[-1] if self.attempts else None
        return last if last is not None and last.outcome == "answered" else None

    @property
    def cost(self) -> float | None:
        """US dollars of all attempts, failed ones included; None where any part is unknown."""
        calls = [a for a in self.attempts if a.number and not (a.cached or a.shared)]
        costs = [a.cost for a in calls if a.cost is not None]
        return sum(costs) if len(costs) == len(calls) else None
