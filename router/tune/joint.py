"""Models that fail together: how much a fallback is worth once its primary has failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from router.metrics.estimates import Estimate

PRIOR = 20.0
"""As if so many more requests had seen both models, and the second had failed as often as it does anyway: of ten such
requests, five failures may be chance."""

DRAWS = 2_000

TINY = 1e-12


Floats: TypeAlias = NDArray[np.floating]


class Both(NamedTuple):
    """Requests that saw two models, the first of which failed.

    Attributes:
        seen: how many.
        failed: those of them that the second model failed, too.
    """

    seen: int = 0
    failed: int = 0


class Failures(NamedTuple):
    """How often models fail.

    Attributes:
        calls, failed: requests by model, of those that did not come to it because another one failed.
        after: by a model that failed and another that was asked then.
        worth: how many independent requests a model's `calls` are worth, where that is fewer: failures come in groups.
    """

    calls: Mapping[str, int]
    failed: Mapping[str, int]
    after: Mapping[tuple[str, str], Both]
    worth: Mapping[str, float] = MappingProxyType({})

    def alone(self, model: str) -> float | None:
        """The chance that a model fails a request; None if it was never called."""
        calls = self.calls.get(model, 0)
        return (self.failed.get(model, 0) + 0.5) / (calls + 1) if calls else None

    def given(self, first: str, then: str) -> float | None:
        """The chance that a model fails a request that another one has failed, drawn towards its own rate."""
        rate = self.alone(then)
        both = self.after.get((first, then), Both())
        if rate is None:
            return (both.failed + 0.5) / (both.seen + 1) if both.seen else None
        return (both.failed + PRIOR * rate) / (both.seen + PRIOR)

    def drawn(self, models: Sequence[str], count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Other chances to fail that are as likely (Beta, with Jeffreys' prior); 0 of a model that was never called.

        Returns:
            (count, models) alone, and (count, models, models) of two of them together; see `Grid.down`.
        """
        alone = {model: self.alone_drawn(model, count, rng) for model in models}
        down = np.stack([alone[model] for model in models], axis=1)
        together = np.zeros((count, len(models), len(models)))
        for place, first in enumerate(models):
            for other, then in enumerate(models):
                given = self.given_drawn(first, then, alone[then], rng) if first != then else 1.0
                together[:, place, other] = down[:, place] * given
        return down, together

    def alone_drawn(self, model: str, count: int, rng: np.random.Generator) -> Floats:
        """(count,) of one model."""
        calls = self.calls.get(model, 0)
        if not calls:
            return np.zeros(count)
        independent = min(self.worth.get(model, calls) / calls, 1.0)
        failed = self.failed.get(model, 0)
        return rng.beta(independent * failed + 0.5, independent * (calls - failed) + 0.5, count)

    def given_drawn(self, first: str, then: str, rate: Floats, rng: np.random.Generator) -> Floats:
        """(count,) of a model, at rates of its own, where another one has failed."""
        both = self.after.get((first, then), Both())
        drawn = rng.beta(both.failed + PRIOR * rate + TINY, both.seen - both.failed + PRIOR * (1 - rate) + TINY)
        return np.maximum(drawn, TINY)


def effective_number(chain: Sequence[str], failures: Failures, *, seed: int = 0) -> Estimate:
    """How many independent models a chain is worth: with its own models' rates of failure, all of which failing is as
    rare as it is. Of three models that always fail together this is 1, of three independent ones 3.

    log P(all fail) / mean log P(one fails); each further model is conditioned on the one before it that it fails with
    most. The interval comes from draws of all rates (Beta, with Jeffreys' prior).
    """
    if len(chain) < 2 or any(failures.alone(model) is None for model in chain):
        return Estimate(float(len(chain)) if len(chain) == 1 else None, rows=0)
    rng = np.random.default_rng(seed)
    alone = {model: failures.alone_drawn(model, DRAWS, rng) for model in chain}
    together = np.log(alone[chain[0]])
    for number, model in enumerate(chain[1:], 1):
        rates = [failures.given_drawn(first, model, alone[model], rng) for first in chain[:number]]
        together = together + np.log(np.max(rates, axis=0))
    each = np.mean([np.log(alone[model]) for model in chain], axis=0)
    worth = np.clip(together / each, 1.0, len(chain))
    low, middle, high = np.quantile(worth, [0.025, 0.5, 0.975])
    seen = sum(failures.after.get(pair, Both()).seen for pair in _pairs(chain))
    return Estimate(float(middle), float(low), float(high), rows=seen)


def _pairs(chain: Sequence[str]) -> list[tuple[str, str]]:
    return [(first, then) for number, first in enumerate(chain) for then in chain[number + 1 :]]


def log_loss(chance: float, both: Both) -> float:
    """The mean surprise of requests at a forecast of their failure, nats."""
    chance = min(max(chance, 1e-9), 1 - 1e-9)
    return -(both.failed * math.log(chance) + (both.seen - both.failed) * math.log1p(-chance)) / max(both.seen, 1)
