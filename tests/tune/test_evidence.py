"""Evidence: which calls say what of a model, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from router.core.errors import ServerFailed
from router.core.intervals import wilson
from router.core.records import Step
from router.metrics.estimates import Estimate
from router.metrics.view import Filter
from router.store import Passes
from router.tune.behavior import Behavior, Measured
from router.tune.evidence import FEW, ModelEvidence, Said, failures, measured, model_evidence
from router.tune.joint import Both
from tests.tune.logs import call, request, view_of

NOTHING_SAID = Said({}, {}, {}, {})
HOUR = 3600.0


def known(*calls: dict[str, Any], said: Said = NOTHING_SAID) -> ModelEvidence:
    """What is known of the model `a`."""
    return model_evidence(view_of(calls).where(Filter()), said)["a"]


def spread(count: int, reason: str | None = None, *, since: float = 0.0, **more: Any) -> list[dict[str, Any]]:
    """Calls of `a`, one an hour."""
    return [call("a", reason, at=since + HOUR * number, **more) for number in range(count)]


# --- Of a model ------------------------------------------------------------------------------------


def test_the_share_answered_is_that_of_all_calls_that_came_first() -> None:
    found = known(*spread(8), *spread(2, "server_failed", since=8 * HOUR))
    assert (found.calls, found.answered.value, found.answered.rows) == (10, pytest.approx(0.8), 10)


def test_times_are_those_of_answers_and_timeouts_take_for_ever() -> None:
    calls = [*spread(3, latency=2.0, ttft=1.0), *spread(2, "first_token_timeout", since=HOUR * 3, latency=10.0)]
    found = known(*calls)
    assert [each.value for each in found.latency] == [2, np.inf]
    assert [each.value for each in found.first_token] == [1, np.inf]


def test_a_failure_that_comes_at_once_is_not_fast() -> None:
    found = known(*spread(3, latency=2.0), *spread(3, "server_failed", since=3 * HOUR, latency=0.01))
    assert found.latency[0].value == 2


def test_cost_is_what_calls_cost_and_an_unknown_one_is_counted() -> None:
    found = known(
        *spread(2, cost=0.002), *spread(2, since=2 * HOUR, cost=0.004), *spread(1, since=4 * HOUR, cost=np.nan)
    )
    assert (found.cost.value, found.cost.rows, found.cost.unknown) == (pytest.approx(0.003), 4, 1)


def test_failures_alone_do_not_make_a_model_free() -> None:
    found = known(*spread(3, cost=np.nan), *spread(1, "server_failed", since=3 * HOUR, cost=0.0))
    assert (found.cost.value, found.cost.unknown) == (None, 4)


def test_calls_are_counted_by_where_they_come_from() -> None:
    assert known(*spread(2), *spread(3, since=2 * HOUR, source="eval")).sources == {"chat": 2, "eval": 3}


def test_the_newest_call_is_told() -> None:
    assert known(*spread(3)).newest == 2 * HOUR


def test_quality_has_the_interval_of_its_cases() -> None:
    found = known(call(), said=NOTHING_SAID._replace(quality={"a": Passes(0.5, 10)})).quality
    assert (found.value, found.rows) == (0.5, 10)
    assert (found.low, found.high) == wilson(0.5, 10)


def test_a_model_that_was_graded_and_never_called_is_known_by_its_quality() -> None:
    said = NOTHING_SAID._replace(quality={"b": Passes(0.5, 10)})
    found = model_evidence(view_of([call()]).where(Filter()), said)["b"]
    assert (found.quality.value, found.calls, found.outages, found.newest) == (0.5, 0, (), None)


def test_without_a_call_of_its_own_nothing_is_known() -> None:
    found = known(call(place=1))
    assert (found.calls, found.answered, found.cost, found.newest) == (0, Estimate(None), Estimate(None), None)


def test_an_hour_of_failures_makes_the_interval_as_wide_as_one_failure_does() -> None:
    """60 failures in ten minutes are one event; 60 over 60 hours are 60."""
    together = [call("a", "server_failed", at=HOUR * 500 + 600 * 7 + 9.0 * number) for number in range(60)]
    block = known(*spread(400), *together).answered
    apart = known(*spread(400), *spread(60, "server_failed", since=500 * HOUR)).answered
    assert block.value == apart.value
    assert (block.high or 0) - (block.low or 0) > 3 * ((apart.high or 0) - (apart.low or 0))


def test_outages_are_found_among_all_of_its_calls() -> None:
    calls = [*spread(60), *spread(4, "server_failed", since=60 * HOUR, place=1), *spread(60, since=64 * HOUR)]
    assert [(each.began, each.ended) for each in known(*calls).outages] == [(60 * HOUR, 64 * HOUR)]


def test_what_is_the_prompt_s_fault_is_no_outage() -> None:
    assert known(*spread(60), *spread(4, "bad_request", since=60 * HOUR)).outages == ()


# --- Failures together -----------------------------------------------------------------------------


def test_failures_together_are_counted_on_requests_that_came_to_both() -> None:
    found = failures(view_of(requests=[*[request("a+")] * 7, *[request("a- b+")] * 2, request("a- b- c+")]))
    assert (found.calls, found.failed) == ({"a": 10}, {"a": 3})
    assert found.after == {("a", "b"): Both(3, 1), ("a", "c"): Both(1, 0), ("b", "c"): Both(1, 0)}


def test_failures_that_come_in_groups_are_worth_fewer_requests() -> None:
    apart = [request("a- b+" if number % 10 == 0 else "a+", started=600.0 * number) for number in range(200)]
    grouped = [request("a- b+" if number < 20 else "a+", started=60.0 * number) for number in range(200)]
    assert failures(view_of(requests=apart)).worth["a"] > 150
    assert failures(view_of(requests=grouped)).worth["a"] < 30


@pytest.mark.parametrize("label", ["cached", "shared", "stand_in", "keyless"])
def test_requests_without_calls_of_their_own_say_nothing_of_failures(label: str) -> None:
    assert failures(view_of(requests=[request("a-", **{label: True})])).calls == {}


def test_a_request_that_an_open_breaker_turned_away_from_the_primary_did_not_come_to_the_fallback_first() -> None:
    path = (Step("a", "a", 0, "skipped", "breaker_open"), Step("b", "b", 1, "answered", None))
    assert failures(view_of(requests=[request("a- b+", path=path)])).calls == {}


def test_what_a_prompt_fails_is_no_failure_of_the_provider() -> None:
    refused = request("a-", path=(Step("a", "a", 0, "failed", "content_filtered"),))
    assert failures(view_of(requests=[refused])).failed == {"a": 0}


# --- What simulations draw from --------------------------------------------------------------------


def behaves(calls: Sequence[dict[str, Any]], model: str = "a", **quality: Passes) -> Behavior:
    return world(calls, **quality).models[model]


def world(calls: Sequence[dict[str, Any]], **quality: Passes) -> Measured:
    return measured(view_of(calls).where(Filter()), "code", quality)


def test_calls_are_drawn_as_they_were_seen() -> None:
    found = behaves([*spread(FEW), *spread(1, "server_failed", since=FEW * HOUR, latency=0.25)]).calls
    assert found.seen == FEW + 1
    assert found.error.tolist() == [None] * FEW + [ServerFailed]
    assert (found.seconds[-1], found.first_token[-1], found.first_token[0]) == (0.25, np.inf, 0.5)


def test_with_enough_calls_of_its_own_category_others_are_left_out() -> None:
    calls = [*spread(FEW), *spread(100, since=FEW * HOUR, category="tools", latency=9.0)]
    assert behaves(calls).calls.seconds.max() == 1


def test_with_few_calls_of_its_own_category_those_of_others_help() -> None:
    calls = [*spread(FEW - 1), *spread(100, since=FEW * HOUR, category="tools")]
    assert behaves(calls).calls.seen == FEW - 1 + 100


def test_calls_of_an_outage_are_the_outage_s_alone() -> None:
    calls = [*spread(100), *spread(4, "server_failed", since=100 * HOUR, latency=0.25), *spread(100, since=104 * HOUR)]
    found = behaves(calls)
    assert found.calls.error.tolist() == [None] * 200
    assert (found.outages.seen, found.outages.last) == (1, 4 * HOUR)
    assert (found.down_error, found.down_after) == (ServerFailed, 0.25)


def test_an_outage_of_two_models_is_their_provider_s() -> None:
    down = [
        {**each, "model": model, "provider": "x"}
        for model in ("x:1", "x:2")
        for each in [*spread(100), *spread(4, "server_failed", since=100 * HOUR), *spread(100, since=104 * HOUR)]
    ]
    found = world(down)
    assert found.providers["x"].seen == 1
    assert [each.outages.seen for each in found.models.values()] == [0, 0]


def test_a_model_that_was_never_called_is_missing() -> None:
    assert [*world(spread(1)).models] == ["a"]
    assert world([]).models == {}


def test_quality_comes_from_grades_alone() -> None:
    assert behaves(spread(1), a=Passes(0.75, 4)).quality == 0.75
    assert behaves(spread(1)).quality is None


def test_requests_come_as_often_as_in_the_hours_that_have_any() -> None:
    asked = [request("a+", started=hour * HOUR + minute * 60) for hour in (1, 5) for minute in range(6)]
    found = measured(view_of(spread(1), asked), "code", {})
    assert found.rate == pytest.approx(6 / HOUR)
