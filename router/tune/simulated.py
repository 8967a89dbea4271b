"""What simulated worlds say of a chain: its figures, and how far they may be off.

Worlds differ since few measurements leave open what the truth is (ignorance), and since each is simulated for a while
only (noise). The variance of requests within worlds tells the second (analysis of variance), and what it does not
explain is the first. Rare outages would make most of the noise: a world meets one or not. So what a world saw of each
is set right to what it would see in the long run (a control variate: Lavenberg and Welch, 1981).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from router.metrics.estimates import Estimate
from router.tune.grid import Floats

MEANS = ("answered", "quality", "cost")

QUANTILES: Mapping[str, tuple[str, float]] = {
    "latency_p50": ("latency", 0.5),
    "latency_p95": ("latency", 0.95),
    "first_token_p50": ("first_token", 0.5),
    "first_token_p95": ("first_token", 0.95),
}

FIGURES = (*MEANS, *QUANTILES)

CONFIDENCE = 0.975
"""One-sided."""


class Down(NamedTuple):
    """Something that is down at times.

    Attributes:
        found: (requests,) 1 for those that came while it was, else 0.
        share: of time in the long run of this world, 0 to 1.
        measured: the same as it was measured.
    """

    found: Floats
    share: float
    measured: float


class Run(NamedTuple):
    """One world's requests, in the order in which they came.

    Attributes:
        answered: (requests,) whether a model answered.
        place: (requests,) of the model that answered; -1 for none.
        quality: (requests,) expected score, 0 where none answered; NaN where it is unknown.
        latency, first_token: (requests,) seconds that the user waited; infinite without an answer.
        cost: (requests,) US dollars, failed calls included; NaN where any part is unknown.
        down: by name, the models and providers that are down at times.
    """

    answered: NDArray[np.bool_]
    place: NDArray[np.int64]
    quality: Floats
    latency: Floats
    first_token: Floats
    cost: Floats
    down: Mapping[str, Down]

    def figures(self) -> Mapping[str, float]:
        """By name: shares and scores 0 to 1, seconds, US dollars per 1,000 requests."""
        return {
            "answered": float(self.answered.mean()),
            "quality": float(self.quality.mean()),
            "cost": 1000 * float(self.cost.mean()),
            **{name: _at(np.sort(getattr(self, of)), share) for name, (of, share) in QUANTILES.items()},
        }


class Figure(NamedTuple):
    """A figure with what makes its interval.

    Attributes:
        estimate: over all worlds, with the interval of 95% for a long time in one of them.
        reach: half the interval, before it is cut off at what is possible; of quantiles in shares of requests.
        noise: the share of the interval that may be gone if worlds were simulated for ever, 0 to 1.
    """

    estimate: Estimate
    reach: float
    noise: float


class Simulated(NamedTuple):
    """What a chain does in simulated worlds, of as many requests each."""

    runs: tuple[Run, ...]

    @property
    def requests(self) -> int:
        return sum(len(run.answered) for run in self.runs)

    def figures(self) -> dict[str, Estimate]:
        """Over all worlds, with the interval of 95% for a long time in one of them; see `Run.figures`."""
        return {name: each.estimate for name, each in self.details().items()}

    def details(self) -> dict[str, Figure]:
        """The same, with what makes their intervals."""
        added = _added(self.runs)
        spread = _spread(added, self.runs)
        found = dict[str, Figure]()
        for name, raw, value, middle, reach, noise in zip(
            FIGURES, added.mean(axis=(0, 1)).tolist(), *spread, strict=True
        ):
            if name in MEANS:
                most = math.inf if name == "cost" else 1.0
                bounds = min(value, most), max(middle - reach, 0.0), min(middle + reach, most)
            else:  # between the quantiles whose shares the true one may have (Woodruff, 1952)
                of, share = QUANTILES[name]
                times, at = self._times(of), share + raw - middle
                bounds = _at(times, share + raw - value), _at(times, at - reach), _at(times, at + reach)
            found[name] = Figure(Estimate(*bounds, self.requests), reach, noise)
        return found

    def _times(self, of: str) -> Floats:
        return np.sort(np.concatenate([getattr(run, of) for run in self.runs]))

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Between which values each figure of a single run lies in 95 of 100 worlds."""
        found = [run.figures() for run in self.runs]
        ends = {name: np.quantile([each[name] for each in found], [0.025, 0.975], method="inverted_cdf")
                for name in FIGURES}  # fmt: skip
        return {name: (float(low), float(high)) for name, (low, high) in ends.items()}

    def places(self) -> list[float]:
        """The share of requests that each place of the chain answers."""
        place = np.concatenate([run.place for run in self.runs])
        shares: list[float] = (np.bincount(place[place >= 0]) / len(place)).tolist()
        return shares


