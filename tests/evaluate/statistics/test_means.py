"""Means with their intervals, beside statsmodels, scipy, and simulated suites."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as student
from scipy.stats import ttest_1samp
from statsmodels.stats.proportion import proportion_confint

from router.evaluate.statistics.means import (
    BOOTSTRAP_FROM,
    EXTRA,
    lane_score,
    mean_difference,
    standard_error,
    stratified,
    t_quantile,
    t_test,
)
from router.evaluate.statistics.sample import Sample, Scores, Unit, design, sample
from tests.evaluate.statistics.worlds import Floats, World, grouped, rare, repeats, sparse, units

SUITES = 400


def scores_of(values: Floats) -> Scores:
    return {str(n): [value] for n, value in enumerate(values.tolist())}


def sample_of(cases: tuple[Unit, ...]) -> Sample:
    return sample(design(cases), np.arange(len(cases)))


def right(count: int, prompts: int) -> Floats:
    return (np.arange(prompts) < count).astype(np.float64)


# --- A lane's score --------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "prompts"), [(17, 20), (0, 100), (100, 100), (1, 3), (430, 1_000)])
def test_right_or_wrong_prompts_get_wilsons_interval(count: int, prompts: int) -> None:
    found = lane_score(units(prompts), scores_of(right(count, prompts)))
    low, high = proportion_confint(count, prompts, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-7), pytest.approx(high, abs=1e-7))


def test_seventeen_of_twenty_are_64_to_95_percent() -> None:
    found = lane_score(units(20), scores_of(right(17, 20)))
    assert (round(100 * (found.low or 0), 1), round(100 * (found.high or 0), 1)) == (64.0, 94.8)


def test_no_failure_in_a_hundred_is_up_to_3_7_percent() -> None:
    assert round(100 * (lane_score(units(100), scores_of(right(0, 100))).high or 0), 1) == 3.7


def test_errors_are_apart_from_wrong_answers() -> None:
    found = lane_score(units(4), {"0": [1.0], "1": [None], "2": [0.0]})
    assert (found.value, found.rows, found.unknown) == (0.5, 2, 2)


def test_a_lane_without_scores_has_none() -> None:
    assert lane_score(units(3), {"0": [None]}).value is None


def test_one_graded_prompt_has_no_interval() -> None:
    found = lane_score(units(1), {"0": [0.4]})
    assert (found.value, found.low, found.high) == (0.4, None, None)


def test_cases_count_by_their_weight() -> None:
    cases = (Unit("0", weight=3.0), Unit("1"))
    assert lane_score(cases, {"0": [1.0], "1": [0.0]}).value == 0.75


def test_a_category_that_lacks_scores_keeps_its_weight_in_the_score() -> None:
    cases = units(40, categories=("easy", "hard"))
    scores = {str(n): [1.0 if n % 2 == 0 else 0.0] for n in range(40) if n % 2 == 0 or n < 12}
    assert lane_score(cases, scores).value == pytest.approx(0.5)


def test_cases_of_one_group_widen_the_interval() -> None:
    values = np.repeat(right(14, 20), 5)
    alone, together = (lane_score(units(100, group=group), scores_of(values)) for group in (1, 5))
    assert (together.high or 0) - (together.low or 0) > 2 * ((alone.high or 0) - (alone.low or 0))


# --- Means -----------------------------------------------------------------------------------------


def test_the_clustered_variance_is_statsmodels() -> None:
    rng = np.random.default_rng(0)
    values, cases = rng.normal(size=120) + np.repeat(rng.normal(size=40), 3), units(120, group=3)
    fit = sm.OLS(values, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": np.repeat(np.arange(40), 3)})
    assert stratified(values, sample_of(cases)).variance == pytest.approx(float(fit.cov_params()[0, 0]))


def test_the_stratified_variance_is_that_of_a_regression_on_categories() -> None:
    rng = np.random.default_rng(1)
    cases = units(120, categories=("a", "b", "c"))
    values = rng.normal(size=120) + np.tile([0.0, 3, 9], 40)
    within = [values[n::3].var(ddof=1) / 40 / 9 for n in range(3)]
    assert stratified(values, sample_of(cases)).variance == pytest.approx(sum(within))


def test_the_t_test_is_scipys_but_for_one_more_prompt_that_differs() -> None:
    values = np.random.default_rng(2).normal(0.03, 0.2, 80)
    wider = math.sqrt(1 + EXTRA / 80 / float(values.var(ddof=1)))
    expected = 2 * student.sf(abs(float(ttest_1samp(values, 0).statistic)) / wider, 79)
    assert t_test(values, sample_of(units(80))) == pytest.approx(expected)


def test_the_t_quantile_of_ten_degrees_of_freedom() -> None:
    assert round(t_quantile(10), 3) == 2.228


def test_the_bootstrap_leaves_symmetric_differences_as_students_t_has_them() -> None:
    values = np.random.default_rng(3).normal(0.05, 0.2, 4 * BOOTSTRAP_FROM)
    of = sample_of(units(4 * BOOTSTRAP_FROM, categories=("a", "b")))
    found, plain = mean_difference(values, of), stratified(values, of)
    reach = t_quantile(plain.freedom) * standard_error(plain, of.clusters)
    assert ((found.high or 0) - (found.low or 0)) / 2 == pytest.approx(reach, rel=0.06)


def test_the_same_differences_have_the_same_interval() -> None:
    values = np.random.default_rng(4).normal(0.05, 0.2, 150)
    assert mean_difference(values, sample_of(units(150))) == mean_difference(values, sample_of(units(150)))


def test_differences_that_are_all_the_same_have_an_interval() -> None:
    found = mean_difference(np.full(200, 0.5), sample_of(units(200)))
    assert found.low is not None and found.high is not None and found.low < 0.5 < found.high


@pytest.mark.parametrize(
    ("make", "prompts", "group"), [(repeats, 60, 1), (grouped, 300, 5), (sparse, 120, 1), (rare, 30, 1)]
)
def test_intervals_cover(make: Callable[..., World], prompts: int, group: int) -> None:
    """In 400 suites, 95% less three and a half standard errors; 2,000 are in tests/benchmarks/verdicts.py."""
    rng, cases = np.random.default_rng(5), units(prompts, group=group)
    of, differences, scores = sample_of(cases), 0, 0
    for _ in range(SUITES):
        world = make(rng, prompts)
        found = mean_difference(world.first - world.second, of)
        differences += (found.low or -1) <= world.difference <= (found.high or 1)
        lane = lane_score(cases, scores_of(world.first))
        scores += (lane.low or 0) <= world.means[0] <= (lane.high or 1)
    assert min(differences, scores) >= 0.912 * SUITES
