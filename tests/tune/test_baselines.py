"""Baselines: the simpler ways beside a proposal, and the oracles above it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from router.tune.baselines import Baseline, baselines
from router.tune.goals import Goals, Limits, Weights
from router.tune.grid import Grid
from router.tune.replay import figures
from tests.tune.worlds import grid_of, grids

# Two suites of two prompts: `a` is better on the first one, `b` on the second one, and `c` is cheap.
GRID = grid_of(
    np.ones((4, 3)),
    quality=[[1, 0, 0], [1, 0.5, 0], [0.5, 1, 0], [0, 0.75, 1]],
    cost=[0.003, 0.002, 0.001],
    kinds=np.array([0, 0, 1, 1]),
)


def by_name(grid: Grid, *proposed: int, goals: Goals = Goals()) -> dict[str, Baseline]:
    return {each.name.split(":")[0].lower(): each for each in baselines(grid, goals, proposed)}


def test_the_best_single_model_is_the_one_of_highest_quality() -> None:
    best = by_name(GRID, 0)["best single model"]
    assert (best.models, best.quality, best.cost) == ((0,), pytest.approx(2.5 / 4), pytest.approx(3))


def test_the_best_single_model_is_by_what_is_weighed() -> None:
    assert by_name(GRID, 0, goals=Goals(weights=Weights(cost=50)))["best single model"].models == (2,)


def test_limits_do_not_bind_the_best_single_model() -> None:
    assert by_name(GRID, 0, goals=Goals(limits=Limits(never=("a",))))["best single model"].models == (0,)


def test_the_cheapest_model_is_the_one_of_lowest_cost() -> None:
    assert by_name(GRID, 0)["cheapest model"].models == (2,)


def test_a_coin_mixes_two_models_so_that_they_cost_as_much() -> None:
    mix = by_name(GRID, 1)["two models by a coin, at the same cost"]
    assert mix.cost == pytest.approx(2)
    assert mix.quality == pytest.approx(max(2.25 / 4, (2.5 / 4 + 1 / 4) / 2))


def test_without_any_known_cost_there_is_no_mix() -> None:
    assert np.isnan(by_name(grid_of([[1, 1]], cost=np.nan), 0)["two models by a coin, at the same cost"].quality)


def test_its_models_in_random_order_are_the_mean_of_all_orders() -> None:
    shuffled = by_name(GRID, 0, 1)["its models in random order"]
    assert shuffled.quality == pytest.approx((figures(GRID, (0, 1)).quality + figures(GRID, (1, 0)).quality) / 2)


def test_the_oracle_of_suites_takes_the_best_model_of_each() -> None:
    assert by_name(GRID, 0)["best model for each suite"].quality == pytest.approx((1 + 1 + 1 + 0.75) / 4)


def test_the_oracle_takes_the_best_model_of_each_prompt_and_the_cheapest_of_equals() -> None:
    oracle = by_name(GRID, 0)["oracle"]
    assert oracle.quality == pytest.approx(1)
    assert oracle.cost == pytest.approx((3 + 3 + 2 + 1) / 4)


@given(grids())
def test_the_oracle_is_no_worse_than_any_single_model(grid: Grid) -> None:
    best = max(figures(grid, (model,)).quality for model in range(len(grid.models)))
    assert by_name(grid, 0)["oracle"].quality >= best - 1e-9


@given(grids(costs=False))
def test_what_is_unknown_does_not_stop_them(grid: Grid) -> None:
    assert len(baselines(grid, Goals(), range(len(grid.models)))) == 6


def test_an_unknown_cost_is_not_free() -> None:
    grid = grid_of([[1, 1]], quality=[[1, 0]], cost=[np.nan, 0.001])
    assert np.isnan(by_name(grid, 0)["oracle"].cost)
    assert by_name(grid, 0)["cheapest model"].models == (1,)


def test_of_equal_models_the_oracle_takes_one_whose_cost_is_known() -> None:
    assert by_name(grid_of([[1, 1]], cost=[np.nan, 0.001]), 0)["oracle"].cost == pytest.approx(1)
