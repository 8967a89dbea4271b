"""Who made an answer, and which parts of it go back to that producer alone in the next turn.

Anywhere else, signatures of thoughts and reasoning cause a 400 in this and every later turn; some servers refuse a
tool's result without them. So an assistant's message names its producer, and each call removes from the messages what
others made.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from router.core.messages import Message, digest
from router.core.model_names import family
from router.core.untrusted import mappings, text

REASONING_CONTENT = "reasoning_content"
"""The field of DeepSeek, Kimi and others, and the type of the detail that keeps it for the next turn."""

Demand: TypeAlias = Literal["thoughts", "signatures"]
"""What a server refuses the request without, in whatever earlier answer it is missing."""

_THOUGHTS = re.compile(r"deepseek-(?:v[4-9]|reasoner)|kimi-k(?:2\.[5-9]|2-thinking|[3-9])")
_SIGNATURES = re.compile(r"gemini-(?![12]\b)")

_NO_THOUGHT = " "
"""For an answer without a thought; Kimi takes an empty text for none."""

_NO_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""Google's own word for a call that another model made."""

_OWN = ("producer", "reasoning_details", "reasoning_content", "reasoning")


@functools.lru_cache(maxsize=256)
def producer(base_url: str, model: str) -> str:
    """Twelve hexadecimal digits for a model, whatever its date or route, at one address."""
    return digest(base_url, family(model))[:12]


@functools.lru_cache(maxsize=256)
def demand(base_url: str, model: str) -> Demand | None:
    """What a model at an address wants of every earlier answer; OpenRouter, which knows them all, wants nothing."""
    host = urlsplit(base_url).hostname or ""
    if host != "openrouter.ai" and _THOUGHTS.search(model.lower()):
        return "thoughts"
    return "signatures" if host.endswith(".googleapis.com") and _SIGNATURES.search(model) else None


def returned(messages: Iterable[Message], to: str | None, wants: Demand | None = None) -> list[Message]:
    """The messages as a producer gets them: with the parts it made itself, without those that others made.

    Args:
        to: the producer; None for one that takes nothing back.
        wants: see `demand`.
    """
    return [_returned(message, to, wants) if message.get("role") == "assistant" else message for message in messages]


def _returned(message: Message, to: str | None, wants: Demand | None) -> Message:
    found = _taken_back(message, to)
    if wants == "thoughts":
        by = message.get("producer")
        # Many clients send back a thought, but not who had it.
        own = _thought(message) if by == to else text(message.get(REASONING_CONTENT)) if by is None else None
        found[REASONING_CONTENT] = own or _NO_THOUGHT
    elif wants == "signatures" and (calls := mappings(found.get("tool_calls"))) and "extra_content" not in calls[0]:
        found["tool_calls"] = [{**calls[0], "extra_content": _NO_SIGNATURE}, *calls[1:]]  # the first has it for all
    return found


def _taken_back(message: Message, to: str | None) -> dict[str, Any]:
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
    if message.get("tool_calls") and (content := _thought(message)):
        found[REASONING_CONTENT] = content
    return found


def _thought(message: Message) -> str:
    details = mappings(message.get("reasoning_details"))
    return "".join(text(detail.get("text")) or "" for detail in details if detail.get("type") == REASONING_CONTENT)
