"""A run's verdicts: which lanes are compared, on which cases, and what counts as finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.messages import Answer
from router.core.requests import Request
from router.core.runs import CellKey, Graded, Landed, Lane, Planned
from router.core.suites import Case, Check, Grade, Suite
from router.evaluate.results import Results
from router.evaluate.verdicts import Compared, against_first, since_baseline
from router.runs.journal import Journal

A, B = (Lane(name, Settings(model=name), "chain") for name in "ab")


def cases(count: int, check: str = "equals") -> tuple[Case, ...]:
    return tuple(
        Case(
            id=f"c{number}",
            request=Request(messages=({"role": "user", "content": f"Question {number}"},)),
            checks=(Check(type=check),),
        )
        for number in range(count)
    )


def plan(count: int, *lanes: Lane, check: str = "equals", repeats: int = 1) -> Planned:
    return Planned(at=0, suite=Suite(name="s", cases=cases(count, check)), lanes=lanes or (A, B), repeats=repeats)


def write(path: Path, *plans: Planned, wins: int = 0, failed: int = 0, finished: int | None = None) -> Results:
    """A run in which b answers all, and a all but the first `wins`, of which it has no answer to the first `failed`."""
    journal = Journal(path)
    for each in plans:
        journal.add(each)
    last = plans[-1]
    for lane in last.lanes:
        for number, case in enumerate(last.suite.cases[:finished]):
            for repeat in range(last.repeats):
                cell = CellKey(case.key, lane.key, repeat)
                if lane == A and number < failed:
                    journal.add(Landed(0, cell, "failed", error="No."))
                    continue
                right = lane == B or number >= wins
                journal.add(Landed(0, cell, "answered", answers=(Answer(text="x"),)))
                journal.add(Graded(0, cell, case.id, (Grade(check="equals", score=float(right), passed=right),)))
    journal.close()
    return Results(path).refresh()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "r.jsonl"


def only(found: list[Compared]) -> Compared:
    [compared] = found
    return compared


def test_each_lane_is_compared_with_the_first(path: Path) -> None:
    results = write(path, plan(30), wins=15)
    compared = only(against_first(results, results.planned))
    assert (compared.first, compared.second, compared.verdict.kind) == ("b", "a", "better")


def test_lanes_that_do_the_same_are_not_separable(path: Path) -> None:
    results = write(path, plan(30))
    assert only(against_first(results, results.planned)).verdict.kind == "not_separable"


def test_a_failed_call_is_left_out_and_counted(path: Path) -> None:
    results = write(path, plan(30), failed=2)
    look = only(against_first(results, results.planned)).verdict.look
    assert (look.finished, look.left_out) == (30, 2)


def test_where_too_much_failed_there_is_no_verdict(path: Path) -> None:
    results = write(path, plan(30), failed=10)
    compared = only(against_first(results, results.planned))
    assert compared.verdict.kind == "no_verdict"
    assert compared.sentence.startswith("No verdict on b and a: 10 of 30 prompts failed")


def test_a_case_counts_when_all_its_repeats_are_over(path: Path) -> None:
    results = write(path, plan(10, repeats=2), finished=6)
    assert only(against_first(results, results.planned)).verdict.look.finished == 6


def test_a_run_that_was_extended_keeps_its_planned_end(path: Path) -> None:
    results = write(path, plan(20), plan(30))
    look = only(against_first(results, results.planned)).verdict.look
    assert (look.planned, look.finished) == (20, 30)


def test_a_lane_is_compared_with_itself_in_the_baseline(path: Path, tmp_path: Path) -> None:
    before = write(tmp_path / "runs" / "before.jsonl", plan(30, A))
    now = write(path, plan(30, A), wins=15)
    compared = only(since_baseline(now, now.planned, before, before.planned))
    assert (compared.second, compared.verdict.kind) == ("a in the baseline", "worse")


def test_cases_that_are_checked_in_another_way_are_not_compared(path: Path, tmp_path: Path) -> None:
    before = write(tmp_path / "runs" / "before.jsonl", plan(30, A, check="contains"))
    now = write(path, plan(30, A))
    with pytest.raises(InvalidRequest, match=r"^The baseline has no case in common with this run\."):
        since_baseline(now, now.planned, before, before.planned)


def test_runs_without_a_common_lane_are_not_compared(path: Path, tmp_path: Path) -> None:
    before = write(tmp_path / "runs" / "before.jsonl", plan(30, B))
    now = write(path, plan(30, A))
    with pytest.raises(InvalidRequest, match=r"^The baseline has no lane in common with this run\."):
        since_baseline(now, now.planned, before, before.planned)
