"""All comparisons of this process: starting, reopening, naming, and voting."""

from __future__ import annotations

import functools
import threading
import time
import uuid
from collections.abc import Callable, Mapping

import msgspec

from router.compare.estimate import estimate
from router.compare.plan import check, files_of, unanswered
from router.compare.run import Run, later
from router.compare.votes import Ballot, identical_ballots, names, open_ballots
from router.core.comparisons import (
    Cell,
    Comparison,
    Plan,
    Vote,
    Winner,
)
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.engine.handle import Handle
from router.engine.viewers import Later
from router.runs.estimate import AskedFirst, Estimate
from router.store import ComparisonLog
from router.store.recent import Recent

MAX_COMPARISONS = 20
"""Comparisons kept in memory; older ones are reread from the store."""

MAX_NAME = 200
"""Characters of a comparison's name."""


class Comparisons:
    """Running and finished comparisons. Its methods may be called from any thread.

    Args:
        start: sends a request; `Lab.start`.
        asked_first: the model that a lane would call first.
        log: where comparisons are stored.
    """

    def __init__(
        self,
        start: Callable[..., Handle],
        asked_first: Callable[[Settings], AskedFirst],
        log: ComparisonLog,
        later: Later = later,
    ) -> None:
        self._start = start
        self._asked_first = asked_first
        self._log = log
        self._later = later
        # Never held while anything is read: answers in progress need it.
        self._lock = threading.Lock()
        self._recent = Recent(self._read, lambda comparison: comparison.id in self._runs, MAX_COMPARISONS)
        # The writer may yet have to store them.
        self._files: Recent[Mapping[str, bytes]] = Recent(lambda _: None, lambda _: False, MAX_COMPARISONS)
        self._runs: dict[str, Run] = {}
        self._votes: dict[str, Vote] = {}

    def start(self, plan: Plan, files: Mapping[str, bytes] = {}) -> str:
        """Run a plan; returns the comparison's id at once. While running, it is reachable only by that id.

        Args:
            files: the bytes of the plan's files by their ids.

        Raises:
            InvalidRequest: the plan cannot be run; one sentence says what to change.
        """
        check(plan, files.__getitem__)
        comparison = Comparison(id=uuid.uuid4().hex[:12], name="", created=time.time(), plan=plan, cells={})
        run = self._new_run(comparison)
        with self._lock:
            self._files.put(comparison.id, files)
            self._log.save(comparison)
            for attachment in files_of(plan):
                self._log.save_file(comparison.id, attachment, files[attachment.id])
        run.begin()
        return comparison.id

    def go_on(self, comparison_id: str) -> None:
        """Ask the cells of a finished comparison again that have no answer, and no others.

        Raises:
            InvalidRequest: it is not stored, is in progress, or has every answer.
        """
        comparison = self._recent.get(comparison_id)
        if comparison is None:
            raise InvalidRequest("This comparison is no longer stored. Start a new one.")
        if not unanswered(comparison):
            raise InvalidRequest("Every prompt of this comparison has its answers.")
        self._new_run(comparison).begin()

    def _new_run(self, comparison: Comparison) -> Run:
        """A run of the cells without an answer, not begun yet; from here on the comparison is in progress.

        Raises:
            InvalidRequest: it is already.
        """
        answered = {key for key, cell in comparison.cells.items() if cell.state == "answered"}
        keep, end = (functools.partial(told, comparison.id) for told in (self._keep, self._end))
        load = functools.partial(self.file, comparison.id)
        run = Run(comparison.plan, self._start, keep, end, load, over=answered, later=self._later)
        with self._lock:
            if comparison.id in self._runs:
                raise InvalidRequest("This comparison is in progress.")
            self._runs[comparison.id] = run
            self._recent.put(comparison.id, comparison)
        return run

    def file(self, comparison_id: str, file: str) -> bytes:
        """The bytes of a comparison's file.

        Raises:
            InvalidRequest: it is no longer stored.
        """
        held = self._files.get(comparison_id) or {}
        data = held.get(file) or self._log.load_file(comparison_id, file)
        if data is None:
            raise InvalidRequest("A file of this comparison is no longer stored. Attach it again.")
        return data

    def estimate(self, plan: Plan, files: Mapping[str, bytes] = {}) -> Estimate:
        """A plan's likely cost and duration; `files` as for `start`.

        Raises:
            InvalidRequest: the plan cannot be run.
            ConfigError: a lane's chain is not in models.yaml.
        """
        check(plan, files.__getitem__)
        return estimate(plan, self._asked_first, self._log.usual, files.__getitem__)

    def get(self, comparison_id: str) -> Comparison | None:
        """A comparison's current state; None if there is none with that id."""
        return self._recent.get(comparison_id)

    def run(self, comparison_id: str) -> Run | None:
        """A comparison's run in progress; None once it has finished."""
        return self._runs.get(comparison_id)

    def close(self) -> None:
        """Stop everything in progress."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.stop()

    def rename(self, comparison_id: str, name: str) -> None:
        """Give a comparison a name."""
        comparison = self._recent.get(comparison_id)
        if comparison is not None:
            named = " ".join(name.split())[:MAX_NAME]
            self._recent.change(comparison_id, lambda now: msgspec.structs.replace(now, name=named), comparison)
            self._log.save(msgspec.structs.replace(comparison, name=named))

    def newest(self, count: int) -> list[Comparison]:
        """Finished comparisons without their cells, newest first."""
        stored = self._log.newest(count + len(self._runs))
        found = {comparison.id: comparison for comparison in stored} | self._recent.held()
        over = [comparison for comparison in found.values() if comparison.id not in self._runs]
        return sorted(over, key=lambda comparison: -comparison.created)[:count]

    def vote(self, comparison: Comparison, ballot: Ballot, winner: Winner) -> Vote | None:
        """Store a vote; a second vote on the same two answers is ignored, and None."""
        before = self.votes()
        with self._lock:
            if ballot not in open_ballots(comparison, [*before, *self._votes.values()]):
                return None
            return self._keep_vote(comparison, ballot, winner)

    def tie_identical(self, comparison: Comparison) -> None:
        """Store a tie for every pair of identical answers without a vote."""
        before = self.votes()
        with self._lock:
            for ballot in identical_ballots(comparison, [*before, *self._votes.values()]):
                self._keep_vote(comparison, ballot, "tie")

    def undo_vote(self, vote: Vote) -> None:
        """Delete a vote; its two answers can be voted on again."""
        with self._lock:
            self._votes.pop(vote.id, None)
        self._log.drop_vote(vote.id)

    def _keep_vote(self, comparison: Comparison, ballot: Ballot, winner: Winner) -> Vote:
        left, right = names(comparison, ballot)
        vote = Vote(
            id=uuid.uuid4().hex,
            created=time.time(),
            comparison=comparison.id,
            prompt=ballot.prompt,
            category=comparison.plan.prompts[ballot.prompt].category,
            left=left,
            right=right,
            winner=winner,
        )
        self._votes[vote.id] = vote
        self._log.save_vote(vote)
        return vote

    def votes(self) -> list[Vote]:
        """All votes of all comparisons, oldest first."""
        stored = {vote.id: vote for vote in self._log.votes()}
        with self._lock:
            return list((stored | self._votes).values())

    def forget(self) -> None:
        """Stop everything in progress and clear the memory."""
        with self._lock:
            runs = list(self._runs.values())
            self._runs, self._votes = {}, {}
            self._recent.clear()
            self._files.clear()
        for run in runs:
            run.stop()

    def _keep(self, comparison_id: str, cell: Cell) -> None:
        with self._lock:
            if comparison_id not in self._runs:
                return  # forgotten
            self._recent.change(
                comparison_id, lambda now: msgspec.structs.replace(now, cells={**now.cells, cell.key: cell})
            )
            self._log.save_cell(comparison_id, cell)

    def _end(self, comparison_id: str) -> None:
        with self._lock:
            self._runs.pop(comparison_id, None)

    def _read(self, comparison_id: str) -> Comparison | None:
        stored = self._log.load(comparison_id)
        if stored is None:
            return None
        cells = {key: _ended(cell) for key, cell in stored.cells.items()}
        return msgspec.structs.replace(stored, cells=cells)


def _ended(cell: Cell) -> Cell:
    """A cell read from the store has no request: if it was running, its process ended first."""
    return msgspec.structs.replace(cell, state="cut") if cell.state == "running" else cell
