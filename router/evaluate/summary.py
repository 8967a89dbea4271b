"""What a run says of each lane: scores with their intervals, failures, cost and latency."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from router.core.attempts import Spent
from router.core.intervals import wilson
from router.core.runs import CellKey, Lane, Planned
from router.core.suites import Case, Suite
from router.evaluate.results import Asked, Results


class CaseScore(msgspec.Struct, frozen=True, gc=False):
    """What a lane achieved in one case; the case is the unit, so its repeats are averaged.

    Attributes:
        score: the mean of the scores; None if there is none.
        passed: of the scored repeats, the share that passed.
        scored, failed, errors: repeats with a score, that no model answered, and that a grader could not judge.
        asked: repeats that are over, whatever came of them.
    """

    case: Case
    score: float | None
    passed: float | None
    scored: int
    failed: int
    errors: int
    asked: int


class LaneSummary(NamedTuple):
    """A lane's figures; None is unknown, never 0.

    Attributes:
        cases: with a score.
        score: the weighted mean over the cases.
        passed: their mean share of passes; `low` and `high` are its Wilson interval of 95%.
        failed: answers that no model gave; they are no wrong answers.
        errors: answers that a grader could not judge.
        cost: US dollars a case, failed attempts included, judges and cached answers not; and calls of unknown cost.
        latency, slow: median and 95th percentile of answers' seconds.
    """

    name: str
    cases: int
    score: float | None
    passed: float | None
    low: float | None
    high: float | None
    failed: int
    errors: int
    cost: Spent
    latency: float | None
    slow: float | None


def case_scores(results: Results, plan: Planned, lane: Lane, category: str | None = None) -> Iterator[CaseScore]:
    """One score a case, in the suite's order; cases that were not asked yet are left out.

    Args:
        category: of the cases; None for all.
    """
    for case in plan.suite.cases:
        if category is None or case.category == category:
            score = case_score(results, plan, lane, case)
            if score.scored or score.failed or score.errors:
                yield score


def summary(results: Results, plan: Planned, lane: Lane, category: str | None = None) -> LaneSummary:
    """A lane's figures so far; see `case_scores`."""
    scores = list(case_scores(results, plan, lane, category))
    known = [each for each in scores if each.score is not None]
    passed = statistics.fmean([each.passed or 0.0 for each in known]) if known else None
    low, high = wilson(passed, len(known)) if passed is not None else (None, None)
    cells = asked_in(results, plan, lane, (each.case for each in scores))
    cost = mean_cost(cells)
    paid = Spent(
        cost * len(cells) / len(scores) if cost is not None else None, sum(cell.spent.unpriced for cell in cells)
    )
    latencies = sorted(cell.latency for cell in cells if cell.latency is not None)
    return LaneSummary(
        name=lane.name,
        cases=len(known),
        score=_weighted(known),
        passed=passed,
        low=low,
        high=high,
        failed=sum(each.failed for each in scores),
        errors=sum(each.errors for each in scores),
        cost=paid,
        latency=statistics.median(latencies) if latencies else None,
        slow=latencies[int(0.95 * (len(latencies) - 1))] if latencies else None,
    )


def mean_cost(cells: Iterable[Asked]) -> float | None:
    """US dollars of a cell, as far as they are known. What came from the cache cost nothing, and says nothing."""
    own = [cell.spent.cost for cell in cells if cell.state == "failed" or cell.latency is not None]
    known = [cost for cost in own if cost is not None]
    return statistics.fmean(known) if known else None


def categories(suite: Suite) -> list[str]:
    """The categories of a suite's cases, in its order."""
    return list(dict.fromkeys(case.category for case in suite.cases if case.category is not None))


def case_score(results: Results, plan: Planned, lane: Lane, case: Case) -> CaseScore:
    """What a lane achieved in a case so far."""
    total, passed, scored, failed, errors, over = 0.0, 0, 0, 0, 0, 0
    for repeat in range(plan.repeats):
        cell = CellKey(case.key, lane.key, repeat)
        if (asked := results.asked.get(cell)) is None:
            continue
        over += asked.state in ("answered", "failed")
        failed += asked.state == "failed"
        if (found := results.scored.get((cell, case.id))) is None:
            continue
        errors += found.error is not None
        if found.score is not None:
            total, passed, scored = total + found.score, passed + found.passed, scored + 1
    return CaseScore(
        case=case,
        score=total / scored if scored else None,
        passed=passed / scored if scored else None,
        scored=scored,
        failed=failed,
        errors=errors,
        asked=over,
    )


def cells_of(results: Results, plan: Planned, lane: Lane, cases: Iterable[Case]) -> Iterator[CellKey]:
    """The cells of cases in a lane, as far as they were asked."""
    for question in dict.fromkeys(case.key for case in cases):
        for repeat in range(plan.repeats):
            if (cell := CellKey(question, lane.key, repeat)) in results.asked:
                yield cell


def asked_in(results: Results, plan: Planned, lane: Lane, cases: Iterable[Case]) -> list[Asked]:
    """What came of the cells of cases in a lane, as far as they were asked."""
    return [
        asked
        for question in dict.fromkeys(case.key for case in cases)
        for repeat in range(plan.repeats)
        if (asked := results.asked.get(CellKey(question, lane.key, repeat))) is not None
    ]


def _weighted(scores: Sequence[CaseScore]) -> float | None:
    weight = sum(each.case.weight for each in scores)
    return sum((each.score or 0.0) * each.case.weight for each in scores) / weight if weight else None
