"""Which chain to take, judged on prompts that had no say in choosing it.

The best of thousands of chains looks better than it is (the winner's curse), on a real grid by more than a point at
300 prompts. So what held-out prompts say of "choose so" (`judging.py`) is said of the chain that all prompts choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from msgspec.structs import replace

from router.core.errors import InvalidRequest
from router.metrics.estimates import Estimate
from router.tune.goals import Goals, Weights
from router.tune.grid import Floats, Grid
from router.tune.judging import Judged, Measures, judged, mean_of, measures, moved_by_rates
from router.tune.likely import likely
from router.tune.replay import replay
from router.tune.search import best_chains, is_allowed, kept

LEAST_PROMPTS = 30
"""Below so many prompts nothing is proposed: a part of them would be a handful."""

WIDER = 1.144
"""The normal distribution's quantile at 98.75%, as a multiple of that at 97.5%."""

UNNOTICED = 0.001
"""The share of requests by which a cheaper or faster chain may answer fewer."""

Rule = Literal["best", "cheapest", "fastest"]
Kind = Literal["breaks_limits", "better", "cheaper", "faster", "keep", "not_enough"]


class Gains(NamedTuple):
    """What held-out prompts say of choosing by a rule, beside the current chain.

    Attributes:
        value: of what a request is worth, -1 to 1.
        quality: of the mean score alone, -1 to 1.
        answered: of the share of requests that are answered, -1 to 1.
        cost: US dollars per 1,000 requests, more than now.
        seconds: of the mean latency, more than now.
    """

    value: Estimate
    quality: Estimate
    answered: Estimate
    cost: Estimate
    seconds: Estimate


class Candidate(NamedTuple):
    """The chain that a rule chooses on all prompts, as held-out prompts judge the rule.

    Attributes:
        chain: positions in the grid's models.
        gains: beside the current chain.
        expected: its quality, without the winner's curse.
        best: how likely it is the best of all candidates and the current chain, 0 to 1.
        close: how likely it is at most a point below the best.
    """

    rule: Rule
    chain: tuple[int, ...]
    gains: Gains
    expected: Estimate
    best: float
    close: float


class Choice(NamedTuple):
    """What the evidence says.

    Attributes:
        kind: breaks_limits: the current chain does not keep to the limits; better: a candidate is worth more; cheaper
            or faster: one is no worse by the margin and costs less or takes less time; keep: none is better by the
            margin; not_enough: none of these can be said.
        candidates: each chain once, by rule.
        proposed: which of them the verdict is about; None for keep and not_enough.
        best: how likely the current chain is the best, 0 to 1.
        close: how likely it is at most a point below the best.
    """

    kind: Kind
    candidates: tuple[Candidate, ...]
    proposed: Candidate | None
    best: float
    close: float


def choose(grid: Grid, goals: Goals, current: Sequence[int], *, seed: int = 0) -> Choice:
    """What to do about a chain, by the prompts that its models and the others have seen.

    Args:
        current: the chain's models, as positions in the grid's.

    Raises:
        InvalidRequest: no chain can be made within the limits, or what is weighed is unknown.
    """
    if goals.weights.cost:
        goals = _without_unpriced(grid, goals, current)
    now = replay(grid, np.array([current]))
    fits = is_allowed(grid, goals.limits, current) and bool(kept(now, goals.limits, sure=0.0)[0])
    if not fits and not best_chains(grid, goals):
        raise InvalidRequest("No chain of these models keeps to your limits. Loosen one of them.")
    if len(grid.prompts) < LEAST_PROMPTS:
        return Choice("not_enough", (), None, math.nan, math.nan)
    before, chain = measures(now, goals.weights), tuple(current)
    rules = {rule: judged(grid, goals.weights, _choosing(goals, chain, rule), seed) for rule in _rules(goals)}
    alone = {chain: np.ones(len(grid.prompts))}
    moved = moved_by_rates(grid, goals.weights, [alone, *(each.chains for each in rules.values())], seed)
    found = list[Candidate]()
    for number, (rule, each) in enumerate(rules.items(), 1):
        chosen = _chosen(grid, goals, chain, rule)
        if chosen is not None and chosen != chain:
            gains, expected = _gains(each, Measures(*(part[0] for part in before)), moved[:, [0, number]], grid)
            found.append(Candidate(rule, chosen, gains, expected, math.nan, math.nan))
    kind, proposed = _verdict(found, goals, fits=fits)
    shown = _each_once(found, proposed)
    values = np.stack([before.value[0], *(rules[each.rule].measures.value for each in shown)])
    places = [0, *(1 + [*rules].index(each.rule) for each in shown)]
    best, close = likely(values, moved[:, places, 0], seed)
    candidates = [
        each._replace(best=top, close=near) for each, top, near in zip(shown, best[1:], close[1:], strict=True)
    ]
    proposed = next((each for each in candidates if proposed is not None and each.rule == proposed.rule), None)
    return Choice(kind, tuple(candidates), proposed, best[0], close[0])


