"""What people say of a run's answers, and whether its judges agree with them."""

from __future__ import annotations

from typing import NamedTuple

from router.core.runs import Planned
from router.core.suites import Grade
from router.evaluate.graders import GRADERS
from router.evaluate.results import Results
from router.evaluate.statistics import Agreement, kappa


class Rated(NamedTuple):
    """A check beside people's own grades.

    Attributes:
        check: its title; empty for a case's checks together.
        is_judge: whether a model judges.
    """

    check: str
    is_judge: bool
    agreement: Agreement


def opinion(*, passed: bool, comment: str = "") -> Grade:
    """A person's grade of an answer."""
    return Grade(check="person", score=float(passed), passed=passed, reason=" ".join(comment.split()))


def agreements(results: Results, plan: Planned) -> list[Rated]:
    """How far each check agrees with people on the answers that both graded, the most graded first.

    Answers to one case resemble each other, so the interval treats them as a group.
    """
    cases = {case.id: case for case in plan.suite.cases}
    labels: dict[tuple[str, bool], list[tuple[bool, bool, str]]] = {}
    for (cell, case_id), person in list(results.people.items()):
        if (case := cases.get(case_id)) is None:
            continue
        scored = results.scored.get((cell, case_id))
        if scored is not None and scored.score is not None:
            labels.setdefault(("", False), []).append((scored.passed, person.passed, case_id))
        for check, grade in zip(case.checks, results.grades(cell, case_id), strict=False):
            if GRADERS[check.type].judges and grade.score is not None:
                labels.setdefault((check.title, True), []).append((grade.passed, person.passed, case_id))
    found = [Rated(check, is_judge, kappa(*zip(*rows, strict=True))) for (check, is_judge), rows in labels.items()]
    return sorted(found, key=lambda rated: -rated.agreement.items)


def agreement_sentence(rated: Rated) -> str:
    """How far a check agrees with people, in a sentence."""
    who = f"The judge {rated.check}" if rated.is_judge else "The checks"
    found = rated.agreement
    share = f"{found.share or 0:.0%} of {found.items:,} graded answers"
    if found.kappa is None or found.low is None or found.high is None:
        return f"{who} and people agree on {share}; kappa needs both right and wrong answers among them."
    return f"{who} and people agree on {share}: kappa {found.kappa:.2f} ({found.low:.2f} to {found.high:.2f})."
