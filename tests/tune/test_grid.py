"""Grids: parts of them, and what a limit on the first token makes of them."""

from __future__ import annotations

import numpy as np

from tests.tune.worlds import grid_of

GRID = grid_of(
    [[1, 0.5], [0, 1]],
    quality=[[0.25, 0.5], [0.75, 1]],
    seconds=[[1, 2], [3, 4]],
    first_token=[[0.5, 1], [1.5, 2]],
    down=[0.1, 0.2],
)


def test_what_was_never_answered_has_no_quality() -> None:
    assert GRID.quality.tolist() == [[0.25, 0.5], [0, 1]]


def test_without_grades_every_answer_is_right() -> None:
    assert grid_of([[1, 0]]).quality.tolist() == [[1, 0]]


def test_a_model_is_up_where_it_answers_and_its_provider_is_not_down() -> None:
    assert np.allclose(GRID.up, [[0.9, 0.4], [0, 0.8]])


def test_models_are_down_independently_where_nothing_else_is_said() -> None:
    assert np.allclose(GRID.down_together, [[0.01, 0.02], [0.02, 0.04]])


def test_a_prompt_may_come_twice() -> None:
    twice = GRID.of(np.array([1, 1, 0]))
    assert (twice.prompts, twice.seconds[:, 0].tolist()) == (("p1", "p1", "p0"), [3, 3, 1])


def test_some_of_the_models_keep_their_cells_in_the_new_order() -> None:
    turned = GRID.only(["b", "a"])
    assert np.array_equal(turned.quality, GRID.quality[:, ::-1])
    assert np.allclose(turned.down_together, [[0.04, 0.02], [0.02, 0.01]])


def test_a_first_token_after_the_limit_is_a_failure_at_the_limit() -> None:
    late = GRID.within(1.0)
    assert late.answered.tolist() == [[1, 0.5], [0, 0]]
    assert late.seconds.tolist() == [[1, 2], [1, 1]]
    assert late.quality[1].tolist() == [0, 0]


def test_what_a_model_did_not_see_is_what_it_does_on_average() -> None:
    known = np.array([[True, True], [True, True], [True, False]])
    grid = grid_of([[1, 1], [1, 0], [1, 1]], quality=[[1, 0.4]] * 3, seconds=[[1, 2], [1, 4], [1, 9]], known=known)
    assert (grid.answered[2, 1], grid.quality[2, 1], grid.seconds[2, 1]) == (0.5, 0.4, 3)
    assert grid.primary.tolist() == [True, False]


def test_of_a_model_whose_cost_is_never_known_it_stays_so() -> None:
    grid = grid_of([[1, 1], [1, 1]], cost=[0.001, np.nan], known=np.array([[True, True], [True, False]]))
    assert np.isnan(grid.cost[:, 1]).all()
