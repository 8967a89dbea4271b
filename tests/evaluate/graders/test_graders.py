"""All graders alike: their names, their checks, and what becomes of one that fails."""

from __future__ import annotations

import subprocess
import sys

import pytest

from router.core.errors import GraderFailed
from router.core.messages import Answer
from router.core.suites import Answered, Check
from router.evaluate import graders
from router.evaluate.graders import GRADERS, Found, Grader, grade, problem
from router.evaluate.graders.base import MAX_ANSWER
from tests.evaluate.graders.grading import case

# fmt: off
NAMES = [
    "equals", "contains", "contains-all", "contains-any", "icontains", "icontains-all", "icontains-any", "starts-with",
    "regex", "word-count", "levenshtein", "rouge-n", "is-json", "contains-json", "is-xml", "is-sql", "is-refusal",
    "is-valid-openai-tools-call", "tool-call-f1", "cost", "latency", "finish-reason", "match", "includes",
    "fuzzy-match", "json-match", "number", "choice", "tool-calls", "no-tool-calls", "instructions", "code",
    "llm-rubric", "pairwise",
]
# fmt: on


def test_every_grader_is_there_by_its_name() -> None:
    assert set(GRADERS) == set(NAMES)


def test_those_that_call_models_or_run_code_say_so() -> None:
    assert {name for name, each in GRADERS.items() if each.judges} == {"llm-rubric", "pairwise"}
    assert {name for name, each in GRADERS.items() if each.runs_code} == {"code"}


@pytest.mark.parametrize("name", GRADERS)
def test_each_says_in_a_line_what_it_grades(name: str) -> None:
    assert 5 < len(GRADERS[name].help) < 80
    assert "\n" not in GRADERS[name].help


@pytest.mark.parametrize("name", GRADERS)
def test_an_answer_that_is_too_long_or_no_text_breaks_no_grader(name: str) -> None:
    for text in ("x" * (MAX_ANSWER + 1), "\ud800", "\0", ""):
        found = grade(Answered(case=case(), answer=Answer(text=text)), Check(type=name, value="x"))
        assert found.score is not None or (found.error and not found.passed)


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (Check(type="contain", value="a"), "`contain` is not a grader. Did you mean `contains`?"),
        (Check(type="contains", value="a", options={"case": 1}), "`contains` has no option `case`."),
        (Check(type="levenshtein", value="a", options={"maxi": 1}), "`levenshtein` has no option `maxi`. Did you"),
        (Check(type="contains", value="a", threshold=5), "The threshold of `contains` must be from 0 to 1."),
        (Check(type="contains", value="a", weight=-1), "The weight of `contains` must be a number of at least 0."),
        (Check(type="contains", weight=float("inf")), "The weight of `contains` must be a number of at least 0."),
    ],
)  # fmt: skip
def test_a_check_that_cannot_be_used_is_told_before_a_run(check: Check, sentence: str) -> None:
    said = problem(check, case())
    assert said is not None
    assert said.startswith(sentence)


def failing(*_: object) -> Found:
    raise GraderFailed("It is down.", 0.5)


def mistaken(*_: object) -> Found:
    raise ZeroDivisionError("division by zero")


def beyond(*_: object) -> Found:
    return Found(1.5)


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize(
    ("run", "error"),
    [
        (failing, "It is down."),
        (mistaken, "The grader failed: ZeroDivisionError: division by zero."),
        (beyond, "Its score is 1.5, which is not from 0 to 1."),
    ],
)
def test_a_grader_that_fails_is_an_error_and_never_a_pass(
    monkeypatch: pytest.MonkeyPatch, run: graders.base.Run, error: str, negated: bool
) -> None:
    monkeypatch.setattr(graders, "GRADERS", {"it": Grader(run, lambda *_: None, "fails", "none")})
    found = grade(Answered(case=case(), answer=Answer(text="x")), Check(type="it", negated=negated))
    assert (found.score, found.passed, found.error) == (None, False, error)


def test_an_unknown_grader_is_an_error() -> None:
    found = grade(Answered(case=case(), answer=Answer(text="x")), Check(type="it"))
    assert (found.passed, found.error) == (False, "`it` is not a grader.")


def test_a_negated_check_that_fails_says_why() -> None:
    found = grade(Answered(case=case(), answer=Answer(text="x")), Check(type="contains", value="x", negated=True))
    assert (found.check, found.reason) == ("not-contains", "It is what the check rules out.")


@pytest.mark.process
def test_graders_load_nothing_heavy_before_they_are_used() -> None:
    script = "import sys, router.evaluate.graders; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"numpy", "scipy", "pandas", "rapidfuzz", "sqlglot", "py3langid", "pydantic_monty", "sqlalchemy"}
    assert set(done.stdout.split()).isdisjoint(heavy)
