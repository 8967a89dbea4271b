"""What a run says of its lanes in pairs: each beside the first one, or beside itself in an earlier run."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import msgspec

from router.core.errors import InvalidRequest
from router.core.runs import CellKey, Lane, Planned
from router.core.suites import Case
from router.evaluate.results import Results
from router.evaluate.statistics import LaneScores, Plan, Scores, Unit, Verdict, verdict_sentence, verdicts
from router.evaluate.summary import asked_in, mean_cost


class Compared(NamedTuple):
    """A verdict with the names of what it is about.

    Attributes:
        price: US dollars of one more prompt in what is run now; None if unknown.
    """

    first: str
    second: str
    verdict: Verdict
    price: float | None

    @property
    def sentence(self) -> str:
        said = verdict_sentence(self.verdict, self.first, self.second, price=self.price)
        return f"No{said[2:]}." if self.verdict.kind == "no_verdict" else f"{said}."


def against_first(results: Results, plan: Planned) -> list[Compared]:
    """Each lane beside the run's first one, which is named so before anything is asked."""
    first, *others = plan.lanes
    statistics, scores = _arrays(results, plan)
    looks = {lane.name: statistics.between(scores[lane.name], scores[first.name]) for lane in others}
    found = verdicts(looks, plan.margin)
    prices = {lane.name: _price(results, plan, lane) for lane in plan.lanes}
    return [
        Compared(lane.name, first.name, found[lane.name], _sum(prices[lane.name], prices[first.name]))
        for lane in others
    ]


def since_baseline(results: Results, plan: Planned, before: Results, baseline: Planned) -> list[Compared]:
    """Each lane beside the lane of its name in an earlier run, on the cases that ask the same in both.

    Raises:
        InvalidRequest: the runs have no lane, or no case, in common.
    """
    shared = lanes_since(results, plan, before, baseline)
    cases = frozenset(_common(plan, baseline).values())
    if not shared or not cases:
        what = "lane" if not shared else "case"
        raise InvalidRequest(f"The baseline has no {what} in common with this run. Choose a run of the same suite.")
    statistics = _statistics(results, plan, cases)
    order = _order(plan, cases)
    looks = {
        lane.name: statistics.between(statistics.lane(order, now), statistics.lane(order, then))
        for lane, then, now in shared
    }
    found = verdicts(looks, plan.margin)
    return [
        Compared(lane.name, f"{lane.name} in the baseline", found[lane.name], _price(results, plan, lane))
        for lane, *_ in shared
    ]


def lanes_since(
    results: Results, plan: Planned, before: Results, baseline: Planned
) -> list[tuple[Lane, Scores, Scores]]:
    """The lanes whose name an earlier run has too, each with its scores then and now, by this run's cases.

    An earlier case that this run does not have keeps its id, unless another case has it by now: then it is left out.
    """
    names = {lane.name: lane for lane in baseline.lanes}
    ids = {case.id for case in plan.suite.cases}
    gone = {case.id: case.id for case in baseline.suite.cases if case.id not in ids}
    cases = {**gone, **_common(plan, baseline)}
    return [
        (
            lane,
            {
                cases[case]: scores
                for case, scores in lane_scores(before, baseline, names[lane.name]).items()
                if case in cases
            },
            lane_scores(results, plan, lane),
        )
        for lane in plan.lanes
        if lane.name in names
    ]


def between_all(results: Results, plan: Planned, category: str | None = None) -> dict[tuple[str, str], Verdict]:
    """The verdicts on all pairs of a run's lanes, by their names.

    Args:
        category: of the cases; None for all.
    """
    statistics, scores = _arrays(results, plan, category)
    looks = {
        (first, second): statistics.between(scores[first], scores[second])
        for first, second in itertools.combinations(scores, 2)
    }
    return verdicts(looks, plan.margin)


def _arrays(results: Results, plan: Planned, category: str | None = None) -> tuple[Plan, dict[str, LaneScores]]:
    """The statistics of a category's cases, or of all, and each lane's scores in them by its name."""

    def make() -> tuple[Plan, dict[str, LaneScores]]:
        cases = frozenset(case.id for case in plan.suite.cases if category in (None, case.category))
        statistics, order = _statistics(results, plan, cases), _order(plan, cases)
        return statistics, {lane.name: statistics.lane(order, lane_scores(results, plan, lane)) for lane in plan.lanes}

    return results.once(plan, f"arrays {category}", make)


def lane_scores(results: Results, plan: Planned, lane: Lane) -> Scores:
    """The share of passes by case, one value a repeat, of cases whose repeats are all over; None is an error."""
    return results.once(plan, f"scores {lane.key}", lambda: _lane_scores(results, plan, lane))


def _lane_scores(results: Results, plan: Planned, lane: Lane) -> Scores:
    found: dict[str, list[float | None]] = {}
    for case in plan.suite.cases:
        values: list[float | None] = []
        for repeat in range(plan.repeats):
            cell = CellKey(case.key, lane.key, repeat)
            if (scored := results.scored.get((cell, case.id))) is not None:
                values.append(float(scored.passed) if scored.score is not None else None)
            elif (asked := results.asked.get(cell)) is not None and asked.state == "failed":
                values.append(None)
        if len(values) == plan.repeats:
            found[case.id] = values
    return found


def _common(plan: Planned, baseline: Planned) -> dict[str, str]:
    """The cases that ask and check the same in two plans: the baseline's ids, each with the plan's."""
    before = {_content(case): case.id for case in baseline.suite.cases}
    return {old: case.id for case in plan.suite.cases if (old := before.get(_content(case))) is not None}


def _content(case: Case) -> bytes:
    return msgspec.json.encode((case.key, case.checks, case.target), order="sorted")


def _statistics(results: Results, plan: Planned, cases: frozenset[str]) -> Plan:
    """What was planned at first decides at the end; cases that came later add to the e-value alone."""
    known = [case for case in plan.suite.cases if case.id in cases]
    first = [case for case in known if case.id in results.first_cases]
    later = [case for case in known if case.id not in results.first_cases]
    return Plan(units=tuple(map(Unit.of, [*first, *later])), planned=len(first) or None, margin=plan.margin)


def _order(plan: Planned, cases: frozenset[str]) -> list[str]:
    """The ids of the cases as they are asked: in the order of their hashes, which is as good as random."""
    asked = (case for case in plan.suite.cases if case.id in cases)
    return [case.id for case in sorted(asked, key=lambda case: case.key)]


def _price(results: Results, plan: Planned, lane: Lane) -> float | None:
    """US dollars of a case with its repeats; None if any part is unknown."""
    cost = mean_cost(asked_in(results, plan, lane, plan.suite.cases))
    return cost * plan.repeats if cost is not None else None


def _sum(*prices: float | None) -> float | None:
    return None if None in prices else sum(price for price in prices if price is not None)
