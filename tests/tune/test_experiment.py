"""Experiments: which models are worth asking again, and what that takes."""

from __future__ import annotations

import numpy as np
import pytest

from router.tune.experiment import MOST_PROMPTS, contending, next_experiment
from router.tune.goals import Goals, Limits
from tests.tune.worlds import NAMES, grid_of, world

SINGLE = Goals(limits=Limits(links=1))

# `a` is in use, `b` may be better, `c` is hopeless and expensive.
GRID = world([0.7, 0.75, 0.1], 60, 0, cost=[0.001, 0.002, 1.0], seconds=[1, 2, 30])


def test_a_hopeless_expensive_model_is_not_asked() -> None:
    found = next_experiment(GRID, SINGLE, (0,))
    assert found.models == ("a", "b")
    assert found.cost == pytest.approx(0.003 * found.prompts)
    assert found.seconds == pytest.approx(3 * found.prompts)


def test_the_current_primary_is_asked_however_bad_it_is() -> None:
    assert "c" in next_experiment(GRID, SINGLE, (2,)).models


def test_a_model_that_may_be_the_best_is_asked() -> None:
    assert contending(GRID, SINGLE, (0,), np.random.default_rng(0)) == [0, 1]


def test_a_model_that_is_seldom_the_best_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.tune.experiment.RARELY", 0.999)
    assert contending(GRID, SINGLE, (0,), np.random.default_rng(0)) == [0]


def test_where_nothing_can_change_any_more_there_is_nothing_to_gain() -> None:
    found = next_experiment(world([0.95, 0.1], 100, 0), SINGLE, (0,))
    assert (found.changes, found.gain) == (0, 0)
    assert found.prompts == 100  # of equal ones, the smallest


def test_close_models_may_change_places() -> None:
    found = next_experiment(GRID, SINGLE, (0,))
    assert 0 < found.changes < 1
    assert 0 <= found.gain < 0.1


def test_an_unknown_price_is_an_unknown_cost() -> None:
    grid = world([0.7, 0.75], 40, 0, cost=[0.001, np.nan])
    assert next_experiment(grid, SINGLE, (0,)).cost is None


def test_no_experiment_asks_more_prompts_than_people_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.tune.experiment.MOST_PROMPTS", 50)
    assert next_experiment(world([0.7, 0.75], 60, 0), SINGLE, (0,)).prompts == 50
    assert MOST_PROMPTS > 50


def test_where_no_chain_keeps_to_the_limits_the_current_primary_is_asked() -> None:
    assert contending(GRID, Goals(limits=Limits(answered=1.5)), (0,), np.random.default_rng(0)) == [0]


def test_one_prompt_is_enough_to_plan_more() -> None:
    found = next_experiment(grid_of([[1, 1]], quality=[[0, 1]]), SINGLE, (0,))
    assert found.models == NAMES[:2]
