"""A run's lanes in tiers, with what makes one the better choice: quality beside cost and latency."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from router.core.errors import InvalidRequest
from router.core.formatting import counted
from router.core.runs import Lane, Planned
from router.evaluate.people import agreement_sentence, agreements
from router.evaluate.results import Results
from router.evaluate.statistics import (
    Screening,
    Stability,
    Unit,
    mean_pass,
    pass_hat_k,
    screening,
    stability,
    tiers,
)
from router.evaluate.summary import LaneSummary, cells_of, summary
from router.evaluate.verdicts import between_all, lane_scores
from router.metrics.estimates import Estimate


class Standing(NamedTuple):
    """A lane beside the others.

    Attributes:
        tier: from 1; None without a score.
        every: pass^k, the chance that all repeats of a case pass; None with one repeat.
        is_cheapest, is_fastest: whether no other lane is as good and cheaper, or as good and faster: its place on the
            Pareto front. False where the figure is unknown.
    """

    summary: LaneSummary
    tier: int | None
    every: Estimate | None
    is_cheapest: bool
    is_fastest: bool


def standings(results: Results, plan: Planned, category: str | None = None) -> list[Standing]:
    """The lanes of a run, the best tier first.

    Args:
        category: of the cases; None for all.
    """
    lanes = [summary(results, plan, lane, category) for lane in plan.lanes]
    scored = {lane.name: lane.passed for lane in lanes if lane.passed is not None}
    tier = tiers(scored, between_all(results, plan, category))
    cheapest, fastest = front(lanes, lambda lane: lane.cost.cost), front(lanes, lambda lane: lane.latency)
    found = [
        Standing(
            summary=line,
            tier=tier.get(line.name),
            every=_every(results, plan, lane, category) if plan.repeats > 1 else None,
            is_cheapest=line.name in cheapest,
            is_fastest=line.name in fastest,
        )
        for lane, line in zip(plan.lanes, lanes, strict=True)
    ]
    return sorted(found, key=lambda each: (each.tier or len(found) + 1, -(each.summary.passed or 0.0)))


def front(lanes: Sequence[LaneSummary], of: Callable[[LaneSummary], float | None]) -> set[str]:
    """The names of the lanes that no other one dominates: as many passes for less, or more passes for as much.

    Args:
        of: the figure of which less is better; lanes without it are left out.
    """
    known = [
        (lane, passed, value)
        for lane in lanes
        if (passed := lane.passed) is not None and (value := of(lane)) is not None
    ]
    return {
        lane.name
        for lane, passed, value in known
        if not any(other >= passed and less <= value and (other, less) != (passed, value) for _, other, less in known)
    }


def flaky(results: Results, plan: Planned, lane: Lane) -> Stability:
    """How much a lane's repeats vary from case to case."""
    return stability(
        {
            case.id: [
                [scored.score]
                for cell in cells_of(results, plan, lane, [case])
                if (scored := results.scored.get((cell, case.id))) is not None and scored.score is not None
            ]
            for case in plan.suite.cases
        }
    )


def notes(results: Results, plan: Planned) -> list[str]:
    """What a table of lanes cannot say, one sentence each: why calls failed, estimates, flaky cases, judges."""
    found = [*_failed(results)]
    found += [_estimated(name, lane.score) for name, lane in screened(results, plan).items()]
    repeated = plan.lanes if plan.repeats > 1 else ()
    unsteady = {lane.name: len(flaky(results, plan, lane).flaky) for lane in repeated}
    if any(unsteady.values()):
        words = "; ".join(f"{name}: {counted(number, 'case')}" for name, number in unsteady.items() if number)
        found.append(f"Flaky, with repeats that disagree: {words}.")
    return [*found, *(agreement_sentence(rated) for rated in agreements(results, plan))]


def _failed(results: Results) -> Iterator[str]:
    """Why calls failed: the most frequent reason."""
    errors = Counter(asked.error or "unknown" for asked in list(results.asked.values()) if asked.state == "failed")
    for error, count in errors.most_common(1):
        most = f"The most frequent reason ({count:,})" if len(errors) > 1 else "The reason"
        yield f"{counted(errors.total(), 'call')} failed. {most}: {error}"


def _estimated(name: str, score: Estimate) -> str:
    value, low, high = (100 * (end or 0.0) for end in score[:3])
    return (
        f"{name} was asked {counted(score.rows, 'case')}. On the whole suite it would pass about {value:.0f}%"
        f" ({low:.0f} to {high:.0f}%), an estimate for this suite only."
    )


def _every(results: Results, plan: Planned, lane: Lane, category: str | None) -> Estimate:
    cases = [case for case in plan.suite.cases if category in (None, case.category)]
    scores = lane_scores(results, plan, lane)
    return mean_pass(pass_hat_k, [Unit.of(case) for case in cases], scores, plan.repeats)


def screened(results: Results, plan: Planned) -> dict[str, Screening]:
    """Estimates of the lanes that were asked a part of the suite, by their names, from those that were asked all."""
    over = Counter(cell.lane for cell, asked in list(results.asked.items()) if asked.state in ("answered", "failed"))
    most = len({case.key for case in plan.suite.cases}) * plan.repeats
    parts = [lane for lane in plan.lanes if over[lane.key] < most]
    if not parts:
        return {}
    whole = [lane_scores(results, plan, lane) for lane in plan.lanes if over[lane.key] >= most]
    units = [Unit.of(case) for case in plan.suite.cases]
    found = {}
    for lane in parts if whole else ():
        with contextlib.suppress(InvalidRequest):  # too few cases so far
            found[lane.name] = screening(units, whole, lane_scores(results, plan, lane))
    return found
