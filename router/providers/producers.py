"""Who made an answer, and which parts of it go back to that producer alone in the next turn.

Anywhere else, signatures of thoughts and reasoning cause a 400 in this and every later turn; some servers refuse a
tool's result without them. So an assistant's message names its producer, and each call removes from the messages what
others made.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from router.core.messages import Message, digest
from router.core.model_names import family
from router.core.untrusted import mappings, text

REASONING_CONTENT = "reasoning_content"
"""The field of DeepSeek, Kimi and others, and the type of the detail that keeps it for the next turn."""

_NEEDS_THOUGHTS = re.compile(r"deepseek-(?:v[4-9]|reasoner)|kimi-k(?:2\.[5-9]|2-thinking|[3-9])")
"""Models whose servers answer 400 where an earlier answer is without `reasoning_content`, whoever gave it."""

_NO_THOUGHT = " "
"""For answers that came without a thought; Kimi takes an empty text for none."""

_OWN = ("producer", "reasoning_details", "reasoning_content", "reasoning")


@functools.lru_cache(maxsize=256)
def producer(base_url: str, model: str) -> str:
    """Twelve hexadecimal digits for a model, whatever its date or route, at one address."""
    return digest(base_url, family(model))[:12]


def needs_thoughts(model: str) -> bool:
    """Whether a model's servers want `reasoning_content` in every earlier answer."""
    return _NEEDS_THOUGHTS.search(model.lower()) is not None


def returned(messages: Iterable[Message], to: str | None, *, thoughts: bool = False) -> list[Message]:
    """The messages as a producer gets them: with the parts it made itself, without those that others made.

    Args:
        to: the producer; None for one that takes nothing back.
        thoughts: see `needs_thoughts`.
    """
    return [_returned(message, to, thoughts) if message.get("role") == "assistant" else message for message in messages]


def _returned(message: Message, to: str | None, thoughts: bool) -> Message:
    found = {name: value for name, value in message.items() if name not in _OWN}
    by = message.get("producer")
    if thoughts:
        # Many clients send back a thought, but not who had it.
        own = _thought(message) if by == to else text(message.get(REASONING_CONTENT)) if by is None else None
        found[REASONING_CONTENT] = own or _NO_THOUGHT
    if to is not None and by == to:
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
    if message.get("tool_calls") and (content := _thought(message)):
        found[REASONING_CONTENT] = content
    return found


def _thought(message: Message) -> str:
    details = mappings(message.get("reasoning_details"))
    return "".join(text(detail.get("text")) or "" for detail in details if detail.get("type") == REASONING_CONTENT)
