"""What repeats say: how often one of k answers is right, and how often all k are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from router.evaluate.statistics.means import lane_score
from router.evaluate.statistics.sample import Scores, Unit
from router.metrics.estimates import Estimate

PASSES = 1 - 1e-9
"""The score from which on an answer counts as right."""


def pass_at_k(right: int, answers: int, k: int) -> float:
    """The chance that at least one of k answers is right: 1 - C(n - c, k) / C(n, k) (Chen et al., 2021).

    Args:
        right: c, of so many answers n; n is at least k.
    """
    return 1 - math.comb(answers - right, k) / math.comb(answers, k)


def pass_hat_k(right: int, answers: int, k: int) -> float:
    """The chance that all of k answers are right, pass^k: C(c, k) / C(n, k) (Yao et al., tau-bench, 2024)."""
    return math.comb(right, k) / math.comb(answers, k)


def mean_pass(
    of: Callable[[int, int, int], float], units: Sequence[Unit], scores: Scores, k: int, *, passes: float = PASSES
) -> Estimate:
    """`pass_at_k` or `pass_hat_k`, averaged over a suite's cases.

    Args:
        k: at least 1.
        passes: the score from which on an answer is right.

    Returns:
        `unknown` are the cases with fewer than k scores, which are left out.
    """
    counts = {unit.case: _right(scores.get(unit.case, ()), passes) for unit in units}
    chances = {case: [of(right, answers, k)] for case, (right, answers) in counts.items() if answers >= k}
    return lane_score(units, chances)


def _right(repeats: Iterable[float | None], passes: float) -> tuple[int, int]:
    known = [score for score in repeats if score is not None]
    return sum(score >= passes for score in known), len(known)
