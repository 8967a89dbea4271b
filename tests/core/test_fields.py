"""A field that a record declares is a column, comes back from its row, and is a label where it is marked as one."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from sqlalchemy import Table

from router.core.attempts import Attempt
from router.core.fields import Label, Unstored, columns_of, labels_of, record_of, row_of
from router.core.messages import Frozen
from router.core.records import Observation, RequestSummary
from router.metrics.columns import AttemptLabels, RequestLabels
from router.store.hours import Summarized
from router.store.tables import observations, requests


class Step(msgspec.Struct, array_like=True):
    model: str


class Part(Frozen, frozen=True, kw_only=True):
    tokens: int | None = None
    cost: Unstored[float | None] = None


class Whole(Frozen, frozen=True, kw_only=True):
    name: Label[str]
    arm: Label[Literal["a", "b"] | None]
    took: float
    path: Label[tuple[Step, ...]]
    part: Part | None = None
    words: Unstored[str | None] = None


WHOLE = Whole(name="n", arm="a", took=1.5, path=(Step("m"),), part=Part(tokens=3, cost=2.0), words="secret")
ROW = {"name": "n", "arm": "a", "took": 1.5, "path": '[["m"]]', "tokens": 3}


def test_declared_fields_are_columns_in_their_order() -> None:
    assert [(field.name, field.type, field.optional) for field in columns_of(Whole)] == [
        ("name", str, False), ("arm", str, True), ("took", float, False), ("path", tuple, False), ("tokens", int, True),
    ]  # fmt: skip


def test_a_row_holds_the_fields_by_their_names_and_nothing_that_is_not_stored() -> None:
    assert row_of(WHOLE) == ROW


def test_a_row_gives_the_record_back() -> None:
    assert record_of(Whole, ROW) == msgspec.structs.replace(WHOLE, part=Part(tokens=3), words=None)


def test_an_optional_part_of_which_nothing_is_known_is_none() -> None:
    bare = msgspec.structs.replace(WHOLE, part=None, words=None)
    assert (row_of(bare)["tokens"], record_of(Whole, row_of(bare))) == (None, bare)


def test_labels_are_the_marked_fields_and_no_other() -> None:
    assert labels_of(Whole).__struct_fields__ == ("name", "arm", "path")


def test_labels_are_read_by_their_names_and_one_that_is_missing_is_none() -> None:
    found = msgspec.json.decode('{"path": [["m"]], "older": 1, "name": "n"}', type=labels_of(Whole))
    assert msgspec.structs.asdict(found) == {"name": "n", "arm": None, "path": (Step("m"),)}


class Tried(Observation, frozen=True, kw_only=True):
    wish: Label[str | None] = None


def test_one_declaration_makes_a_column_a_value_and_a_label() -> None:
    tried = Tried(
        request_id="r", prompt_hash="h", category=None, chain="c", source="chat", sample=0, wish="e",
        attempt=Attempt(model="m", provider="p", place=0, number=1, outcome="answered", started=0, offset=0),
    )  # fmt: skip
    table = Summarized("tried", Tried, "tried_hours", {})
    assert "wish" in {field.name for field in columns_of(Tried)}
    assert (row_of(tried)["wish"], record_of(Tried, row_of(tried))) == ("e", tried)
    assert "wish" in labels_of(Tried).__struct_fields__
    assert "'wish', wish" in table.named


@pytest.mark.parametrize(("table", "record"), [(observations, Observation), (requests, RequestSummary)])
def test_a_table_has_the_columns_that_its_record_declares(table: Table, record: type[Frozen]) -> None:
    assert table.columns.keys() == ["id", *(field.name for field in columns_of(record))]


@pytest.mark.parametrize(("labels", "record"), [(AttemptLabels, Observation), (RequestLabels, RequestSummary)])
def test_rows_are_counted_by_the_labels_that_their_record_declares(labels: type[Frozen], record: type[Frozen]) -> None:
    assert labels.__struct_fields__ == tuple(field.name for field in columns_of(record) if field.is_label)
