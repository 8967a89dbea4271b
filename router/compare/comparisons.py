"""All comparisons of this process: starting, reopening, naming, and voting."""

from __future__ import annotations

import functools
import threading
import time
import uuid
from collections.abc import Callable

import msgspec

from router.compare.estimate import AskedFirst, Estimate, estimate
from router.compare.plan import check
from router.compare.run import Later, Run, later
from router.compare.votes import Ballot, names, open_ballots
from router.handle import Handle
from router.store import Cell, Comparison, ComparisonLog, Plan, Settings, Vote, Winner

MAX_COMPARISONS = 20
"""Comparisons held in memory; older ones are read from the store again."""

MAX_NAME = 200
"""Characters of a comparison's name."""


class Comparisons:
    """Comparisons under way, and those that are over. Its methods may be called from any thread.

    Args:
        start: sends a request; `Lab.start`.
        asked_first: the model that a lane would ask first.
        log: where comparisons are stored; None where nothing can be.
    """

    def __init__(
        self,
        start: Callable[..., Handle],
        asked_first: Callable[[Settings], AskedFirst],
        log: ComparisonLog | None,
        later: Later = later,
    ) -> None:
        self._start = start
        self._asked_first = asked_first
        self._log = log
        self._later = later
        self._lock = threading.RLock()
        self._open: dict[str, Comparison] = {}
        self._runs: dict[str, Run] = {}
        self._votes: dict[str, Vote] = {}

    def start(self, plan: Plan) -> str:
        """Ask all prompts of all lanes; returns the comparison's id at once. Nobody finds it but by that id.

        Raises:
            InvalidRequest: the plan cannot be asked; one sentence says what to change.
        """
        check(plan)
        comparison = Comparison(id=uuid.uuid4().hex[:12], name="", created=time.time(), plan=plan, cells={})
        keep = functools.partial(self._keep, comparison)
        run = Run(plan, self._start, keep, functools.partial(self._end, comparison.id), self._later)
        with self._lock:
            self._open[comparison.id] = comparison
            self._runs[comparison.id] = run
            if self._log is not None:
                self._log.save(comparison)
        run.begin()
        return comparison.id

    def estimate(self, plan: Plan) -> Estimate:
        """What a plan will likely cost and take.

        Raises:
            InvalidRequest: the plan cannot be asked.
            ConfigError: a lane's chain is not in models.yaml.
        """
        check(plan)
        return estimate(plan, self._asked_first, self._log.usual if self._log is not None else _never_seen)

    def get(self, comparison_id: str) -> Comparison | None:
        """A comparison as it stands now; None where there is none of that id."""
        with self._lock:
            comparison = self._load(comparison_id)
            if comparison is None:
                return None
            return msgspec.structs.replace(comparison, cells=dict(comparison.cells))

    def run(self, comparison_id: str) -> Run | None:
        """What is under way of a comparison; None once it is over."""
        return self._runs.get(comparison_id)

    def close(self) -> None:
        """Stop all that is under way."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.stop()

    def rename(self, comparison_id: str, name: str) -> None:
        """Give a comparison a name."""
        with self._lock:
            comparison = self._load(comparison_id)
            if comparison is not None:
                renamed = msgspec.structs.replace(comparison, name=" ".join(name.split())[:MAX_NAME])
                self._open[comparison_id] = renamed
                if self._log is not None:
                    self._log.save(renamed)

    def newest(self, count: int) -> list[Comparison]:
        """The newest that are over, without their cells, newest first."""
        with self._lock:
            stored = self._log.newest(count + len(self._runs)) if self._log is not None else []
            found = {comparison.id: comparison for comparison in stored} | self._open
            over = [comparison for comparison in found.values() if comparison.id not in self._runs]
        return sorted(over, key=lambda comparison: -comparison.created)[:count]

    def vote(self, comparison: Comparison, ballot: Ballot, winner: Winner) -> None:
        """Keep a vote; a second one on the same two answers is not taken."""
        with self._lock:
            if ballot not in open_ballots(comparison, self.votes()):
                return
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
            if self._log is not None:
                self._log.save_vote(vote)

    def votes(self) -> list[Vote]:
        """All votes of all comparisons, oldest first."""
        with self._lock:
            stored = {vote.id: vote for vote in self._log.votes()} if self._log is not None else {}
            return list((stored | self._votes).values())

    def forget(self) -> None:
        """Stop what is under way, and hold nothing in memory any more."""
        with self._lock:
            runs = list(self._runs.values())
            self._open, self._runs, self._votes = {}, {}, {}
        for run in runs:
            run.stop()

    def _keep(self, comparison: Comparison, cell: Cell) -> None:
        with self._lock:
            if comparison.id not in self._open:
                return  # forgotten
            comparison.cells[cell.key] = cell
            if self._log is not None:
                self._log.save_cell(comparison.id, cell)

    def _end(self, comparison_id: str) -> None:
        with self._lock:
            self._runs.pop(comparison_id, None)

    def _load(self, comparison_id: str) -> Comparison | None:
        comparison = self._open.pop(comparison_id, None)
        if comparison is None:
            stored = self._log.load(comparison_id) if self._log is not None else None
            if stored is None:
                return None
            cells = {key: _ended(cell) for key, cell in stored.cells.items()}
            comparison = msgspec.structs.replace(stored, cells=cells)
        self._open[comparison_id] = comparison  # last in the dictionary is the last used
        for idle in [name for name in self._open if name not in self._runs][:-MAX_COMPARISONS]:
            del self._open[idle]
        return comparison


def _never_seen(_: str) -> None:
    """Nothing is stored."""


def _ended(cell: Cell) -> Cell:
    """A cell read from the store has no request any more: where it was running, its process ended first."""
    return msgspec.structs.replace(cell, state="cut") if cell.state == "running" else cell
