"""The fields of what is stored. Each is declared once, in its record; tables, rows and labels follow by its name.

To add one: declare it in `Attempt`, `Observation` or `RequestSummary`, and add its column in a migration.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

T = TypeVar("T")
Record = TypeVar("Record", bound=msgspec.Struct)

Label: TypeAlias = Annotated[T, "label"]
"""A field of few values, which rows are counted by. A new one is optional: older summaries do not have it."""

Unstored: TypeAlias = Annotated[T, "unstored"]
"""A field that no table has."""


class Field(NamedTuple):
    """A field of a record, and the column of that name.

    Attributes:
        hint: its type without None and marks.
        type: what its column holds: str, int, float or bool; tuple is JSON.
        is_record: whether it is a record whose fields are columns themselves.
        optional: whether None is one of its values.
        is_label: see `Label`.
    """

    name: str
    hint: Any
    type: type
    is_record: bool
    optional: bool
    is_label: bool


@functools.cache
def columns_of(record: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The fields that have a column, including those of the records in it, in their order."""
    return tuple(_columns_of(record))


def _columns_of(record: type[msgspec.Struct]) -> Iterator[Field]:
    for field in _fields_of(record):
        if field.is_record:
            yield from (inner._replace(optional=field.optional or inner.optional) for inner in columns_of(field.hint))
        else:
            yield field


def row_of(record: msgspec.Struct) -> dict[str, Any]:
    """A record as a row: its values by the names of their columns."""
    others, without_column = _layout(type(record))
    row = msgspec.structs.asdict(record)
    for name in without_column:
        del row[name]
    for field in others:
        value = getattr(record, field.name)
        if not field.is_record:
            row[field.name] = msgspec.json.encode(value).decode()
        else:
            row |= row_of(value) if value is not None else dict.fromkeys(inner.name for inner in columns_of(field.hint))
    return row


@functools.cache
def _layout(record: type[msgspec.Struct]) -> tuple[list[Field], list[str]]:
    """The fields that are not a column as they are, and the names of those that are no column at all."""
    fields = _fields_of(record)
    columns = {field.name for field in fields if not field.is_record}
    others = [field for field in fields if field.is_record or field.type is tuple]
    return others, [name for name in record.__struct_fields__ if name not in columns]


def record_of(kind: type[Record], row: Mapping[Any, Any]) -> Record:
    """A row as the record that it was; an optional record in it of which nothing is known is None."""
    values: dict[str, Any] = {}
    for field in _fields_of(kind):
        if not field.is_record:
            value = row[field.name]
            values[field.name] = msgspec.json.decode(value, type=field.hint) if field.type is tuple else value
        elif field.optional and all(row[inner.name] is None for inner in columns_of(field.hint)):
            values[field.name] = None
        else:
            values[field.name] = record_of(field.hint, row)
    return kind(**values)


def labels_of(record: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A record's labels alone, as a record of its own."""
    labels = (field for field in columns_of(record) if field.is_label)
    fields = [(field.name, field.hint | None, None) if field.optional else (field.name, field.hint) for field in labels]
    return msgspec.defstruct(f"{record.__name__}Labels", fields, frozen=True, kw_only=True)


@functools.cache
def _fields_of(record: type[msgspec.Struct]) -> tuple[Field, ...]:
    hints = get_type_hints(record, include_extras=True)
    marked = ((name, *_unmarked(hint)) for name, hint in hints.items())
    return tuple(_field(name, hint, "label" in marks) for name, hint, marks in marked if "unstored" not in marks)


def _field(name: str, hint: Any, is_label: bool) -> Field:
    required, optional = _required(hint)
    origin = get_origin(required)
    kind: type = str if origin is Literal else origin or required
    return Field(name, required, kind, issubclass(kind, msgspec.Struct), optional, is_label)


def _unmarked(hint: Any) -> tuple[Any, tuple[str, ...]]:
    return (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())


def _required(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    [required] = [part for part in get_args(hint) if part is not NoneType]
    return required, True
