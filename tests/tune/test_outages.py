"""Outages: what is a row of failures, and what is chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.tune.outages import Outage, during, outages, shared


def found(word: str, step: float = 60.0) -> list[tuple[float, float]]:
    """The outages among calls a minute apart: `-` failed, `+` answered."""
    failed = np.array([letter == "-" for letter in word])
    return [(one.began / step, one.ended / step) for one in outages(step * np.arange(len(word)), failed)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (50 * "+" + "---" + 50 * "+", [(50, 53)]),
        ("---" + 50 * "+", [(0, 3)]),
        (50 * "+" + "---", [(50, 52)]),
        (50 * "+" + "---" + 50 * "+" + "----" + 50 * "+", [(50, 53), (103, 107)]),
        (20 * "+" + "--" + 20 * "+", []),
        (5 * "+-", []),
        ("---", [(0, 2)]),
        ("+++", []),
        ("", []),
    ],
    ids=["in the middle", "at first", "at last", "two", "a pair", "single", "nothing else", "none", "no calls"],
)
def test_failures_in_a_row_are_an_outage_until_the_next_answer(
    word: str, expected: Sequence[tuple[float, float]]
) -> None:
    assert found(word) == expected


def test_failures_within_seconds_are_what_retries_bridge() -> None:
    assert found(50 * "+" + "---" + 50 * "+", step=9.9) == []
    assert found(50 * "+" + "---" + 50 * "+", step=10.1) == [(50, 53)]


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_independent_failures_are_seldom_called_an_outage(rate: float) -> None:
    rng = np.random.default_rng(0)
    at = 60.0 * np.arange(1000)
    worlds = [bool(outages(at, rng.random(1000) < rate)) for _ in range(100)]
    assert sum(worlds) <= 10  # 5 on average, where a row of so many is not longer than it must be


@given(st.lists(st.booleans(), min_size=1))
def test_calls_in_an_outage_failed(failed: list[bool]) -> None:
    at, wrong = 60.0 * np.arange(len(failed)), np.array(failed)
    inside = during(at, outages(at, wrong))
    assert wrong[inside].all()


def test_the_answer_that_ends_an_outage_is_not_in_it() -> None:
    assert during(np.array([9.0, 10, 19, 20]), [Outage(10, 20)]).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("of_models", "expected"),
    [
        ({"a": [(0, 10)], "b": [(5, 15)]}, [(5, 10)]),
        ({"a": [(0, 10)], "b": [(10, 15)]}, []),
        ({"a": [(0, 10)], "b": [(2, 4)], "c": [(3, 8)]}, [(2, 8)]),
        ({"a": [(0, 10), (20, 30)], "b": [(5, 25)]}, [(5, 10), (20, 25)]),
        ({"a": [(0, 10)]}, []),
        ({}, []),
    ],
    ids=["overlap", "one after the other", "three", "twice", "one model", "none"],
)
def test_a_provider_is_down_where_two_of_its_models_are(
    of_models: dict[str, list[tuple[float, float]]], expected: list[tuple[float, float]]
) -> None:
    assert shared({name: [Outage(*each) for each in found] for name, found in of_models.items()}) == expected
