"""What the importers of records share: going through a file, and reading a record's fields."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from router.config.values import shortened
from router.core.messages import Message
from router.core.suites import Case
from router.evaluate.importers.imported import Collector, Imported, NotTaken
from router.evaluate.importers.records import records
from router.evaluate.importers.source import Source
from router.evaluate.suites.schema import as_tool, check_message, check_messages

FIX = "Fix it, and import again."

BOOKKEEPING = frozenset({"source", "internal", "metadata", "model", "id"})
"""What Inspect keeps with a message, and no model is sent."""


def import_records(
    source: Source, form: str, make: Callable[[Mapping[str, Any]], Case], used: Collection[str], name: str | None
) -> Imported:
    """A suite from a file with a case a record.

    Args:
        form: what the file is taken for.
        make: makes the case of a record; it may raise NotTaken.
        used: the names in a record that mean something to it; others are named as left.

    Raises:
        ConfigError: the file cannot be read.
    """
    collector = Collector(source, form)
    unused: dict[str, str] = {}
    for record in records(source):
        if record.problem:
            collector.leave_case(record.place, f"It cannot be read: {record.problem}.", FIX)
            continue
        collector.take(record.place, functools.partial(make, record.data))
        for key in record.data.keys() - set(used):
            unused.setdefault(key, record.place)
    for key, place in sorted(unused.items()):
        collector.leave(place, f"`{shortened(key)}` is not used.", "Add it to the suite by hand if the model needs it.")
    return collector.imported(name)


def text_in(record: Mapping[str, Any], key: str) -> str:
    """The text of a record's field.

    Raises:
        NotTaken: it has none.
    """
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise NotTaken(f"It has no text in `{key}`.", FIX)
    return value


def texts_in(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The text, or the texts, of a record's field; numbers are written as they are.

    Raises:
        NotTaken: there is anything else.
    """
    value = record.get(key)
    found = value if isinstance(value, list) else [] if value in (None, "") else [value]
    if any(isinstance(item, bool) or not isinstance(item, str | int | float) for item in found):
        raise NotTaken(f"`{key}` is neither text nor a list of texts.", FIX)
    return tuple(map(str, found))


def id_in(record: Mapping[str, Any], key: str = "id") -> str:
    """A record's id as text; empty if it has none."""
    value = record.get(key)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def asked(value: object) -> tuple[Message, ...]:
    """What is asked, as messages: from a text, or from chat completions messages, which keep their history.

    Raises:
        NotTaken: it is neither.
    """
    if isinstance(value, str):
        return ({"role": "user", "content": value},)
    if not isinstance(value, list) or not all(isinstance(message, dict) for message in value):
        raise NotTaken("Its input is neither text nor a list of messages.", FIX)
    try:
        return tuple(check_messages([check_message(message) for message in value]))
    except ValueError as error:
        raise NotTaken(f"In its input, {error}.", FIX) from None


def tools_of(functions: Sequence[Any]) -> tuple[Mapping[str, Any], ...]:
    """Tools as chat completions want them.

    Raises:
        NotTaken: one is none.
    """
    try:
        return tuple(as_tool(function if isinstance(function, dict) else {}) for function in functions)
    except ValueError as error:
        raise NotTaken(f"One of its tools cannot be sent: {error}.", FIX) from None
