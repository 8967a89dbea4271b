"""What a proposal has to be seen beside: simpler ways to route the same prompts, and the best that could be done."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.tune.goals import Goals, Limits
from router.tune.grid import Grid
from router.tune.replay import figures, replay
from router.tune.search import best_chains


class Baseline(NamedTuple):
    """A way to route.

    Attributes:
        name: for people.
        models: what it asks, in order; empty where that depends on the prompt or on chance.
        quality: mean score, 0 to 1, seen on all prompts: those who were chosen on them look better than they are.
        cost: US dollars per 1,000 requests.
    """

    name: str
    models: tuple[int, ...]
    quality: float
    cost: float


def baselines(grid: Grid, goals: Goals, proposed: Sequence[int]) -> list[Baseline]:
    """The simpler ways, and the oracles.

    Args:
        proposed: the chain that they are seen beside.
    """
    primaries = np.flatnonzero(grid.primary)
    singles = [figures(grid, (number,)) for number in primaries.tolist()]
    quality, cost = np.array([each.quality for each in singles]), np.array([each.cost for each in singles])
    best = int(np.flatnonzero(primaries == _best_single(grid, goals))[0])
    cheapest = int(np.nanargmin(cost)) if not np.isnan(cost).all() else best
    own = figures(grid, proposed)
    return [
        Baseline("Best single model", (int(primaries[best]),), float(quality[best]), float(cost[best])),
        Baseline("Cheapest model", (int(primaries[cheapest]),), float(quality[cheapest]), float(cost[cheapest])),
        _mix(quality, cost, own.cost),
        _shuffled(grid, proposed),
        _oracle(grid, "Best model for each suite", by_kind=True),
        _oracle(grid, "Oracle: the best model for each prompt", by_kind=False),
    ]


def _best_single(grid: Grid, goals: Goals) -> int:
    only_one = Goals(limits=Limits(links=1), weights=goals.weights, margin=goals.margin)
    return best_chains(grid, only_one)[0].models[0]


def _mix(quality: np.ndarray, cost: np.ndarray, at: float) -> Baseline:
    """Two models at random, weighted so that they cost as much: a coin that knows the prices, and no prompt."""
    name = "Two models by a coin, at the same cost"
    found, paid = -np.inf, np.nan
    for one, other in itertools.combinations_with_replacement(np.flatnonzero(cost <= np.inf), 2):
        low, high = sorted((one, other), key=lambda model: cost[model])
        if cost[low] <= at:
            share = 1.0 if cost[high] <= at else (at - cost[low]) / (cost[high] - cost[low])
            mixed = share * quality[high] + (1 - share) * quality[low]
            if mixed > found:
                found, paid = mixed, share * cost[high] + (1 - share) * cost[low]
    return Baseline(name, (), float(found) if found > -np.inf else np.nan, float(paid))


def _shuffled(grid: Grid, chain: Sequence[int]) -> Baseline:
    """The same models in an order of chance."""
    orders = replay(grid, np.array(list(itertools.permutations(chain))))
    return Baseline("Its models in random order", (), float(orders.quality.mean()), 1000 * float(orders.cost.mean()))


def _oracle(grid: Grid, name: str, *, by_kind: bool) -> Baseline:
    """Who knows which model is best, for each kind of prompts or for each prompt, and takes the cheapest of these."""
    worth = (grid.up * grid.quality)[:, grid.primary]
    cost = grid.cost[:, grid.primary]
    if by_kind:
        for kind in np.unique(grid.kinds):
            of_kind = grid.kinds == kind
            worth[of_kind], cost[of_kind] = worth[of_kind].mean(axis=0), cost[of_kind].mean(axis=0)
    highest = worth.max(axis=1, keepdims=True)
    known = np.nan_to_num(cost, nan=np.finfo(float).max)  # of equal models, one whose cost is known
    choice = np.where(worth >= highest - 1e-12, known, np.inf).argmin(axis=1)
    at = np.arange(len(choice)), choice
    return Baseline(name, (), float(worth[at].mean()), 1000 * float(cost[at].mean()))
