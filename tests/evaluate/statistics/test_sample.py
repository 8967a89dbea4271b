"""Scores as a sample: what is averaged, what is left out, what counts as one piece of evidence."""

from __future__ import annotations

import numpy as np
import pytest

from router.core.errors import InvalidRequest
from router.core.requests import Request
from router.core.suites import Case
from router.evaluate.statistics.sample import (
    MIN_CLUSTERS,
    Unit,
    design,
    mean_score,
    mean_scores,
    sample,
)
from tests.evaluate.statistics.worlds import units


def test_repeats_are_averaged_without_those_that_failed() -> None:
    assert mean_score([1.0, None, 0.0, 0.5]) == 0.5


def test_a_case_whose_repeats_all_failed_has_no_score() -> None:
    assert mean_score([None, None]) is None


@pytest.mark.parametrize("score", [1.5, -0.1])
def test_a_score_outside_0_to_1_names_its_case(score: float) -> None:
    with pytest.raises(InvalidRequest, match="“b” has a score outside 0 to 1"):
        mean_scores(["a", "b"], {"a": [1.0], "b": [score]})


def test_a_unit_takes_what_counts_from_a_case() -> None:
    case = Case(id="1", request=Request(messages=()), category="code", group="g", weight=2.0)
    assert Unit.of(case) == Unit("1", "code", "g", 2.0)


def test_cases_of_one_group_are_one_cluster() -> None:
    assert design(units(6, group=3)).cluster.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_group_with_the_name_of_a_case_is_another_cluster() -> None:
    assert design([Unit("a"), Unit("b", group="a")]).cluster.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("cases", "independent"),
    [
        ([Unit("a"), Unit("b")], True),
        ([Unit("a", weight=2), Unit("b", weight=2)], True),
        ([Unit("a"), Unit("b", weight=2)], False),
        ([Unit("a", group="g"), Unit("b", group="g")], False),
    ],
)
def test_cases_are_independent_if_they_weigh_the_same_and_share_no_group(cases: list[Unit], independent: bool) -> None:
    assert design(cases).is_independent is independent


def test_a_category_keeps_its_share_of_the_suite_whichever_cases_have_a_score() -> None:
    whole = design(units(40, categories=("a", "b", "c", "c")))
    of = sample(whole, np.array([*range(0, 40, 4), *range(1, 24, 4), *range(2, 40, 4)]))
    assert of.share.tolist() == pytest.approx([0.25, 0.25, 0.5])


def test_small_categories_are_joined() -> None:
    cases = units(30, categories=("a", "a", "b")) + tuple(Unit(f"x{n}", f"small {n}") for n in range(MIN_CLUSTERS))
    of = sample(design(cases), np.arange(len(cases)))
    assert of.share.tolist() == pytest.approx([20 / 35, 10 / 35, 5 / 35])


def test_categories_that_are_small_even_together_join_the_smallest_other() -> None:
    cases = (*units(30, categories=("a", "a", "b")), Unit("x", "small"))
    of = sample(design(cases), np.arange(len(cases)))
    assert of.share.tolist() == pytest.approx([20 / 31, 11 / 31])


def test_a_category_that_has_no_score_yet_is_joined_to_another() -> None:
    of = sample(design(units(20, categories=("a", "b"))), np.arange(0, 20, 2))
    assert of.share.tolist() == [1.0]


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ([Unit("a"), Unit("a")], "Two cases have one name"),
        ([Unit("a", weight=0)], "“a” has weight 0"),
        ([Unit("a", weight=float("nan"))], "“a” has weight nan"),
    ],
)
def test_a_suite_that_cannot_be_counted_is_refused(cases: list[Unit], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        design(cases)


def test_an_unknown_case_is_named() -> None:
    with pytest.raises(InvalidRequest, match="“b” is not in the suite"):
        design([Unit("a")]).places(["b"])


def test_a_case_that_comes_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="“a” has several scores"):
        design([Unit("a")]).places(["a", "a"])
