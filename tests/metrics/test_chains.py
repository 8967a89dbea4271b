"""What stands beside a chain's models, in words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from router.metrics.chains import UNSEEN, Cell, ModelLine
from router.metrics.estimates import Estimate


def cells(**figures: Any) -> dict[str, Cell]:
    return {cell.name: cell for cell in UNSEEN._replace(**figures).cells()}


def test_a_model_of_which_nothing_was_seen_has_every_figure_and_no_value() -> None:
    assert len(cells()) == 8 == len(ModelLine._fields) - 1  # the places are no figure
    assert {cell.value for cell in cells().values()} == {"–"}


def test_a_share_has_its_interval_and_says_of_how_many() -> None:
    found = cells(availability=Estimate(0.5, 0.0945, 0.9055, rows=1200))
    assert found["answered"] == Cell("answered", "50%", "9 to 91%", "of 1,200")


@pytest.mark.parametrize(("places", "words"), [((), ""), ((2,), "as fallback 2"), ((1, 2), "as fallback 1 or 2")])
def test_a_share_that_belongs_to_places_of_the_chain_names_them(places: tuple[int, ...], words: str) -> None:
    line = UNSEEN._replace(rescues=Estimate(0.04, 0.01, 0.1, rows=100), places=places)
    assert line.cells()[2].at == words


@pytest.mark.parametrize(
    ("value", "low", "high", "words", "between"),
    [
        (2.0, 1.5, 3.0, "2.00 s", "1.50 to 3.00 s"),
        (0.9, 0.8, 1.5, "900 ms", "800 ms to 1.50 s"),
        (50.0, 40.0, 70.0, "50.0 s", "40.0 s to 1 min 10 s"),
        (2.0, 1.5, None, "2.00 s", "over 1.50 s"),
        (2.0, None, 3.0, "2.00 s", "up to 3.00 s"),
        (2.0, None, None, "2.00 s", ""),
        (2.0, 1.5, math.inf, "2.00 s", "over 1.50 s"),
        (math.inf, 1.5, math.inf, "timed out", "over 1.50 s"),
        (math.inf, math.inf, math.inf, "timed out", ""),
    ],
)
def test_a_time_has_its_interval_as_far_as_it_is_bounded(
    value: float, low: float | None, high: float | None, words: str, between: str
) -> None:
    assert cells(first_p95=Estimate(value, low, high))["first token p95"] == Cell("first token p95", words, between)


def test_a_cost_is_that_of_one_call_and_says_of_how_many() -> None:
    assert cells(cost=Estimate(3.0, rows=1000))["cost of a call"].value == "$0.003"
    assert cells(cost=Estimate(3.0, rows=1000))["cost of a call"].of == "$3.00 for 1,000"
    assert cells(cost=Estimate(None, unknown=3))["cost of a call"].value == "unknown"
