"""Quantiles with time-outs: beside the binomial distribution, and on simulated suites."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from router.evaluate.statistics import quantile

SUITES = 600


def test_ranks_of_a_median_are_those_of_the_binomial_distribution() -> None:
    found = quantile([[float(n)] for n in range(1, 101)], 0.5)
    # So many lie below the median in 95 of 100 samples.
    assert (found.low, found.high) == (binom.ppf(0.025, 100, 0.5), binom.ppf(0.975, 100, 0.5) + 1)


def test_time_outs_are_not_dropped() -> None:
    answers = [[float(n)] for n in range(1, 8)] + [[math.inf]] * 3
    assert quantile(answers, 0.5).value == 5


def test_a_quantile_among_the_time_outs_is_infinite() -> None:
    assert quantile([[1.0]] * 8 + [[math.inf]] * 2, 0.95).value == math.inf


def test_few_answers_do_not_bound_a_high_quantile() -> None:
    found = quantile([[float(n)] for n in range(30)], 0.95)
    assert found.high is None
    assert found.low is not None


def test_no_answer_has_no_quantile() -> None:
    assert quantile([[], []], 0.5).value is None


def test_answers_to_one_prompt_are_one_piece_of_evidence() -> None:
    alone = quantile([[float(n)] for n in range(100)], 0.5)
    repeated = quantile([[float(n)] * 4 for n in range(100)], 0.5)
    assert (repeated.low, repeated.high) == (pytest.approx(alone.low, abs=2), pytest.approx(alone.high, abs=2))


@pytest.mark.parametrize(("share", "repeats"), [(0.5, 1), (0.95, 1), (0.5, 4), (0.95, 4)])
def test_intervals_cover(share: float, repeats: int) -> None:
    """Of times that vary from prompt to prompt and from answer to answer, with 1 in 40 timed out."""
    rng, hits = np.random.default_rng(0), 0
    truth = math.exp(math.hypot(0.6, 0.4) * {0.5: 0.0, 0.95: 1.644854}[share])
    for _ in range(SUITES):
        times = np.exp(rng.normal(0, 0.6, (100, 1)) + rng.normal(0, 0.4, (100, repeats)))
        found = quantile(np.where(times > 4, np.inf, times).tolist(), share)
        assert found.low is not None
        hits += found.low <= truth and (found.high is None or truth <= found.high)
    assert hits >= 0.92 * SUITES
