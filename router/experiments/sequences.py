"""The difference of two chains' means, as confidence sequences: they may be looked at after every request.

Each unit, a request or a session, was given the candidate with a probability p that is known, whatever came before. For
a difference d of the means, this figure of a unit with the value y has the expectation 0:

    z = (y - c - d) / p    where it was given the candidate,    z = -(y - c) / (1 - p)    where not,

whatever c the units before suggest, and also while the means move together, as in an outage. So the wealth of whoever
bets on its sign, the product of 1 + b z, is a martingale: that it ever exceeds 1 / a has a chance of a at most (Ville,
1939). Whatever difference would have made somebody so rich is left out of the sequence (Waudby-Smith & Ramdas,
"Estimating means of bounded random variables by betting", 2024; Waudby-Smith, Wu, Ramdas & Karampatziakis,
"Anytime-valid off-policy inference for contextual bandits", 2024). The bet is a mixture over `BETS`, some of which fit
small differences and some large ones. With c close to the mean, z differs little, which makes it efficient.

Costs have no bound. Theirs is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences" (2024), theorem 2.2: its error is right as the
number of units grows, and no sequence is given before `FEWEST` of each arm are there.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

ERROR = 0.025
"""The chance that a bound is ever wrong; both bounds, 5%."""

BETS = 0.9 * 1.6 ** -np.arange(11.0)
"""Shares of the largest bet that cannot lose everything."""

FEWEST = 100
"""Units of each arm from which on costs are compared."""

BLOCK = 16
"""Factors, each from 0.1 to 1.9, that are multiplied before their logarithm is taken."""

TUNED = 1_000
"""Units for which the sequence of costs is the narrowest."""

Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Looks: TypeAlias = NDArray[np.intp]


class Units(NamedTuple):
    """What was compared, in the order in which it came.

    Attributes:
        candidate: (units,) whether each was given the candidate.
        probability: (units,) with which it would have been, between 0 and 1.
        value: (units,) what is compared; from 0 to 1, where `log_wealth` is asked.
    """

    candidate: Flags
    probability: Floats
    value: Floats


def log_wealth(units: Units, difference: float) -> tuple[Floats, Floats]:
    """After each unit, the logarithm of the evidence that the candidate's mean is larger by more than a difference, and
    that it is larger by less.

    Args:
        units: also of several experiments at once, (experiments, units).
        difference: -1 to 1.
    """
    z = _scores(units, difference)
    return _mixture(z), _mixture(-z)


def _scores(units: Units, difference: float) -> Floats:
    """(units,) z of each, times what brings it between -1 and 1."""
    y, p = units.value, units.probability
    before = np.cumsum(y, axis=-1) - y
    center = (before + 0.5) / (np.arange(y.shape[-1]) + 1.0)
    center = np.clip(center, max(0.0, -difference), min(1.0, 1.0 - difference))
    least = np.minimum(p, 1 - p)
    found: Floats = np.where(units.candidate, (y - center - difference) * (least / p), (center - y) * (least / (1 - p)))
    return found


def _mixture(z: Floats) -> Floats:
    """(units,) the logarithm of the wealth after each unit."""
    found = np.full(z.shape, -np.inf)
    for bet in BETS:
        np.logaddexp(found, np.cumsum(np.log1p(bet * z), axis=-1), out=found)
    found -= math.log(len(BETS))
    return found


def _mixture_at(z: Floats, at: Looks) -> Floats:
    """(looks,) the same at the looks alone, with a logarithm for every few factors."""
    starts = np.union1d(at[at < len(z)], np.arange(0, len(z), BLOCK))
    found = np.full(len(at), -np.inf)
    for bet in BETS:
        grown = np.cumsum(np.log(np.multiply.reduceat(1 + bet * z, starts)))
        np.logaddexp(found, grown[np.searchsorted(starts, at) - 1], out=found)
    found -= math.log(len(BETS))
    return found


class Sequence(NamedTuple):
    """A confidence sequence of a difference, at some of its looks.

    Attributes:
        at: (looks,) units until then.
        value: (looks,) the difference of the means so far; NaN without units of both arms.
        low, high: (looks,) its bounds.
    """

    at: Looks
    value: Floats
    low: Floats
    high: Floats


def bounded(units: Units, at: Looks) -> Sequence:
    """The sequence of values from 0 to 1.

    Args:
        at: units after which it is looked at, ascending, each at least 1.
    """
    tried = _around(units)
    more, less = np.empty((len(tried), len(at))), np.empty((len(tried), len(at)))
    for number, difference in enumerate(tried):
        z = _scores(units, float(difference))
        more[number], less[number] = _mixture_at(z, at), _mixture_at(-z, at)
    return Sequence(at, _difference(units)[at - 1], _bound(tried, more), -_bound(-tried[::-1], less[::-1]))


def _around(units: Units) -> Floats:
    """The differences that are tried: the closer, the nearer to those that will be left."""
    last = _difference(units)[-1] if len(units.value) else 0.0
    middle = 0.0 if np.isnan(last) else float(last)
    steps = np.linspace(-1, 1, 121)
    return np.unique(np.clip([*(middle + 2 * np.sign(steps) * np.abs(steps) ** 3), -1.0, 0.0, 1.0], -1, 1))


def _bound(tried: Floats, evidence: Floats) -> Floats:
    """(looks,) the difference up to which all are ruled out, between the last of these and the first that is not."""
    needed, looks = -math.log(ERROR), np.arange(evidence.shape[1])
    is_left = evidence < needed
    first = np.where(is_left.any(axis=0), np.argmax(is_left, axis=0), len(tried) - 1)
    last = np.maximum(first - 1, 0)
    over, under = evidence[last, looks] - needed, needed - evidence[first, looks]
    share = np.where(first > last, over / np.maximum(over + under, 1e-12), 0.0)
    found: Floats = tried[last] + np.clip(share, 0, 1) * (tried[first] - tried[last])
    return found


def _difference(units: Units) -> Floats:
    """(units,) the difference of the means so far; each unit counts by how rarely its arm was given."""
    means = []
    for given, chance in ((units.candidate, units.probability), (~units.candidate, 1 - units.probability)):
        weight = given / chance
        with np.errstate(invalid="ignore"):
            means.append(np.cumsum(weight * units.value) / np.cumsum(weight))
    found: Floats = means[0] - means[1]
    return found


def unbounded(units: Units, at: Looks, times: float = 1.0) -> Sequence:
    """The asymptotic sequence of the candidate's mean less `times` the other's; arguments as of `bounded`."""
    y = np.where(units.candidate, units.value, times * units.value)
    own, other = _before(y, units.candidate), _before(y, ~units.candidate)
    z = own - other
    z += np.where(units.candidate, (y - own) / units.probability, (other - y) / (1 - units.probability))
    count = np.arange(1, len(y) + 1.0)
    mean = np.cumsum(z) / count
    variance = np.maximum(np.cumsum(z * z) / count - mean**2, 0)
    error = 2 * ERROR
    rho = (-2 * math.log(error) + math.log(-2 * math.log(error)) + 1) / TUNED
    inside = count * rho + 1
    half = np.sqrt(variance * 2 * inside / (count**2 * rho) * (np.log(inside) / 2 - math.log(error)))
    enough = np.minimum(np.cumsum(units.candidate), np.cumsum(~units.candidate)) >= FEWEST
    half[~enough] = np.inf
    value = _difference(Units(units.candidate, units.probability, y))
    return Sequence(at, value[at - 1], (mean - half)[at - 1], (mean + half)[at - 1])


def _before(y: Floats, given: Flags) -> Floats:
    """(units,) the mean of an arm's values before each unit; 0 before the first."""
    count: Floats = np.cumsum(given) - given.astype(float)
    total = np.cumsum(given * y) - given * y
    found: Floats = total / np.maximum(count, 1)
    return found


def over_rate(values: Floats, rate: float) -> Floats:
    """After each unit, the logarithm of the evidence that the mean of values from 0 to 1 is larger than a rate."""
    return _mixture(values - rate)  # z is -rate at least: no bet loses everything


def requests_of_fixed_test(current: float, candidate: float, share: float, power: float = 0.8) -> float:
    """Units that a test of two rates needs that is looked at once, two-sided at 5%.

    Source: Fleiss, Levin & Paik, "Statistical Methods for Rates and Proportions" (2003), formula 4.14 for unequal arms.

    Args:
        current, candidate: the rates, 0 to 1.
        share: of units given the candidate, 0 to 1.
    """
    from scipy.special import ndtri  # noqa: PLC0415  # takes 0.3 s, and endpoints need it never

    pooled = share * candidate + (1 - share) * current
    under_null = math.sqrt(pooled * (1 - pooled) / (share * (1 - share)))
    otherwise = math.sqrt(candidate * (1 - candidate) / share + current * (1 - current) / (1 - share))
    needed = (ndtri(0.975) * under_null + ndtri(power) * otherwise) / (candidate - current)
    return float(needed**2)
