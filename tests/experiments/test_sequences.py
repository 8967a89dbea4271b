"""Sequences of differences: how often they are wrong, how soon they say something, and what they are of."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from router.experiments.sequences import (
    ERROR,
    FEWEST,
    Units,
    bounded,
    log_wealth,
    over_rate,
    requests_of_fixed_test,
    unbounded,
)
from tests.experiments.worlds import World, first_better, units

NEEDED = -np.log(ERROR)


@pytest.mark.parametrize(
    "world",
    [
        World(0.5, share=0.5),
        World(0.9, share=0.05),
        World(0.99, share=0.2),
        World(0.9, share=0.2, per_session=8, spread=0.25),
        World(0.95, share=0.3, outage=0.6),
        World(0.9, share=0.05, later=0.5),
    ],
    ids=lambda world: world.name,
)
def test_where_no_chain_is_better_hardly_any_of_all_looks_says_so(world: World) -> None:
    found = first_better(units(world, np.random.default_rng(1), 400, 1_500))
    assert np.mean(np.isfinite(found)) <= 0.05


@pytest.mark.parametrize(("rate", "share"), [*itertools.product((0.7, 0.9), (0.1, 0.5))])
def test_five_points_are_found_nearly_as_soon_as_by_a_test_that_is_looked_at_once(rate: float, share: float) -> None:
    fixed = requests_of_fixed_test(rate, rate + 0.05, share)
    found = first_better(units(World(rate, 0.05, share), np.random.default_rng(2), 100, int(2 * fixed)))
    assert np.median(found) <= 1.6 * fixed


def test_a_test_that_is_looked_at_once_needs_what_a_reference_says() -> None:
    ours = requests_of_fixed_test(0.5, 0.55, 0.2, power=0.9)
    effect = proportion_effectsize(0.55, 0.5)
    theirs = NormalIndPower().solve_power(effect, alpha=0.05, power=0.9, ratio=0.25) * 1.25
    assert ours == pytest.approx(theirs, rel=0.02)


def test_the_truth_stays_between_the_bounds_at_nearly_all_times() -> None:
    world = World(0.85, gain=0.06, share=0.3)
    many = units(world, np.random.default_rng(3), 200, 1_500)
    more, less = log_wealth(many, world.gain)
    assert np.mean((np.maximum(more, less) >= NEEDED).any(axis=-1)) <= 0.05


def test_bounds_are_where_the_evidence_against_a_difference_suffices() -> None:
    [one] = (Units(*(each[0] for each in units(World(0.9, 0.05, 0.3), np.random.default_rng(4), 1, 2_000))),)
    at = np.array([200, 777, 2_000])
    found = bounded(one, at)
    for look, low, high in zip(at, found.low, found.high, strict=True):
        assert log_wealth(one, low)[0][look - 1] == pytest.approx(NEEDED, abs=0.1)
        assert log_wealth(one, high)[1][look - 1] == pytest.approx(NEEDED, abs=0.1)
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    assert found.high[-1] - found.low[-1] < found.high[0] - found.low[0]


def test_before_there_is_evidence_anything_is_possible() -> None:
    nothing = Units(np.array([True]), np.array([0.5]), np.array([1.0]))
    found = bounded(nothing, np.array([1]))
    assert (found.low[0], found.high[0]) == (-1, 1)
    assert np.isnan(found.value[0])


def test_when_the_share_changes_requests_of_different_times_are_not_mixed_up() -> None:
    # The share grows while both get worse: the plain means would differ by 20 points.
    rng = np.random.default_rng(5)
    share = np.repeat([0.1, 0.9], 20_000)
    candidate = rng.random(40_000) < share
    good = (rng.random(40_000) < np.repeat([0.9, 0.65], 20_000)).astype(float)
    assert good[candidate].mean() - good[~candidate].mean() == pytest.approx(-0.2, abs=0.02)
    found = bounded(Units(candidate, share, good), np.array([40_000]))
    assert found.value[0] == pytest.approx(0, abs=0.02)
    assert found.low[0] < 0 < found.high[0]


def test_costs_are_compared_from_some_units_of_each_arm_on() -> None:
    rng = np.random.default_rng(6)
    candidate = rng.random(1_000) < 0.5
    cost = rng.lognormal(-7, 1, 1_000) * np.where(candidate, 2, 1)
    found = unbounded(Units(candidate, np.full(1_000, 0.5), cost), np.array([FEWEST, 1_000]))
    assert np.isinf(found.low[0])
    truth = float(np.exp(-6.5))
    assert 0 < found.low[1] < truth < found.high[1]


def test_the_sequence_of_costs_is_seldom_wrong_at_any_look() -> None:
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(200):
        candidate = rng.random(2_000) < 0.2
        cost = rng.lognormal(-7, 1, 2_000)
        found = unbounded(Units(candidate, np.full(2_000, 0.2), cost), np.arange(1, 2_001))
        wrong += bool(((found.low > 0) | (found.high < 0)).any())
    assert wrong <= 0.05 * 200


def test_costs_are_compared_with_a_multiple_of_the_others() -> None:
    rng = np.random.default_rng(8)
    candidate = rng.random(2_000) < 0.5
    cost = rng.lognormal(-7, 0.5, 2_000) * np.where(candidate, 3, 1)
    found = unbounded(Units(candidate, np.full(2_000, 0.5), cost), np.array([2_000]), times=2)
    assert found.low[0] > 0


def test_an_event_that_comes_as_often_as_it_may_is_seldom_said_to_come_more_often() -> None:
    over = (np.random.default_rng(9).random((400, 1_000)) < 0.05).astype(float)
    assert np.mean((over_rate(over, 0.05) >= NEEDED).any(axis=-1)) <= 0.03
    assert over_rate(np.ones(20), 0.05)[-1] >= NEEDED
