"""How near an answer is to a reference, beside the libraries that others use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tests.evaluate.graders.grading import case, graded, refused

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "mat", "Dog", "it's", "3.5", "a-b"]), max_size=12).map(
    " ".join
)


@pytest.mark.parametrize(
    ("answer", "reference", "most", "passes"),
    [
        ("kitten", "sitting", 3, True),
        ("kitten", "sitting", 2, False),
        ("", "abc", 3, True),
        ("abcdef", "uvwxyz", None, False),
        ("abcde", "vwxyz", None, True),
        ("naïve", "naive", 1, True),
    ],
)
def test_edits_are_counted(answer: str, reference: str, most: int | None, passes: bool) -> None:
    options: dict[str, Any] = {} if most is None else {"max": most}
    assert graded(answer, "levenshtein", reference, **options).passed is passes


@given(WORDS, WORDS.filter(bool), st.integers(1, 3))
def test_rouge_is_the_same_as_googles(answer: str, reference: str, n: int) -> None:
    expected = RougeScorer([f"rouge{n}"]).score(reference, answer)[f"rouge{n}"].fmeasure
    assert graded(answer, "rouge-n", reference, n=n).score == pytest.approx(expected)


def test_rouge_passes_from_three_quarters_on() -> None:
    assert graded("a b c", "rouge-n", "a b c d e").passed  # 2 * 3 / 8
    assert not graded("a b c", "rouge-n", "a b c d e f").passed


def test_rouge_knows_letters_of_all_languages() -> None:
    assert graded("кот сидит", "rouge-n", "кот сидит").score == 1


def test_the_nearest_of_several_references_counts() -> None:
    assert graded("sitting", "levenshtein", of=case(target=("something else", "sitting"))).passed
    assert graded("a b", "rouge-n", of=case(target=("x y", "a b"))).score == 1


def test_a_distance_that_is_no_number_is_refused() -> None:
    assert refused("levenshtein", "a", max="few") == "`max` of `levenshtein` must be a number of at least 0."
