"""Anthropic's content blocks as the messages of chat completions."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterator
from typing import Any, Literal

import msgspec

from router.core.untrusted import text
from router.server.dialects.base import Refusal
from router.server.dialects.carrying import Carried, opened, with_carried
from router.server.dialects.names import flat
from router.server.dialects.reading import as_json, kind_of, listed, read_as, unknown, with_text

ADDITION, REMOVAL = CHANGES = ("tool_addition", "tool_removal")
"""What Claude Code writes into system messages as tools come and go."""


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Any]


class _Text(msgspec.Struct):
    text: str
    cache_control: dict[str, Any] | None = None


class _Source(msgspec.Struct):
    type: str
    data: str | None = None
    media_type: str | None = None
    url: str | None = None
    content: str | list[Any] | None = None


class _Media(msgspec.Struct):
    source: _Source
    title: str | None = None
    cache_control: dict[str, Any] | None = None


class _Found(msgspec.Struct):
    source: str
    title: str
    content: list[Any]
    cache_control: dict[str, Any] | None = None


class _Use(msgspec.Struct):
    id: str
    name: str
    input: dict[str, Any]
    cache_control: dict[str, Any] | None = None


class _Result(msgspec.Struct):
    tool_use_id: str
    content: str | list[Any] | None = None
    is_error: bool | None = None
    cache_control: dict[str, Any] | None = None


class _Change(msgspec.Struct):
    tool: dict[str, Any]


class _Thought(msgspec.Struct):
    thinking: str = ""
    signature: str = ""
    data: str = ""


def messages_of(messages: list[Any], notes: list[str]) -> Iterator[dict[str, Any]]:
    """The messages, oldest first.

    Args:
        notes: takes one sentence for each kind of thing that is left out.

    Raises:
        Refusal: a message or a block is not as it must be.
    """
    for item, at in listed(messages, "messages"):
        message = read_as(item, _Message, at)
        if isinstance(message.content, str):
            yield {"role": message.role, "content": message.content}
        elif message.role == "system":
            if parts := text_parts(message.content, f"{at}.content", besides=CHANGES):
                yield {"role": "system", "content": with_text(parts)}
        elif message.role == "assistant":
            yield from _assistant(message.content, f"{at}.content", notes)
        else:
            yield from _user(message.content, f"{at}.content", notes)


def text_parts(blocks: list[Any], at: str, besides: Collection[str] = ()) -> list[dict[str, Any]]:
    """Blocks that can be text alone; raises the same.

    Args:
        besides: the types of others that may stand among them.
    """
    found = []
    for item, place in listed(blocks, at):
        block, kind = kind_of(item, place)
        if kind == "text":
            found.append(_text(block, place))
        elif kind not in besides:
            raise unknown(kind, place, "text alone")
    return found


def tool_changes(messages: list[Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """How tools come and go in a conversation: which of `CHANGES`, the tool, and its place; raises the same."""
    for item, at in listed(messages, "messages"):
        message = read_as(item, _Message, at)
        if message.role == "system" and isinstance(message.content, list):
            for part, place in listed(message.content, f"{at}.content"):
                block, kind = kind_of(part, place)
                if kind in CHANGES:
                    yield kind, read_as(block, _Change, place).tool, f"{place}.tool"


# --- The assistant's -------------------------------------------------------------------------------


def _assistant(blocks: list[Any], at: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """One message: text, then calls, with the thoughts that go back to their producer; none where nothing is left."""
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    carried: list[Carried] = []
    for item, place in listed(blocks, at):
        block, kind = kind_of(item, place)
        if kind == "text":
            parts.append(_text(block, place))
        elif kind == "tool_use":
            use = read_as(block, _Use, place)
            function = {"name": flat(use.name), "arguments": as_json(use.input, f"{place}.input")}
            calls.append({"id": use.id, "type": "function", "function": function, **_marks(use.cache_control)})
        elif kind in ("thinking", "redacted_thinking"):
            thought = read_as(block, _Thought, place)
            if found := opened(thought.signature or thought.data, thought.thinking):
                carried.append(found)
            elif thought.signature or thought.data:
                notes.append("Thoughts that do not come from here are left out: nobody can tell whose they are.")
        else:
            notes.append(f"The block {kind[:40]} of an earlier answer is left out: only Anthropic's servers read it.")
    if not (parts or calls):
        return
    message: dict[str, Any] = {"role": "assistant", "content": with_text(parts) or None}
    if calls:
        message["tool_calls"] = calls
    yield with_carried(message, carried)


# --- The user's ------------------------------------------------------------------------------------


def _user(blocks: list[Any], at: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The results of tools, which come right after their calls, and then what the user says."""
    parts: list[dict[str, Any]] = []
    for item, place in listed(blocks, at):
        block, kind = kind_of(item, place)
        if kind == "tool_result":
            yield _result(read_as(block, _Result, place), place, notes)
        elif kind in ("thinking", "redacted_thinking"):
            notes.append("Thoughts in the user's messages are left out.")
        else:
            parts += _parts(block, kind, place, notes)
    if parts:
        yield {"role": "user", "content": with_text(parts)}


