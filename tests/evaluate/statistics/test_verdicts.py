"""Verdicts on pairs, and on several of them at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from router.evaluate.statistics import Plan, verdict, verdicts
from router.evaluate.statistics.plan import End, Look
from router.evaluate.statistics.verdicts import holm
from router.metrics.estimates import Estimate
from tests.evaluate.statistics.worlds import as_pairs, right_or_wrong, units


def look(value: float, p: float | None = None, **changed: Any) -> Look:
    """What 300 prompts say, a quarter of them discordant."""
    difference = Estimate(value, value - 0.05, value + 0.05, 300)
    found = Look(
        planned=300, finished=300, left_out=0, difference=difference, discordant=75, discordance=0.25, evidence=0.0,
        end=None if p is None else End(difference, p),
    )  # fmt: skip
    return found._replace(**changed)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (look(0.1, 0.04), "better"),
        (look(-0.1, 0.04), "worse"),
        (look(0.1, 0.041), "not_separable"),
        (look(0.1, evidence=math.log(100.1)), "better"),
        (look(-0.1, evidence=math.log(100.1)), "worse"),
        (look(0.1, evidence=math.log(99.9)), "not_separable"),
        (look(0.1, 0.001, discordant=4), "not_separable"),
        (look(0.1, 0.001, left_out=30), "better"),
        (look(0.1, 0.001, left_out=31), "no_verdict"),
    ],
)
def test_a_verdict_without_a_margin(found: Look, kind: str) -> None:
    assert verdict(found).kind == kind


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (look(0.1, 0.001), "better"),
        (look(0.0, 0.9), "no_worse"),
        (look(-0.005, 0.01), "no_worse"),  # worse, and by less than the margin
        (look(-0.02, 0.01), "worse"),
        (look(-0.02, 0.5), "not_separable"),
        (look(0.0), "not_separable"),  # not at the end yet
        (look(0.0, 0.9, discordant=0), "no_worse"),
    ],
)
def test_a_verdict_with_a_margin_of_6_points(found: Look, kind: str) -> None:
    assert verdict(found, 0.06).kind == kind


def test_where_all_prompts_and_the_planned_ones_disagree_nothing_is_separated() -> None:
    planned = End(Estimate(0.1, 0.05, 0.15, 300), 0.001)
    assert verdict(look(-0.02, end=planned)).kind == "not_separable"


# --- How many more prompts -------------------------------------------------------------------------


def test_more_prompts_are_those_beyond_the_seen_ones() -> None:
    assert verdict(look(0.05, 0.3)).more == 490  # 783 less 300, rounded up


@pytest.mark.parametrize("found", [look(0.0, 0.9), look(0.1, discordant=4), look(0.0003, 0.9)])
def test_where_data_say_nothing_there_is_no_number_of_prompts(found: Look) -> None:
    assert verdict(found).more is None


def test_a_verdict_needs_no_more_prompts() -> None:
    assert verdict(look(0.1, 0.001)).more is None


def test_more_pairs_take_more_prompts() -> None:
    alone, among = (verdicts({n: look(0.05, 0.3) for n in range(count)})[0].more or 0 for count in (1, 6))
    assert among > alone


# --- Several pairs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "p_values", [[0.02], [0.01, 0.04, 0.03, 0.005, 0.03], np.random.default_rng(0).random(15).tolist(), [0.0, 1.0, 0.6]]
)
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    found = holm(dict(enumerate(p_values)))
    assert [found[n] for n in range(len(p_values))] == pytest.approx(multipletests(p_values, method="holm")[1])


def test_the_smallest_p_value_has_to_be_as_small_as_for_all_pairs() -> None:
    found = verdicts({"a": look(0.1, 0.013), "b": look(0.1, 0.02), "c": look(0.1, 0.9)})
    assert [each.kind for each in found.values()] == ["better", "better", "not_separable"]
    assert verdicts({"a": look(0.1, 0.014), "b": look(0.1, 0.02), "c": look(0.1, 0.9)})["a"].kind == "not_separable"


def test_evidence_has_to_be_as_much_as_for_all_pairs() -> None:
    found = [verdicts({n: look(0.1, evidence=math.log(501)) for n in range(count)})[0].kind for count in (5, 6)]
    assert found == ["better", "not_separable"]


def test_some_false_verdict_among_ten_pairs_has_a_chance_of_5_percent() -> None:
    plan, rng, false = Plan(units=units(60)), np.random.default_rng(0), 0
    for _ in range(60):
        looks = {n: plan.look(as_pairs(*right_or_wrong(rng, 60, 0.4, 0.0))) for n in range(10)}
        false += any(each.kind != "not_separable" for each in verdicts(looks).values())
    assert false <= 9  # 3 are expected at most; without Holm, 20
