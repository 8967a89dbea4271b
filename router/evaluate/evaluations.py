"""All evaluations of a Lab: starting, resuming, extending, and reading them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from router.config.schema import Config
from router.config.values import shortened
from router.core.comparisons import Usual
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.runs import LEAST_SCREENED, CellKey, Graded, Lane, Planned
from router.core.suites import Grade
from router.engine.handle import Handle
from router.evaluate.evaluation import Evaluation, GradeAll
from router.evaluate.results import Results
from router.runs.estimate import AskedFirst, Estimate
from router.runs.journal import Journal, append
from router.store import ScoreLog

MAX_LANES = 40
MAX_REPEATS = 100
MAX_CELLS = 200_000


class Evaluations:
    """Runs in progress and finished ones. Its methods may be called from any thread.

    Args:
        folder: one journal a run.
        start: sends a request; `Lab.start`.
        config: models.yaml as it is now.
        grader: makes what grades a run's answers.
        asked_first: the model that a lane would call first.
        scores: where scores are stored.
        usual: the newest calls of a provider's model; None if there are none.
    """

    def __init__(
        self,
        folder: Path,
        start: Callable[..., Handle],
        config: Callable[[], Config],
        *,
        grader: Callable[[Planned], GradeAll],
        asked_first: Callable[[Settings], AskedFirst],
        scores: ScoreLog,
        usual: Callable[[str, str], Usual | None],
    ) -> None:
        self._folder = folder
        self._start = start
        self._config = config
        self._grader = grader
        self._asked_first = asked_first
        self._scores = scores
        self._usual = usual
        self._lock = threading.Lock()
        self._running: dict[str, Evaluation] = {}
        self._results: dict[str, Results] = {}

    def lane(self, settings: Settings, name: str = "") -> Lane:
        """A lane as models.yaml stands now.

        Raises:
            ConfigError: there is no such chain, or the model's provider is not declared.
        """
        config = self._config()
        chain = config.single(settings.model) if settings.model is not None else config.chain(settings.category or "")
        return Lane(name or settings.model or settings.category or "", settings, chain.fingerprint)

    def estimate(self, plan: Planned) -> Estimate:
        """A plan's likely cost and duration if every first model answers.

        Raises:
            InvalidRequest: the plan cannot be run.
        """
        from router.evaluate.estimate import estimate  # noqa: PLC0415  # the graders' libraries are for runs alone

        check(plan)
        return estimate(plan, self._config(), self._asked_first, self._usual)

    def begin(self, plan: Planned, *, in_flight: int | None = None) -> str:
        """Run a plan; returns the run's id at once.

        Raises:
            InvalidRequest: the plan cannot be run; one sentence says what to change.
            StoreError: its journal cannot be written.
        """
        check(plan)
        grade = self._grader(plan)
        run = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        journal = Journal(self._path(run))
        journal.add(plan)
        self._go_on(run, journal, grade, in_flight=in_flight)
        return run

    def resume(
        self,
        run: str,
        change: Callable[[Planned], Planned] = lambda plan: plan,
        *,
        retry_failed: bool = False,
        in_flight: int | None = None,
    ) -> None:
        """Go on with a run where it ended, however it ended; what is answered is not asked again.

        Args:
            change: extends the plan by lanes, cases or repeats.
            retry_failed: also ask cells again that no model answered.

        Raises:
            InvalidRequest: there is no such run, another process runs it, or the changed plan cannot be run.
        """
        before = self.results(run).planned
        plan = change(msgspec.structs.replace(before, grade_again=False))  # which was done, or is gone on with
        check(plan)
        grade = self._grader(plan)
        journal = Journal(self._path(run))
        if plan != before or plan.grade_again:
            journal.add(msgspec.structs.replace(plan, at=time.time()))
        self._go_on(run, journal, grade, retry_failed=retry_failed, in_flight=in_flight)

    def rate(self, run: str, cell: CellKey, case: str, grade: Grade | None, *, by: str = "a person") -> None:
        """Keep what a person says of an answer; the last word counts.

        Args:
            case: its id.
            grade: None removes it.

        Raises:
            InvalidRequest: there is no such run, or the cell has no answer.
            StoreError: the journal cannot be written.
        """
        asked = self.results(run).asked.get(cell)
        if asked is None or asked.state != "answered":
            raise InvalidRequest("This cell has no answer to grade.")
        append(self._path(run), Graded(time.time(), cell, case, () if grade is None else (grade,), by))

    def running(self, run: str) -> Evaluation | None:
        """A run that this process is running; None if it has ended, or never ran here."""
        with self._lock:
            evaluation = self._running.get(run)
        return evaluation if evaluation is not None and not evaluation.wait(0) else None

    def problem(self, run: str) -> str | None:
        """Why a run of this process had to stop, one sentence; None if it had not to."""
        with self._lock:
            evaluation = self._running.get(run)
        return evaluation.problem if evaluation is not None else None

    def results(self, run: str) -> Results:
        """A run's results so far, also of one that another process is running.

        Raises:
            InvalidRequest: there is no such run.
            StoreError: its journal cannot be read.
        """
        if not _is_file(path := self._path(run)):
            raise InvalidRequest(f"There is no run {shortened(run)}. `fallback-lab runs` lists them.")
        with self._lock:
            results = self._results.setdefault(run, Results(path))
        return results.refresh()

    def all(self) -> Sequence[str]:
        """The ids of all runs, newest first."""
        return sorted((path.stem for path in self._folder.glob("*.jsonl")), reverse=True)

    def delete(self, run: str) -> None:
        """Stop a run and delete it with its answers.

        Raises:
            InvalidRequest: another process is running it.
        """
        if (evaluation := self.running(run)) is not None:
            evaluation.stop()
            evaluation.wait()
        Journal(self._path(run)).close()
        self._path(run).unlink(missing_ok=True)
        self._path(run).with_suffix(".lock").unlink(missing_ok=True)
        with self._lock:
            self._results.pop(run, None)
        self._scores.drop(run)

    def forget(self) -> None:
        """Stop and delete all runs of this process's Lab."""
        for run in self.all():
            self.delete(run)

    def close(self) -> None:
        """Stop everything in progress, and wait until it is written."""
        with self._lock:
            running = list(self._running.values())
        for evaluation in running:
            evaluation.stop()
        for evaluation in running:
            evaluation.wait()

    def _path(self, run: str) -> Path:
        if Path(run).name != run:
            raise InvalidRequest(f"{shortened(run)} is not a run. `fallback-lab runs` lists them.")
        return self._folder / f"{run}.jsonl"

    def _go_on(
        self, run: str, journal: Journal, grade: GradeAll, *, retry_failed: bool = False, in_flight: int | None = None
    ) -> None:
        evaluation = Evaluation(
            run,
            journal,
            self.results(run),
            self._start,
            grade,
            keep=self._scores.save,
            retry_failed=retry_failed,
            in_flight=in_flight,
        )
        with self._lock:
            self._running[run] = evaluation
        evaluation.begin()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no name of a file is that long
        return False


