"""Answers in the shape of Anthropic's messages, whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.core.attempts import Completion
from router.core.events import ProviderEvent, replay
from router.core.messages import Answer, Usage
from router.core.untrusted import NO_JSON
from router.server.dialects.base import Asked, Refusal, Reply
from router.server.dialects.parts import Part, Parts, Step

_REASONS = {"length": "max_tokens", "content_filter": "refusal", "refusal": "refusal"}


def _stop_reason(answer: Answer) -> str:
    if answer.refused and not answer.tool_calls:
        return "refusal"
    return _REASONS.get(answer.finish_reason or "", "tool_use" if answer.tool_calls else "end_turn")


def _usage(usage: Usage | None) -> dict[str, Any]:
    """Token counts; what is unknown is 0, since clients add them up."""
    usage = usage or Usage()
    read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    hour = min(usage.cache_write_1h_tokens or 0, written)
    return {
        "input_tokens": max(0, (usage.prompt_tokens or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
        "output_tokens": usage.completion_tokens or 0,
    }


def _input(arguments: str) -> dict[str, Any]:
    """A call's arguments as an object; what is none is kept as text, so that the model sees its mistake."""
    try:
        found = msgspec.json.decode(arguments or "{}")
    except NO_JSON:
        found = None
    return found if isinstance(found, dict) else {"arguments": arguments}


def _image(address: str) -> str:
    """An image as text: answers here have no images."""
    return f"![image]({address})" if address.startswith("http") else "[The model's image cannot be sent here.]"


def _name(part: Part, asked: Asked) -> str:
    """What the caller knows a called tool by."""
    names: Mapping[str, str] = asked.echo.get("names", {})
    return names.get(part.name, part.name)


def _block(part: Part, asked: Asked) -> dict[str, Any]:
    """A part that is over, as a block."""
    if part.kind == "call":
        return {"type": "tool_use", "id": part.id, "name": _name(part, asked), "input": _input(part.text)}
    if part.kind == "reasoning":
        if not part.begun:
            return {"type": "redacted_thinking", "data": part.carried}
        return {"type": "thinking", "thinking": part.text, "signature": part.carried or ""}
    text = _image(part.text) if part.kind == "image" else part.text
    return {"type": "text", "text": text}


def _is_shown(asked: Asked, part: Part) -> bool:
    """Whether a part goes out: who asks for no thoughts and sends no tools expects the text first."""
    return part.kind != "reasoning" or bool(asked.echo.get("thinking", True))


def whole(asked: Asked, reply: Reply, completion: Completion) -> dict[str, Any]:
    """The body of a whole answer."""
    parts, answer = Parts(reply.id), completion.answer
    steps = [step for event in replay(answer) for step in parts.add(event)]
    ended = [step.part for step in [*steps, *parts.end()] if step.verb == "end"]
    return {
        **_head(reply),
        "content": [_block(part, asked) for part in ended if _is_shown(asked, part)],
        "stop_reason": _stop_reason(answer),
        "stop_sequence": None,
        "usage": _usage(completion.attempts[-1].usage),
    }


def _head(reply: Reply) -> dict[str, Any]:
    return {"id": f"msg_{reply.id}", "type": "message", "role": "assistant", "model": reply.model}


class MessageEvents:
    """Writes a streamed answer."""

    def __init__(self, asked: Asked, reply: Reply) -> None:
        self._asked = asked
        self._reply = reply
        self._parts = Parts(reply.id)
        self._begun = False
        self._index = 0

    def add(self, event: ProviderEvent) -> bytes:
        """An event of the call that answers."""
        steps = list(self._parts.add(event))
        return self._begin() + b"".join(map(self._step, steps)) if steps else b""

    def end(self, completion: Completion, trace: Mapping[str, Any] | None) -> bytes:
        """The rest, the reason and the usage."""
        out = self._begin() + b"".join(map(self._step, self._parts.end()))
        reason = _stop_reason(completion.answer)
        usage = _usage(completion.attempts[-1].usage)
        out += _event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)
        return out + _event("message_stop", **({"fallback_lab": trace} if trace is not None else {}))

    def fail(self, refusal: Refusal) -> bytes:
        """An error's event, which ends the stream."""
        return b"event: error\ndata: %s\n\n" % msgspec.json.encode(error(refusal, self._reply.id))

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        usage = {**_usage(self._parts.usage), "output_tokens": 0}
        message = {**_head(self._reply), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        return _event("message_start", message=message)

    def _step(self, step: Step) -> bytes:
        part = step.part
        if not _is_shown(self._asked, part):
            # Something has to be sent while a model thinks: clients and proxies give up on silence.
            return _event("ping") if step.verb == "piece" else b""
        if step.verb == "begin":
            return b"" if part.kind == "image" else self._start(_empty(part, self._asked))
        if step.verb == "piece":
            return b"" if part.kind == "image" else self._delta(_DELTAS[part.kind], step.piece)
        return self._end(part)

    def _start(self, block: Mapping[str, Any]) -> bytes:
        return _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, names: tuple[str, str], piece: str) -> bytes:
        return _event("content_block_delta", index=self._index, delta={"type": names[0], names[1]: piece})

    def _end(self, part: Part) -> bytes:
        out = b""
        if part.kind == "image":
            out = self._start({"type": "text", "text": ""}) + self._delta(_DELTAS["text"], _image(part.text))
        elif not part.begun:
            out = self._start(_block(part, self._asked))
        elif part.carried:
            out = self._delta(("signature_delta", "signature"), part.carried)
        out += _event("content_block_stop", index=self._index)
        self._index += 1
        return out


_DELTAS = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "call": ("input_json_delta", "partial_json"),
}


def _empty(part: Part, asked: Asked) -> dict[str, Any]:
    """A part that begins, as a block."""
    if part.kind == "call":
        return {"type": "tool_use", "id": part.id, "name": _name(part, asked), "input": {}}
    if part.kind == "reasoning":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """The body of a refusal."""
    kind = _TYPES.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    message = refusal.message
    if refusal.code == "context_length_exceeded":
        # Claude Code shortens the conversation where it reads these words.
        message = f"prompt is too long: {message}"
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
