"""A case's score from the grades of its checks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.core.suites import Case, Grade


class Scored(msgspec.Struct, frozen=True, gc=False):
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
    cost: float | None = 0.0
    total = weight = 0.0
    passed, error = True, None
    is_whole = bool(grades)
    for grade, check in zip(grades, case.checks, strict=True):  # a large run has a million of them: one pass
        cost = None if cost is None or grade.cost is None else cost + grade.cost
        error = error or (f"{grade.check}: {grade.error}" if grade.error is not None else None)
        is_whole = is_whole and grade.score is not None
        total, weight = total + (grade.score or 0.0) * check.weight, weight + check.weight
        passed = passed and grade.passed
    if error is not None or not is_whole or not weight:
        return Scored(None, passed=False, cost=cost, error=error)
    score = total / weight
    return Scored(score, passed if case.threshold is None else score >= case.threshold, cost)
