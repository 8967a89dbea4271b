"""The run that a page shows."""

from __future__ import annotations

from typing import NamedTuple

from router.core.runs import Planned
from router.evaluate.evaluation import Evaluation
from router.evaluate.results import Results
from router.lab import Lab


class Opened(NamedTuple):
    """A run and what it has so far.

    Attributes:
        id: as in its link.
        running: the run in progress; None if it has ended, or another process is running it.
    """

    lab: Lab
    id: str
    results: Results
    plan: Planned
    running: Evaluation | None

    @classmethod
    def of(cls, lab: Lab, run: str) -> Opened:
        """A run by its id.

        Raises:
            InvalidRequest: there is no such run.
            StoreError: its journal cannot be read.
        """
        # Looked at first: what has ended by now is whole in what is read next.
        running = lab.evaluations.running(run)
        results = lab.evaluations.results(run)
        return cls(lab, run, results, results.planned, running)
