"""A run as a table: what a cell says, and which rows a filter leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from router.core.requests import Request
from router.core.suites import Case
from router.evaluate.matrix import Outcome, Row, Show, chosen, prompt_of, table, text_of
from tests.evaluate.written import Came, case, planned, write


def rows(path: Path, a: dict[str, Came | Sequence[Came]], b: dict[str, Came | Sequence[Came]]) -> list[Row]:
    """The table of two lanes over the cases that lane a has."""
    plan = planned(*(case(name) for name in a))
    return table(write(path / "r.jsonl", plan, {"a": a, "b": b}), plan)


def ids(found: Sequence[Row]) -> list[str]:
    return [row.case.id for row in found]


@pytest.mark.parametrize(
    ("came", "outcome", "text"),
    [
        ([True], "passed", "✓"),
        ([False], "wrong", "✕"),
        ([0.25], "wrong", "✕ 0.25"),
        (["unclear"], "not graded", "not graded"),
        (["failed"], "no answer", "no answer"),
        (["no answer yet"], "waiting", "…"),
        ([], "waiting", "…"),
        ([True, True], "passed", "✓ 2/2"),
        ([False, False], "wrong", "✕ 0/2"),
        ([True, False], "flaky", "~ 1/2"),
        ([True, "failed"], "passed", "✓ 1/1"),
        ([True, "unclear"], "passed", "✓ 1/1"),
        (["failed", "unclear"], "not graded", "not graded"),
        (["failed", "no answer yet"], "no answer", "no answer"),
    ],
)
def test_a_cell_says_what_came_of_all_its_repeats(
    came: list[Came], outcome: Outcome, text: str, tmp_path: Path
) -> None:
    plan = planned(case("one"), repeats=max(len(came), 1))
    [row] = table(write(tmp_path / "r.jsonl", plan, {"a": {"one": came}}), plan)
    assert (row.cells[0].outcome, row.cells[0].text) == (outcome, text)


def test_a_case_without_checks_waits_until_all_repeats_are_over(tmp_path: Path) -> None:
    plan = planned(case("one", checks=()), repeats=2)
    results = write(tmp_path / "r.jsonl", plan, {"a": {"one": [True, True]}, "b": {"one": [True]}})
    [row] = table(results, plan)
    assert [(cell.outcome, cell.text) for cell in row.cells] == [("no checks", "–"), ("waiting", "…")]


def test_rows_stand_in_the_order_of_the_suite_and_cells_in_that_of_the_lanes(tmp_path: Path) -> None:
    found = rows(tmp_path, {"z": True, "a": False}, {"a": True, "z": False})
    assert [(row.case.id, [cell.text for cell in row.cells]) for row in found] == [("z", ["✓", "✕"]), ("a", ["✕", "✓"])]


def test_lanes_differ_where_both_have_a_score_and_it_is_another_one(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        {"same": True, "other": True, "failed": True, "unclear": True, "waits": True},
        {"same": True, "other": False, "failed": "failed", "unclear": "unclear"},
    )
    assert [row.case.id for row in found if row.differs] == ["other"]


@pytest.mark.parametrize(
    ("show", "left"),
    [
        ("all", ["right", "wrong", "flaky", "failed", "unclear", "waits"]),
        ("wrong", ["wrong", "flaky"]),
        ("differs", ["wrong", "flaky"]),
        ("flaky", ["flaky"]),
        ("errors", ["failed", "unclear"]),
        ("waiting", ["waits"]),
    ],
)
def test_a_filter_leaves_the_rows_with_such_a_cell_in_any_lane(show: Show, left: list[str], tmp_path: Path) -> None:
    right = {name: [True, True] for name in ("right", "wrong", "flaky", "failed", "unclear", "waits")}
    other: dict[str, Sequence[Came]] = {
        "right": [True, True],
        "wrong": [False, False],
        "flaky": [True, False],
        "failed": ["failed", "failed"],
        "unclear": ["unclear", "unclear"],
        "waits": [],
    }
    plan = planned(*map(case, right), repeats=2)
    found = table(write(tmp_path / "r.jsonl", plan, {"a": right, "b": other}), plan)
    assert ids(chosen(found, show)) == left


def test_a_category_leaves_its_own_rows(tmp_path: Path) -> None:
    plan = planned(case("one", category="code"), case("two"), case("three", category="tools"))
    found = table(write(tmp_path / "r.jsonl", plan, {}), plan)
    assert ids(chosen(found, "all", category="code")) == ["one"]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("CAPITAL france", ["one"]),
        ("capital", ["one", "two"]),
        ("two", ["two"]),
        ("geography", ["two"]),
        ("again", ["three"]),
        ("capital again", []),
        ("  ", ["one", "two", "three"]),
    ],
)
def test_a_search_reads_ids_tags_and_all_prompts(words: str, left: list[str], tmp_path: Path) -> None:
    plan = planned(
        case("one", "What is the capital of France?"),
        case("two", "The capital of Peru?", tags=("geography",)),
        case("three", "Hello", then=({"role": "user", "content": "Hello again"},)),
    )
    found = table(write(tmp_path / "r.jsonl", plan, {}), plan)
    assert ids(chosen(found, "all", text=words)) == left


def test_the_prompt_of_a_case_is_what_its_user_says_last() -> None:
    turns = case("one", "First", then=({"role": "user", "content": "Second"},))
    assert prompt_of(turns) == "Second"


def test_a_case_whose_user_says_nothing_has_an_empty_prompt() -> None:
    system = Request(messages=({"role": "system", "content": "Be brief."},))
    assert prompt_of(Case(id="one", request=system)) == ""


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (
            [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}],
            "a\nb",
        ),
        ([{"text": None}, "loose"], ""),
        (None, ""),
    ],
)
def test_the_text_of_a_message_leaves_out_images_and_files(content: object, text: str) -> None:
    assert text_of(content) == text
