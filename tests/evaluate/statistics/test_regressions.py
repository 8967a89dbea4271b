"""What changed since a baseline, case by case."""

from __future__ import annotations

import pytest

from router.evaluate.statistics import Change, changes


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ([1.0], [0.0], "worse"),
        ([0.0], [0.5], "better"),
        ([1.0, 0.0], [0.0, 1.0], "same"),
        ([None], [1.0], "unscored"),
        ([1.0], [None, None], "unscored"),
    ],
)
def test_a_case_in_both_runs(before: list[float | None], after: list[float | None], kind: str) -> None:
    (found,) = changes({"a": before}, {"a": after})
    assert found.kind == kind


def test_cases_that_are_new_or_gone() -> None:
    found = changes({"old": [1.0]}, {"new": [0.0]})
    assert found == [Change("new", "new", None, 0.0), Change("old", "gone", 1.0, None)]


def test_what_became_worse_comes_first_and_most_of_all() -> None:
    before = {"same": [1.0], "better": [0.0], "worse": [1.0], "worst": [1.0]}
    after = {"same": [1.0], "better": [1.0], "worse": [0.5], "worst": [0.0]}
    assert [change.case for change in changes(before, after)] == ["worst", "worse", "better", "same"]


@pytest.mark.parametrize(
    ("before", "after", "overlaps"),
    [([1.0, 0.0], [0.0, 0.0], True), ([1.0, 1.0], [0.0, 0.0], False), ([0.4, 0.6], [0.7, 0.7], False)],
)
def test_repeats_that_overlap_say_that_the_case_may_be_flaky(
    before: list[float | None], after: list[float | None], overlaps: bool
) -> None:
    (found,) = changes({"a": before}, {"a": after})
    assert found.overlaps is overlaps
