"""Two lanes on the same prompts: evidence that may be looked at any time, a test for the end, and an interval."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, betaln

from router.core.intervals import wilson
from router.evaluate.statistics.means import effective_prompts, stratified
from router.evaluate.statistics.sample import Floats, Sample
from router.metrics.estimates import Estimate

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(256)


def log_evidence(wins: ArrayLike, losses: ArrayLike) -> Floats:
    """The logarithm of the e-value of discordant prompts: how much likelier they are if one lane is better.

    `betaln(b + 1, c + 1) + (b + c) ln 2`: every chance of winning is as likely as every other, against a fair coin.
    Under the null it exceeds 1 / p with a chance of at most p, however often one looks (Ville, 1939; Robbins, 1970).

    Args:
        wins, losses: prompts that only the first, or only the second, got right; any shape.
    """
    wins, losses = np.asarray(wins, np.float64), np.asarray(losses, np.float64)
    found: Floats = betaln(wins + 1, losses + 1) + (wins + losses) * math.log(2)
    return found


def evidence_path(differences: Floats) -> Floats:
    """The logarithm of the e-value after each difference, graded ones too; the same as `log_evidence` for -1, 0, 1.

    A bettor who stakes a share of what he has on the sign of each difference cannot expect to gain where the mean
    is 0; the e-value is the average gain over all shares from -1 to 1 (Waudby-Smith & Ramdas, "Estimating means of
    bounded random variables by betting", 2024; the average is Cover's universal portfolio). 256 shares, weighted as in
    Gauss-Legendre quadrature, are as valid as all, and give the same up to 511 differences.

    Args:
        differences: (clusters,) -1 to 1, in an order that does not depend on them.
    """
    if bool(np.isin(differences, (-1, 0, 1)).all()):
        return log_evidence(np.cumsum(differences > 0), np.cumsum(differences < 0))
    gains = np.cumsum(np.log1p(np.multiply.outer(differences, _NODES)), axis=0)
    highest = gains.max(axis=1, keepdims=True)
    found: Floats = highest[:, 0] + np.log(np.exp(gains - highest) @ _WEIGHTS / 2)
    return found


def mid_p(wins: int, losses: int) -> float:
    """The two-sided mid-p value of McNemar's test (Lancaster, 1961; Fagerland, Lydersen & Laake, 2013)."""
    count, fewer = wins + losses, min(wins, losses)
    if not count:
        return 1.0
    # Twice the chance of fewer, plus that of as many: bdtr(k - 1) + bdtr(k).
    return float(bdtr(fewer, count, 0.5) + (bdtr(fewer - 1, count, 0.5) if fewer else 0.0))


def newcombe(first: Floats, second: Floats, of: Sample) -> Estimate:
    """The difference of two paired rates, with Newcombe's interval.

    Method 10 of Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data" (1998): both rates' Wilson intervals, joined with their correlation. With several strata, rates,
    variances and covariance are stratified, and Wilson's intervals are those of the prompts that they are worth.

    Args:
        first, second: (cases,) 0 or 1; each case is a cluster.
    """
    prompts = len(first)
    one, other = stratified(first, of), stratified(second, of)
    (low, high), (other_low, other_high) = (
        wilson(mean.value, effective_prompts(mean.value, mean.variance, prompts)) for mean in (one, other)
    )
    tied = _correlation(first, second, of)
    difference = one.value - other.value
    below = _joined(one.value - low, other_high - other.value, tied)
    above = _joined(high - one.value, other.value - other_low, tied)
    return Estimate(difference, difference - below, difference + above, prompts)


def _joined(one: float, other: float, correlation: float) -> float:
    """How far the difference of two correlated estimates reaches, by how far each reaches."""
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


def _correlation(first: Floats, second: Floats, of: Sample) -> float:
    """Of two stratified rates, with Newcombe's continuity correction where it is positive."""
    one, other, between = (stratified(values, of).variance for values in (first, second, first - second))
    if one <= 0 or other <= 0:
        return 0.0
    covariance = (one + other - between) / 2
    if covariance > 0:
        counts = np.bincount(of.stratum)
        step = float((of.share**2 / np.maximum(counts - 1, 1)).sum()) / (2 * len(first))
        covariance = max(0.0, covariance - step)
    return covariance / math.sqrt(one * other)
