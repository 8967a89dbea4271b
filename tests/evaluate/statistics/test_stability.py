"""Flaky cases, and whose variance it is."""

from __future__ import annotations

import numpy as np
import pytest

from router.evaluate.statistics import Flaky, stability


def test_a_case_whose_repeats_agree_is_not_flaky() -> None:
    assert stability({"a": [[1.0], [1.0]], "b": [[0.0]]}).flaky == ()


def test_answers_that_differ_are_named_as_such() -> None:
    assert stability({"a": [[1.0], [0.0]]}).flaky == (
        Flaky("a", (1.0, 0.0), answers_differ=True, grader_differs=False),
    )


def test_a_grader_that_differs_on_one_answer_is_named_as_such() -> None:
    (found,) = stability({"a": [[1.0, 0.0], [1.0, 1.0]]}).flaky
    assert (found.answers_differ, found.grader_differs) == (False, True)


def test_both_can_differ() -> None:
    (found,) = stability({"a": [[0.2, 0.3], [0.9, 1.0]]}).flaky
    assert (found.answers_differ, found.grader_differs) == (True, True)


def test_the_most_varied_case_comes_first() -> None:
    assert [case.case for case in stability({"a": [[0.5], [0.6]], "b": [[0.0], [1.0]]}).flaky] == ["b", "a"]


def test_what_was_not_repeated_has_no_variance() -> None:
    found = stability({"a": [[1.0]], "b": [[]]})
    assert (found.answer_variance, found.grader_variance, found.repeated) == (None, None, 0)


def test_a_worked_example_of_both_variances() -> None:
    """Answers' means .25 and .75, variance .125; each graded twice with variance .125, of which half is in a mean."""
    found = stability({"a": [[0.0, 0.5], [0.5, 1.0]]})
    assert (found.grader_variance, found.answer_variance) == (pytest.approx(0.125), pytest.approx(0.0625))


def test_both_variances_are_found_again() -> None:
    rng = np.random.default_rng(0)
    cases = {}
    for case in range(400):
        answers = rng.uniform(0.2, 0.8) + rng.normal(0, 0.2, 4)
        cases[str(case)] = [(answer + rng.normal(0, 0.1, graded)).tolist() for graded, answer in enumerate(answers, 1)]
    found = stability(cases)
    assert found.answer_variance == pytest.approx(0.04, rel=0.15)
    assert found.grader_variance == pytest.approx(0.01, rel=0.15)


def test_a_grader_alone_leaves_no_variance_to_answers_on_average() -> None:
    found = stability({"a": [[0.0, 1.0], [0.0, 1.0]]})
    assert (found.answer_variance, found.grader_variance) == (0.0, 0.5)