def changes(before: Simulated, after: Simulated) -> dict[str, Figure]:
    """By how much each figure of a chain is above another's in the same worlds, which takes their common noise out.

    Args:
        before, after: of the same seed, and of as many runs of as many requests.
    """
    of_both = [Run(*then[:-1], down={**now.down, **then.down})
               for now, then in zip(before.runs, after.runs, strict=True)]  # fmt: skip
    now, then = before.details(), after.details()
    added = _added(after.runs) * _slopes(then) - _added(before.runs) * _slopes(now)
    found = dict[str, Figure]()
    for name, _, _, reach, noise in zip(FIGURES, *_spread(added, of_both), strict=True):
        change = _value(then[name]) - _value(now[name])
        found[name] = Figure(Estimate(change, change - reach, change + reach, before.requests), reach, noise)
    return found


def _value(of: Figure) -> float:
    value = of.estimate.value
    return value if value is not None and math.isfinite(value) else math.nan


def _slopes(figures: Mapping[str, Figure]) -> Floats:
    """(figures,) what a figure changes by as the mean of what requests add to it rises."""
    found = []
    for name, each in figures.items():
        _, low, high, *_ = each.estimate
        if name in MEANS:
            found.append(1.0)
        elif low is None or high is None or not np.isfinite([low, high]).all():
            found.append(math.nan)
        else:
            found.append((low - high) / (2 * each.reach) if each.reach else 0.0)
    return np.array(found)


def _added(runs: Sequence[Run]) -> Floats:
    """(runs, requests, figures) whose means are the figures; of quantiles, the share of requests up to them."""
    found = [np.stack([run.answered, run.quality, 1000 * run.cost], axis=-1) for run in runs]
    for of, share in QUANTILES.values():
        times = [getattr(run, of) for run in runs]
        limit = _at(np.sort(np.concatenate(times)), share)
        found = [np.column_stack([columns, each <= limit]) for columns, each in zip(found, times, strict=True)]
    return np.stack(found)


class _Spread(NamedTuple):
    """(figures,) means over worlds: with outages as they were measured, and as they may be; how far the second may be
    off, and the share of noise in that; see `Figure`.
    """

    value: list[float]
    middle: list[float]
    reach: list[float]
    noise: list[float]


def _spread(added: Floats, runs: Sequence[Run]) -> _Spread:
    worlds, requests, _ = added.shape
    names = [*runs[0].down]
    down, shares = np.zeros((worlds, requests, len(names))), np.zeros((worlds, len(names)))
    measured = np.array([runs[0].down[name].measured for name in names])
    for world, run in enumerate(runs):
        for number, name in enumerate(names):
            down[world, :, number], shares[world, number], _ = run.down[name]
    effects = _effects(down, added)
    means = added.mean(axis=1) - (down.mean(axis=1) - shares) @ effects
    within = (added - down @ effects).var(axis=1, ddof=1).mean(axis=0) / requests
    between = means.var(axis=0, ddof=1)
    ignorance = np.maximum(between - within, 0.0)
    reach = stdtrit(worlds - 1, CONFIDENCE) * np.sqrt(ignorance + between / worlds)
    by_chance = 1 + 2 * np.sqrt(2 / (worlds - 1))  # what noise alone may make of the variance between worlds
    narrowest = stdtrit(np.inf, CONFIDENCE) * np.sqrt(np.maximum(between - by_chance * within, 0.0))
    noise = 1 - np.divide(narrowest, reach, out=np.ones_like(reach), where=reach > 0)
    middle = means.mean(axis=0)
    value = middle - (shares.mean(axis=0) - measured) @ effects
    return _Spread(value.tolist(), middle.tolist(), reach.tolist(), noise.tolist())


def _effects(down: Floats, added: Floats) -> Floats:
    """(things, figures) what requests add more while a thing is down, by least squares; 0 where none met it.

    Args:
        down: (runs, requests, things) 1 while it is.
    """
    rows = added.shape[0] * added.shape[1]
    design = np.column_stack([np.ones(rows), down.reshape(rows, down.shape[2])])
    effects: Floats = (np.linalg.pinv(design.T @ design) @ (design.T @ added.reshape(rows, -1)))[1:]
    return effects


def _at(times: Floats, share: float) -> float:
    """The time within which such a share of requests is answered.

    Args:
        times: ascending.
    """
    rank = math.ceil(round(share * len(times), 9))
    return float(times[min(max(rank, 1), len(times)) - 1])
