"""Mistral's models, at Mistral and elsewhere: which conversations their templates take.

They answer 400 to a call's id that is not nine letters or digits, and to a user who speaks right after a tool.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from router.core.messages import Message, digest
from router.core.untrusted import mappings

_NAMES = re.compile(r"mistral|mixtral|ministral|magistral|devstral|codestral|pixtral")
_ID = re.compile(r"[A-Za-z0-9]{9}")

_BETWEEN: Message = {"role": "assistant", "content": "Done."}
"""What stands between a tool's result and the user; an empty text is refused."""


@functools.lru_cache(maxsize=256)
def is_mistrals(model: str) -> bool:
    """Whether a model is one of Mistral's, by its name."""
    return _NAMES.search(model.lower()) is not None


def ordered(messages: Iterable[Message]) -> list[Message]:
    """The messages as Mistral's models take them."""
    found: list[Message] = []
    for message in messages:
        role = message.get("role")
        if role == "user" and found and found[-1].get("role") == "tool":
            found.append(_BETWEEN)
        if role == "tool":
            found.append({**message, "tool_call_id": _id(message.get("tool_call_id"))})
        elif calls := mappings(message.get("tool_calls")):
            found.append({**message, "tool_calls": [{**call, "id": _id(call.get("id"))} for call in calls]})
        else:
            found.append(message)
    return found


def _id(value: object) -> str:
    given = str(value or "")
    return given if _ID.fullmatch(given) else digest(given)[:9]
