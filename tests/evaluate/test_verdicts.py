"""A run's verdicts: which lanes are compared, on which cases, and what counts as finished."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.messages import Answer
from router.core.requests import Request
from router.core.runs import CellKey, CellResult, Graded, Lane, Planned
from router.core.suites import Case, Check, Grade, Suite
from router.evaluate.results import Results
from router.evaluate.statistics import changes
from router.evaluate.verdicts import Compared, against_first, lanes_since, since_baseline
from router.runs.journal import Journal
from tests.evaluate import written

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
                    journal.add(CellResult(0, cell, "failed", error="No."))
                    continue
                right = lane == B or number >= wins
                journal.add(CellResult(0, cell, "answered", answers=(Answer(text="x"),)))
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


# --- Since a baseline, whatever its cases are called -----------------------------------------------


def renamed(count: int) -> tuple[Case, ...]:
    """The same cases in another order, under each other's names."""
    return tuple(
        msgspec.structs.replace(case, id=f"c{count - 1 - number}") for number, case in enumerate(cases(count))
    )[::-1]


def test_a_baseline_s_cases_are_matched_by_what_they_ask_and_check(path: Path, tmp_path: Path) -> None:
    now = write(path, plan(30, A), wins=15)
    earlier = plan(30, A)
    before = write(
        tmp_path / "before.jsonl", msgspec.structs.replace(earlier, suite=Suite(name="s", cases=renamed(30))), wins=30
    )
    compared = only(since_baseline(now, now.planned, before, before.planned))
    assert (compared.verdict.kind, compared.verdict.look.finished) == ("better", 30)


def kinds(tmp_path: Path, before: list[tuple[Case, bool]], now: list[tuple[Case, bool]]) -> dict[str, str]:
    """What changed in lane a, by the cases' names."""
    runs = []
    for name, came in (("before", before), ("now", now)):
        plan = written.planned(*(case for case, _ in came), lanes=[written.A])
        passed = {case.id: each for case, each in came}
        runs.append(written.write(tmp_path / f"{name}.jsonl", plan, {"a": passed}))
    earlier, results = runs
    [(_, then, after)] = lanes_since(results, results.planned, earlier, earlier.planned)
    return {change.case: change.kind for change in changes(then, after)}


def test_a_case_that_was_renamed_is_the_same_case(tmp_path: Path) -> None:
    old, new = written.case("old", "Hello"), written.case("new", "Hello")
    assert kinds(tmp_path, [(old, True)], [(new, False)]) == {"new": "worse"}


def test_a_case_that_is_in_one_run_alone_is_new_or_gone(tmp_path: Path) -> None:
    one, two, three = map(written.case, ("one", "two", "three"))
    found = kinds(tmp_path, [(one, True), (two, True)], [(one, True), (three, True)])
    assert found == {"one": "same", "two": "gone", "three": "new"}


def test_a_case_of_the_same_name_that_asks_something_else_is_no_change(tmp_path: Path) -> None:
    old, new = written.case("one", "Hello"), written.case("one", "Goodbye")
    assert kinds(tmp_path, [(old, True)], [(new, False)]) == {"one": "new"}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_name_that_another_case_has_now_takes_nothing_from_it(is_first: bool, tmp_path: Path) -> None:
    renamed_later, gone = written.case("two", "Hello"), written.case("one", "Goodbye")
    before = [(gone, False), (renamed_later, True)] if is_first else [(renamed_later, True), (gone, False)]
    assert kinds(tmp_path, before, [(written.case("one", "Hello"), True)]) == {"one": "same"}


def test_only_lanes_that_both_runs_have_are_set_side_by_side(path: Path, tmp_path: Path) -> None:
    before = write(tmp_path / "before.jsonl", plan(3, B, written.C))
    now = write(path, plan(3, A, B))
    assert [lane.name for lane, *_ in lanes_since(now, now.planned, before, before.planned)] == ["b"]
