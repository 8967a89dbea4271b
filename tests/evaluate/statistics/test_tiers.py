"""Tiers: who shares one with whom."""

from __future__ import annotations

from router.evaluate.statistics import Look, Verdict, tiers
from router.evaluate.statistics.verdicts import Kind
from router.metrics.estimates import Estimate

LOOK = Look(1, 1, 0, Estimate(None), 0, 0.0, 0.0, None)
SCORES = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}


def tiers_of(**kinds: Kind) -> dict[str, int]:
    """By verdicts such as `ab="better"`; all other pairs are not separable."""
    return tiers(SCORES, {(pair[0], pair[1]): Verdict(kind, LOOK) for pair, kind in kinds.items()})


def test_lanes_that_are_not_separable_share_the_first_tier() -> None:
    assert tiers_of(ab="not_separable") == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_a_lane_that_the_head_beats_stands_a_tier_lower() -> None:
    assert tiers_of(ac="better", da="worse") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_a_lane_that_only_another_of_the_tier_beats_stays_in_it() -> None:
    assert tiers_of(bc="better") == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_the_best_of_the_rest_heads_the_next_tier() -> None:
    assert tiers_of(ab="better", ac="better", ad="better", bd="better") == {"a": 1, "b": 2, "c": 2, "d": 3}


def test_the_order_in_which_a_pair_is_named_does_not_matter() -> None:
    assert tiers_of(ad="better") == tiers_of(da="worse")


def test_being_no_worse_separates_nobody() -> None:
    assert set(tiers_of(ab="no_worse", ac="no_verdict").values()) == {1}


def test_a_lane_that_is_beaten_heads_no_tier_whatever_its_score() -> None:
    """It has more points on the cases that only it ran."""
    assert tiers_of(ba="better", bc="better", bd="better", ad="better") == {"b": 1, "a": 2, "c": 2, "d": 3}


def test_no_lanes_have_no_tiers() -> None:
    assert tiers({}, {}) == {}
