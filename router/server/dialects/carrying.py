"""What a producer wants back with the next turn, sealed as one opaque text that clients return unread.

Anthropic's messages have a thought's `signature`, OpenAI's responses `encrypted_content`. Ours name the producer, so
that in a chain of several models each gets back what it made itself; see router/providers/producers.py.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from router.core.events import AnswerBuilder, ReasoningDetail
from router.core.untrusted import NO_JSON

_PREFIX = "fallback-lab-1."


class Carried(msgspec.Struct, omit_defaults=True):
    """What goes back to a producer.

    Attributes:
        details: see `Answer.reasoning_details`.
        same: the indexes of details whose text is the thought that the client has beside it.
        extras: see `ToolCall.extra`, by the call's id.
    """

    producer: str
    details: list[dict[str, Any]] = []
    same: list[int] = []
    extras: dict[str, dict[str, Any]] = {}


def sealed(
    producer: str | None, thought: str, details: Sequence[Mapping[str, Any]], extras: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """The opaque text; None where nothing goes back."""
    if producer is None or not (details or extras):
        return None
    same = [index for index, detail in enumerate(details) if thought and detail.get("text") == thought]
    kept = [
        {name: value for name, value in detail.items() if index not in same or name != "text"}
        for index, detail in enumerate(details)
    ]
    carried = Carried(producer, kept, same, {name: dict(extra) for name, extra in extras.items()})
    return _PREFIX + urlsafe_b64encode(msgspec.json.encode(carried)).decode()


def opened(text: str, thought: str) -> Carried | None:
    """What an opaque text holds; None for one that is not ours, or was changed."""
    if not text.startswith(_PREFIX):
        return None
    try:
        carried = msgspec.json.decode(urlsafe_b64decode(text.removeprefix(_PREFIX)), type=Carried)
    except NO_JSON:
        return None
    for index in carried.same:
        if 0 <= index < len(carried.details):
            carried.details[index]["text"] = thought
    return carried


def with_carried(message: dict[str, Any], all_carried: Iterable[Carried]) -> dict[str, Any]:
    """An assistant's message with what its producer wants back; a message has one producer, the last one named."""
    found = list(all_carried)
    if not found:
        return message
    producer = found[-1].producer
    builder = AnswerBuilder()  # a thought and its signature may come apart
    extras: dict[str, dict[str, Any]] = {}
    for carried in found:
        if carried.producer == producer:
            extras |= carried.extras
            for detail in carried.details:
                builder.add(ReasoningDetail(detail))
    message["producer"] = producer
    if details := builder.answer().reasoning_details:
        message["reasoning_details"] = details
    for call in message.get("tool_calls", ()):
        if extra := extras.get(call["id"]):
            call["extra_content"] = extra
    return message