def _result(result: _Result, at: str, notes: list[str]) -> dict[str, Any]:
    content: str | list[dict[str, Any]] = result.content if isinstance(result.content, str) else ""
    if isinstance(result.content, list):
        parts: list[dict[str, Any]] = []
        for item, place in listed(result.content, f"{at}.content"):
            block, kind = kind_of(item, place)
            parts += _parts(block, kind, place, notes)
        content = with_text(parts)
    if result.cache_control:
        # Where OpenRouter looks for it; Anthropic's provider puts it on the result.
        marked = [{"type": "text", "text": content}] if isinstance(content, str) else content
        content = [*marked[:-1], {**marked[-1], "cache_control": result.cache_control}]
    error = {"is_error": True} if result.is_error else {}
    return {"role": "tool", "tool_call_id": result.tool_use_id, "content": content, **error}


def _parts(block: dict[str, Any], kind: str, at: str, notes: list[str]) -> list[dict[str, Any]]:
    if kind == "text":
        return [_text(block, at)]
    if kind == "image":
        media = read_as(block, _Media, at)
        address = _address(media.source, f"{at}.source", "image/")
        return [{"type": "image_url", "image_url": {"url": address}, **_marks(media.cache_control)}]
    if kind == "document":
        return _document(block, at, notes)
    if kind == "search_result":
        found = read_as(block, _Found, at)
        texts = [part["text"] for part in text_parts(found.content, f"{at}.content")]
        return [
            {
                "type": "text",
                "text": "\n".join([found.title, found.source, "", *texts]),
                **_marks(found.cache_control),
            }
        ]
    if kind == "tool_reference":
        return [{"type": "text", "text": f"The tool {flat(text(block.get('tool_name')) or '')} can be used."}]
    raise unknown(kind, at, "text, image, document, search_result or tool_result")


def _document(block: dict[str, Any], at: str, notes: list[str]) -> list[dict[str, Any]]:
    media = read_as(block, _Media, at)
    unread = [name for name in ("context", "citations") if block.get(name) not in (None, {"enabled": False})]
    notes += [f"`{name}` of documents is left out." for name in unread]
    source = media.source
    if source.type == "content":
        if isinstance(source.content, str):
            return [{"type": "text", "text": source.content, **_marks(media.cache_control)}]
        parts = []
        for item, place in listed(source.content, f"{at}.source.content"):
            inner, kind = kind_of(item, place)
            if kind not in ("text", "image"):
                raise unknown(kind, place, "text or image")
            parts += _parts(inner, kind, place, notes)
        if parts and media.cache_control:
            parts[-1] = {**parts[-1], "cache_control": media.cache_control}
        return parts
    if source.type == "text":
        if source.data is None:
            raise Refusal(f"`{at}.source` needs `data`, the text.", param=f"{at}.source.data")
        data = b64encode(source.data.encode(errors="replace")).decode()
        address, name = f"data:text/plain;base64,{data}", "document.txt"
    else:
        address, name = _address(source, f"{at}.source", "application/pdf"), "document.pdf"
    file = {"filename": media.title or name, "file_data": address}
    return [{"type": "file", "file": file, **_marks(media.cache_control)}]


def _address(source: _Source, at: str, kind: str) -> str:
    """A source as a data URL or an address."""
    if source.type == "base64":
        if not source.data or not (source.media_type or "").startswith(kind):
            raise Refusal(f"`{at}` needs `data` in base64, and a `media_type` that begins with {kind}.", param=at)
        return f"data:{source.media_type};base64,{source.data}"
    if source.type == "url":
        if not (source.url or "").startswith(("https://", "http://")):
            raise Refusal(f"`{at}.url` must begin with https://.", param=f"{at}.url")
        return source.url or ""
    if source.type == "file":
        raise Refusal(f"`{at}` is a file stored at Anthropic; send its content as base64.", param=at)
    raise unknown(source.type, at, "base64 or url")


def _text(block: dict[str, Any], at: str) -> dict[str, Any]:
    found = read_as(block, _Text, at)
    return {"type": "text", "text": found.text, **_marks(found.cache_control)}


def _marks(cache_control: dict[str, Any] | None) -> dict[str, Any]:
    return {"cache_control": cache_control} if cache_control else {}
