"""What simulated worlds say: intervals hold what is not known, and not what simulating longer would tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from router.metrics.estimates import Estimate
from router.tune.grid import Floats
from router.tune.simulated import Down, Run, Simulated, changes

WORLDS, REQUESTS = 200, 100


def run(answered: Floats, *, latency: Floats | None = None, down: dict[str, Down] | None = None) -> Run:
    """Requests that are answered or not; they take a second, and cost nothing."""
    count = len(answered)
    latency = np.ones(count) if latency is None else latency
    return Run(
        answered > 0, np.zeros(count, int), np.full(count, 0.5), latency, latency / 2, np.zeros(count), down or {}
    )


def of_rates(rates: Floats, *, seed: int = 0) -> Simulated:
    """A world for each rate at which requests are answered."""
    rng = np.random.default_rng(seed)
    return Simulated(tuple(run((rng.random(REQUESTS) < rate).astype(float)) for rate in rates))


def width(of: Estimate) -> float:
    assert of.low is not None
    assert of.high is not None
    return of.high - of.low


def test_where_worlds_differ_in_truth_the_interval_holds_just_that() -> None:
    rates = np.random.default_rng(0).normal(0.7, 0.05, WORLDS)
    found = of_rates(rates).details()["answered"]
    assert width(found.estimate) == pytest.approx(2 * 1.96 * 0.05, rel=0.15)
    assert found.noise < 0.5


def test_where_worlds_are_the_same_the_interval_is_that_of_their_mean() -> None:
    found = of_rates(np.full(WORLDS, 0.7)).details()["answered"]
    assert width(found.estimate) < 0.06  # a single world's is 0.18
    assert found.noise == 1


def in_outages(*, share: float, measured: float) -> Simulated:
    """Each world is down, or up, all of the time: nothing is answered while it is down."""
    rng = np.random.default_rng(0)
    down = [np.full(REQUESTS, float(rng.random() < 0.1)) for _ in range(WORLDS)]
    return Simulated(tuple(run(1 - each, down={"provider x": Down(each, share, measured)}) for each in down))


def test_what_worlds_met_of_an_outage_is_set_right_to_its_share_of_the_time() -> None:
    found = in_outages(share=0.1, measured=0.1).figures()["answered"]
    assert found.value == pytest.approx(0.9)
    assert width(found) < 0.001


def test_the_value_is_that_of_outages_as_they_were_measured_and_the_interval_of_what_they_may_be() -> None:
    found = in_outages(share=0.1, measured=0.02).figures()["answered"]
    assert found[:3] == pytest.approx((0.98, 0.9, 0.9), abs=0.001)


def test_an_outage_that_no_world_met_changes_nothing() -> None:
    never = {"provider x": Down(np.zeros(REQUESTS), 0.2, 0.2)}
    runs = [each._replace(down=never) for each in of_rates(np.full(20, 0.7)).runs]
    plain = of_rates(np.full(20, 0.7)).figures()["answered"]
    assert Simulated(tuple(runs)).figures()["answered"] == pytest.approx(plain)


def test_a_quantile_s_interval_lies_between_the_times_of_the_shares_that_it_may_be() -> None:
    rng = np.random.default_rng(0)
    typical = np.exp(rng.normal(0, 0.1, WORLDS))
    ones = np.ones(REQUESTS)
    worlds = Simulated(tuple(run(ones, latency=of * rng.exponential(1, REQUESTS)) for of in typical))
    found = worlds.figures()["latency_p50"]
    assert found.value == pytest.approx(math.log(2), rel=0.03)
    assert width(found) == pytest.approx(2 * 1.96 * 0.1 * math.log(2), rel=0.25)


def test_a_quantile_among_what_nobody_answered_is_never() -> None:
    unanswered = run(np.zeros(REQUESTS), latency=np.full(REQUESTS, math.inf))
    assert Simulated((unanswered, unanswered)).figures()["latency_p95"][:3] == (math.inf, math.inf, math.inf)


# --- Changes ---------------------------------------------------------------------------------------


def test_a_chain_beside_itself_changes_nothing_for_sure() -> None:
    worlds = of_rates(np.random.default_rng(0).uniform(0.5, 0.9, 20))
    assert changes(worlds, worlds)["answered"].estimate[:3] == (0, 0, 0)


def test_a_change_is_known_better_than_what_it_changes() -> None:
    before = of_rates(np.random.default_rng(0).uniform(0.5, 0.9, WORLDS))
    rescued = np.random.default_rng(1).random((WORLDS, REQUESTS)) < 0.02
    after = Simulated(tuple(run(each.answered | more) for each, more in zip(before.runs, rescued, strict=True)))
    change = changes(before, after)["answered"].estimate
    truth = 0.02 * (1 - np.mean([each.answered.mean() for each in before.runs]))
    assert change.value == pytest.approx(truth, abs=0.002)
    assert width(change) < 0.1 * width(before.figures()["answered"])


def test_a_change_of_a_quantile_has_the_common_part_taken_out() -> None:
    rng = np.random.default_rng(0)
    times = [of * rng.exponential(1, REQUESTS) for of in np.exp(rng.normal(0, 0.3, WORLDS))]
    before, after = (Simulated(tuple(run(np.ones(REQUESTS), latency=more + each) for each in times)) for more in (0, 1))
    change = changes(before, after)["latency_p50"].estimate
    assert change.value == pytest.approx(1)
    assert width(change) < 0.1 * width(before.figures()["latency_p50"])


def test_a_change_from_never_is_unknown() -> None:
    never = Simulated((run(np.zeros(9), latency=np.full(9, math.inf)),) * 2)
    answered = Simulated((run(np.ones(9)),) * 2)
    assert math.isnan(changes(never, answered)["latency_p50"].estimate.value or 0)
    assert changes(never, answered)["answered"].estimate.value == 1
