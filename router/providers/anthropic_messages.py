"""Messages in the shape of chat completions, as Anthropic's messages have them: turns of blocks."""

from __future__ import annotations

import contextlib
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from router.core.messages import Message, digest
from router.core.untrusted import NO_JSON, mapping, mappings, text

DETAILS_FORMAT = "anthropic-claude-v1"
"""What OpenRouter calls this protocol's reasoning details."""

_CALL_ID = re.compile(r"[\w-]+", re.ASCII)

_DATA_URL = re.compile(r"data:(?P<type>[\w.+/-]+)(?:;[\w.=+-]+)*;base64,(?P<data>.+)", re.DOTALL)


def system_blocks(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The system prompts' parts."""
    prompts = (message for message in messages if _is_system(message))
    return [block for message in prompts for part in _parts(message) if (block := _content_block(part))]


def joined(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Plain text, or blocks if one of them has more than text, such as cache_control."""
    if all(block.keys() == {"type", "text"} for block in blocks):
        return "\n\n".join(block["text"] for block in blocks)
    return blocks


def turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Roles alternate here: adjacent messages of one role become one, and tool results are the user's."""
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
        yield _tool_result(message)
        return
    if message.get("role") == "assistant":
        yield from _thinking_blocks(message)
    for part in _parts(message):
        if block := _content_block(part):
            yield block
    for call in mappings(message.get("tool_calls")):
        yield _tool_use(call)


def _tool_result(message: Message) -> dict[str, Any]:
    """A tool's result; the mark of a cache is its own, since the API takes none inside it."""
    content = [block for part in _parts(message) if (block := _content_block(part))]
    marks = [mark for block in content if (mark := block.pop("cache_control", None))]
    return {
        "type": "tool_result",
        "tool_use_id": _call_id(message.get("tool_call_id")),
        "content": content,
        **({"is_error": True} if message.get("is_error") is True else {}),
        **({"cache_control": marks[-1]} if marks else {}),
    }


def _thinking_blocks(message: Message) -> Iterator[dict[str, Any]]:
    """Thinking with its signature, as it came; without one the API would refuse it."""
    for detail in mappings(message.get("reasoning_details")):
        if detail.get("format") != DETAILS_FORMAT:
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
            return dict(part) if (text(part.get("text")) or "").strip() else None  # a blank one is rejected
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
        **({"cache_control": call["cache_control"]} if call.get("cache_control") else {}),
    }


def _call_id(value: object) -> str:
    """An id that the API takes: other providers' ids hold dots and colons, which it refuses."""
    found = str(value or "")
    return found if _CALL_ID.fullmatch(found) else f"call_{digest(found)[:24]}"


def _is_system(message: Message) -> bool:
    return message.get("role") in ("system", "developer")
