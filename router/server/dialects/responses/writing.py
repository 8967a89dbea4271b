"""Answers in the shape of OpenAI's responses, whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.core.attempts import Completion
from router.core.events import ProviderEvent, replay
from router.core.messages import Usage
from router.server.dialects.base import Asked, Refusal, Reply
from router.server.dialects.parts import Kind, Part, Parts, Step
from router.server.dialects.responses.tools import Called, as_called, custom_input, known

_CUT = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _usage(usage: Usage | None) -> dict[str, Any]:
    """Token counts; what is unknown is 0, since clients add them up."""
    usage = usage or Usage()
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": prompt + completion,
    }


def _response(asked: Asked, reply: Reply, status: str, output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": reply.model,
        **asked.echo,
        "output": output,
        "usage": None,
        **more,
    }


def _finished(asked: Asked, reply: Reply, completion: Completion, output: list[dict[str, Any]]) -> dict[str, Any]:
    usage = _usage(completion.attempts[-1].usage)
    if cut := _CUT.get(completion.answer.finish_reason or ""):
        if output and "status" in output[-1]:
            output[-1] = {**output[-1], "status": "incomplete"}
        return _response(asked, reply, "incomplete", output, usage=usage, incomplete_details={"reason": cut})
    return _response(asked, reply, "completed", output, usage=usage)


class _Items:
    """The output's items, each with its id.

    Args:
        tools: what the caller knows each function by.
    """

    def __init__(self, reply: Reply, tools: Mapping[str, Called]) -> None:
        self._reply = reply
        self._tools = tools
        self.done: list[dict[str, Any]] = []

    def called(self, part: Part) -> Called:
        """What the caller knows a call's tool by."""
        return as_called(part.name, self._tools)

    def id_of(self, part: Part) -> str:
        """The id of the item that is next."""
        prefix = {"reasoning": "rs", "text": "msg", "refusal": "msg", "call": "fc", "image": "ig"}[part.kind]
        if part.kind == "call" and self.called(part).custom:
            prefix = "ctc"
        return f"{prefix}_{self._reply.id}_{len(self.done)}"

    def item(self, part: Part, *, over: bool) -> dict[str, Any]:
        """A part as an item, empty at its beginning."""
        status = "completed" if over else "in_progress"
        head = {"id": self.id_of(part), "status": status}
        if part.kind in _SAID:
            content = [_said(part.kind, part.text)] if over else []
            return {**head, "type": "message", "role": "assistant", "content": content}
        if part.kind == "reasoning":
            summary = [{"type": "summary_text", "text": part.text}] if over and part.begun else []
            sealed = {"encrypted_content": part.carried} if part.carried else {}
            return {"id": head["id"], "type": "reasoning", "summary": summary, **sealed}
        if part.kind == "image":
            result = part.text.partition(";base64,")[2] or part.text if over else None
            return {**head, "type": "image_generation_call", "result": result}
        called = self.called(part)
        space = {"namespace": called.namespace} if called.namespace else {}
        named = {**head, "call_id": part.id, "name": called.name, **space}
        if called.custom:
            return {**named, "type": "custom_tool_call", "input": custom_input(part.text) if over else ""}
        return {**named, "type": "function_call", "arguments": (part.text or "{}") if over else ""}


_SAID = ("text", "refusal")


def _said(kind: Kind, text: str) -> dict[str, Any]:
    """A text of a message, or the refusal that it has instead."""
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def whole(asked: Asked, reply: Reply, completion: Completion) -> dict[str, Any]:
    """The body of a whole answer."""
    parts, items = Parts(reply.id), _Items(reply, known(asked.echo.get("tools")))
    steps = [step for event in replay(completion.answer) for step in parts.add(event)]
    for step in [*steps, *parts.end()]:
        if step.verb == "end":
            items.done.append(items.item(step.part, over=True))
    return _finished(asked, reply, completion, items.done)


