"""Simulation: the engine on models that behave as told gives what can be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from router.config.chains import Chain
from router.config.policy import BreakerPolicy, Policy
from router.core.errors import (
    BadRequest,
    ContentFiltered,
    FirstTokenTimeout,
    ModelNotFound,
    ServerFailed,
    StreamCut,
)
from router.tune.behavior import ALWAYS, Behavior, Calls, Measured, Outages
from router.tune.simulated import Run
from router.tune.simulation import MOST_CALLS, Worlds, simulate
from tests.tune.worlds import POLICY, behavior, calls, chain_of, measured

GOOD = calls(None, seconds=1.0, first_token=0.5, cost=0.001)
SLOW = calls(None, seconds=4.0, first_token=3.0, cost=0.002)


def run(chain: Chain, world: Measured, *, policy: Policy = POLICY, requests: int = 20, **more: Any) -> Run:
    """One run in which the measured calls are the truth."""
    return simulate(chain, policy, world, requests=requests, runs=1, exact=True, **more).runs[0]


def exact(chain: Chain, world: Measured, **more: Any) -> Mapping[str, float]:
    return run(chain, world, **more).figures()


# --- By hand ---------------------------------------------------------------------------------------


def test_where_all_answer_figures_are_the_primary_s() -> None:
    found = exact(chain_of("a", "b"), measured({"a": GOOD, "b": SLOW}))
    assert (found["answered"], found["cost"]) == (1, pytest.approx(1))
    assert [found[f"latency_{end}"] for end in ("p50", "p95")] == [pytest.approx(1)] * 2
    assert found["first_token_p50"] == pytest.approx(0.5)


def test_a_primary_that_always_fails_costs_its_time_and_money_too() -> None:
    failing = calls(ModelNotFound, seconds=0.25, cost=0.0005)
    found = exact(chain_of("a", "b"), measured({"a": failing, "b": SLOW}))
    assert (found["answered"], found["cost"]) == (1, pytest.approx(2.5))
    assert (found["latency_p50"], found["first_token_p50"]) == (pytest.approx(4.25), pytest.approx(3.25))


def test_an_answer_that_breaks_off_is_begun_again_by_the_fallback() -> None:
    broken = Calls(np.array([StreamCut], object), np.array([0.5]), np.array([2.0]), np.array([0.001]))
    found = exact(chain_of("a", "b"), measured({"a": broken, "b": GOOD}), requests=2)
    assert (found["latency_p50"], found["cost"]) == (pytest.approx(3), pytest.approx(2))


def test_what_nobody_answers_takes_for_ever() -> None:
    found = exact(chain_of("a"), measured({"a": calls(ModelNotFound)}))
    assert (found["answered"], found["latency_p50"], found["first_token_p95"]) == (0, math.inf, math.inf)


def test_a_refusal_ends_the_chain() -> None:
    assert exact(chain_of("a", "b"), measured({"a": calls(ContentFiltered), "b": GOOD}))["answered"] == 0


def test_a_failed_call_whose_cost_nobody_told_is_free() -> None:
    failing = calls(BadRequest, cost=math.nan)
    assert exact(chain_of("a", "b"), measured({"a": failing, "b": GOOD}))["cost"] == pytest.approx(1)


def test_an_answer_whose_cost_nobody_told_makes_the_cost_unknown() -> None:
    found = simulate(chain_of("a"), POLICY, measured({"a": calls(None, cost=math.nan)}), requests=3, runs=2)
    assert math.isnan(found.figures()["cost"].value or 0)
    assert math.isnan(found.figures()["cost"].low or 0)


def test_quality_is_that_of_the_model_which_answers() -> None:
    models = {"a": behavior("a", calls(ModelNotFound), quality=0.9), "b": behavior("b", GOOD, quality=0.5)}
    assert exact(chain_of("a", "b"), measured(models))["quality"] == pytest.approx(0.5)
    assert exact(chain_of("a"), measured(models))["quality"] == 0


def test_without_grades_quality_is_unknown() -> None:
    assert math.isnan(exact(chain_of("a"), measured({"a": GOOD}))["quality"])


def test_places_are_told_by_the_share_that_they_answer() -> None:
    world = measured({"a": calls(ModelNotFound), "b": GOOD})
    assert simulate(chain_of("a", "b"), POLICY, world, requests=5, runs=2).places() == [0, 1]
    assert simulate(chain_of("a"), POLICY, world, requests=5, runs=2).places() == []


# --- The engine's limits ---------------------------------------------------------------------------


def test_a_breaker_opens_on_a_model_that_is_down_and_most_later_requests_skip_it() -> None:
    world = measured({"a": behavior("a", GOOD, outages=ALWAYS, down_after=5.0), "b": GOOD}, rate=1)
    latency = run(chain_of("a", "b", retries=0), world, requests=60).latency
    assert latency[0] == pytest.approx(6)
    assert (latency < 1.01).mean() > 0.7


def test_a_model_without_its_first_token_in_time_is_left_for_the_next() -> None:
    found = exact(chain_of("a", "b", first_token=2), measured({"a": SLOW, "b": GOOD}), requests=1)
    assert (found["latency_p50"], found["answered"]) == (pytest.approx(3), 1)


def test_a_limit_that_a_link_sets_for_itself_holds() -> None:
    chain = chain_of("a", "b", first_token=2)
    first, second = chain.links
    patient = msgspec.structs.replace(chain, links=(msgspec.structs.replace(first, first_token=5), second))
    assert exact(patient, measured({"a": SLOW, "b": GOOD}), requests=1)["latency_p50"] == pytest.approx(4)


def test_the_deadline_ends_a_chain() -> None:
    silent = calls(FirstTokenTimeout, seconds=100)
    chain = chain_of("a", "b", first_token=30, deadline=20)
    world = measured({"a": silent, "b": silent})
    assert exact(chain, world, requests=1)["answered"] == 0


@pytest.mark.parametrize("retries", [0, 2])
def test_a_failure_that_may_pass_is_tried_again_as_often_as_the_chain_says(retries: int) -> None:
    world = measured({"a": calls(ServerFailed, seconds=1, cost=0.001), "b": GOOD})
    chain = chain_of("a", "b", retries=retries, backoff={"base": 0.1, "cap": 0.1})
    assert exact(chain, world, requests=1)["cost"] == pytest.approx(retries + 2)


def test_any_number_of_retries_finds_calls_to_draw() -> None:
    tireless = Policy(breaker=BreakerPolicy(window=100, min_calls=100, failure_rate=1))
    chain = chain_of("a", retries=20, backoff={"base": 0.001, "cap": 0.001}, deadline=1000)
    world = measured({"a": calls(ServerFailed, seconds=0.001)})
    assert exact(chain, world, policy=tireless, requests=20)["answered"] == 0


def test_requests_that_wait_for_a_slot_take_longer() -> None:
    world = measured({"a": GOOD}, rate=100)
    waiting, free = (exact(chain_of("a"), world, slots={"a": slots})["latency_p95"] for slots in (1, 100))
    assert (free, waiting > 5) == (pytest.approx(1), True)


# --- What is down ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("fallback", "answered"), [("x:2", 0), ("y:1", 1)])
def test_models_of_a_provider_that_is_down_fail_together(fallback: str, answered: float) -> None:
    world = measured({"x:1": GOOD, fallback: GOOD}, providers={"x": ALWAYS})
    assert exact(chain_of("x:1", fallback), world)["answered"] == answered


def test_a_model_that_is_down_leaves_the_others_of_its_provider() -> None:
    world = measured({"x:1": behavior("x:1", GOOD, outages=ALWAYS), "x:2": GOOD})
    assert exact(chain_of("x:1", "x:2"), world)["answered"] == 1


def test_what_is_down_fails_as_it_was_seen_to() -> None:
    down = behavior("a", GOOD, outages=ALWAYS, down_error=ModelNotFound, down_after=2.0)
    found = exact(chain_of("a", "b"), measured({"a": down, "b": GOOD}), requests=1)
    assert (found["latency_p50"], found["cost"]) == (pytest.approx(3), pytest.approx(1))


def test_outages_take_their_share_of_the_time() -> None:
    half = behavior("a", GOOD, outages=Outages(every=3000, last=1000), down_error=ModelNotFound)
    found = run(chain_of("a"), measured({"a": half}, rate=0.01), requests=2000)
    assert found.answered.mean() == pytest.approx(0.75, abs=0.05)


# --- Intervals -------------------------------------------------------------------------------------


def mixed(*failing: float, seen: int = 400) -> Measured:
    """Models that fail by themselves, at these rates, with an error that is neither retried nor a provider's fault."""
    return measured(
        {
            name: calls(*[BadRequest] * round(rate * seen), *[None] * (seen - round(rate * seen)))
            for name, rate in zip("abc", failing, strict=False)
        }
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_answered_share_holds_what_independent_failures_make_of_it(seed: int) -> None:
    found = simulate(chain_of("a", "b", "c"), POLICY, mixed(0.5, 0.4, 0.5), requests=50, runs=20, seed=seed)
    share = found.figures()["answered"]
    assert (share.low or 0) - 0.01 <= 1 - 0.5 * 0.4 * 0.5 <= (share.high or 0) + 0.01


def test_few_measurements_make_wider_intervals_than_many() -> None:
    few, many = (
        simulate(chain_of("a"), POLICY, mixed(0.3, seen=seen), requests=60, runs=20, seed=1).figures()["answered"]
        for seen in (10, 2000)
    )
    assert (few.high or 0) - (few.low or 0) > 2 * ((many.high or 0) - (many.low or 0))


def test_of_any_number_of_measured_calls_all_can_be_drawn() -> None:
    many = mixed(0.3, seen=2 * MOST_CALLS)
    found = simulate(chain_of("a"), POLICY, many, requests=50, runs=20).figures()["answered"]
    assert found.value == pytest.approx(0.7, abs=0.05)


def test_the_interval_holds_the_value() -> None:
    for value in simulate(chain_of("a", "b"), POLICY, mixed(0.3, 0.1), runs=10).figures().values():
        if value.value is not None and not math.isnan(value.value):
            assert (value.low or 0) <= value.value <= (value.high or 0)


def test_single_runs_differ_more_than_their_mean_may() -> None:
    found = simulate(chain_of("a"), POLICY, mixed(0.3), runs=20)
    low, high = found.ranges()["answered"]
    mean = found.figures()["answered"]
    assert high - low > (mean.high or 0) - (mean.low or 0)


def test_the_same_seed_gives_the_same_figures() -> None:
    one, other, third = (
        simulate(chain_of("a"), POLICY, mixed(0.3), requests=20, runs=3, seed=seed).figures()["answered"]
        for seed in (1, 1, 2)
    )
    assert one == other != third


def test_a_world_of_a_number_is_the_same_for_all_chains() -> None:
    half = Outages(every=500, last=500, seen=3)
    world = measured({"a": behavior("a", GOOD, outages=half), "b": behavior("b", SLOW, outages=half)})
    one, other = (Worlds(chain_of(*models), POLICY, world).run(7, 50) for models in (("a", "b"), ("b",)))
    assert one.down["model b"].share == other.down["model b"].share
    assert np.array_equal(one.down["model b"].found, other.down["model b"].found)


def test_a_longer_run_is_one_of_the_same_world() -> None:
    worlds = Worlds(chain_of("a"), POLICY, measured({"a": behavior("a", GOOD, outages=Outages(500, 500, 3))}))
    assert worlds.run(0, 10).down["model a"].share == worlds.run(0, 40).down["model a"].share


def test_outages_that_were_seldom_seen_are_drawn_from_wide() -> None:
    rng = np.random.default_rng(0)
    few, many = (np.std([Outages(100, 10, seen).drawn(rng).share for _ in range(200)]) for seen in (2, 200))
    assert few > 5 * many
    assert Outages(100, 10).drawn(rng) == Outages(100, 10)


@pytest.mark.parametrize(
    ("outages", "share"), [(Outages(), 0), (ALWAYS, 1), (Outages(90, 10), 0.1), (Outages(90, 0), 0)]
)
def test_the_share_of_time_that_something_is_down(outages: Outages, share: float) -> None:
    assert outages.share == pytest.approx(share)


def test_a_behavior_says_who_serves_it() -> None:
    assert behavior("x:1", GOOD) == Behavior("x", GOOD)
