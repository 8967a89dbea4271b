"""What a journal says of a run: how far it is, and what is worked out of it once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from router.core.runs import CellKey, CellResult, Planned, Sent
from router.evaluate.results import Results
from router.runs.journal import append
from tests.evaluate.written import A, case, planned, write

PLAN = planned(case("one"), case("two"), lanes=[A])
CELL = CellKey(PLAN.suite.cases[0].key, A.key, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.jsonl"


def test_answers_and_failed_calls_are_over_and_what_is_only_sent_is_not(path: Path) -> None:
    assert write(path, PLAN, {"a": {"one": "failed", "two": "no answer yet"}}).over == 1


def test_what_is_asked_again_is_over_when_it_has_its_answer(path: Path) -> None:
    results = write(path, PLAN, {"a": {"one": "failed", "two": True}})
    seen = []
    for entry in (Sent(0, CELL), CellResult(0, CELL, "cut"), Sent(0, CELL), CellResult(0, CELL, "answered")):
        append(path, entry)
        seen.append(results.refresh().over)
    assert seen == [1, 1, 1, 2]


def made(results: Results, plan: Planned, times: int = 2) -> int:
    """How often something is worked out that is wanted `times`."""
    calls: list[None] = []
    for _ in range(times):
        results.once(plan, "this", lambda: calls.append(None))
    return len(calls)


def test_what_is_worked_out_is_kept_until_there_is_more_in_the_journal(path: Path) -> None:
    results = write(path, PLAN, {"a": {"one": True}})
    assert [made(results, results.planned), made(results, results.planned)] == [1, 0]
    append(path, Sent(0, CELL))
    assert made(results.refresh(), results.planned) == 1


def test_what_is_worked_out_for_another_plan_is_not_kept(path: Path) -> None:
    results = write(path, PLAN, {"a": {"one": True}})
    assert made(results, msgspec.structs.replace(PLAN, repeats=2)) == 2
