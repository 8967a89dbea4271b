"""A run's results as its journal tells them: the state and the scores of every cell, without the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from router.core.attempts import Spent, spent
from router.core.errors import InvalidRequest
from router.core.runs import CellKey, CellResult, End, Ended, Entry, Graded, Planned, Sent
from router.core.suites import Case, Grade
from router.evaluate.scores import Scored, score_of
from router.runs.journal import Reader

T = TypeVar("T")

State = Literal["sent", "answered", "failed", "cut"]

_OVER = ("answered", "failed")

ENDED: Mapping[End | None, str] = {
    "complete": "complete", "stopped": "stopped", "limit": "at its spending limit", None: "not complete",
}  # fmt: skip
"""How a run ended, in words."""


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A cell that was asked.

    Attributes:
        offset: of its entry in the journal; None while it is only sent.
        latency: seconds; None if there is no answer of its own.
        spent: by its calls, failed ones included.
        model: what answered.
        error: why nothing did, one sentence.
    """

    state: State
    offset: int | None = None
    latency: float | None = None
    spent: Spent = Spent(0.0, 0)
    model: str | None = None
    error: str | None = None


class Results:
    """Everything that a journal says, brought up to date by `refresh`. Safe to use from any thread.

    Attributes:
        plan: the last one.
        first_cases: ids of the cases of the first one.
        asked: by cell.
        scored: by cell and case's id.
        people: what people said of a cell, by cell and case's id.
        over: how many cells have an answer, or no model answered them.
        possibly_paid: cells that were sent, and whose answer was never written.
        ended: why nothing more is asked; None while the run is in progress, or if its process was killed.
        version: another number whenever there was more in the journal.
    """

    def __init__(self, path: Path) -> None:
        self._reader: Reader[Entry] = Reader(path, Entry)  # type: ignore[arg-type]  # a union of types
        self._lock = threading.Lock()
        self._cases: dict[str, Case] = {}
        self.plan: Planned | None = None
        self.first_cases: frozenset[str] = frozenset()
        self.began = 0.0
        self.asked: dict[CellKey, Asked] = {}
        self.scored: dict[tuple[CellKey, str], Scored] = {}
        self.people: dict[tuple[CellKey, str], Grade] = {}
        self._grades_at: dict[tuple[CellKey, str], int] = {}
        self.over = 0
        self.possibly_paid: set[CellKey] = set()
        self.spent = 0.0
        self.unpriced = 0
        self.ended: End | None = None
        self.version = 0
        self._made: tuple[int, dict[str, Any]] = (0, {})

    def once(self, plan: Planned, what: str, make: Callable[[], T]) -> T:
        """What is worked out of all that the journal says, kept until it says more.

        Args:
            plan: what it is worked out for; it is kept for the last plan alone.
        """
        if plan is not self.plan:
            return make()
        if self._made[0] != self.version:
            self._made = (self.version, {})
        made = self._made[1]
        if what not in made:
            made[what] = make()
        found: T = made[what]
        return found

    @property
    def planned(self) -> Planned:
        """The last plan.

        Raises:
            InvalidRequest: there is none.
        """
        if self.plan is None:
            raise InvalidRequest("This run has no plan: its process ended before it was written. Start a new one.")
        return self.plan

    def refresh(self) -> Results:
        """Take in what was written since the last look.

        Raises:
            StoreError: the journal cannot be read.
        """
        with self._lock:
            for line in self._reader.new():
                self._take(line.offset, line.entry)
            self.version = self._reader.read
        return self

    def answer(self, cell: CellKey) -> CellResult | None:
        """A cell's answer with its attempts; None if it was never answered.

        Raises:
            StoreError: the journal cannot be read.
        """
        asked = self.asked.get(cell)
        if asked is None or asked.offset is None:
            return None
        entry = self._reader.at(asked.offset)
        return entry if isinstance(entry, CellResult) else None

    def grades(self, cell: CellKey, case: str) -> tuple[Grade, ...]:
        """What each check of a case says of a cell; none if it is not graded.

        Raises:
            StoreError: the journal cannot be read.
        """
        offset = self._grades_at.get((cell, case))
        entry = self._reader.at(offset) if offset is not None else None
        return entry.grades if isinstance(entry, Graded) else ()

    def _take_plan(self, plan: Planned) -> None:
        """Grades by checks that have changed since do not count."""
        if self.plan is None:
            self.began, self.first_cases = plan.at, frozenset(case.id for case in plan.suite.cases)
        self.plan, self.ended = plan, None
        before, self._cases = self._cases, {case.id: case for case in plan.suite.cases}
        for cell, name in list(self.scored):
            old, new = before[name], self._cases.get(name)
            if plan.grade_again or new is None or (old.checks, old.target) != (new.checks, new.target):
                del self.scored[cell, name]

    def _set(self, cell: CellKey, now: Asked) -> Asked | None:
        """Returns what came of the cell before."""
        before = self.asked.get(cell)
        self.over += (now.state in _OVER) - (before is not None and before.state in _OVER)
        self.asked[cell] = now
        return before

    def _take(self, offset: int, entry: Entry) -> None:
        match entry:  # the most frequent first
            case Sent(cell=cell):
                self.ended = None
                if (before := self._set(cell, Asked("sent"))) is not None and before.state == "sent":
                    self.possibly_paid.add(cell)
            case CellResult(cell=cell):
                cost = spent(entry.attempts)
                self.spent += cost.cost or 0.0
                self.unpriced += cost.unpriced
                last = entry.attempts[-1] if entry.attempts else None
                model = last.model if last is not None and entry.state == "answered" else None
                self._set(cell, Asked(entry.state, offset, entry.latency, cost, model, entry.error))
            case Graded(by="") if entry.case in self._cases:  # else it was taken out of the suite
                key = (entry.cell, entry.case)
                self._grades_at[key] = offset
                self.scored[key] = scored = score_of(self._cases[entry.case], entry.grades)
                self.spent += scored.cost or 0.0
                self.unpriced += scored.cost is None
            case Graded(grades=(grade,)) if entry.by:
                self.people[entry.cell, entry.case] = grade
            case Graded(grades=()) if entry.by:
                self.people.pop((entry.cell, entry.case), None)
            case Planned():
                self._take_plan(entry)
            case Ended():
                self.ended = entry.why
