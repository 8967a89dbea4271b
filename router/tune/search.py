"""The best chains under limits, over all ordered choices of up to three models, and beyond three by extension.

What a chain is worth is linear in what its links do, so one matrix product for each primary gives all chains of three:
300 models are 27 million chains. Only the best of them are then replayed one by one, for the limits that are not linear
and for models that are down together.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from router.core.errors import InvalidRequest
from router.tune.goals import Goals, Limits
from router.tune.grid import Floats, Grid
from router.tune.replay import Replayed, blocks, replay, worth

FIRST, BATCH = 200, 2_000
"""Chains of each length that are replayed at once, best first: of the first batch, and of the others."""

DEEP = 20_000
"""Chains of each length that are replayed at most, where a limit is hard to keep."""

WITHIN = 0.95
"""The share of requests that latency limits speak of."""

ROUNDING = 1e-5
"""Of sums of 32 bits."""

EXACT = 3
"""Links up to which all chains are looked at."""

SURE = 1.0
"""Standard errors by which a limit has to be kept: what just keeps it here breaks it elsewhere half of the time."""


class Found(NamedTuple):
    """A chain with what it is worth.

    Attributes:
        models: positions in the grid's models.
        value: its mean worth; see `Replayed.value`.
    """

    models: tuple[int, ...]
    value: float


def best_chains(grid: Grid, goals: Goals, *, count: int = 1, sure: float = SURE) -> list[Found]:
    """The best chains that keep to the limits, best first; fewer than `count` where there are no more.

    Args:
        sure: standard errors by which limits are kept.

    Raises:
        InvalidRequest: no chain can be made of these models.
    """
    found: list[Found] = []
    for batch in _best_first(grid, goals):
        left = -np.inf  # what chains of any length may be worth that were not looked at yet
        for chains, is_last in batch:
            values = np.empty(0)
            for part in blocks(chains, len(grid.prompts)):
                replayed = replay(grid, part)
                keeps = kept(replayed, goals.limits, sure=sure)
                values = replayed.value(goals.weights).mean(axis=1)
                found += [
                    Found(tuple(chain.tolist()), float(value))
                    for chain, value in zip(part[keeps], values[keeps], strict=True)
                ]
            left = left if is_last else max(left, float(values[-1]))
        found = sorted(found, key=lambda each: -each.value)[:count]
        if len(found) == count and found[-1].value >= left:
            break
    return found


def is_allowed(grid: Grid, limits: Limits, chain: Sequence[int]) -> bool:
    """Whether a chain has the models that limits ask for, and no others; see `kept` for what it does."""
    names, providers = ([of[model] for model in chain] for of in (grid.models, grid.providers))
    return (
        len(chain) <= limits.links
        and {*limits.must} <= {*names}
        and not {*limits.never} & {*names}
        and not (limits.apart and any(one == other for one, other in pairwise(providers)))
    )


def kept(replayed: Replayed, limits: Limits, *, sure: float = SURE) -> NDArray[np.bool_]:
    """(chains,) which keep to the limits on cost, latency, first token and answers."""
    prompts = replayed.answered.shape[1]
    holds = np.ones(len(replayed.answered), bool)
    if limits.cost is not None:
        error = replayed.cost.std(axis=1) / np.sqrt(prompts)
        holds &= 1000 * (replayed.cost.mean(axis=1) + sure * error) <= limits.cost
    for seconds, times in ((limits.latency, replayed.ends), (limits.first_token, replayed.starts)):
        if seconds is not None:
            holds &= _at_most(replayed.later(seconds, times), 1 - WITHIN, prompts, sure)
    if limits.answered is not None:
        error = replayed.answered.std(axis=1) / np.sqrt(prompts)
        holds &= replayed.answered.mean(axis=1) - sure * error >= limits.answered - 1e-9
    if limits.quality is not None:  # relative to what the same prompts say of another chain: no error on top
        holds &= replayed.quality.mean(axis=1) >= limits.quality - 1e-9
    return holds


def _at_most(shares: Floats, limit: float, prompts: int, sure: float) -> NDArray[np.bool_]:
    error = np.sqrt(limit * (1 - limit) / prompts)
    holds: NDArray[np.bool_] = shares <= max(limit - sure * error, 0.0) + 1e-12
    return holds


def _best_first(grid: Grid, goals: Goals) -> Iterator[list[tuple[NDArray[np.intp], bool]]]:
    """Batches, the most promising chains of each length first; of each length an array, and whether it is the last."""
    limits = goals.limits
    allowed = np.flatnonzero([model not in limits.never for model in grid.models])
    if not len(allowed) or limits.links < 1:
        raise InvalidRequest("No model is left to make a chain of. Allow one more.")
    if missing := [model for model in limits.must if model not in grid.models]:
        raise InvalidRequest(f"Nothing is known of {missing[0]} on these prompts. Evaluate it beside the others first.")
    pools = [_ranked(grid, goals, allowed, links) for links in range(1, min(limits.links, EXACT, len(allowed)) + 1)]
    pools += _longer(grid, goals, allowed)
    for start, end in pairwise([0, FIRST, *range(BATCH, DEEP + 1, BATCH)]):
        yield [(pool[start:end], len(pool) <= end) for pool in pools if len(pool) > start]


def _ranked(grid: Grid, goals: Goals, allowed: NDArray[np.intp], links: int) -> NDArray[np.intp]:
    """(chains, links) the best chains of so many links that can keep to the limits, best first.

    Primaries come by what their chains can be worth at most: when nothing can reach the best DEEP chains any more, the
    others are left out (branch and bound; a fallback can add no more than the share that the primary fails).
    """
    failing = grid.failing[:, allowed].astype(np.float32)
    measures = _measures(grid, goals, allowed)
    highest = measures[0].values.mean(axis=0) + goals.weights.quality * failing.mean(axis=0)
    chains, values, least = np.empty((0, links), np.intp), np.empty(0, np.float32), -np.inf
    for first in np.argsort(-highest):
        if highest[first] < least:
            break
        if not grid.primary[allowed[first]]:
            continue
        holds = _allowed(grid, goals.limits, allowed, int(first), links)
        sums = [_sums(failing, measure.values, first, links) for measure in measures]
        for measure, found in zip(measures, sums, strict=True):
            holds &= (found >= measure.least - ROUNDING) & (found <= measure.most + ROUNDING)
        others = np.argwhere(holds & (sums[0] >= least))
        chains = np.concatenate([chains, np.insert(others, 0, first, axis=1)])
        values = np.concatenate([values, np.atleast_1d(sums[0][tuple(others.T)])[: len(others)]])
        if len(chains) > DEEP:
            best = np.argpartition(-values, DEEP)[:DEEP]
            chains, values = chains[best], values[best]
            least = values.min()
    ranked: NDArray[np.intp] = allowed[chains[np.argsort(-values, kind="stable")]]
    return ranked


class _Measure(NamedTuple):
    """Something whose mean over requests adds up over links, and what it must keep to.

    Attributes:
        values: (prompts, models) of a call.
    """

    values: NDArray[np.float32]
    least: float = -np.inf
    most: float = np.inf


def _measures(grid: Grid, goals: Goals, allowed: NDArray[np.intp]) -> list[_Measure]:
    """What chains are worth, and what the limits say of them; of times a part, since they also add up."""
    limits, up = goals.limits, grid.up
    found = [(worth(goals.weights, up * grid.quality, grid.cost, grid.seconds), -np.inf, np.inf)]
    if limits.cost is not None:
        found.append((1000 * grid.cost, -np.inf, limits.cost))
    if limits.answered is not None:
        found.append((up, limits.answered, np.inf))
    if limits.quality is not None:
        found.append((up * grid.quality, limits.quality, np.inf))
    for seconds, times in ((limits.latency, grid.seconds), (limits.first_token, grid.first_token)):
        if seconds is not None:
            found.append((up * (times > seconds), -np.inf, 1 - WITHIN))
    return [_Measure(values[:, allowed].astype(np.float32), least, most) for values, least, most in found]


def _sums(failing: Floats, measure: Floats, first: int, links: int) -> Floats:
    """(models, …) a measure's mean over all chains that begin with a model, one axis for each further link."""
    prompts = len(measure)
    found = measure[:, first].mean()
    if links == 1:
        return np.asarray(found)
    reached = failing[:, first]
    second = found + reached @ measure / prompts
    if links == 2:
        return np.asarray(second)
    return np.asarray(second[:, None] + (reached[:, None] * failing).T @ measure / prompts)


