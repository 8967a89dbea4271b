"""A case's score from the grades of its checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from router.core.suites import Case, Grade


class Scored(NamedTuple):
    """What a case's checks say of an answer together.

    Attributes:
        score: 0 to 1, the weighted mean; None if there is no check, or a grader could not tell.
        passed: whether all checks passed, or the score reaches the case's threshold; never without a score.
        cost: US dollars that grading took; None if any part is unknown.
        error: why a grader could not tell, one sentence.
    """

    score: float | None
    passed: bool
    cost: float | None = 0.0
    error: str | None = None


def score_of(case: Case, grades: Sequence[Grade]) -> Scored:
    """The score of a case.

    Args:
        grades: one a check, in the order of the case's checks.
    """
    costs = [grade.cost for grade in grades]
    cost = None if None in costs else sum(each for each in costs if each is not None)
    error = next((f"{grade.check}: {grade.error}" for grade in grades if grade.error is not None), None)
    scores = [grade.score for grade in grades if grade.score is not None]
    weights = [check.weight for check in case.checks]
    if error is not None or len(scores) < len(grades) or not sum(weights):
        return Scored(None, passed=False, cost=cost, error=error)
    score = sum(score * weight for score, weight in zip(scores, weights, strict=True)) / sum(weights)
    if case.threshold is not None:
        return Scored(score, score >= case.threshold, cost)
    return Scored(score, all(grade.passed for grade in grades), cost)