def check(plan: Planned) -> None:
    """Check that a plan can be run.

    Raises:
        InvalidRequest: one sentence that says what to change.
    """
    if not plan.suite.cases:
        raise InvalidRequest(f"The suite {plan.suite.name} has no cases. Add at least one.")
    if not 1 <= len(plan.lanes) <= MAX_LANES:
        raise InvalidRequest(f"A run has 1 to {MAX_LANES} lanes, not {len(plan.lanes)}.")
    if not 1 <= plan.repeats <= MAX_REPEATS:
        raise InvalidRequest(f"Repeats must be 1 to {MAX_REPEATS}, not {plan.repeats}.")
    names = [lane.name for lane in plan.lanes]
    keys = [lane.key for lane in plan.lanes]
    for number, name in enumerate(names):
        if name in names[:number] or keys[number] in keys[:number]:
            raise InvalidRequest(f"Two lanes are the same: {name}. Remove one, or use repeats.")
    if plan.screen is not None and plan.screen < LEAST_SCREENED:
        raise InvalidRequest(f"Screening needs at least {LEAST_SCREENED} cases, not {plan.screen}.")
    for case in plan.suite.cases:
        try:
            case.key  # noqa: B018  # it is worked out, once, from a request that can be sent
        except InvalidRequest as error:
            raise InvalidRequest(f"Case {case.id}: {error}") from None
    if (cells := plan.cells) > MAX_CELLS:
        raise InvalidRequest(
            f"This run has {cells:,} answers; the limit is {MAX_CELLS:,}. Use fewer cases, lanes or repeats."
        )
