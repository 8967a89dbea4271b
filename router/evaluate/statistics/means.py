"""Means of clustered and stratified scores, and of differences, with intervals of 95%.

How far they cover is measured in `tests/benchmarks/verdicts.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from router.core.intervals import Z, wilson
from router.evaluate.statistics.sample import Floats, Sample, Scores, Unit, design, mean_scores, sample
from router.metrics.estimates import Estimate

BOOTSTRAP_FROM = 100
"""Clusters from which on an interval is bootstrapped; with fewer, the bootstrap covers less than Student's t."""

RESAMPLES = 1_000
_AT_ONCE = 1_000_000
"""Draws that are held in memory at once."""

EXTRA = 0.25
"""As if one more prompt were half a point, squared, from the mean. Where few prompts differ, their variance is too
small without it, and the interval of 30 graded prompts covers 72% (in the spirit of Agresti & Min, 2005)."""


class Mean(NamedTuple):
    """A stratified mean.

    Attributes:
        variance: of the mean, from the spread of clusters within strata.
        freedom: degrees of freedom of the variance; 0 where it is not known.
    """

    value: float
    variance: float
    freedom: int


def stratified(values: Floats, of: Sample) -> Mean:
    """The mean of the strata's means, by their shares of the suite (Cochran, "Sampling Techniques", 5.3 and 6.3).

    Args:
        values: (cases,).
    """
    sums, weights = (np.bincount(of.cluster, part) for part in (of.weight * values, of.weight))
    total = np.bincount(of.stratum, weights)
    means = np.bincount(of.stratum, sums) / total
    squares = np.bincount(of.stratum, (sums - means[of.stratum] * weights) ** 2)
    counts = np.bincount(of.stratum)
    variances = squares / total**2 * counts / np.maximum(counts - 1, 1)
    freedom = of.clusters - len(of.share)
    return Mean(float(of.share @ means), float(of.share**2 @ variances), freedom)


def effective_prompts(value: float, variance: float, prompts: int) -> float:
    """How many independent right-or-wrong prompts would give a mean this variance (Kish's design effect)."""
    if variance <= 0 or not 0 < value < 1:
        return prompts
    return prompts / max(prompts - 1, 1) * value * (1 - value) / variance


def is_binary(*values: Floats) -> bool:
    """Whether all scores are 0 or 1."""
    return all(bool(((part == 0) | (part == 1)).all()) for part in values)


def lane_score(units: Sequence[Unit], scores: Scores) -> Estimate:
    """A lane's mean score over a suite, with Wilson's interval for the prompts that its scores are worth.

    Independent right-or-wrong prompts of one category get Wilson's own interval. Otherwise the design effect says how
    many such prompts the others are worth (Korn & Graubard, 1998; Franco, Little, Louis & Slud, 2019), and Student's
    t replaces the normal quantile.

    Returns:
        `rows` are cases with a score, `unknown` those without one, finished or not.

    Raises:
        InvalidRequest: a score is not between 0 and 1.
    """
    known = mean_scores((unit.case for unit in units), scores)
    if not known:
        return Estimate(None, unknown=len(units))
    whole = design(units)
    of, values = sample(whole, whole.places(known)), np.array(list(known.values()))
    found, missing = stratified(values, of), len(units) - len(known)
    if whole.is_independent and is_binary(values):
        low, high = wilson(found.value, effective_prompts(found.value, found.variance, len(values)))
    elif found.freedom < 1:
        return Estimate(found.value, rows=len(known), unknown=missing)
    else:
        worth = effective_prompts(found.value, found.variance + EXTRA / of.clusters**2, of.clusters)
        low, high = wilson(found.value, worth, t_quantile(found.freedom))
    return Estimate(found.value, low, high, len(known), missing)


def mean_difference(differences: Floats, of: Sample) -> Estimate:
    """The mean of paired differences, -1 to 1: by Student's t, or from `BOOTSTRAP_FROM` clusters on by a bootstrap.

    Args:
        differences: (cases,) first lane minus second.
    """
    found = stratified(differences, of)
    if found.freedom < 1:
        return Estimate(found.value, rows=len(differences))
    reach = t_quantile(found.freedom) * standard_error(found, of.clusters)
    below, above = _bootstrapped(differences, of, reach) if of.clusters >= BOOTSTRAP_FROM else (reach, reach)
    low, high = max(found.value - below, -1.0), min(found.value + above, 1.0)
    return Estimate(found.value, low, high, len(differences))


def standard_error(mean: Mean, clusters: int) -> float:
    """Of a mean difference, with `EXTRA`."""
    return math.sqrt(mean.variance + EXTRA / clusters**2)


def t_test(differences: Floats, of: Sample) -> float:
    """The two-sided p-value of a mean difference of 0, by Student's t over clusters; 1 where nothing is known."""
    found = stratified(differences, of)
    if found.freedom < 1:
        return 1.0
    return float(2 * stdtr(found.freedom, -abs(found.value) / standard_error(found, of.clusters)))


def t_quantile(freedom: int) -> float:
    """Student's 97.5% quantile."""
    return float(stdtrit(freedom, 0.975))


def _bootstrapped(differences: Floats, of: Sample, reach: float) -> tuple[float, float]:
    """How far the interval reaches below and above the mean: the shape of a percentile bootstrap, scaled to `reach`.

    Clusters are drawn within strata. The bootstrap's own size is too small: it lacks the degrees of freedom, and what
    was not seen (Hesterberg, "What teachers should know about the bootstrap", 2015).
    """
    drawn = resampled_means(differences, of)
    (low, high), middle, deviation = np.quantile(drawn, [0.025, 0.975]), drawn.mean(), drawn.std()
    if deviation == 0:
        return reach, reach
    scale = reach / (Z * deviation)
    return float((middle - low) * scale), float((high - middle) * scale)


def resampled_means(values: Floats, of: Sample) -> Floats:
    """(`RESAMPLES`,) stratified means of clusters drawn again; the same values give the same means."""
    draw = np.random.default_rng(0)
    sums, weights = (np.bincount(of.cluster, part) for part in (of.weight * values, of.weight))
    found = np.zeros(RESAMPLES)
    for stratum, share in enumerate(of.share):
        members = np.flatnonzero(of.stratum == stratum)
        step = max(1, _AT_ONCE // len(members))
        for start in range(0, RESAMPLES, step):
            part = slice(start, min(start + step, RESAMPLES))
            picked = members[draw.integers(len(members), size=(part.stop - start, len(members)))]
            found[part] += share * sums[picked].sum(axis=1) / weights[picked].sum(axis=1)
    return found
