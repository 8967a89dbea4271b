"""Inspect's samples in JSON, JSON lines or CSV (https://inspect.aisi.org.uk/datasets.html), which we write too."""

from __future__ import annotations

import functools
import string
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.config.values import shortened
from router.core.messages import Message
from router.core.requests import Request
from router.core.suites import Case, Check
from router.evaluate.importers.imported import Imported, NotTaken
from router.evaluate.importers.json_text import decode
from router.evaluate.importers.reading import BOOKKEEPING, FIX, asked, id_in, import_records, texts_in
from router.evaluate.importers.source import Given, opened

USED = ("input", "target", "choices", "id", "metadata", "sandbox", "files", "setup")


def import_inspect(given: Given, name: str | None = None, check: str = "includes") -> Imported:
    """Inspect's samples; chat messages keep their history.

    Args:
        check: the grader of samples without choices: a task's scorer stands in its Python code, not in the samples.

    Raises:
        ConfigError: the file cannot be read.
    """
    make = functools.partial(_case, check)
    return import_records(opened(given), f"Inspect samples, graded by `{check}`", make, USED, name)


def _case(check: str, record: Mapping[str, Any]) -> Case:
    for key in ("sandbox", "files", "setup"):
        if record.get(key):
            raise NotTaken(f"It needs Inspect's sandbox (`{key}`).", "Run it with Inspect, through the endpoint.")
    target, choices = texts_in(record, "target"), _choices(record.get("choices"))
    if not target:
        raise NotTaken("It has no `target`.", FIX)
    messages = asked(_openai(record.get("input")))
    metadata = _metadata(record.get("metadata"))
    category = metadata.get("category")
    return Case(
        id=id_in(record),
        request=Request(messages=_with_choices(messages, choices, target) if choices else messages),
        category=category if isinstance(category, str) and category else None,
        target=target,
        checks=(Check(type="choice" if choices else check),),
        metadata={key: value for key, value in metadata.items() if key != "category"},
    )


def _openai(given: object) -> object:
    """Inspect's chat messages as chat completions write them; what is neither stays as it is."""
    if not isinstance(given, list):
        return given
    return [_message(message) if isinstance(message, dict) else message for message in given]


def _message(message: Mapping[str, Any]) -> Message:
    kept = {key: value for key, value in message.items() if key not in BOOKKEEPING and value is not None}
    if isinstance(content := message.get("content"), list):
        kept["content"] = [_part(part) for part in content]
    if isinstance(calls := message.get("tool_calls"), list):
        kept["tool_calls"] = [_call(call) for call in calls]
    return kept


def _part(part: Any) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {"type": "text", "text": part.get("text", "")}
    image = part.get("image") if kind == "image" else None
    if isinstance(image, str) and image.startswith(("data:image/", "https://", "http://")):
        return {"type": "image_url", "image_url": {"url": image}}
    if kind == "image":
        raise NotTaken("Its image is a file.", "Write the image as a data URL.")
    raise NotTaken(f"A part of its input is of the type `{shortened(kind)}`.", "Only texts and images can be asked.")


def _call(call: Any) -> Any:
    if not isinstance(call, dict) or not isinstance(call.get("function"), str):
        return call
    arguments = msgspec.json.encode(call.get("arguments", {})).decode()
    return {"id": call.get("id"), "type": "function", "function": {"name": call["function"], "arguments": arguments}}


def _choices(value: object) -> list[str]:
    """As Inspect reads them: a list, or a text with commas, or with blanks where there are none."""
    if isinstance(value, str):
        return [choice.strip() for choice in (value.split(",") if "," in value else value.split())]
    return [str(choice) for choice in value] if isinstance(value, list) else []


def _with_choices(messages: Sequence[Message], choices: Sequence[str], target: Sequence[str]) -> tuple[Message, ...]:
    letters = string.ascii_uppercase[: len(choices)]
    if len(target) != 1 or target[0] not in tuple(letters) or len(choices) > len(string.ascii_uppercase):
        raise NotTaken(
            "Its target is not the letter of one of its choices.", "Ask for one right choice out of up to 26."
        )
    if not isinstance(question := messages[-1]["content"], str):
        raise NotTaken("It has choices, and a question that is not text alone.", "Write the choices into the question.")
    lines = "\n".join(f"{letter}) {choice}" for letter, choice in zip(letters, choices, strict=True))
    asks = "End your answer with a line that has `ANSWER:` and the letter of the right choice."
    return (*messages[:-1], {**messages[-1], "content": f"{question}\n\n{lines}\n\n{asks}"})


def _metadata(value: object) -> Mapping[str, Any]:
    if isinstance(value, str) and value.strip():  # as a column of CSV
        try:
            value = decode(value)
        except ValueError as error:
            raise NotTaken(f"Its `metadata` cannot be read: {error}.", FIX) from None
    if not isinstance(value, dict | None) and value != "":
        raise NotTaken("Its `metadata` is not an object.", FIX)
    return value if isinstance(value, dict) else {}
