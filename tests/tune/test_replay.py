"""Replay: what chains would have done, by hand and by walking through everything that can happen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.tune.goals import Weights
from router.tune.grid import Grid
from router.tune.replay import blocks, figures, replay
from tests.tune.worlds import grid_of, grids

ALL_DOWN = np.full((3, 3), 0.1)


def test_a_request_that_the_primary_fails_takes_the_time_and_money_of_both() -> None:
    grid = grid_of([[1, 1], [0, 1]], quality=[[0.5, 0.2], [0.5, 0.8]], seconds=[1, 2], cost=[0.001, 0.004])
    found = figures(grid, (0, 1))
    assert (found.answered, found.quality) == (1, pytest.approx((0.5 + 0.8) / 2))
    assert (found.seconds, found.cost) == (pytest.approx((1 + 3) / 2), pytest.approx(1000 * (0.001 + 0.005) / 2))


def test_a_request_that_nobody_answers_counts_as_quality_0_and_takes_its_time() -> None:
    found = figures(grid_of([[0, 0]], quality=[[1, 1]], seconds=[1, 2]), (0, 1))
    assert (found.answered, found.quality, found.seconds) == (0, 0, 3)


def test_a_fallback_answers_in_the_share_of_time_that_the_primary_is_down() -> None:
    found = figures(grid_of([[1, 1]], quality=[[1, 0]], down=[0.25, 0]), (0, 1))
    assert (found.answered, found.quality) == (1, pytest.approx(0.75))


@pytest.mark.parametrize("links", [2, 3])
def test_models_that_are_always_down_together_are_worth_one(links: int) -> None:
    grid = grid_of([[1, 1, 1]], down=[0.1, 0.1, 0.1], down_together=ALL_DOWN)
    assert figures(grid, range(links)).answered == pytest.approx(0.9)


def test_of_two_models_that_are_down_together_the_third_answers_what_they_fail() -> None:
    together = np.array([[0.1, 0.1, 0.01], [0.1, 0.1, 0.01], [0.01, 0.01, 0.1]])
    grid = grid_of([[1, 1, 1]], down=[0.1, 0.1, 0.1], down_together=together)
    assert figures(grid, (0, 1, 2)).answered == pytest.approx(0.99)


def test_three_are_down_at_once_at_most_as_often_as_any_two_of_them() -> None:
    together = np.array([[0.1, 0.05, 0], [0.05, 0.1, 0.05], [0, 0.05, 0.1]])
    grid = grid_of([[1, 1, 1]], down=[0.1, 0.1, 0.1], down_together=together)
    assert figures(grid, (0, 1, 2)).answered == pytest.approx(1)


def test_models_that_are_never_down_at_once_leave_nothing_unanswered() -> None:
    grid = grid_of([[1, 1]], down=[0.1, 0.1], down_together=np.diag([0.1, 0.1]))
    assert figures(grid, (0, 1)).answered == pytest.approx(1)


def test_prompts_that_both_fail_anyway_are_failed_whoever_is_down() -> None:
    grid = grid_of([[0, 0], [1, 1]], down=[0.1, 0.1], down_together=np.full((2, 2), 0.1))
    assert figures(grid, (0, 1)).answered == pytest.approx((0 + 0.9) / 2)


@pytest.mark.parametrize(("failed", "p95"), [(1, 1.0), (2, np.inf)])
def test_the_p95_is_infinite_where_more_than_one_in_twenty_is_not_answered(failed: int, p95: float) -> None:
    grid = grid_of([[0.0]] * failed + [[1.0]] * (20 - failed))
    assert figures(grid, (0,)).latency == (1.0, p95)


def test_a_quantile_is_a_time_that_somebody_waited() -> None:
    found = figures(grid_of([[1, 1]] * 10 + [[0, 1]] * 10, seconds=[1, 2], first_token=[[0.5, 1]] * 20), (0, 1))
    assert (found.latency, found.first_token) == ((1, 3), (0.5, 2))


def test_an_unknown_cost_stays_unknown() -> None:
    assert np.isnan(figures(grid_of([[0, 1]], cost=[0.001, np.nan]), (0, 1)).cost)


def test_worth_is_quality_less_what_cost_and_time_are_worth() -> None:
    grid = grid_of([[1]], quality=[[0.5]], seconds=2, cost=0.003)
    value = replay(grid, np.array([[0]])).value(Weights(cost=1, seconds=2))
    assert value.item() == pytest.approx(0.5 - 3 / 100 - 2 * 2 / 100)


def test_what_has_no_weight_may_be_unknown() -> None:
    assert replay(grid_of([[1]], cost=np.nan), np.array([[0]])).value(Weights()).item() == 1


@given(grids(), st.data())
def test_it_is_what_walking_through_all_that_can_happen_gives(grid: Grid, data: st.DataObject) -> None:
    chain = data.draw(st.permutations(range(len(grid.models))))
    found, (answered, quality, cost, seconds) = figures(grid, chain), _walked(grid, chain)
    assert (found.answered, found.quality) == (pytest.approx(answered), pytest.approx(quality))
    assert (found.cost, found.seconds) == (pytest.approx(1000 * cost), pytest.approx(seconds))


def _walked(grid: Grid, chain: Sequence[int]) -> np.ndarray:
    """Answered, quality, cost and seconds of a request, over all prompts and all ways to be up or down."""
    total = np.zeros(4)
    for prompt, down in itertools.product(
        range(len(grid.prompts)), itertools.product((False, True), repeat=len(chain))
    ):
        chance, cost, seconds = 1.0, 0.0, 0.0
        ended, quality = False, 0.0
        for model, is_down in zip(chain, down, strict=True):
            chance *= grid.down[model] if is_down else 1 - grid.down[model]
            if not ended:
                cost += grid.cost[prompt, model]
                seconds += grid.seconds[prompt, model]
                if grid.answered[prompt, model] and not is_down:
                    ended, quality = True, grid.quality[prompt, model]
        total += chance * np.array([ended, quality, cost, seconds])
    return total / len(grid.prompts)


@given(grids(), st.data())
def test_the_order_of_prompts_does_not_matter(grid: Grid, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(grid.prompts))))
    one, other = (np.hstack(figures(each, range(len(grid.models)))) for each in (grid, grid.of(np.array(order))))
    assert np.allclose(one, other)


@given(grids())
def test_the_links_chances_add_up_to_the_answered_share(grid: Grid) -> None:
    found = replay(grid, np.array([range(len(grid.models))]))
    assert np.allclose(found.ways.sum(axis=2), found.answered)
    assert (found.ways >= -1e-12).all()


@given(grids())
def test_so_many_are_later_as_are_not_within(grid: Grid) -> None:
    found = replay(grid, np.array([range(len(grid.models))]))
    within = found.within(0.5, found.ends)[0]
    assert found.later(within, found.ends)[0] <= 0.5 + 1e-9 or within == np.inf


def test_all_chains_are_in_the_parts_that_fit_into_memory() -> None:
    chains = np.arange(3000).reshape(-1, 3)
    parts = blocks(chains, 100_000)
    assert len(parts) > 1
    assert np.array_equal(np.concatenate(parts), chains)
