"""The number that an answer comes to, and the letter that it chooses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.evaluate.graders.numbers import final_number
from tests.evaluate.graders.grading import case, graded, refused


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("The answer is 42.", 42),
        ("First 3, then 4, so 7 apples", 7),
        ("It is -5", -5),
        ("It is −5", -5),
        ("10-5", 5),
        ("3 - 5 = -2", -2),
        ("$1,234,567.50", "1234567.5"),
        ("-$5", -5),
        ("$-5", -5),
        ("€ 7", 7),
        ("\\$18", 18),
        ("1{,}000", 1000),
        ("1\u202f000", 1000),
        ("3/4", "3/4"),
        ("1 1/2 cups", "3/2"),
        (r"\frac{3}{4}", "3/4"),
        (r"so \boxed{\dfrac{-7}{2}} or 5", "-7/2"),
        (r"-\frac{7}{2}", "-7/2"),
        (r"1\frac{1}{2}", "3/2"),
        (r"we get \boxed{12}, since 3 * 4", 12),
        (r"\boxed{1} and then \boxed{2}", 2),
        (r"\boxed{\text{42 cm}}", 42),
        ("6 * 7 = 42\n#### 42\nThat took 3 steps", 42),
        ("#### 1\n#### 2", 2),
        ("1.5e3", 1500),
        (".5", "1/2"),
        ("5km", 5),
        ("on 3/4/2024 at 7", 7),
        ("x=5", 5),
        ("take GPT-4: 8 and H2O", 8),
        ("50%", 50),
        ("0012", 12),
    ],
)
def test_a_number_is_read(text: str, value: Any) -> None:
    found = final_number(text)
    assert found is not None
    assert found.value == Fraction(value)


@pytest.mark.parametrize("text", ["", "none", "#### unknown, perhaps 5/0", "H2O", r"\boxed{x}: 5", "1" * 100])
def test_where_there_is_none_none_is_read(text: str) -> None:
    assert final_number(text) is None


@given(st.integers(-(10**15), 10**15))
def test_a_number_with_separators_is_read_as_it_was(value: int) -> None:
    found = final_number(f"So the result is {value:,}.")
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    ("answer", "target", "passes"),
    [
        ("So it is 18 dollars", "18", True),
        ("So it is 18.0", "18", True),
        ("18, or rather 19", "18", False),
        ("1/3", "0.3333333333333", True),
        ("0.33", "1/3", False),
        ("50%", "0.5", True),
        ("50%", "50", True),
        ("0.5", "50%", True),
        ("50", "0.5", False),
        ("5", "0.05", False),
        ("no idea", "18", False),
    ],
)
def test_an_answer_passes_or_fails(answer: str, target: str, passes: bool) -> None:
    assert graded(answer, "number", of=case(target=(target,))).passed is passes


def test_a_tolerance_is_absolute_or_relative() -> None:
    assert graded("3.2", "number", 3, tolerance=0.2).passed
    assert not graded("3.21", "number", 3, tolerance=0.2).passed
    assert graded("101", "number", 100, relative=0.01).passed
    assert not graded("102", "number", 100, relative=0.01).passed


def test_what_it_comes_to_is_told() -> None:
    assert graded("1,000 or 7", "number", 8).reason == "It comes to 7, not 8."


def test_a_target_without_a_number_is_refused() -> None:
    assert refused("number", "many") == "`number` needs a number to compare with, not `many`."


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("B) because", "B"),
        ("**B.** It is", "B"),
        ("The answer is B.", "B"),
        ("The correct answer is (B), not (A)", "B"),
        ("ANSWER: B", "B"),
        ("Answer: **B**", "B"),
        ("answer: b", "B"),
        ("I first thought the answer is A. No, the answer is C.", "C"),
        (r"so \boxed{D}", "D"),
        (r"\boxed{\text{D}}", "D"),
        ("After all, (E) fits best", "E"),
        ("The answer is A", "A"),
    ],
)
def test_a_letter_is_read(answer: str, letter: str) -> None:
    assert graded(answer, "choice", letter).passed
    assert not graded(answer, "choice", "Z").passed


@pytest.mark.parametrize("answer", ["", "It is hard to say", "The answer is a dog", "I do not know", "Bananas"])
def test_where_no_letter_is_chosen_none_is_read(answer: str) -> None:
    assert graded(answer, "choice", "A").reason == "The answer names no letter."


def test_a_target_that_is_no_letter_is_refused() -> None:
    assert refused("choice", "Paris") == "`choice` needs a letter to compare with, such as `B`."
