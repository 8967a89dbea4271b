"""How many prompts separate a difference: beside published numbers and exact power."""

from __future__ import annotations

import itertools

import pytest

from router.evaluate.statistics.power import prompts_needed, rounded_up, smallest_difference
from tests.evaluate.statistics.worlds import chances


@pytest.mark.parametrize(("points", "prompts"), [(10, 194), (5, 783), (3, 2_178)])
def test_prompts_for_80_percent_power_are_the_published_ones(points: int, prompts: int) -> None:
    assert prompts_needed(points / 100, 0.25) == prompts


@pytest.mark.parametrize(("prompts", "discordance"), [*itertools.product((40, 60, 100, 300), (0.25, 0.4))])
def test_the_smallest_difference_is_seen_in_about_80_percent(prompts: int, discordance: float) -> None:
    apart = smallest_difference(prompts, discordance)
    assert apart is not None
    assert 0.77 <= chances(prompts, discordance, apart).plan <= 0.87


def test_needed_prompts_and_smallest_difference_agree() -> None:
    apart = smallest_difference(300)
    assert apart is not None
    assert prompts_needed(apart + 1e-9, 0.25) == 300


def test_a_handful_of_prompts_separates_nothing() -> None:
    assert smallest_difference(8) is None


@pytest.mark.parametrize("difference", [0.0, 0.001])
def test_a_difference_near_0_needs_no_number_of_prompts(difference: float) -> None:
    assert prompts_needed(difference, 0.25) is None


@pytest.mark.parametrize(
    ("exact", "rounded"), [(1, 10), (7, 10), (99, 100), (234, 240), (1_234, 1_300), (99_001, 100_000)]
)
def test_prompts_are_rounded_up_to_two_digits(exact: int, rounded: int) -> None:
    assert rounded_up(exact) == rounded
