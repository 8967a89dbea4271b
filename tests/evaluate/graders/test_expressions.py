"""Regular expressions of foreign origin hold nobody up."""

from __future__ import annotations

import pytest

from router.core.errors import GraderFailed, InvalidRequest
from router.evaluate.graders.expressions import check_expression, matches


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^(a+)+$", "a" * 100_000 + "!"),
        (r"^(a|aa)+$", "a" * 100_000 + "!"),
        (r"^(\w+\s?)+$", "word " * 20_000 + "!"),
        (r"(x+x+)+y", "x" * 100_000),
        (r"^(a?){60}a{61}$", "a" * 60),
    ],
)
def test_one_that_backtracks_elsewhere_without_end_finds_here_that_it_does_not_match(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


@pytest.mark.process
@pytest.mark.parametrize(
    ("pattern", "text"), [(r"(?:a|(?=a)a|a(?=a|b))*c", "a" * 1_999), (r"(?=a*?b)a*(?=c)", "a" * 100_000)]
)
def test_one_that_backtracks_for_too_long_cannot_tell(pattern: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.engine.schemas.BUDGET", 1)
    with pytest.raises(GraderFailed, match=r"^The expression backtracks for too long on this answer\."):
        matches(pattern, text)


@pytest.mark.process
def test_one_with_a_look_ahead_reads_a_long_answer_too() -> None:
    assert matches("^(?!.*never)", "always " * 1_000)
    assert not matches("^(?!.*never)", "always " * 1_000 + "never")


@pytest.mark.parametrize(
    "pattern", ["((a{1000}){1000}){1000}", "((a{0,1000}){0,1000}){0,100}(?=b)", "(" * 2_000, "[", "(?P<n>a)(?P<n>b)"]
)
def test_one_that_would_be_too_large_or_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        check_expression(pattern, "It")
