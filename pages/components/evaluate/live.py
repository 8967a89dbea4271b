"""A run in progress: how far it is, what it cost, and the verdict so far."""

from __future__ import annotations

import time
from collections.abc import Iterator

from streamlit.delta_generator import DeltaGenerator

from router.core.formatting import counted, dollars, seconds
from router.evaluate.evaluation import Evaluation
from router.evaluate.leaderboard import standings
from router.evaluate.results import Results
from router.evaluate.verdicts import against_first

from components.evaluate.verdict import draw_board, draw_sentences
from components.shared.markdown import label

VERDICT_EVERY = 2.0
"""Seconds between verdicts on the way, at least."""


def looks(evaluation: Evaluation, bar: DeltaGenerator, verdict: DeltaGenerator | None) -> Iterator[None]:
    """Draws the progress, each time that something is new, until the run has ended.

    Args:
        bar: where the progress is drawn.
        verdict: where the verdict so far is drawn; None for nowhere.
    """
    results, plan = evaluation.results, evaluation.results.planned
    before, began = results.over, time.monotonic()
    shown, next_verdict = -1, 0.0
    if verdict is not None and not results.scored:
        verdict.empty()  # a fragment may write later only to where it has written while the page was drawn
    while not evaluation.wait(0):
        if (over := results.refresh().over) != shown:
            shown = over
            words = _progress(results, plan.cells, over - before, time.monotonic() - began)
            bar.progress(min(1.0, over / plan.cells), text=label(words))
            if verdict is not None and time.monotonic() >= next_verdict and results.scored:
                begin = time.monotonic()
                with verdict.container():
                    draw_sentences(against_first(results, plan) if len(plan.lanes) > 1 else ())
                    draw_board(standings(results, plan))
                # A large run's verdict takes long: most of the time is for the run.
                next_verdict = time.monotonic() + max(VERDICT_EVERY, 20 * (time.monotonic() - begin))
        yield


def _progress(results: Results, cells: int, done: int, passed: float) -> str:
    left = f", about {seconds((cells - results.over) * passed / done)} left" if done > 0 else ""
    unknown = f" + {counted(results.unpriced, 'call')} of unknown cost" if results.unpriced else ""
    return f"{results.over:,} of {counted(cells, 'answer')}, {dollars(results.spent)}{unknown}{left}"
