"""What a rule's figure is: that of the dashboard, of real traffic alone, with its sample and its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from router.alerts.readings import FIGURE_OF, REAL, Reading, _said, filter_of, read
from router.config.alerts import WATCHED, parse_condition
from router.metrics import FIGURES, Estimate, View
from router.metrics.drift import Drift
from tests.alerts.conftest import NOW, World


def reading(world: World, when: str, *drifts: Drift) -> Reading:
    return read(parse_condition(when), View.of(world.observed.rows()), lambda: drifts, world.now)


def test_every_figure_of_a_rule_is_one_of_the_registry() -> None:
    assert FIGURE_OF.keys() == WATCHED.keys()
    units = {"requests": "count", "calls": "count"}
    for name, (figure, _) in FIGURE_OF.items():
        unit = FIGURES[figure].unit
        assert WATCHED[name].unit == ("count" if name == "unpriced" else units.get(unit, unit))


@pytest.mark.parametrize("name", WATCHED)
async def test_a_figure_is_what_the_dashboard_shows_with_the_same_filters(world: World, name: str) -> None:
    world.requests(30, 4, latency=2.0)
    world.requests(10, 1, category="tools", cost=None)
    world.requests(0, 3, reason="breaker_open")
    threshold = {"share": "1%", "seconds": "1s", "US dollars": "$1", "count": "1"}[WATCHED[name].unit]
    condition = parse_condition(f"{name} > {threshold} over 1h in code")
    view = View.of(world.observed.rows())
    figure, key = FIGURE_OF[name]
    shown = FIGURES[figure].of(view.where(filter_of(condition, NOW)))[key]
    found = read(condition, view, tuple, NOW).estimate
    assert found == shown or (name == "unpriced" and found.value == shown.unknown)


@pytest.mark.parametrize(
    ("when", "holds", "said"),
    [
        ("answered < 99% over 15m", True, "98.2% (n = 57, 90.7–99.7%)"),
        ("answered < 98% over 15m", False, "98.2% (n = 57, 90.7–99.7%)"),
        ("answered < 98.2% over 15m", False, "98.2456% (n = 57, 90.7–99.7%)"),
        ("answered < 99% over 15m at least 58", None,
         "98.2% (n = 57, 90.7–99.7%, too few to tell, at least 58 are needed)"),
        ("failed calls > 1% over 15m of one", True, "1.75% (n = 57, 0.31–9.29%)"),
        ("latency p50 >= 2s over 15m", True, "2.00 s (n = 56, 2.00 s–2.00 s)"),
        ("cost > $0.05 over 15m", True, "$0.057 (n = 57)"),
        ("cost per 1000 > $2 over 15m", False, "$1.00 (n = 57)"),
        ("requests > 56 over 15m", True, "57 requests"),
        ("breaker skips > 0 over 15m", False, "0 calls"),
        ("answered < 99% over 15m in tools", None, "unknown (n = 0, too few to tell, at least 20 are needed)"),
        ("requests < 1 over 15m in tools", True, "0 requests"),
        ("drift", False, "no drift"),
    ],
)  # fmt: skip
async def test_a_figure_is_said_with_its_sample_and_its_interval(
    world: World, when: str, holds: bool | None, said: str
) -> None:
    world.requests(56, 1, latency=2.0)
    found = reading(world, when)
    assert (found.holds, found.said) == (holds, said)


async def test_a_quantile_among_those_that_timed_out_is_over_any_threshold(world: World) -> None:
    world.requests(20, 5, reason="first_token_timeout")
    found = reading(world, "latency p95 > 8s over 15m")
    assert found.holds is True
    assert found.said.startswith("timed out (n = 25")


async def test_requests_before_the_window_do_not_count(world: World) -> None:
    world.requests(40)
    world.now += 900
    world.requests(3)
    assert reading(world, "requests > 0 over 15m").estimate.value == 3


@pytest.mark.parametrize("source", ["compare", "eval", "check", "shadow", "import"])
async def test_what_is_not_real_traffic_counts_only_where_a_rule_names_it(world: World, source: Any) -> None:
    world.requests(0, 30, source=source)
    assert reading(world, "answered < 99% over 15m").holds is None
    assert reading(world, f"answered < 99% over 15m from {source}").holds is True


async def test_real_traffic_counts_whoever_sent_it_and_injected_faults_do_not(world: World) -> None:
    for source in REAL:
        world.requests(1, source=source)
    world.requests(0, 5, injected=True)
    assert reading(world, "requests > 0 over 15m").said == "4 requests"


async def test_unpriced_requests_are_counted_and_named_beside_what_is_known(world: World) -> None:
    world.requests(25)
    world.requests(2, cost=None)
    assert reading(world, "unpriced > 1 over 15m").holds is True
    assert reading(world, "cost > $1 over 15m").said == "$0.025 (n = 25, 2 unpriced)"


def drift(category: str | None, model: str) -> Drift:
    return Drift(category, model, "failures", Estimate(0.01, rows=90), Estimate(0.2, 0.1, 0.3, 40), 8, NOW - 60)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("drift", True),
        ("drift in code", True),
        ("drift in tools", False),
        ("drift of one", True),
        ("drift of two", False),
    ],
)
async def test_a_drift_is_told_where_its_category_and_model_are_meant(world: World, when: str, holds: bool) -> None:
    found = reading(world, when, drift("code", "one"), drift(None, "three"))
    assert found.holds is holds
    assert ("one in code: 8 of its last 40 calls failed" in found.said) is holds


async def test_of_many_drifts_the_newest_are_named_and_the_others_counted(world: World) -> None:
    found = reading(world, "drift", *[drift("code", f"m{number}") for number in range(5)])
    assert found.said.endswith("; and 2 older")
    assert found.said.count("calls failed") == 3


def test_no_estimate_is_too_odd_to_be_said() -> None:
    for name, watched in WATCHED.items():
        threshold = {"share": "0%", "seconds": "0s", "US dollars": "$0", "count": "0"}[watched.unit]
        condition = parse_condition(f"{name} > {threshold} over 1h")
        for value in (None, 0.0, 1e-9, 0.5, 1e9, np.inf) if watched.unit != "count" else (0, 5):
            for low, high in ((None, None), (0.0, None), (None, 1.0), (0.0, np.inf)):
                assert _said(condition, Estimate(value, low, high, 30, 2))
