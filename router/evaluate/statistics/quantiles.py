"""Quantiles of latency or cost over a suite, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from router.evaluate.statistics.sample import Places
from router.metrics.estimates import Estimate, ranks


def quantile(prompts: Sequence[Sequence[float]], share: float) -> Estimate:
    """The smallest value that at least this share of all answers do not exceed, with its interval of 95%.

    The interval lies between two order statistics, whose ranks come from the binomial distribution; answers to one
    prompt resemble each other, so there are as many as the design effect says (Woodruff, "Confidence intervals for
    medians and other position measures", 1952). It covers where a percentile bootstrap of p95 does not: 81% of the
    time with 60 answers, 93% with 300.

    Args:
        prompts: for each prompt or group, the values of its answers. One that timed out is infinite: it is censored,
            not dropped. What came from the cache is left out.
        share: 0 to 1, such as 0.95.

    Returns:
        An infinite value lies among the time-outs. `high` is None where so few answers do not bound it, `low` the same.
    """
    values = np.array([value for answers in prompts for value in answers], np.float64)
    if not len(values):
        return Estimate(None)
    prompt = np.repeat(np.arange(len(prompts)), [len(answers) for answers in prompts])
    values, prompt = values[order := np.argsort(values, kind="stable")], prompt[order]
    count = len(values)
    middle = math.ceil(round(count * share, 9))
    worth = _independent(values <= values[middle - 1], prompt, share)
    low, _, high = ranks(worth, share)
    below, above = math.floor(low * count / worth), math.ceil(high * count / worth)
    return Estimate(
        float(values[middle - 1]),
        float(values[below - 1]) if low >= 1 and below >= 1 else None,
        float(values[above - 1]) if high <= worth and above <= count else None,
        count,
    )


def _independent(below: NDArray[np.bool_], prompt: Places, share: float) -> int:
    """How many independent answers would place the quantile as exactly."""
    count = len(below)
    sums = np.bincount(prompt, below.astype(np.float64) - share)
    prompts = len(np.unique(prompt))
    if prompts == count or prompts < 2:
        return count if prompts == count else 1
    variance = float((sums**2).sum()) * prompts / (prompts - 1) / count**2
    effect = variance * count / (share * (1 - share))
    return max(1, round(count / max(effect, 1.0)))
