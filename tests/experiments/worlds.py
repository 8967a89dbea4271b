"""Simulated traffic of many experiments at once, of which the truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.experiments.sequences import ERROR, Floats, Units, log_wealth


class World(NamedTuple):
    """How requests end.

    Attributes:
        rate: of success of the current chain, 0 to 1.
        gain: by which the candidate's is larger.
        share: of requests that the candidate gets, 0 to 1; `later` from the middle on, where that is set.
        per_session: requests of a session, on average; 1 is none.
        spread: of the rates of sessions around the mean, as a standard deviation.
        outage: by which both rates are lower in the third tenth of the time.
    """

    rate: float
    gain: float = 0.0
    share: float = 0.5
    later: float | None = None
    per_session: float = 1.0
    spread: float = 0.0
    outage: float = 0.0

    @property
    def name(self) -> str:
        words = [f"rate {100 * self.rate:g}%", f"share {100 * self.share:g}%"]
        words += [f"then {100 * self.later:g}%"] if self.later else []
        words += [f"sessions of {self.per_session:g}, spread {100 * self.spread:g}"] if self.per_session > 1 else []
        words += [f"an outage of {100 * self.outage:g} points"] if self.outage else []
        return ", ".join(words)


def units(world: World, rng: np.random.Generator, experiments: int, count: int) -> Units:
    """(experiments, count) units of a world."""
    shape = experiments, count
    share = np.full(shape, world.share)
    if world.later is not None:
        share[:, count // 2 :] = world.later
    candidate = rng.random(shape) < share
    rate = np.full(shape, world.rate)
    rate[:, count // 5 : 3 * count // 10] -= world.outage
    rate = np.where(candidate, rate + world.gain, rate)
    if world.spread:
        worth = np.maximum(rate * (1 - rate) / world.spread**2 - 1, 1e-3)
        rate = rng.beta(np.maximum(rate * worth, 1e-6), np.maximum((1 - rate) * worth, 1e-6))
    requests = rng.geometric(1 / world.per_session, shape)
    return Units(candidate, share, rng.binomial(requests, rate) / requests)


def first_better(found: Units) -> Floats:
    """(experiments,) units after which the candidate is first called better; infinite where it never is."""
    is_better = log_wealth(found, 0.0)[0] >= -np.log(ERROR)
    return np.where(is_better.any(axis=-1), np.argmax(is_better, axis=-1) + 1.0, np.inf)
