"""Runs as a process leaves them: a journal written line by line, without a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.messages import Answer
from router.core.requests import Request
from router.core.runs import CellKey, CellResult, Ended, Graded, Lane, Planned, Sent
from router.core.suites import Case, Check, Grade, Suite
from router.evaluate.results import Results
from router.runs.journal import Journal

Came = bool | float | Literal["failed", "no answer yet", "not graded yet", "unclear"]
"""What came of a cell: whether it passed, its score, or why it has none."""

A, B, C = (Lane(name, Settings(model=name), "chain") for name in "abc")


def case(name: str, said: str | None = None, **rest: Any) -> Case:
    """A case that asks `said`, or its own name, with one check."""
    request = Request(messages=({"role": "user", "content": said or name},))
    return Case(**{"id": name, "request": request, "checks": (Check(type="equals"),), **rest})


def planned(*cases: Case, lanes: Sequence[Lane] = (A, B), **rest: Any) -> Planned:
    return Planned(at=0, suite=Suite(name="s", cases=cases), lanes=tuple(lanes), **rest)


def attempt(cost: float | None = 0.01, latency: float = 1.0, **rest: Any) -> Attempt:
    """A call that answered."""
    fields = {"model": "m", "provider": "p", "place": 0, "number": 1, "outcome": "answered", "started": 0, "offset": 0}
    return Attempt(**{**fields, "cost": cost, "latency": latency, **rest})


def write(
    path: Path,
    plan: Planned,
    came: Mapping[str, Mapping[str, Sequence[Came] | Came]],
    attempts: Mapping[str, Attempt] = {},
) -> Results:
    """A run's journal, read back.

    Args:
        came: by lane and case: of one repeat, or of each.
        attempts: each lane's call a cell.
    """
    lanes, cases = ({each.name: each for each in plan.lanes}, {each.id: each for each in plan.suite.cases})
    journal = Journal(path)
    journal.add(plan)
    for lane, by_case in came.items():
        for name, outcomes in by_case.items():
            repeats = outcomes if isinstance(outcomes, Sequence) and not isinstance(outcomes, str) else [outcomes]
            for repeat, each in enumerate(repeats):
                cell = CellKey(cases[name].key, lanes[lane].key, repeat)
                for entry in _entries(cell, cases[name], each, attempts.get(lane, attempt())):
                    journal.add(entry)
    journal.add(Ended(0, "complete"))
    journal.close()
    return Results(path).refresh()


def _entries(cell: CellKey, asked: Case, came: Came, call: Attempt) -> Iterator[object]:
    yield Sent(0, cell)
    if came == "no answer yet":
        return
    if came == "failed":
        yield CellResult(0, cell, "failed", attempts=(call,), error="No.")
        return
    latency = None if call.cached else call.latency
    yield CellResult(0, cell, "answered", answers=(Answer(text="x"),), attempts=(call,), latency=latency)
    if came != "not graded yet":
        yield Graded(0, cell, asked.id, tuple(_grade(check.title, came) for check in asked.checks))


def _grade(check: str, came: Came) -> Grade:
    if isinstance(came, str):
        return Grade(check=check, score=None, passed=False, error="It could not tell.")
    return Grade(check=check, score=float(came), passed=came == 1)
