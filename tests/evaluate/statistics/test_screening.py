"""Screening: what some cases of a suite say of a new lane."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from router.core.errors import InvalidRequest
from router.core.runs import LEAST_SCREENED
from router.evaluate.statistics import Scores, Unit, screening
from tests.evaluate.statistics.worlds import Floats, units


def scores(values: Floats) -> Scores:
    return {str(n): [value] for n, value in enumerate(values.tolist())}


def two_lanes(rng: np.random.Generator, cases: int) -> tuple[Floats, Floats]:
    """Right or wrong, on cases of all difficulties."""
    hard = rng.beta(0.7, 0.3, cases)
    first, second = (rng.random((2, cases)) < hard).astype(np.float64)
    return first, second


def test_the_score_is_where_a_regression_line_meets_the_suites_mean() -> None:
    old, new = two_lanes(np.random.default_rng(0), 100)
    line = sm.OLS(new[:30], sm.add_constant(old[:30])).fit()
    found = screening(units(100), [scores(old)], scores(new[:30]))
    assert found.score.value == pytest.approx(float(line.params @ [1, old.mean()]))


def test_a_lane_that_equals_the_reference_on_its_cases_has_its_score() -> None:
    old, _ = two_lanes(np.random.default_rng(1), 200)
    assert screening(units(200), [scores(old)], scores(old[:40])).difference.value == pytest.approx(0.0)


def test_a_suite_that_was_run_as_a_whole_leaves_nothing_open() -> None:
    old, new = two_lanes(np.random.default_rng(2), 50)
    found = screening(units(50), [scores(old)], scores(new)).score
    assert found.low == found.value == found.high == pytest.approx(new.mean())


def test_what_is_left_of_the_suite_is_all_that_is_uncertain() -> None:
    old, new = two_lanes(np.random.default_rng(7), 40)
    most, few = (screening(units(40 * n), [scores(np.tile(old, n))], scores(new[:36])).score for n in (1, 10))
    narrow, wide = ((found.high or 0) - (found.low or 0) for found in (most, few))
    assert narrow / wide == pytest.approx(math.sqrt(0.1 / 0.91), rel=0.1)


def test_cases_count_by_their_weight() -> None:
    cases = tuple(Unit(str(n), weight=3.0 if n < 25 else 1.0) for n in range(50))
    old, new = two_lanes(np.random.default_rng(3), 50)
    found = screening(cases, [scores(old)], scores(new)).score
    assert found.value == pytest.approx(np.average(new, weights=[3.0] * 25 + [1.0] * 25))


@pytest.mark.parametrize("references", [1, 4])
def test_the_interval_covers_the_score_on_the_whole_suite(references: int) -> None:
    rng, hits = np.random.default_rng(4), 0
    for _ in range(500):
        hard = rng.beta(0.7, 0.3, 150)
        new, *old = (rng.random((references + 1, 150)) < hard).astype(np.float64)
        found = screening(units(150), [scores(each) for each in old], scores(new[:40])).score
        hits += (found.low or 0) <= new.mean() <= (found.high or 1)
    assert 0.92 * 500 <= hits <= 0.98 * 500


def test_many_references_are_worth_more_than_one() -> None:
    rng = np.random.default_rng(5)
    hard = rng.beta(0.7, 0.3, 1_000)
    new, *old = (rng.random((9, 1_000)) < hard).astype(np.float64)
    one, many = (screening(units(1_000), [scores(each) for each in old[:n]], scores(new[:300])) for n in (1, 8))
    assert 1.0 < one.worth < many.worth


def test_a_case_without_a_reference_is_left_out() -> None:
    old, new = two_lanes(np.random.default_rng(6), 60)
    found = screening(units(60), [scores(old[:50])], scores(new[:30]))
    assert (found.score.rows, found.score.unknown) == (30, 20)


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=f"needs {LEAST_SCREENED} cases with a score; the new lane has 19"):
        screening(units(60), [scores(np.ones(60))], scores(np.ones(19)))


def test_no_reference_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="needs a lane that ran the whole suite"):
        screening(units(60), [], scores(np.ones(60)))
