"""Messages as servers of chat completions take them, less what only Anthropic's messages have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from router.config.schema import ProviderConfig
from router.core.messages import Message
from router.core.untrusted import mappings

_FIELDS = frozenset({
    *("role", "content", "name", "tool_calls", "tool_call_id", "is_error"),
    *("producer", "reasoning", "reasoning_content", "reasoning_details"),  # see router/providers/producers.py
    *("prefix", "partial"),  # DeepSeek's, Mistral's, Kimi's and Qwen's: the answer begins with this message
})  # fmt: skip


def taken(messages: Iterable[Message], to: ProviderConfig) -> list[Message]:
    """The messages without what most servers refuse; see `unknown_fields`.

    Images and files that a tool gave follow its result as the user's: a tool's message holds text alone.
    """
    found: list[Message] = []
    shown: list[Mapping[str, Any]] = []
    plain = messages if to.is_openrouter else (_plain(each, developers=to.is_openai) for each in messages)
    for message in plain:
        if message.get("role") != "tool":
            found += _as_users(shown)
            shown = []
            found.append(message)
            continue
        text, other = _split(message)
        found.append(text)
        shown += other
    return [*found, *_as_users(shown)]


def unknown_fields(messages: Iterable[Message]) -> tuple[str, ...]:
    """One sentence for the fields of messages that `taken` leaves out, such as what clients keep there for themselves.

    Strict servers refuse a request for any of them; OpenRouter, which ignores what it does not know, gets all.
    """
    if left := [f"`{name[:40]}`" for name in sorted(set[str]().union(*messages) - _FIELDS)]:
        return (f"{', '.join(left)} of messages left out: servers refuse fields there that they do not know.",)
    return ()


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
