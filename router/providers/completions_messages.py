"""Messages as servers of chat completions take them, less what only Anthropic's messages have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from router.core.messages import Message
from router.core.untrusted import mappings


def taken(messages: Iterable[Message], *, marks: bool) -> list[Message]:
    """The messages without what most servers refuse.

    Args:
        marks: keep `cache_control`, which OpenRouter reads.

    Images and files that a tool gave follow its result as the user's: a tool's message holds text alone.
    """
    found: list[Message] = []
    shown: list[Mapping[str, Any]] = []
    for message in messages:
        if message.get("role") != "tool":
            found += _as_users(shown)
            shown = []
            found.append(_unmarked(message, marks=marks))
            continue
        text, other = _split(_unmarked(message, marks=marks))
        found.append(text)
        shown += other
    return [*found, *_as_users(shown)]


def _as_users(parts: list[Mapping[str, Any]]) -> Iterator[Message]:
    if parts:
        yield {"role": "user", "content": parts}


def _split(message: Message) -> tuple[Message, list[Mapping[str, Any]]]:
    content = {name: value for name, value in message.items() if name != "is_error"}
    parts = mappings(message.get("content"))
    other = [part for part in parts if part.get("type") != "text"]
    if other:
        texts = [part for part in parts if part.get("type") == "text"]
        content["content"] = texts or "What the tool gave follows."
    return content, other


def _unmarked(message: Message, *, marks: bool) -> Message:
    content = message.get("content")
    if marks or not isinstance(content, list | tuple) or not any("cache_control" in part for part in mappings(content)):
        return message
    parts = [{name: value for name, value in part.items() if name != "cache_control"} for part in mappings(content)]
    # Marked text was one text before it was cut for the marks; many templates know strings alone.
    plain = all(part.keys() == {"type", "text"} for part in parts)
    return {**message, "content": "\n\n".join(part["text"] for part in parts) if plain else parts}
