"""What prompts that had no say in a choice say of it: prompts are dealt into parts, and each part judges the chain that
the other parts choose, several times over with other parts.

Providers' failures are not seen prompt by prompt: they count at rates, which are known from so many calls only. So what
a chain does is worked out again with other rates, as likely as the calls make them, and how much that moves it is added
to what the prompts leave open (independent variances add up).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import stdtrit

from router.metrics.estimates import Estimate
from router.tune.goals import Weights
from router.tune.grid import Floats, Grid
from router.tune.replay import Replayed, replay

PARTS = 10
ROUNDS = 2
"""How often each prompt judges. More parts choose better, and say less of how much choosing varies."""

CONFIDENCE = 0.975
"""One-sided: a chain that is no better is called better in at most one case of 40."""

DRAWS = 200
"""Of the rates at which providers fail."""

Chain: TypeAlias = tuple[int, ...]


class Measures(NamedTuple):
    """(…, prompts) what chains do on each prompt; see `Replayed`. Cost is of 1,000 requests."""

    value: Floats
    quality: Floats
    answered: Floats
    cost: Floats
    seconds: Floats


class Judged(NamedTuple):
    """Choosing by a rule, as held-out prompts judge it.

    Attributes:
        measures: of each prompt, by the chains that were chosen without it.
        chains: how large a part of a prompt's judgment each chain is, by prompt.
    """

    measures: Measures
    chains: Mapping[Chain, Floats]


def measures(replayed: Replayed, weights: Weights) -> Measures:
    """Of chains that were replayed."""
    return Measures(
        replayed.value(weights), replayed.quality, replayed.answered, 1000 * replayed.cost, replayed.seconds
    )


def judged(grid: Grid, weights: Weights, choose: Callable[[Grid], Chain], seed: int) -> Judged:
    """What held-out prompts say of choosing so."""
    sums = np.zeros((len(Measures._fields), len(grid.prompts)))
    chains: dict[Chain, Floats] = {}
    for choosing, judging in _parts(grid, np.random.default_rng(seed)):
        chain = choose(grid.of(choosing))
        sums[:, judging] += np.concatenate(measures(replay(grid.of(judging), np.array([chain])), weights)) / ROUNDS
        chains.setdefault(chain, np.zeros(len(grid.prompts)))[judging] += 1 / ROUNDS
    return Judged(Measures(*sums), chains)


def moved_by_rates(grid: Grid, weights: Weights, choices: Sequence[Mapping[Chain, Floats]], seed: int) -> Floats:
    """(draws, choices, measures) by how much the means over prompts are others when providers fail at other rates.

    Args:
        choices: of each, the parts of prompts that its chains judge; see `Judged`.
    """
    if grid.failures is None:
        return np.zeros((1, len(choices), len(Measures._fields)))
    chains = sorted({chain for of in choices for chain in of}, key=lambda chain: (len(chain), chain))
    used = sorted({model for chain in chains for model in chain})
    only = grid.only([grid.models[model] for model in used])
    alike = [np.searchsorted(used, list(of)) for _, of in groupby(chains, len)]
    none = np.zeros(len(grid.prompts))
    parts = np.array([[of.get(chain, none) for chain in chains] for of in choices]) / len(grid.prompts)
    owns = [part.any(axis=1) for part in parts]  # of the other chains, the cost may be unknown
    found = []
    for down, together in zip(*grid.failures.drawn(only.models, DRAWS, np.random.default_rng(seed)), strict=True):
        drawn = replace(only, down=down, down_together=together)
        of_chains = np.concatenate([measures(replay(drawn, each), weights) for each in alike], axis=1)
        found.append(
            [np.einsum("cp,mcp->m", part[own], of_chains[:, own]) for part, own in zip(parts, owns, strict=True)]
        )
    moved: Floats = np.array(found) - np.mean(found, axis=0)
    return moved


def _parts(grid: Grid, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Prompts that choose and prompts that judge, each prompt judging once a round; strata are dealt out evenly."""
    count = len(grid.prompts)
    for _ in range(ROUNDS):
        order = rng.permutation(count)
        order = order[np.argsort(grid.kinds[order], kind="stable")]
        part = np.empty(count, np.intp)
        part[order] = np.arange(count) % PARTS
        for number in range(PARTS):
            yield np.flatnonzero(part != number), np.flatnonzero(part == number)


def mean_of(values: Floats, kinds: NDArray[np.int64], moved: Floats | None = None) -> Estimate:
    """A mean over prompts, stratified by their kinds, with Student's interval.

    A kind of one prompt has no variance to see: all of these are one stratum, with another one where it is alone.

    Args:
        moved: (draws,) by how much the mean is another one for other reasons than the prompts.
    """
    count = len(values)
    groups, sizes = np.unique(kinds, return_inverse=True, return_counts=True)[1:]
    if count > 1 and (sizes == 1).any():
        few = sizes <= (1 if (sizes == 1).sum() > 1 else np.sort(sizes)[1])
        groups = np.unique(np.where(few[groups], -1, groups), return_inverse=True)[1]
    sizes = np.bincount(groups)
    means = np.bincount(groups, values) / sizes
    squares = np.bincount(groups, (values - means[groups]) ** 2)
    variance = float((squares * sizes / np.maximum(sizes - 1, 1)).sum()) / count**2
    variance += float(moved.var()) if moved is not None else 0.0
    reach = math.sqrt(variance) * float(stdtrit(max(count - len(sizes), 1), CONFIDENCE))
    mean = float(values.mean())
    return Estimate(mean, mean - reach, mean + reach, count)
