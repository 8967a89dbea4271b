"""Limits of time and money."""

from __future__ import annotations

import pytest

from tests.evaluate.graders.grading import graded, refused


@pytest.mark.parametrize(("kind", "passes", "fails"), [("cost", 0.01, 0.011), ("latency", 2.0, 2.1)])
def test_what_is_within_the_limit_passes(kind: str, passes: float, fails: float) -> None:
    limit = {"cost": 0.01, "latency": 2}[kind]
    assert graded("a", kind, limit, **{kind: passes}).passed  # type: ignore[arg-type]
    assert not graded("a", kind, limit, **{kind: fails}).passed  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["cost", "latency"])
@pytest.mark.parametrize("negated", [False, True])
def test_what_is_not_known_is_an_error_and_no_pass(kind: str, negated: bool) -> None:
    grade = graded("a", kind, 1, negated=negated)
    assert (grade.passed, grade.score) == (False, None)
    assert grade.error is not None
    assert "not known" in grade.error


@pytest.mark.parametrize("value", [None, "1", True, -1, float("nan"), float("inf")])
def test_a_limit_that_is_no_number_is_refused(value: object) -> None:
    assert refused("cost", value) == "The value of `cost` must be a number of at least 0."
