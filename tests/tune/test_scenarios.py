"""Scenarios: what is otherwise than measured, and nothing else."""

from __future__ import annotations

import numpy as np

from router.tune.behavior import ALWAYS, Outages
from router.tune.scenarios import AS_MEASURED, Scenario
from router.tune.simulation import simulate
from tests.tune.worlds import POLICY, calls, chain_of, measured

WORLD = measured({"x:1": calls(None, cost=0.001), "x:2": calls(None), "y:1": calls(None)}, rate=0.5)


def test_as_measured_changes_nothing() -> None:
    same = AS_MEASURED.of(WORLD)
    assert (same.providers, same.rate) == (WORLD.providers, WORLD.rate)
    assert np.array_equal(same.models["x:1"].calls.cost, WORLD.models["x:1"].calls.cost)
    assert AS_MEASURED.sentence() == ""


def test_a_model_that_is_down_is_down_for_good_and_alone() -> None:
    world = Scenario(down=("x:1",)).of(WORLD)
    assert [each.outages for each in world.models.values()] == [ALWAYS, Outages(), Outages()]
    assert world.providers == {}


def test_a_provider_that_is_down_takes_its_models_along() -> None:
    world = Scenario(down=("x",)).of(WORLD)
    answered = [
        simulate(chain_of(*models), POLICY, world, requests=3, runs=1).runs[0].answered.all()
        for models in (("x:1", "x:2"), ("x:1", "y:1"))
    ]
    assert answered == [False, True]


def test_prices_are_a_multiple_of_what_was_paid() -> None:
    world = Scenario(prices=3).of(WORLD)
    assert world.models["x:1"].calls.cost.tolist() == [0.003]
    assert Scenario(prices=0).of(WORLD).models["x:1"].calls.cost.tolist() == [0]


def test_traffic_is_a_multiple_of_what_came() -> None:
    assert Scenario(traffic=4).of(WORLD).rate == 2


def test_a_scenario_is_told_in_words() -> None:
    both = Scenario(down=("x", "y"), prices=2, traffic=0.5)
    assert both.sentence() == "x is down, y is down, prices are 2 times as high, traffic is 0.5 times as high"
