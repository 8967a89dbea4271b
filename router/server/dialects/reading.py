"""Foreign JSON read strictly: what has the wrong type is refused with the name of its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from router.server.dialects.base import Refusal

T = TypeVar("T")


def read_as(value: object, kind: type[T], at: str) -> T:
    """A value as a type, extra fields left aside.

    Args:
        at: where it stands in the body, such as `messages[2].content[0]`; empty for the body itself.

    Raises:
        Refusal: a field is missing or of another type.
    """
    try:
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError, OverflowError) as error:
        what, _, path = str(error).partition(" - at `$")
        where = (at + path.rstrip("`").replace("[...]", "[]")).lstrip(".") or "the body"
        raise Refusal(f"{what.rstrip('.')} (in `{where}`).", param=where) from None


def as_json(value: object, at: str) -> str:
    """A value as JSON; raises the same where it is too deep, or holds half a character."""
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise Refusal(f"`{at}` cannot be written as JSON; send it less deep, in whole characters.", param=at) from None


def kind_of(value: object, at: str) -> tuple[dict[str, Any], str]:
    """An object less its nulls, and its `type`; raises the same.

    A null is what SDKs make of a field that was never set when they send an answer's parts back.
    """
    found = {name: field for name, field in read_as(value, dict[str, Any], at).items() if field is not None}
    kind = found.get("type")
    if not isinstance(kind, str):
        raise Refusal(f"`{at}` needs a `type`.", param=f"{at}.type")
    return found, kind


def listed(value: object, at: str) -> list[tuple[Any, str]]:
    """The elements of a list, each with its place; raises the same."""
    return [(item, f"{at}[{index}]") for index, item in enumerate(read_as(value, list[Any], at))]


def unknown(value: str, at: str, known: str) -> Refusal:
    """The refusal of a type that is none of those known."""
    return Refusal(f"`{at}` is of the type `{value[:40]}`; it can be {known}.", param=f"{at}.type")


def with_text(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """The content of a message: a string where there is one plain text, as most servers like it best."""
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts


def one_system(messages: list[dict[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The messages with all system prompts in one at the beginning: many models refuse any other place and number."""
    prompts = [message["content"] for message in messages if message["role"] == "system"]
    rest = [message for message in messages if message["role"] != "system"]
    if not prompts:
        return tuple(rest)
    if all(isinstance(prompt, str) for prompt in prompts):
        content: Any = "\n\n".join(prompts)
    else:
        content = [
            part
            for prompt in prompts
            for part in ([{"type": "text", "text": prompt}] if isinstance(prompt, str) else prompt)
        ]
    return ({"role": "system", "content": content}, *rest) if content else tuple(rest)
