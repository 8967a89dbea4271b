"""Messages as servers of chat completions take them, less what only Anthropic's messages have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from router.config.schema import ProviderConfig
from router.core.documents import read_as_text
from router.core.messages import Message
from router.core.untrusted import mapping, mappings, text

_FIELDS = frozenset({
    *("role", "content", "name", "tool_calls", "tool_call_id", "is_error"),
    *("producer", "reasoning", "reasoning_content", "reasoning_details"),  # see router/providers/producers.py
    *("prefix", "partial"),  # DeepSeek's, Mistral's, Kimi's and Qwen's: the answer begins with this message
})  # fmt: skip


def taken(messages: Iterable[Message], to: ProviderConfig) -> list[Message]:
    """The messages without what most servers refuse; see `unknown_fields` and `addressed_files`.

    Images and files that a tool gave follow its result as the user's: a tool's message holds text alone.
    """
    found: list[Message] = []
    shown: list[Mapping[str, Any]] = []
    messages = (_with_files_read(each, addresses=to.is_openrouter) for each in messages)
    plain = messages if to.is_openrouter else (_plain(each, developers=to.is_openai) for each in messages)
    for message in plain:
        if message.get("role") != "tool":
            found += _as_users(shown)
            shown = []
            found.append(message)
            continue
        result, other = _split(message)
        found.append(result)
        shown += other
    return [*found, *_as_users(shown)]


def unknown_fields(messages: Iterable[Message]) -> tuple[str, ...]:
    """One sentence for the fields of messages that `taken` leaves out, such as what clients keep there for themselves.

    Strict servers refuse a request for any of them; OpenRouter, which ignores what it does not know, gets all.
    """
    if left := [f"`{name[:40]}`" for name in sorted(set[str]().union(*messages) - _FIELDS)]:
        return (f"{', '.join(left)} of messages left out: servers refuse fields there that they do not know.",)
    return ()


def addressed_files(messages: Iterable[Message]) -> tuple[str, ...]:
    """One sentence for the files of which `taken` leaves the address alone: only OpenRouter fetches them."""
    parts = (part for message in messages for part in mappings(message.get("content")))
    if any(_address(part) for part in parts):
        return ("Files that are given by their address went as its text: this server takes files as data alone.",)
    return ()


def _address(part: Mapping[str, Any]) -> str | None:
    """Where a file is that does not come with its data."""
    if part.get("type") != "file":
        return None
    data = text(mapping(part.get("file")).get("file_data")) or ""
    return data if data.startswith(("https://", "http://")) else None


def _with_files_read(message: Message, *, addresses: bool) -> Message:
    """A message whose files of text are text, and the same of addresses of files unless the server fetches those."""
    content = message.get("content")
    if not isinstance(content, list | tuple) or not any(part.get("type") == "file" for part in mappings(content)):
        return message
    return {**message, "content": [_read(part, addresses=addresses) for part in mappings(content)]}


def _read(part: Mapping[str, Any], *, addresses: bool) -> Mapping[str, Any]:
    said = read_as_text(part)
    if said is None and not addresses:
        said = _address(part)
    if said is None:
        return part
    marks = {"cache_control": part["cache_control"]} if "cache_control" in part else {}
    return {"type": "text", "text": said, **marks}


def _as_users(parts: list[Mapping[str, Any]]) -> Iterator[Message]:
    if parts:
        yield {"role": "user", "content": parts}


def _split(message: Message) -> tuple[Message, list[Mapping[str, Any]]]:
    content = {name: value for name, value in message.items() if name != "is_error"}
    parts = mappings(message.get("content"))
    other = [part for part in parts if part.get("type") != "text"]
    if parts:
        texts = [part for part in parts if part.get("type") == "text"]
        content["content"] = _joined(texts) or "What the tool gave follows."
    return content, other


def _plain(message: Message, *, developers: bool) -> Message:
    """A message of the fields that servers know.

    Args:
        developers: whether the server knows their role, OpenAI's newer name of the system.
    """
    if not message.keys() <= _FIELDS:
        message = {name: value for name, value in message.items() if name in _FIELDS}
    if not developers and message.get("role") == "developer":
        message = {**message, "role": "system"}
    if any("cache_control" in call for call in mappings(message.get("tool_calls"))):
        message = {**message, "tool_calls": [_without_mark(call) for call in mappings(message["tool_calls"])]}
    return message if isinstance(message.get("content"), str) else _unmarked(message)


def _unmarked(message: Message) -> Message:
    content = message.get("content")
    if not isinstance(content, list | tuple) or not any("cache_control" in part for part in mappings(content)):
        return message
    parts = [_without_mark(part) for part in mappings(content)]
    # Marked text was one text before it was cut for the marks.
    return {**message, "content": _joined(parts)}


def _without_mark(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "cache_control"}


def _joined(parts: Sequence[Mapping[str, Any]]) -> str | Sequence[Mapping[str, Any]]:
    """Parts as one text where they are nothing else; many templates, and DeepSeek for a tool, know strings alone."""
    plain = all(part.keys() == {"type", "text"} for part in parts)
    return "\n\n".join(part["text"] for part in parts) if plain else parts
