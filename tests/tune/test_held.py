"""Predictions held against what was observed since."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from router.tune.certificate import Certificate, Expected
from router.tune.held import DAYS, LEAST_REQUESTS, Kept, kept
from tests.tune.logs import request, view_of

AT = 1_000_000.0


def predicted(**figures: tuple[float, float, float]) -> Certificate:
    expected = {name: Expected(value=value, low=low, high=high) for name, (value, low, high) in figures.items()}
    return Certificate(
        at=AT, category="code", chain="chain", models=("a", "b"), evidence="", expected=expected, faults=(), checked=16
    )


def seen(count: int, way: str = "a+", *, at: float = AT + 60, **more: Any) -> list[dict[str, Any]]:
    fields = {"chain": "chain", "started": at, "latency": 1.0, "ttft": 0.5, "cost": 0.001, **more}
    return [request(way, **fields) for _ in range(count)]


def held(certificate: Certificate, *requests: dict[str, Any]) -> Kept:
    return kept(view_of(requests=requests), certificate)


def test_a_prediction_whose_interval_holds_what_was_seen_has_held() -> None:
    found = held(predicted(answered=(0.95, 0.9, 1.0)), *seen(38), *seen(2, "a- b-"))
    assert [each.holds for each in found.figures] == [True]
    assert found.sentence() == (
        "code, 40 requests since the change. The prediction holds: answered 95.0% predicted, 95.0% seen."
    )


def test_what_lies_outside_of_the_interval_is_told() -> None:
    found = held(predicted(latency_p50=(5.0, 4.0, 6.0), answered=(1.0, 1.0, 1.0)), *seen(40))
    assert {each.name: each.holds for each in found.figures} == {"answered": True, "latency_p50": False}
    assert found.sentence().startswith("code, 40 requests since the change. 1 of 2 figures came out otherwise: ")
    assert "p50 5.00 s predicted, 1.00 s seen (outside of the interval)" in found.sentence()


def test_few_requests_say_nothing() -> None:
    found = held(predicted(answered=(1.0, 1.0, 1.0)), *seen(LEAST_REQUESTS - 1))
    assert found.figures == ()
    assert found.sentence() == (
        "code: 29 requests since the chain was changed, too few to hold against what was predicted."
    )


@pytest.mark.parametrize(
    "other",
    [{"chain": "other"}, {"at": AT - 60}, {"at": AT + DAYS * 86_400 + 60}, {"cached": True}],
    ids=["of another chain", "before", "long after", "from the cache"],
)
def test_other_requests_are_left_out(other: dict[str, Any]) -> None:
    assert held(predicted(), *seen(40), *seen(60, **other)).requests == 40


def test_a_request_without_an_answer_takes_for_ever() -> None:
    found = held(predicted(latency_p95=(1.0, 1.0, 1.0)), *seen(30), *seen(10, "a- b-"))
    assert found.figures[0].seen.value == np.inf
    assert "never seen" in found.sentence()


def test_cost_is_that_of_a_thousand_requests() -> None:
    found = held(predicted(cost=(1.0, 0.9, 1.1)), *seen(20, cost=0.0009), *seen(20, cost=0.0011))
    assert found.figures[0].seen.value == pytest.approx(1.0)
    assert found.figures[0].holds


def test_what_was_not_predicted_or_cannot_be_seen_is_not_compared() -> None:
    assert held(predicted(), *seen(40)).figures == ()
    assert held(predicted(cost=(1.0, 0.9, 1.1)), *seen(40, cost=np.nan)).figures == ()
