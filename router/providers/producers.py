"""Who made an answer, and which parts of it go back to that producer alone in the next turn.

Anywhere else, signatures of thoughts and reasoning cause a 400 in this and every later turn; some servers refuse a
tool's result without them. So an assistant's message names its producer, and each call removes from the messages what
others made.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from router.core.messages import Message, digest
from router.core.model_names import family
from router.core.untrusted import mappings, text

REASONING_CONTENT = "reasoning_content"
"""The field of DeepSeek, Kimi and others, and the type of the detail that keeps it for the next turn."""

_OWN = ("producer", "reasoning_details", "reasoning_content", "reasoning")


@functools.lru_cache(maxsize=256)
def producer(base_url: str, model: str) -> str:
    """Twelve hexadecimal digits for a model, whatever its date or route, at one address."""
    return digest(base_url, family(model))[:12]


def returned(messages: Iterable[Message], to: str | None) -> list[Message]:
    """The messages as a producer gets them: with the parts it made itself, without those that others made.

    Args:
        to: the producer; None for one that takes nothing back.
    """
    return [_returned(message, to) if message.get("role") == "assistant" else message for message in messages]


def _returned(message: Message, to: str | None) -> Message:
    found = {name: value for name, value in message.items() if name not in _OWN}
    if to is not None and message.get("producer") == to:
        return {**found, **_reasoning(message)}
    if "tool_calls" in found:
        found["tool_calls"] = [
            {name: value for name, value in call.items() if name != "extra_content"}
            for call in mappings(found["tool_calls"])
        ]
    return found


def _reasoning(message: Message) -> Mapping[str, Any]:
    """Reasoning under the names it came with; only messages with tool calls need `reasoning_content`."""
    details = mappings(message.get("reasoning_details"))
    found: dict[str, Any] = {}
    if others := [detail for detail in details if detail.get("type") != REASONING_CONTENT]:
        found["reasoning_details"] = others
    content = "".join(text(detail.get("text")) or "" for detail in details if detail.get("type") == REASONING_CONTENT)
    if content and message.get("tool_calls"):
        found[REASONING_CONTENT] = content
    return found