def _allowed(grid: Grid, limits: Limits, allowed: NDArray[np.intp], first: int, links: int) -> NDArray[np.bool_]:
    """(models, …) which chains that begin with a model hold what they must, nothing twice, and no neighbors alike."""
    places = np.meshgrid(*[allowed] * (links - 1), indexing="ij", sparse=True)
    return _holds([np.asarray(allowed[first]), *places], grid, limits, len(allowed))


def _holds(places: Sequence[NDArray[np.intp]], grid: Grid, limits: Limits, models: int) -> NDArray[np.bool_]:
    holds = np.ones((models,) * (len(places) - 1), bool)
    providers = np.array([grid.providers.index(provider) for provider in grid.providers])
    for number, place in enumerate(places):
        for before in places[:number]:
            holds &= place != before
        if limits.apart and number:
            holds &= providers[place] != providers[places[number - 1]]
    for model in grid.numbered(limits.must):
        holds &= functools.reduce(np.logical_or, (place == model for place in places))
    return holds


def _longer(grid: Grid, goals: Goals, allowed: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """(chains, links) for each number of links beyond EXACT, the best shorter chains with each further model."""
    limits, most = goals.limits, min(goals.limits.links, len(allowed))
    if most <= EXACT:
        return
    # What a further model can still bring is not asked of the shorter chain.
    open_ended = replace(limits, must=(), answered=None, quality=None)
    chains = _ranked(grid, Goals(limits=open_ended, weights=goals.weights), allowed, EXACT)
    must = grid.numbered(limits.must)
    for links in range(EXACT, most):
        held = np.isin(chains, must).sum(axis=1)
        fits = len(must) - held <= most - links
        chains = _extended(chains[fits][np.argsort(-held[fits], kind="stable")][:BATCH], allowed, grid, limits)
        yield chains[np.isin(chains, must).sum(axis=1) == len(must)]


def _extended(chains: NDArray[np.intp], allowed: NDArray[np.intp], grid: Grid, limits: Limits) -> NDArray[np.intp]:
    """(chains, links) the chains with each further model behind them."""
    if not len(chains):
        return np.empty((0, chains.shape[1] + 1), np.intp)
    longer = np.concatenate([np.repeat(chains, len(allowed), 0), np.tile(allowed, len(chains))[:, None]], axis=1)
    apart = np.array([len({*chain}) == len(chain) for chain in longer.tolist()], bool)
    if limits.apart:
        providers = np.array(grid.providers)
        apart &= providers[longer[:, -1]] != providers[longer[:, -2]]
    found: NDArray[np.intp] = longer[apart]
    return found
