"""Flaky cases: whether answers differ from repeat to repeat, or the grader from grading to grading."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

Gradings: TypeAlias = Sequence[Sequence[float]]
"""For each answer to one case, the scores that it was given: one, or several where it was graded again."""


class Flaky(NamedTuple):
    """A case whose repeats disagree.

    Attributes:
        scores: each answer's mean score.
        answers_differ: some two answers have no score in common range: every grading tells them apart.
        grader_differs: some answer was graded differently again.
    """

    case: str
    scores: tuple[float, ...]
    answers_differ: bool
    grader_differs: bool


class Stability(NamedTuple):
    """How much scores vary, and why.

    Attributes:
        flaky: the cases whose repeats disagree, the most varied first.
        answer_variance: of answers to one case, averaged over cases, without the grader's share where that is known;
            None where no case has two answers.
        grader_variance: of gradings of one answer, averaged over answers; None where none was graded twice.
        repeated: cases with two answers or more.
    """

    flaky: tuple[Flaky, ...]
    answer_variance: float | None
    grader_variance: float | None
    repeated: int


def stability(cases: Mapping[str, Gradings]) -> Stability:
    """Which cases are flaky, and the components of variance (Searle, Casella & McCulloch, 1992, 3.6).

    Args:
        cases: scores by case; errors are left out.
    """
    known = {case: [answer for answer in answers if answer] for case, answers in cases.items()}
    repeated = {case: answers for case, answers in known.items() if len(answers) > 1}
    grader = _mean([statistics.variance(answer) for each in known.values() for answer in each if len(answer) > 1])
    of_answers = _mean([_between(answers, grader or 0.0) for answers in repeated.values()])
    flaky = [found for case, answers in known.items() if (found := _flaky(case, answers))]
    flaky.sort(key=lambda case: -statistics.pvariance(case.scores))
    return Stability(tuple(flaky), None if of_answers is None else max(0.0, of_answers), grader, len(repeated))


def _between(answers: Gradings, grader: float) -> float:
    """The variance of a case's answers beyond the grader's; negative by chance."""
    means = [statistics.fmean(answer) for answer in answers]
    return statistics.variance(means) - grader * statistics.fmean(1 / len(answer) for answer in answers)


def _flaky(case: str, answers: Gradings) -> Flaky | None:
    if not answers:
        return None
    grader = any(min(answer) < max(answer) for answer in answers)
    differ = max(min(answer) for answer in answers) > min(max(answer) for answer in answers)
    scores = tuple(statistics.fmean(answer) for answer in answers)
    return Flaky(case, scores, differ, grader) if differ or grader else None


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
