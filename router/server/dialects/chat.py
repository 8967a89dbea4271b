"""OpenAI's chat completions, which nearly every client speaks: `POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from router.core.attempts import Completion
from router.core.events import (
    Finished,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import Answer, Usage
from router.core.requests import Request
from router.server.dialects.base import Asked, Refusal, Reply

DONE = b"data: [DONE]\n\n"

MAX_MESSAGES = 10_000


# --- What a body may hold, as far as it is looked at -----------------------------------------------


class _Address(msgspec.Struct):
    url: str


class _File(msgspec.Struct):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Address | str | None = None
    file: _File | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str = "{}"


class _Call(msgspec.Struct):
    id: str
    function: _CalledFunction
    type: Literal["function"] = "function"
    extra_content: dict[str, Any] | None = None


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    producer: str | None = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    function: _Function
    type: Literal["function"] = "function"


class _Named(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct):
    function: _Named
    type: Literal["function"] = "function"


class _Schema(msgspec.Struct):
    name: str
    schema: dict[str, Any] | None = None


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | _Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    reasoning: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    session_id: str | None = None
    user: str | None = None
    modalities: list[str] | None = None


_OURS = frozenset({
    *("model", "messages", "stream", "stream_options", "n", "tools", "tool_choice", "response_format", "temperature"),
    *("max_tokens", "max_completion_tokens", "metadata", "session_id", "modalities"),
})  # fmt: skip
"""Fields that are read here; all others go to the provider as they are."""

_REFUSED = {
    "functions": "`functions` was replaced by `tools`; send `tools`.",
    "function_call": "`function_call` was replaced by `tool_choice`; send `tool_choice`.",
    "audio": "Audio answers are not supported; leave `audio` out.",
}

_NOT_RETURNED = ("logprobs", "top_logprobs")


def read(body: Mapping[str, Any]) -> Asked:
    """What a body asks; raises `Refusal`."""
    for name, sentence in _REFUSED.items():
        if body.get(name) is not None:
            raise Refusal(sentence, param=name)
    found = checked(body, _Body)
    if found.n not in (None, 1):
        raise Refusal("`n` must be 1: one request gets one answer. Send it several times instead.", param="n")
    if set(found.modalities or ()) - {"text", "image"}:
        raise Refusal("`modalities` may hold text and image alone.", param="modalities")
    if not found.messages:
        raise Refusal("`messages` is empty. Send at least one message.", param="messages")
    if len(found.messages) > MAX_MESSAGES:
        raise Refusal(f"`messages` holds more than {MAX_MESSAGES:,} messages.", param="messages")
    for index, message in enumerate(found.messages):
        _check(message, f"messages[{index}]")
    for name in ("max_tokens", "max_completion_tokens"):
        if (most := getattr(found, name)) is not None and most < 1:
            raise Refusal(f"`{name}` must be at least 1.", param=name)
    unseen = [name for name in _NOT_RETURNED if body.get(name) not in (None, False)]
    modalities = {"modalities": found.modalities} if "image" in (found.modalities or ()) else {}
    params = {name: value for name, value in body.items() if name not in _OURS and name not in unseen}
    return Asked(
        target=found.model,
        request=Request(
            messages=tuple(body["messages"]),
            tools=tuple(body.get("tools") or ()),
            tool_choice=body.get("tool_choice"),
            response_format=body.get("response_format"),
            temperature=found.temperature,
            max_tokens=found.max_completion_tokens or found.max_tokens,
            params={name: value for name, value in params.items() if value is not None} | modalities,
        ),
        stream=bool(found.stream),
        usage=found.stream_options is not None and bool(found.stream_options.include_usage),
        session=found.session_id or found.prompt_cache_key,
        tags=found.metadata or {},
        notes=[f"`{name}` is left out: answers hold no probabilities of tokens." for name in unseen],
    )


def checked(body: Mapping[str, Any], kind: type[msgspec.Struct]) -> Any:
    """A body as a structure of the fields that matter; raises `Refusal` where one is missing or of another type."""
    try:
        return msgspec.convert(body, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        what, _, at = str(error).partition(" - at `$")
        where = at.rstrip("`").lstrip(".").replace("[...]", "[]") or "the body"
        raise Refusal(f"{what.rstrip('.')} (in `{where}`).", param=where) from None


def _check(message: _Message, at: str) -> None:
    if message.role == "tool" and not message.tool_call_id:
        raise Refusal(f"`{at}` is a tool's result and needs `tool_call_id`.", param=f"{at}.tool_call_id")
    if message.role in ("system", "developer", "user") and message.content is None:
        raise Refusal(f"`{at}` has no content.", param=f"{at}.content")
    for index, part in enumerate(message.content if isinstance(message.content, list) else ()):
        if part.type == "text" and part.text is None:
            raise Refusal(f"`{at}.content[{index}]` is a text and needs `text`.", param=f"{at}.content[{index}].text")
        if part.type == "image_url" and not isinstance(part.image_url, _Address):
            raise Refusal(
                f'`{at}.content[{index}]` is an image and needs `image_url: {{"url": …}}`.',
                param=f"{at}.content[{index}].image_url",
            )
        if part.type == "file" and part.file is None:
            raise Refusal(f"`{at}.content[{index}]` is a file and needs `file`.", param=f"{at}.content[{index}].file")


# --- Answers ---------------------------------------------------------------------------------------

_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})


def _reason(reason: str | None, *, calls: bool) -> str:
    """A finish reason that clients know."""
    if reason in _REASONS:
        return reason
    return "tool_calls" if calls else "stop"


def _usage(usage: Usage | None, cost: float | None) -> dict[str, Any] | None:
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        **({"cost": cost} if cost is not None else {}),
    }


def _images(urls: Iterable[str]) -> list[dict[str, Any]]:
    return [{"type": "image_url", "image_url": {"url": url}} for url in urls]


def _message(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {**answer.message(), "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.images:
        message["images"] = _images(answer.images)
    return message


def whole(asked: Asked, reply: Reply, completion: Completion) -> dict[str, Any]:
    """The body of a whole answer."""
    del asked
    answer, attempt = completion.answer, completion.attempts[-1]
    reason = _reason(answer.finish_reason, calls=bool(answer.tool_calls))
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": [{"index": 0, "message": _message(answer), "logprobs": None, "finish_reason": reason}],
        "usage": _usage(attempt.usage, completion.cost),
    }


class Chunks:
    """Writes a streamed answer: chunks, `[DONE]` at the end of a whole one."""

    def __init__(self, asked: Asked, reply: Reply) -> None:
        self._usage = asked.usage
        head = {"id": f"chatcmpl-{reply.id}", "object": "chat.completion.chunk", "created": reply.created}
        self._head = {**head, "model": reply.model}
        # A text's chunk is this, the text and an end: most chunks are nothing else.
        opening = msgspec.json.encode({**self._head, "choices": []})[: -len("]}")]
        self._text = b'data: %s{"index":0,"delta":{"content":' % opening
        self._begun = False
        self._calls: dict[int, list[ToolCallDelta]] = {}
        self._named: set[int] = set()
        self._reason: str | None = None
        self._producer: str | None = None

    def add(self, event: ProviderEvent) -> bytes:
        """An event of the call that answers."""
        kind = type(event)
        if kind is TextDelta:
            # `finish_reason` is in every chunk, and null in all but one.
            text = msgspec.json.encode(event.text)  # type: ignore[union-attr]
            return self._begin() + self._text + text + b'},"finish_reason":null}]}\n\n'
        if isinstance(event, ReasoningDelta):
            return self._delta({"reasoning_content": event.text})
        if isinstance(event, ReasoningDetail):
            return self._delta({"reasoning_details": [event.detail]})
        if isinstance(event, ToolCallDelta):
            return self._call(event)
        if isinstance(event, ImageDelta):
            return self._delta({"images": _images([event.url])})
        if isinstance(event, Finished):
            self._reason = event.reason
        elif isinstance(event, Served):
            self._producer = event.producer or self._producer
        return b""

    def end(self, completion: Completion, trace: Mapping[str, Any] | None) -> bytes:
        """The chunk with the reason, the usage where it was asked for, and `[DONE]`."""
        answer = completion.answer
        reason = _reason(answer.finish_reason or self._reason, calls=bool(answer.tool_calls))
        delta = {"producer": answer.producer} if answer.producer is not None else {}
        extra = {"fallback_lab": trace} if trace is not None else {}
        last = self._begin() + self._chunk(delta, reason, **({} if self._usage else extra))
        if self._usage:
            usage = _usage(completion.attempts[-1].usage, completion.cost)
            last += _event({**self._head, "choices": [], "usage": usage, **extra})
        return last + DONE

    def fail(self, refusal: Refusal) -> bytes:
        """An error's event, and no `[DONE]`."""
        return _event(error(refusal))

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunk({"role": "assistant", "content": ""}, None)

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return self._begin() + self._chunk(delta, None)

    def _chunk(self, delta: Mapping[str, Any], reason: str | None, **extra: Any) -> bytes:
        return _event({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **extra})

    def _call(self, event: ToolCallDelta) -> bytes:
        """A call's piece; clients want id and name in the first one, so it waits until its name is there."""
        if event.index in self._named:
            function: dict[str, Any] = {"arguments": event.arguments}
            more = {"extra_content": event.extra} if event.extra else {}
            return self._delta({"tool_calls": [{"index": event.index, "function": function, **more}]})
        held = self._calls.setdefault(event.index, [])
        held.append(event)
        if not (name := next((piece.name for piece in held if piece.name), None)):
            return b""
        self._named.add(event.index)
        first = {
            "index": event.index,
            "id": next((piece.id for piece in held if piece.id), f"call_{event.index}"),
            "type": "function",
            "function": {"name": name, "arguments": "".join(piece.arguments for piece in held)},
        }
        if extra := next((piece.extra for piece in held if piece.extra), None):
            first["extra_content"] = extra
        return self._delta({"tool_calls": [first]})


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: %s\n\n" % msgspec.json.encode(data)


_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error(refusal: Refusal) -> dict[str, Any]:
    """The body of a refusal."""
    kind = "server_error" if refusal.status >= 500 else _TYPES.get(refusal.status, "invalid_request_error")
    found = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return {"error": found}


class ChatCompletions:
    """The dialect; see `Dialect`."""

    read = staticmethod(read)
    whole = staticmethod(whole)
    writer = Chunks
    error = staticmethod(error)
