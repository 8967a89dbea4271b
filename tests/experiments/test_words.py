"""Experiments in words: what is missing for a verdict, and what a comparison leaves out."""

from __future__ import annotations

import pytest

from router.experiments.analysis import analyze
from router.experiments.words import left_out_of_cost, verdict_of
from router.store.experiments import Given
from tests.experiments.test_analysis import LATER, experiment, figure, given, traffic


@pytest.mark.parametrize(
    ("name", "requests", "said"),
    [
        ("answered", [], "no requests yet"),
        ("answered", [given(True)], "no requests of the chain yet"),
        ("feedback", [given(True), given(False)], "no ratings yet"),
        ("feedback", [given(True), given(False, score=1.0)], "no ratings of the candidate yet"),
        ("feedback", [given(True, score=0.0), given(False, score=1.0)], "not separable yet"),
        ("grade", [given(True), given(False)], "no grades yet"),
        ("cost", [given(True, cost=None), given(False)], "no known costs of the candidate yet"),
        ("in 5 s", [given(False), given(True, good=False)], "no answers of the candidate yet"),
    ],
)
def test_where_there_is_nothing_to_compare_it_says_what_is_missing(name: str, requests: list[Given], said: str) -> None:
    assert verdict_of(figure(name, requests, latency="5s", grades="{checks: [is-json]}")) == said


def cost_is_unknown(current: int, candidate: int) -> list[Given]:
    """Requests of both arms, of which the first ones have no known cost."""
    requests, left = traffic(1.0, 1.0, 400), {"current": current, "candidate": candidate}
    for number, each in enumerate(requests):
        if left[each.arm]:
            left[each.arm] -= 1
            requests[number] = each._replace(cost=None)
    return requests


def left_out(requests: list[Given]) -> str | None:
    return left_out_of_cost(analyze(experiment(), requests, LATER))


def test_requests_of_unknown_cost_are_counted_on_each_side() -> None:
    requests = cost_is_unknown(2, 3)
    current, candidate = analyze(experiment(), requests, LATER).requests
    assert left_out(requests) == (
        f"Left out of the cost: 2 of {current} requests by the chain and 3 of {candidate} requests by the candidate, "
        "whose cost is not fully known."
    )


def test_shares_that_differ_may_bias_the_comparison_and_that_is_said() -> None:
    assert (left_out(cost_is_unknown(0, 100)) or "").endswith("which may bias the comparison.")


def test_where_every_cost_is_known_nothing_is_said() -> None:
    assert left_out(cost_is_unknown(0, 0)) is None
    assert left_out([]) is None


def test_requests_of_a_session_in_progress_are_not_counted_yet() -> None:
    assert left_out_of_cost(analyze(experiment(), [given(True, session="s", cost=None)], 1.0)) is None
