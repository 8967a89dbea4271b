"""A request in the shape of chat completions, as the body of Anthropic messages."""

from __future__ import annotations

import contextlib
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from router.messages import Message, Request, digest
from router.providers.untrusted import NO_JSON, count, mapping, mappings, text

MAX_TOKENS = 4096
"""Answer limit where the request has none: the API wants one, and every model takes this."""

# Effort in words, as thinking tokens; the API wants a number.
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576}

_SAME = ("temperature", "top_p", "top_k", "thinking", "output_config", "metadata", "service_tier")
"""Fields that mean the same in both protocols, or are this one's own."""

_CALL_ID = re.compile(r"[\w-]+", re.ASCII)

_DATA_URL = re.compile(r"data:(?P<type>[\w.+/-]+)(?:;[\w.=+-]+)*;base64,(?P<data>.+)", re.DOTALL)


def messages_body(request: Request, model: str) -> dict[str, Any]:
    """The body of POST /v1/messages; parameters that the API does not have (seed, penalties, …) are left out."""
    asked = request.body()
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": count(asked.get("max_tokens")) or count(asked.get("max_completion_tokens")) or MAX_TOKENS,
        "messages": _messages(request.messages),
        **{name: asked[name] for name in _SAME if name in asked},
    }
    if system := _system([message for message in request.messages if _is_system(message)]):
        body["system"] = system
    if stop := asked.get("stop"):
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if choice := _tool_choice(request.tool_choice, parallel=asked.get("parallel_tool_calls")):
            body["tool_choice"] = choice
    schema = mapping(mapping(request.response_format).get("json_schema")).get("schema")
    if schema is not None:
        form = {"type": "json_schema", "schema": schema}
        body["output_config"] = {**mapping(body.get("output_config")), "format": form}
    return _with_thinking(body, asked)


def _with_thinking(body: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    reasoning = mapping(asked.get("reasoning"))
    effort = asked.get("reasoning_effort") or reasoning.get("effort")
    budget = count(reasoning.get("max_tokens")) or _BUDGETS.get(str(effort))
    forced = mapping(body.get("tool_choice")).get("type") in ("any", "tool")
    if budget and not forced and "thinking" not in body:  # a forced call leaves no room to think: the API refuses both
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
        # Thinking counts against max_tokens, and forbids sampling of one's own.
        body["max_tokens"] += budget
        for name in ("temperature", "top_k", "top_p"):
            body.pop(name, None)
    elif (temperature := body.get("temperature")) is not None:
        body["temperature"] = min(temperature, 1.0)  # here it ends at 1
    return body


def _system(messages: list[Message]) -> str | list[dict[str, Any]]:
    """Text where it is text; blocks where one of them says more than that, such as cache_control."""
    blocks = [block for message in messages for part in _parts(message) if (block := _content_block(part))]
    if all(block.keys() == {"type", "text"} for block in blocks):
        return "\n\n".join(block["text"] for block in blocks)
    return blocks


def _messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Roles alternate here: neighbours of one role become one message, and tool results are the user's."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if _is_system(message):
            continue
        role = "assistant" if message.get("role") == "assistant" else "user"
        blocks = list(_blocks(message))
        if not blocks:
            continue
        if found and found[-1]["role"] == role:
            found[-1]["content"] += blocks
        else:
            found.append({"role": role, "content": blocks})
    return found


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    if message.get("role") == "tool":
        content = [block for part in _parts(message) if (block := _content_block(part))]
        yield {"type": "tool_result", "tool_use_id": _call_id(message.get("tool_call_id")), "content": content}
        return
    if message.get("role") == "assistant":
        yield from _thinking_blocks(message)
    for part in _parts(message):
        if block := _content_block(part):
            yield block
    for call in mappings(message.get("tool_calls")):
        yield _tool_use(call)


def _thinking_blocks(message: Message) -> Iterator[dict[str, Any]]:
    """Thinking with its signature, as it came; without one the API would refuse it."""
    for detail in mappings(message.get("reasoning_details")):
        if detail.get("format") != "anthropic-claude-v1":
            continue
        if detail.get("type") == "reasoning.encrypted":
            yield {"type": "redacted_thinking", "data": detail.get("data", "")}
        elif detail.get("signature"):
            yield {"type": "thinking", "thinking": detail.get("text", ""), "signature": detail["signature"]}


def _parts(message: Message) -> list[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return mappings(content)


def _content_block(part: Mapping[str, Any]) -> dict[str, Any] | None:
    # cache_control is this protocol's own: OpenRouter's users write it into any part.
    rest = {name: value for name, value in part.items() if name in ("cache_control", "citations")}
    match part.get("type"):
        case "text":
            return dict(part) if text(part.get("text")) else None  # an empty one is refused
        case "image_url":
            return {"type": "image", "source": _source(mapping(part.get("image_url")).get("url")), **rest}
        case "file":
            file = mapping(part.get("file"))
            title = {"title": file["filename"]} if file.get("filename") else {}
            return {"type": "document", "source": _source(file.get("file_data")), **title, **rest}
        case _:
            return dict(part)  # a block of this protocol's own


def _source(address: object) -> dict[str, Any]:
    url = text(address) or ""
    match = _DATA_URL.fullmatch(url)
    if match is None:
        return {"type": "url", "url": url}
    if match["type"].startswith("text/"):  # a file of text goes as text: base64 is for PDF and images
        with contextlib.suppress(ValueError):
            return {"type": "text", "media_type": "text/plain", "data": b64decode(match["data"]).decode()}
    return {"type": "base64", "media_type": match["type"], "data": match["data"]}


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(call.get("function"))
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with contextlib.suppress(*NO_JSON):
            arguments = msgspec.json.decode(arguments)
    return {
        "type": "tool_use",
        "id": _call_id(call.get("id")),
        "name": function.get("name", ""),
        "input": mapping(arguments),
    }


def _call_id(value: object) -> str:
    """An id that the API takes: other providers' ids hold dots and colons, which it refuses."""
    found = str(value or "")
    return found if _CALL_ID.fullmatch(found) else f"call_{digest(found)[:24]}"


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)  # a tool of this protocol's own
    described = {"description": function["description"]} if function.get("description") else {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function.get("name", ""), **described, "input_schema": schema}


def _tool_choice(choice: object, *, parallel: object) -> dict[str, Any] | None:
    translated: dict[str, Any] | None = None
    if isinstance(choice, str):
        kind = {"auto": "auto", "required": "any", "none": "none"}.get(choice, choice)
        translated = {"type": kind}
    elif isinstance(choice, Mapping):
        name = mapping(choice.get("function")).get("name")
        translated = {"type": "tool", "name": name} if name else dict(choice)
    if parallel is False and translated != {"type": "none"}:
        translated = {**(translated or {"type": "auto"}), "disable_parallel_tool_use": True}
    return translated


def _is_system(message: Message) -> bool:
    return message.get("role") in ("system", "developer")