def _without_unpriced(grid: Grid, goals: Goals, current: Sequence[int]) -> Goals:
    """The goals less the models whose cost is unknown: so is what their chains are worth.

    Raises:
        InvalidRequest: the current chain, or what has to be in any, has such a model.
    """
    unpriced = [grid.models[number] for number in np.flatnonzero(np.isnan(grid.cost).any(axis=0))]
    needed = {*goals.limits.must, *(grid.models[number] for number in current)}
    if named := [name for name in unpriced if name in needed]:
        raise InvalidRequest(
            f"The cost of some calls of {named[0]} is unknown, so cost cannot be weighed. Set its weight to 0."
        )
    return replace(goals, limits=replace(goals.limits, never=(*goals.limits.never, *unpriced)))


def _each_once(found: Sequence[Candidate], proposed: Candidate | None) -> list[Candidate]:
    """Each chain by the first rule that chooses it, the proposed one by the rule that speaks for it."""
    by_chain: dict[tuple[int, ...], Candidate] = {}
    for each in found:
        by_chain.setdefault(each.chain, each)
    if proposed is not None:
        by_chain[proposed.chain] = proposed
    return list(by_chain.values())


def _verdict(candidates: Sequence[Candidate], goals: Goals, *, fits: bool) -> tuple[Kind, Candidate | None]:
    by_rule = {each.rule: each for each in candidates}
    best = by_rule.get("best")
    if best is not None and not fits:
        return "breaks_limits", best
    if best is not None and (best.gains.value.low or 0) > 0:
        return "better", best
    if (each := by_rule.get("cheapest")) and _no_worse(each, goals) and (each.gains.cost.high or 0) < 0:
        return "cheaper", each
    if (each := by_rule.get("fastest")) and _no_worse(each, goals) and (each.gains.seconds.high or 0) < 0:
        return "faster", each
    if best is None or (best.gains.value.high or 0) < goals.margin:
        return "keep", None
    return "not_enough", None


def _no_worse(candidate: Candidate, goals: Goals) -> bool:
    """Two rules are judged so, each with half of the chance to be wrong."""
    value, low = candidate.gains.quality.value, candidate.gains.quality.low
    return value is not None and low is not None and value - WIDER * (value - low) > -goals.margin


def _rules(goals: Goals) -> tuple[Rule, ...]:
    return ("best", "cheapest", "fastest") if goals.weights.quality else ("best",)


def _choosing(goals: Goals, current: tuple[int, ...], rule: Rule) -> Callable[[Grid], tuple[int, ...]]:
    """Chooses by a rule; the current chain if none keeps to the limits."""
    return lambda grid: _chosen(grid, goals, current, rule) or current


def _chosen(grid: Grid, goals: Goals, current: tuple[int, ...], rule: Rule) -> tuple[int, ...] | None:
    """The chain that a rule chooses; None if none keeps to the limits."""
    if rule != "best":
        now = replay(grid, np.array([current]))
        least = max(goals.limits.quality or 0.0, float(now.quality.mean()))
        answered = max(goals.limits.answered or 0.0, float(now.answered.mean()) - UNNOTICED)
        weights = Weights(quality=0.0, cost=1.0) if rule == "cheapest" else Weights(quality=0.0, seconds=1.0)
        goals = replace(goals, limits=replace(goals.limits, quality=least, answered=answered), weights=weights)
    found = best_chains(grid, goals)
    return found[0].models if found else None


def _gains(of: Judged, now: Measures, moved: Floats, grid: Grid) -> tuple[Gains, Estimate]:
    """What a rule brings beside the current chain, and the quality that is to be expected of it.

    Args:
        moved: (draws, 2, measures) of the current chain and of the rule, by the rates of failures.
    """
    gains = (
        mean_of(then - before, grid.kinds, other)
        for then, before, other in zip(of.measures, now, (moved[:, 1] - moved[:, 0]).T, strict=True)
    )
    return Gains(*gains), mean_of(of.measures.quality, grid.kinds, moved[:, 1, Measures._fields.index("quality")])
