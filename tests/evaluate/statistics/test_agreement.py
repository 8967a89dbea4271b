"""A judge beside people and beside itself: statsmodels, published examples, and simulated raters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from router.core.intervals import wilson
from router.evaluate.statistics import both_orders, kappa

Table = list[list[int]]


def raters(table: Table) -> tuple[list[int], list[int]]:
    """Labels of two raters, by how often each pair of labels occurs."""
    cells = [(one, other) for one, row in enumerate(table) for other, count in enumerate(row) for _ in range(count)]
    return [one for one, _ in cells], [other for _, other in cells]


PSYCHIATRISTS = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
"""Fleiss, "Statistical Methods for Rates and Proportions", table 13.1: kappa .68."""


def test_kappa_is_the_published_one() -> None:
    assert round(kappa(*raters(PSYCHIATRISTS)).kappa or 0, 2) == 0.68


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=3, max_size=3))
def test_kappa_and_its_error_are_statsmodels(table: Table) -> None:
    one, other = raters(table)
    if min(len({*one}), len({*other})) < 2:  # statsmodels divides by 0
        return
    found, reference = kappa(one, other), cohens_kappa(np.array(table))
    assert found.kappa == pytest.approx(reference.kappa, abs=1e-9)
    assert found.error == pytest.approx(reference.std_kappa, abs=1e-7)


def test_full_agreement_on_few_items_does_not_prove_it() -> None:
    found = kappa(["a", "b"] * 5, ["a", "b"] * 5)
    assert (found.kappa, found.high) == (1.0, pytest.approx(1.0))
    assert found.low == pytest.approx(2 * wilson(1.0, 10)[0] - 1)


def test_one_label_throughout_says_nothing_beyond_chance() -> None:
    found = kappa(["tie"] * 9, ["tie"] * 9)
    assert (found.kappa, found.share, found.items) == (None, 1.0, 9)


def test_no_items_say_nothing() -> None:
    assert kappa([], []).kappa is None


def test_a_tie_is_a_label() -> None:
    with_ties = kappa(["left", "tie", "right", "tie"], ["left", "tie", "right", "left"])
    assert with_ties.share == 0.75


def test_votes_on_one_prompt_are_one_piece_of_evidence() -> None:
    one, other = raters([[20, 5], [10, 15]])
    alone, repeated = kappa(one, other), kappa(one * 4, other * 4, groups=list(range(50)) * 4)
    assert repeated.error == pytest.approx(alone.error)


@pytest.mark.parametrize(("labels", "agree"), [((0.5, 0.5), 0.6), ((0.45, 0.45, 0.1), 0.3), ((0.45, 0.45, 0.1), 0.9)])
def test_the_interval_covers(labels: tuple[float, ...], agree: float) -> None:
    """Kappa is the share of items on which a rater copies the other; 600 sets of 60."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(600):
        one = rng.choice(len(labels), 60, p=labels)
        other = np.where(rng.random(60) < agree, one, rng.choice(len(labels), 60, p=labels))
        found = kappa(one.tolist(), other.tolist())
        assert found.low is not None and found.high is not None
        hits += found.low <= agree <= found.high
    assert 0.92 * 600 <= hits <= 0.985 * 600


# --- Both orders -----------------------------------------------------------------------------------


def test_a_choice_that_stays_with_the_answer_wins() -> None:
    assert both_orders([("left", "right"), ("right", "left"), ("tie", "tie")]).winners == ("first", "second", "tie")


def test_a_choice_that_stays_with_the_side_is_a_tie_and_a_flip() -> None:
    found = both_orders([("left", "left"), ("right", "right"), ("left", "right")])
    assert (found.winners, found.flips) == (("tie", "tie", "first"), 2)


def test_a_tie_in_one_order_alone_is_a_flip_too() -> None:
    assert both_orders([("tie", "right")]) == (("tie",), 1)
