"""Answers in the shape of chat completions, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from router.core.attempts import Completion
from router.core.events import (
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import Answer, Usage
from router.server.dialects.base import Asked, Refusal, Reply
from router.server.dialects.parts import call_id

DONE = b"data: [DONE]\n\n"

_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})


def _reason(reason: str | None, *, calls: bool) -> str:
    """A finish reason that clients know: their loops go on at `tool_calls` alone, and some servers say `stop` there."""
    if reason in _REASONS and not (calls and reason == "stop"):
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


def _message(answer: Answer, request_id: str) -> dict[str, Any]:
    message: dict[str, Any] = {**answer.message(), "refusal": None}
    if answer.refused:
        message |= {"content": None, "refusal": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [
            {**call.shape(), "id": call_id(call.id, index, request_id)} for index, call in enumerate(answer.tool_calls)
        ]
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
        "choices": [{"index": 0, "message": _message(answer, reply.id), "logprobs": None, "finish_reason": reason}],
        "usage": _usage(attempt.usage, completion.cost),
    }


class Chunks:
    """Writes a streamed answer: chunks, `[DONE]` at the end of a whole one."""

    def __init__(self, asked: Asked, reply: Reply) -> None:
        self._usage = asked.usage
        self._id = reply.id
        head = {"id": f"chatcmpl-{reply.id}", "object": "chat.completion.chunk", "created": reply.created}
        self._head = {**head, "model": reply.model}
        # A text's chunk is this, the text and an end: most chunks are nothing else.
        opening = msgspec.json.encode({**self._head, "choices": []})[: -len("]}")]
        self._text = b'data: %s{"index":0,"delta":{"content":' % opening
        self._begun = False
        self._calls: dict[int, list[ToolCallDelta]] = {}
        self._named: set[int] = set()
        self._empty: set[int] = set()  # calls without arguments so far

    def add(self, event: ProviderEvent) -> bytes:
        """An event of the call that answers."""
        if isinstance(event, TextDelta):
            if event.refused:
                return self._begin(None) + self._chunk({"refusal": event.text}, None)
            # `finish_reason` is in every chunk, and null in all but one.
            text = msgspec.json.encode(event.text)
            return self._begin() + self._text + text + b'},"finish_reason":null}]}\n\n'
        if isinstance(event, ReasoningDelta):
            return self._delta({"reasoning_content": event.text})
        if isinstance(event, ReasoningDetail):
            return self._delta({"reasoning_details": [event.detail]})
        if isinstance(event, ToolCallDelta):
            return self._call(event)
        if isinstance(event, ImageDelta):
            return self._delta({"images": _images([event.url])})
        return b""  # the end tells the rest

    def end(self, completion: Completion, trace: Mapping[str, Any] | None) -> bytes:
        """The chunk with the reason, the usage where it was asked for, and `[DONE]`."""
        answer = completion.answer
        reason = _reason(answer.finish_reason, calls=bool(answer.tool_calls))
        delta = {"producer": answer.producer} if answer.producer is not None else {}
        extra = {"fallback_lab": trace} if trace is not None else {}
        last = self._begin() + b"".join(map(self._no_arguments, sorted(self._empty)))
        last += self._chunk(delta, reason, **({} if self._usage else extra))
        if self._usage:
            usage = _usage(completion.attempts[-1].usage, completion.cost)
            last += _event({**self._head, "choices": [], "usage": usage, **extra})
        return last + DONE

    def fail(self, refusal: Refusal) -> bytes:
        """An error's event, and no `[DONE]`."""
        return _event(error(refusal, self._id))

    def _begin(self, content: str | None = "") -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunk({"role": "assistant", "content": content}, None)

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return self._begin() + self._chunk(delta, None)

    def _chunk(self, delta: Mapping[str, Any], reason: str | None, **extra: Any) -> bytes:
        return _event({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **extra})

    def _call(self, event: ToolCallDelta) -> bytes:
        """A call's piece; clients want id and name in the first one, so it waits until its name is there."""
        if event.arguments:
            self._empty.discard(event.index)
        if event.index in self._named:
            function: dict[str, Any] = {"arguments": event.arguments}
            more = {"extra_content": event.extra} if event.extra else {}
            return self._delta({"tool_calls": [{"index": event.index, "function": function, **more}]})
        held = self._calls.setdefault(event.index, [])
        held.append(event)
        if not (name := next((piece.name for piece in held if piece.name), None)):
            return b""
        self._named.add(event.index)
        arguments = "".join(piece.arguments for piece in held)
        if not arguments:
            self._empty.add(event.index)
        first = {
            "index": event.index,
            "id": call_id(next((piece.id for piece in held if piece.id), None), event.index, self._id),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        if extra := next((piece.extra for piece in held if piece.extra), None):
            first["extra_content"] = extra
        return self._delta({"tool_calls": [first]})

    def _no_arguments(self, index: int) -> bytes:
        """The arguments of a call that is over and has none: clients read them as JSON, which an empty text is not."""
        return self._delta({"tool_calls": [{"index": index, "function": {"arguments": "{}"}}]})


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: %s\n\n" % msgspec.json.encode(data)


_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """The body of a refusal; OpenAI's have no id."""
    del request_id
    kind = "server_error" if refusal.status >= 500 else _TYPES.get(refusal.status, "invalid_request_error")
    found = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return {"error": found}