class ResponseEvents:
    """Writes a streamed answer."""

    def __init__(self, asked: Asked, reply: Reply) -> None:
        self._asked = asked
        self._reply = reply
        self._parts = Parts(reply.id)
        self._items = _Items(reply, known(asked.echo.get("tools")))
        self._number = 0

    def add(self, event: ProviderEvent) -> bytes:
        """An event of the call that answers."""
        steps = list(self._parts.add(event))
        return self._begin() + b"".join(map(self._step, steps)) if steps else b""

    def end(self, completion: Completion, trace: Mapping[str, Any] | None) -> bytes:
        """The rest, and the whole response."""
        out = self._begin() + b"".join(map(self._step, self._parts.end()))
        response = _finished(self._asked, self._reply, completion, self._items.done)
        more = {"fallback_lab": trace} if trace is not None else {}
        return out + self._event(f"response.{response['status']}", response=response, **more)

    def fail(self, refusal: Refusal) -> bytes:
        """A failed response, which ends the stream."""
        codes = {429: "rate_limit_exceeded", 400: "invalid_prompt"}
        code = codes.get(refusal.status, "server_error")
        if refusal.code == "context_length_exceeded":
            code = refusal.code  # Codex shortens the conversation where it reads it
        error = {"code": code, "message": refusal.message}
        response = _response(self._asked, self._reply, "failed", self._items.done, error=error)
        return self._begin() + self._event("response.failed", response=response)

    def _begin(self) -> bytes:
        if self._number:
            return b""
        response = _response(self._asked, self._reply, "in_progress", [])
        begun = ("response.created", "response.in_progress")
        return b"".join(self._event(kind, response=response) for kind in begun)

    def _step(self, step: Step) -> bytes:
        part, kind = step.part, step.part.kind
        if step.verb == "begin":
            return self._start(part)
        if step.verb == "end":
            return self._end(part)
        if kind == "text":
            return self._of(part, "response.output_text.delta", content_index=0, delta=step.piece, logprobs=[])
        if kind == "refusal":
            return self._of(part, "response.refusal.delta", content_index=0, delta=step.piece)
        if kind == "reasoning":
            return self._of(part, "response.reasoning_summary_text.delta", summary_index=0, delta=step.piece)
        if kind == "call" and not self._items.called(part).custom:
            return self._of(part, "response.function_call_arguments.delta", delta=step.piece)
        return b""

    def _start(self, part: Part) -> bytes:
        item = self._items.item(part, over=False)
        out = self._event("response.output_item.added", output_index=len(self._items.done), item=item)
        if part.kind in _SAID:
            out += self._of(part, "response.content_part.added", content_index=0, part=_said(part.kind, ""))
        elif part.kind == "reasoning" and part.begun:
            summary = {"type": "summary_text", "text": ""}
            out += self._of(part, "response.reasoning_summary_part.added", summary_index=0, part=summary)
        return out

    def _end(self, part: Part) -> bytes:
        out = b"" if part.begun else self._start(part)
        item = self._items.item(part, over=True)
        if part.kind in _SAID:
            if part.kind == "text":
                out += self._of(part, "response.output_text.done", content_index=0, text=part.text, logprobs=[])
            else:
                out += self._of(part, "response.refusal.done", content_index=0, refusal=part.text)
            out += self._of(part, "response.content_part.done", content_index=0, part=_said(part.kind, part.text))
        elif part.kind == "reasoning" and part.begun:
            summary = item["summary"][0]
            out += self._of(part, "response.reasoning_summary_text.done", summary_index=0, text=part.text)
            out += self._of(part, "response.reasoning_summary_part.done", summary_index=0, part=summary)
        elif item["type"] == "custom_tool_call":
            out += self._of(part, "response.custom_tool_call_input.delta", delta=item["input"])
            out += self._of(part, "response.custom_tool_call_input.done", input=item["input"])
        elif item["type"] == "function_call":
            done = "response.function_call_arguments.done"
            out += self._of(part, done, name=item["name"], arguments=item["arguments"])
        out += self._event("response.output_item.done", output_index=len(self._items.done), item=item)
        self._items.done.append(item)
        return out

    def _of(self, part: Part, kind: str, /, **fields: Any) -> bytes:
        """An event of the item that is open."""
        return self._event(kind, item_id=self._items.id_of(part), output_index=len(self._items.done), **fields)

    def _event(self, kind: str, /, **fields: Any) -> bytes:
        data = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(data))
