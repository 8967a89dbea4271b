"""What a changed chain would have done to requests that were observed, by hand."""

from __future__ import annotations

import pytest

from router.core.intervals import wilson
from router.metrics.what_if import what_if
from tests.metrics.observations import view_of

ABC = ("a", "b", "c")


def test_without_the_last_model_those_fail_that_it_answered() -> None:
    found = what_if(view_of(["a+"] * 96 + ["a- b+"] + ["a- b- c+"] * 3, {"c": 0.0009}), ABC, ABC[:2])
    assert (found.requests, found.failing.value) == (100, 3)
    assert (found.failing.low, found.failing.high) == pytest.approx([100 * end for end in wilson(0.03, 100)])
    assert found.sentence(ABC, ABC[:2]) == (
        "Without c (fallback 2): 3 of 100 requests in the last 7 days would have failed (95% interval 1 to 8),"
        " $0.0009 saved."
    )


def test_a_model_that_answered_nothing_is_not_missed_but_nobody_is_certain() -> None:
    found = what_if(view_of(["a+"] * 100), ABC, ABC[:2])
    assert (found.failing.value, found.failing.low) == (0, 0)
    assert found.failing.high == pytest.approx(3.7, abs=0.1)


def test_what_failed_anyway_is_no_loss() -> None:
    assert what_if(view_of(["a- b- c-"] * 5), ABC, ABC[:2]).failing.value == 0


def test_without_the_primary_its_requests_go_to_a_fallback_which_answers_as_often_as_it_did() -> None:
    found = what_if(view_of(["a+"] * 20 + ["a- b+"] * 4 + ["a- b-"], {"a": 1.0}), ("a", "b"), ("b",))
    assert found.failing.value == pytest.approx(20 * 0.2)
    low, high = wilson(0.8, 5)
    assert found.failing.low == pytest.approx(25 * wilson(20 * (1 - high) / 25, 25)[0])
    assert found.failing.high == pytest.approx(25 * wilson(20 * (1 - low) / 25, 25)[1])
    assert found.sentence(("a", "b"), ("b",)) == (
        "Without a (primary): about 4 of 25 requests in the last 7 days would have failed (95% interval 0 to 17)."
        " 20 would have gone to b, which answered 80% of those that reached it as a fallback."
    )


def test_several_models_in_a_row_must_all_fail() -> None:
    ways = ["a+"] * 8 + ["a- b+", "a- b- c+", "a- b- c-", "a- b+"]
    assert what_if(view_of(ways), ABC, ABC[1:]).failing.value == pytest.approx(8 * 0.5 * 0.5)


def test_what_a_model_would_do_that_was_never_a_fallback_is_unknown() -> None:
    found = what_if(view_of(["a+"] * 20), ("a", "b"), ("b",))
    assert (found.failing.value, found.saved) == (None, None)
    assert found.sentence(("a", "b"), ("b",)) == (
        "Without a (primary): how many requests would have failed is unknown."
        " 20 would have gone to b, which was never called here as a fallback."
    )


def test_another_order_spares_the_failures_of_a_model_that_comes_later() -> None:
    found = what_if(view_of(["a+"] * 20 + ["a- b+"] * 4 + ["a- b- c+"]), ABC, ("b", "a", "c"))
    assert (found.spared, found.asked, found.failing.value) == (4, {"b": 20}, 0)
    assert found.sentence(ABC, ("b", "a", "c")) == (
        "In this order: 4 of 25 requests in the last 7 days would have been spared a failed call."
        " What b would have done with 20 others is unknown: it was not called for them."
    )


def test_requests_of_another_chain_say_nothing() -> None:
    found = what_if(view_of(["x+", "a- x+", "b+"]), ABC, ABC[:2])
    assert found.sentence(ABC, ABC[:2]) == (
        "What this would have done is unknown: no request went through this chain in the last 7 days."
    )


def test_nothing_is_said_of_a_model_that_is_new() -> None:
    new = (*ABC, "d")
    assert what_if(view_of(["a- b- c-"]), ABC, new).sentence(ABC, new) == (
        "What d would have done is unknown: not in this chain so far."
    )


def test_a_cost_that_is_unknown_is_not_told_as_saved() -> None:
    assert what_if(view_of(["a+"], {"c": float("nan")}), ABC, ABC[:2]).saved is None
