"""Tables (CSV, JSON lines, JSON, Parquet) whose columns somebody maps to what a case has."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from router.config.explain import nearest
from router.config.values import shortened
from router.core.errors import ConfigError, InvalidRequest
from router.core.requests import Request
from router.core.suites import Case, Check
from router.core.templates import fill, variables
from router.core.untrusted import number
from router.evaluate.importers.imported import Imported, NotTaken
from router.evaluate.importers.reading import FIX, asked, id_in, import_records, texts_in
from router.evaluate.importers.records import records
from router.evaluate.importers.source import Given, Source, opened

FIELDS = ("prompt", "target", "id", "category", "system", "group", "tags", "weight")
"""What a column can be; `metadata.NAME` keeps one in the metadata."""

USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "input", "instruction", "text"),
    "target": ("target", "answer", "expected", "ideal", "label", "output"),
    "id": ("id",),
    "category": ("category",),
}
"""The columns that are taken where nobody maps any, the first that there is."""


def import_table(
    given: Given,
    columns: Mapping[str, str] | None = None,
    *,
    template: str = "",
    check: str = "includes",
    name: str | None = None,
) -> Imported:
    """A case a row.

    Args:
        columns: which column each field of `FIELDS` is; None to go by the usual names.
        template: the prompt, with columns as `{{variables}}`; empty if a column is the prompt.
        check: the grader that compares with the target.

    Raises:
        ConfigError: the file cannot be read, a column does not exist, or none is the prompt.
    """
    source = opened(given)
    known = _columns(source)
    mapped = columns if columns is not None else _usual(known)
    wanted = [*mapped.values(), *variables(template)]
    for field in mapped:
        if field not in FIELDS and not field.startswith("metadata."):
            raise ConfigError(f"`{shortened(field)}` is not a field of a case{nearest(field, dict.fromkeys(FIELDS))}")
    if missing := next((column for column in wanted if column not in known), None):
        raise ConfigError(f"{source.path} has no column `{shortened(missing)}`{nearest(missing, known)}")
    if not template and "prompt" not in mapped:
        listed = nearest("", known).removeprefix(". ")
        raise ConfigError(f"{source.path}: say which column is the prompt, or write a template. {listed}")
    return import_records(
        source, f"a table graded by `{check}`", functools.partial(_case, mapped, template, check), wanted, name
    )


def _columns(source: Source) -> dict[str, None]:
    """The columns of the first row that can be read."""
    first = next((record.data for record in records(source) if not record.problem), {})
    return dict.fromkeys(first)


def _usual(known: Mapping[str, None]) -> Mapping[str, str]:
    found = {field: next((name for name in names if name in known), None) for field, names in USUAL.items()}
    return {field: column for field, column in found.items() if column is not None}


def _case(columns: Mapping[str, str], template: str, check: str, row: Mapping[str, Any]) -> Case:
    fields = {field: row.get(column) for field, column in columns.items()}
    target, system = texts_in(fields, "target"), fields.get("system")
    weight = number(fields.get("weight"))
    if fields.get("weight") not in (None, "") and weight is None:
        raise NotTaken("Its weight is not a number.", FIX)
    messages = asked(_filled(template, row) if template else fields["prompt"])
    return Case(
        id=id_in(fields),
        request=Request(messages=(*_system(system), *messages)),
        category=id_in(fields, "category") or None,
        target=target,
        tags=_tags(fields.get("tags")),
        weight=1.0 if weight is None else weight,
        group=id_in(fields, "group"),
        checks=(Check(type=check),) if target else (),
        metadata={
            field.removeprefix("metadata."): value for field, value in fields.items() if field.startswith("metadata.")
        },
    )


def _filled(template: str, row: Mapping[str, Any]) -> str:
    values = {name: str(value) for name, value in row.items() if isinstance(value, str | int | float)}
    try:
        return fill(template, values)
    except InvalidRequest as error:
        raise NotTaken(str(error), FIX) from None


def _system(text: object) -> list[dict[str, str]]:
    return [{"role": "system", "content": text}] if isinstance(text, str) and text.strip() else []


def _tags(value: object) -> tuple[str, ...]:
    listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(tag.strip() for tag in map(str, listed) if tag.strip())
