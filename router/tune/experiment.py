"""What to find out next: which models on how many more prompts, what that costs, and what it may change.

Not all models are worth asking: one that no plausible world has in its best chain would only cost money. Plausible
worlds are resamples of the prompts (the Bayesian bootstrap: Rubin, 1981). In each of them as many prompts more are
drawn as the experiment would ask, the chain is chosen from all, and it is seen how much better it is there than what
would be chosen now: the expected value of sample information, by simulation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.tune.goals import Goals
from router.tune.grid import Grid
from router.tune.replay import replay
from router.tune.search import best_chains

WORLDS = 60
RARELY = 0.03
"""The share of worlds below which a model is not asked again."""

SIZES = (1, 2, 4)
"""How many more prompts, in multiples of those that there are."""

MOST_PROMPTS = 2_000


class Experiment(NamedTuple):
    """The cheapest next step.

    Attributes:
        models: references of those to ask.
        prompts: how many more.
        cost: US dollars; None if a price is unknown.
        seconds: that the calls take, one after another.
        changes: how likely another chain is chosen after it, 0 to 1.
        gain: expected gain in what a request is worth, 0 to 1.
    """

    models: tuple[str, ...]
    prompts: int
    cost: float | None
    seconds: float
    changes: float
    gain: float


def next_experiment(grid: Grid, goals: Goals, current: Sequence[int], *, seed: int = 0) -> Experiment:
    """The experiment with the highest expected gain for its money; of equal ones the smallest.

    Args:
        current: the chain in use, whose primary is always asked.
    """
    rng = np.random.default_rng(seed)
    asked = contending(grid, goals, current, rng)
    price, seconds = (float(each[:, asked].mean(axis=0).sum()) for each in (grid.cost, grid.seconds))
    offers = [_offer(grid, goals, current, multiple, rng) for multiple in SIZES]
    best = max(offers, key=lambda offer: (offer.gain / offer.prompts, -offer.prompts))
    return best._replace(
        models=tuple(grid.models[number] for number in asked),
        cost=None if math.isnan(price) else price * best.prompts,
        seconds=seconds * best.prompts,
    )


def contending(grid: Grid, goals: Goals, current: Sequence[int], rng: np.random.Generator) -> list[int]:
    """The models that may be the best chain's primary, and the current one, as positions in the grid's.

    Fallbacks see few prompts: what they do on them is known well enough from the prompts that they have seen.
    """
    count = len(grid.prompts)
    seen = Counter[int]()
    for _ in range(WORLDS):
        found = best_chains(grid.of(rng.integers(count, size=count)), goals)
        seen.update((found[0].models if found else current)[:1])
    return sorted({current[0], *(model for model, times in seen.items() if times >= RARELY * WORLDS)})


def _offer(grid: Grid, goals: Goals, current: Sequence[int], multiple: int, rng: np.random.Generator) -> Experiment:
    count = len(grid.prompts)
    more = max(min(multiple * count, MOST_PROMPTS), 1)
    changes, gains = 0, list[float]()
    now = best_chains(grid, goals)
    chosen = now[0].models if now else tuple(current)
    for _ in range(WORLDS):
        # A world's truth: each prompt with a weight of its own, drawn around what was seen.
        weights = rng.dirichlet(np.ones(count))
        drawn = rng.choice(count, size=more, p=weights)
        found = best_chains(grid.of(np.concatenate([np.arange(count), drawn])), goals)
        then = found[0].models if found else chosen
        changes += then != chosen
        values = [float(replay(grid, np.array([each])).value(goals.weights)[0] @ weights) for each in (then, chosen)]
        gains.append(values[0] - values[1])
    return Experiment((), more, None, 0.0, changes / WORLDS, max(float(np.mean(gains)), 0.0))
