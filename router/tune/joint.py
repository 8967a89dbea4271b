"""Models that fail together: how much a fallback is worth once its primary has failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from router.metrics.estimates import Estimate

PRIOR = 20.0
"""As if so many more requests had seen both models, and the second had failed as often as it does anyway: of ten such
requests, five failures may be chance."""

DRAWS = 2_000


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
    """

    calls: Mapping[str, int]
    failed: Mapping[str, int]
    after: Mapping[tuple[str, str], Both]

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


def effective_number(chain: Sequence[str], failures: Failures, *, seed: int = 0) -> Estimate:
    """How many independent models a chain is worth: with its own models' rates of failure, all of which failing is as
    rare as it is. Of three models that always fail together this is 1, of three independent ones 3.

    log P(all fail) / mean log P(one fails); each further model is conditioned on the one before it that it fails with
    most. The interval comes from draws of all rates (Beta, with Jeffreys' prior).
    """
    if len(chain) < 2 or any(failures.alone(model) is None for model in chain):
        return Estimate(float(len(chain)) if len(chain) == 1 else None, rows=0)
    rng = np.random.default_rng(seed)
    alone = {
        model: rng.beta(
            failures.failed.get(model, 0) + 0.5,
            failures.calls[model] - failures.failed.get(model, 0) + 0.5,
            DRAWS,
        )
        for model in chain
    }
    together = np.log(alone[chain[0]])
    for number, model in enumerate(chain[1:], 1):
        rates = [_drawn(failures.after.get((first, model), Both()), alone[model], rng) for first in chain[:number]]
        together = together + np.log(np.max(rates, axis=0))
    each = np.mean([np.log(alone[model]) for model in chain], axis=0)
    worth = np.clip(together / each, 1.0, len(chain))
    low, middle, high = np.quantile(worth, [0.025, 0.5, 0.975])
    seen = sum(failures.after.get(pair, Both()).seen for pair in _pairs(chain))
    return Estimate(float(middle), float(low), float(high), rows=seen)


def _drawn(both: Both, rate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.beta(both.failed + PRIOR * rate, both.seen - both.failed + PRIOR * (1 - rate))
    return np.maximum(drawn, 1e-12)


def _pairs(chain: Sequence[str]) -> list[tuple[str, str]]:
    return [(first, then) for number, first in enumerate(chain) for then in chain[number + 1 :]]


def log_loss(chance: float, both: Both) -> float:
    """The mean surprise of requests at a forecast of their failure, nats."""
    chance = min(max(chance, 1e-9), 1 - 1e-9)
    return -(both.failed * math.log(chance) + (both.seen - both.failed) * math.log1p(-chance)) / max(both.seen, 1)
