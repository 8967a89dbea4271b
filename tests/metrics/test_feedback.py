"""Liked answers by model: counted as they were rated, within what is looked at."""

from __future__ import annotations

from router.metrics.feedback import liked
from router.metrics.view import Filter
from tests.metrics.observations import view_of

CALLS = {"a": 0.0, "b": 0.0, "c": 0.0}
"""One call each, with the primary keys 0, 1 and 2."""


def test_a_model_s_share_is_that_of_its_rated_answers() -> None:
    found = liked(view_of([], CALLS).attempts, {0: True, 2: False, 9: True})
    assert {model: (each.value, each.rows) for model, each in found.items()} == {"a": (1.0, 1), "c": (0.0, 1)}


def test_a_share_of_few_answers_has_a_wide_interval() -> None:
    low, high = liked(view_of([], CALLS).attempts, {0: True})["a"][1:3]
    assert (low or 0) < 0.25
    assert high == 1


def test_answers_outside_of_what_is_looked_at_do_not_count() -> None:
    assert liked(view_of([], CALLS).where(Filter(models=("b",))).attempts, {0: True, 1: True}).keys() == {"b"}
