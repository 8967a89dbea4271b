"""Texts in answers: each grader passes what it should and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.messages import Answer
from tests.evaluate.graders.grading import called, case, graded, refused

ROWS: list[tuple[str, Any, str, bool]] = [
    ("equals", "Paris", "Paris", True),
    ("equals", "Paris", "paris", False),
    ("equals", "Paris", "Paris.", False),
    ("equals", 42, "42", True),
    ("equals", True, "true", True),
    ("contains", "ari", "Paris", True),
    ("contains", "ARI", "Paris", False),
    ("icontains", "ARI", "Paris", True),
    ("icontains", "x", "Paris", False),
    ("contains-all", ["a", "b"], "ab", True),
    ("contains-all", ["a", "b"], "a", False),
    ("contains-all", "a, b", "b and a", True),
    ("contains-any", ["a", "b"], "b", True),
    ("contains-any", ["a", "b"], "c", False),
    ("icontains-all", ["A", "b"], "aB", True),
    ("icontains-all", ["A", "b"], "a", False),
    ("icontains-any", "A,x", "a", True),
    ("icontains-any", "A,x", "c", False),
    ("starts-with", "Yes", "Yes, it is", True),
    ("starts-with", "Yes", "Oh Yes", False),
    ("regex", r"\d{4}-\d{2}", "on 2026-11", True),
    ("regex", r"^\d", "on 2026-11", False),
    ("regex", "(?i)YES", "yes", True),
    ("regex", r"^(?!.*never)", "always", True),
    ("regex", r"^(?!.*never)", "almost never", False),
    ("regex", r"(\w)\1", "hello", True),
    ("regex", r"(\w)\1", "helo", False),
    ("word-count", 3, "one two  three\n", True),
    ("word-count", 3, "one two", False),
    ("word-count", {"min": 2}, "one two three", True),
    ("word-count", {"min": 2, "max": 2}, "one two three", False),
    ("word-count", {"max": 2}, "", True),
    ("is-refusal", None, "I'm sorry, but I can't help with that.", True),
    ("is-refusal", None, "I cannot assist with this request.", True),
    ("is-refusal", None, "As an AI language model, I have no opinion.", True),
    ("is-refusal", None, "", True),
    ("is-refusal", None, "Paris is the capital of France.", False),
    ("is-refusal", None, "Here is the story. " * 20 + "“I cannot go”, he said.", False),
    ("match", ["Yes", "Sure"], "Sure thing", True),
    ("match", ["Yes", "Sure"], "Not sure", False),
    ("includes", ["Yes", "Sure"], "Oh, Sure", True),
    ("includes", ["Yes", "Sure"], "no", False),
    ("fuzzy-match", "The Eiffel Tower", "eiffel tower!", True),
    ("fuzzy-match", "eiffel tower", "It is the Eiffel   Tower, in Paris.", True),
    ("fuzzy-match", "It is the Eiffel Tower.", "Eiffel", True),
    ("fuzzy-match", "Big Ben", "Eiffel Tower", False),
    ("fuzzy-match", "Big Ben", "", False),
]


@pytest.mark.parametrize(("kind", "value", "answer", "passes"), ROWS)
def test_an_answer_passes_or_fails(kind: str, value: Any, answer: str, passes: bool) -> None:
    grade = graded(answer, kind, value)
    assert (grade.passed, grade.score) == (passes, float(passes))


@pytest.mark.parametrize(("kind", "value", "answer", "passes"), ROWS)
def test_a_negated_check_turns_it_around(kind: str, value: Any, answer: str, passes: bool) -> None:
    grade = graded(answer, kind, value, negated=True)
    assert (grade.passed, grade.score) == (not passes, float(not passes))


@pytest.mark.parametrize("kind", ["equals", "contains", "icontains", "starts-with", "match", "includes", "fuzzy-match"])
def test_any_of_the_target_is_right_where_no_value_is_given(kind: str) -> None:
    of = case(target=("Paris", "Lutetia"))
    assert graded("Lutetia", kind, of=of).passed
    assert not graded("Rome", kind, of=of).passed


def test_a_call_of_a_tool_is_no_refusal() -> None:
    assert not graded(called(("look_up", "{}")), "is-refusal").passed


@pytest.mark.parametrize("reason", ["content_filter", "refusal"])
def test_a_filtered_answer_is_a_refusal(reason: str) -> None:
    assert graded(Answer(text="Paris", finish_reason=reason), "is-refusal").passed


def test_an_answer_that_its_server_calls_a_refusal_is_one_in_any_words() -> None:
    assert graded(Answer(text="Not today.", refused=True), "is-refusal").passed


def test_how_an_answer_ended_is_compared() -> None:
    answer = Answer(text="Paris", finish_reason="length")
    assert graded(answer, "finish-reason", "length").passed
    assert graded(answer, "finish-reason", "stop").reason == "It ended with `length`, not `stop`."


def test_settings_of_a_count_stand_beside_it_too() -> None:
    assert graded("one two three", "word-count", min=2, max=4).passed


def test_what_is_missing_is_named() -> None:
    assert graded("a", "contains-all", ["a", "b", "c"]).reason == "The answer lacks `b`, `c`."


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        ("equals", None, "`equals` has nothing to compare with. Give it a text, or the case a target."),
        ("contains", ["a"], "The value of `contains` must be a text."),
        ("contains-all", [{}], "The value of `contains-all` must be a text."),
        ("contains-any", [], "`contains-any` has nothing to compare with. Give it a text, or the case a target."),
        ("regex", "(", "The expression `(` is not a regular expression that can be used here."),
        ("regex", None, "The value of `regex` must be a text."),
        ("regex", "(?s)a.b", "has the flag `s`, which is not known here: write `[\\s\\S]` instead of `.`."),
        ("regex", "a" * 5001, "must not be longer than 5,000 characters."),
        ("word-count", None, "`word-count` needs a number of words, or `min`, `max` or both."),
        ("word-count", "many", "The value of `word-count` must be a number of at least 0."),
        ("word-count", 2.5, "The value of `word-count` must be a whole number."),
        ("word-count", {"min": 3, "max": 2}, "`max` of `word-count` must not be less than `min`."),
        ("is-refusal", "no", "`is-refusal` takes no value."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_sentence(kind: str, value: Any, sentence: str) -> None:
    assert refused(kind, value).endswith(sentence)
