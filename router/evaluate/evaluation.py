"""One evaluation in progress: every case of its suite asked in every lane, graded, and written to its journal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import msgspec

from router.core.attempts import Completion, spent
from router.core.conversations import Settings
from router.core.errors import StoreError
from router.core.records import ScoredAnswer
from router.core.requests import Request
from router.core.runs import CellKey, CellResult, End, Ended, Graded, Planned, Sent
from router.core.suites import Answered, Case, Grade
from router.engine.handle import Handle
from router.engine.options import Options
from router.evaluate.dialog import hold
from router.evaluate.results import Results, State
from router.evaluate.scores import score_of
from router.runs.journal import Journal
from router.runs.runner import Runner

IN_FLIGHT = 16
"""Cells in progress at once; each provider's own limit holds beside it."""

SAMPLES = 16**5
"""Lanes whose samples differ."""

NAMED = ("tools", "response_format", "temperature", "max_tokens")

GradeAll = Callable[[Answered], tuple[Grade, ...]]
"""All checks of an answered case, in order; it may call models, and never fails."""


class Evaluation:
    """A run in progress. Its methods may be called from any thread.

    Args:
        run: its id.
        results: of the journal.
        start: sends a request; `Lab.start`.
        grade: grades one answer.
        keep: is told of every score.
        retry_failed: whether cells that no model of their lane answered are asked again.

    Attributes:
        problem: why it had to stop, one sentence.
    """

    def __init__(
        self,
        run: str,
        journal: Journal,
        results: Results,
        start: Callable[..., Handle],
        grade: GradeAll,
        *,
        keep: Callable[[ScoredAnswer], None],
        retry_failed: bool = False,
        in_flight: int | None = None,
    ) -> None:
        self._run = run
        self._journal = journal
        self.results = results.refresh()
        self._start = start
        self._grade = grade
        self._keep = keep
        self._asked_again = {"sent", "cut", "failed"} if retry_failed else {"sent", "cut"}
        self._plan = self.results.planned
        self._lanes = {lane.key: lane for lane in self._plan.lanes}
        self._cases = by_question(self._plan)
        self._lock = threading.Lock()
        self._handles: set[Handle] = set()
        self._why: End = "complete"
        self.problem: str | None = None
        self._runner = Runner(map(self._todo, self._lanes), self._work, self._end, in_flight=in_flight or IN_FLIGHT)

    def begin(self) -> None:
        """Start, or go on where an earlier process ended; returns at once."""
        self._runner.begin()

    def stop(self, why: End = "stopped") -> None:
        """Ask nothing more; calls in progress are cut, and asked again when the run is resumed."""
        with self._lock:
            if self._why == "complete":
                self._why = why
            handles = list(self._handles)
        self._runner.stop()
        for handle in handles:
            handle.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, or for `timeout` seconds; returns whether it has ended."""
        return self._runner.wait(timeout)

    # --- On the runner's threads -------------------------------------------------------------------

    def _todo(self, lane: str) -> Iterator[CellKey]:
        """A lane's cells that have no result, or an answer that is not graded.

        In the order of their hashes: verdicts that are looked at on the way need one that is as good as random.
        """
        is_first = lane == self._plan.lanes[0].key
        for question in sorted(self._cases)[: None if is_first else self._plan.screen]:
            for repeat in range(self._plan.repeats):
                cell = CellKey(question, lane, repeat)
                asked = self.results.asked.get(cell)
                if asked is None or asked.state in self._asked_again or self._ungraded(cell, asked.state):
                    yield cell

    def _ungraded(self, cell: CellKey, state: State) -> list[Case]:
        """The cases whose checks have not seen the cell's answer, if there is one."""
        if state != "answered":
            return []
        return [case for case in self._cases[cell.question] if (cell, case.id) not in self.results.scored]

    def _work(self, cell: CellKey) -> None:
        try:
            if self._is_spent():
                self.stop("limit")
                return
            result = self._result(cell)
            for case in self._ungraded(cell, result.state):
                self._keep_grades(cell, case, result)
        except StoreError as error:  # what cannot be written is not asked
            self.problem = str(error)
            self.stop()

    def _result(self, cell: CellKey) -> CellResult:
        """The cell's answer: the one that was written already, or else a new one."""
        asked = self.results.asked.get(cell)
        if asked is not None and asked.state == "answered" and (result := self.results.answer(cell)) is not None:
            return result
        self._journal.add(Sent(time.time(), cell))
        result = self._ask(cell)
        self._journal.add(result)
        return result

    def _keep_grades(self, cell: CellKey, case: Case, result: CellResult) -> None:
        answered = Answered(
            case=case,
            answer=result.answers[-1],
            earlier=result.answers[:-1],
            latency=result.latency,
            cost=cost_of(result),
        )
        graded = Graded(time.time(), cell, case.id, self._grade(answered))
        self._journal.add(graded)
        scored = score_of(case, graded.grades)
        answers = [attempt for attempt in result.attempts if attempt.outcome == "answered"]
        if answers and scored.score is not None:
            self._keep(
                ScoredAnswer(
                    at=graded.at,
                    run=self._run,
                    suite=self._plan.suite.name,
                    case=case.id,
                    **msgspec.structs.asdict(cell),
                    category=case.category,
                    model=answers[-1].model,
                    place=max(attempt.place for attempt in answers),
                    score=scored.score,
                    passed=scored.passed,
                )
            )

    def _ask(self, cell: CellKey) -> CellResult:
        lane = self._lanes[cell.lane]
        sample = cell.repeat * SAMPLES + int(lane.key[:5], 16)  # no lane is given what another one paid and waited for
        options = Options(source="eval", cache="use" if self._plan.cache else "off", sample=sample)

        def complete(request: Request) -> Completion:
            settings = lane.settings
            handle = self._start(
                asked_of(settings, request), category=settings.category, model=settings.model, options=options
            )
            return self._followed(handle)

        held = hold(self._cases[cell.question][0], complete)
        return CellResult(time.time(), cell, **held._asdict())

    def _followed(self, handle: Handle) -> Completion:
        with self._lock:
            self._handles.add(handle)
            if self._why != "complete":  # it was stopped meanwhile
                handle.cancel()
        try:
            return handle.result()
        finally:
            with self._lock:
                self._handles.discard(handle)

    def _is_spent(self) -> bool:
        """Whether the limit would be passed by what is in progress, if that costs as much as the cells before it."""
        limit = self._plan.max_cost
        if limit is None:
            return False
        results = self.results.refresh()
        over = len(results.asked) - len(self._handles)
        return results.spent + len(self._handles) * results.spent / max(over, 1) >= limit

    def _end(self) -> None:
        with contextlib.suppress(StoreError):  # it is told already
            self._journal.add(Ended(time.time(), self._why))
            self.results.refresh()
        self._journal.close()


def cost_of(result: CellResult) -> float | None:
    """US dollars of all turns with their failed attempts; None if any part is unknown."""
    return spent(result.attempts).known


def by_question(plan: Planned) -> dict[str, list[Case]]:
    """A plan's cases by what they ask: those that ask the same share their answers."""
    found: dict[str, list[Case]] = {}
    for case in plan.suite.cases:
        found.setdefault(case.key, []).append(case)
    return found


def asked_of(settings: Settings, request: Request) -> Request:
    """A case's request as a lane asks it: the lane's own parameters count, and its system prompt comes first."""
    own = settings.request(request.messages)
    named = {name: value for name in NAMED if (value := getattr(own, name)) not in (None, ())}
    params = {**request.params, **own.params}
    return msgspec.structs.replace(request, **named, params=params).with_system(settings.system)
