"""An answer's code is found, and passes its hidden tests or not."""

from __future__ import annotations

from typing import Any

import pytest

from router.evaluate import sandbox
from router.evaluate.graders import Tools
from router.evaluate.graders.code import code_of
from tests.evaluate.graders.grading import graded, refused

TESTS = "assert double(2) == 4\nassert double('a') == 'aa'"
GOOD = "def double(x):\n    return 2 * x\n"


def fence(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}```\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (GOOD, GOOD),
        (f"Here:\n\n{fence(GOOD)}\nIt doubles.", GOOD),
        (fence(GOOD, ""), GOOD),
        (fence(GOOD, "py"), GOOD),
        (f"{fence('pip install x' + chr(10), 'sh')}\n{fence(GOOD)}", GOOD),
        (f"{fence(GOOD)}\nFor example:\n{fence('>>> double(2)' + chr(10) + '4' + chr(10))}", GOOD),
        (f"{fence('import math' + chr(10))}\nand\n{fence(GOOD)}", f"import math\n\n{GOOD}"),
        (f"{fence(GOOD)}\nUse it:\n{fence('print(double(undefined))' + chr(10))}", GOOD),
        (f"```python\n{GOOD}", GOOD),
        (fence("def double(x)\n    return x\n"), "def double(x)\n    return x\n"),
        ("No code.", "No code."),
    ],
)
def test_the_code_of_an_answer_is_found(answer: str, code: str) -> None:
    assert code_of(answer, "double").strip() == code.strip()


def test_without_an_entry_point_all_of_its_code_counts() -> None:
    assert code_of(fence("a = 1\n") + fence("b = 2\n")) == "a = 1\n\nb = 2\n"


needs_bubblewrap = pytest.mark.skipif(sandbox.find_way().name != "bubblewrap", reason=sandbox.find_way().why)


@pytest.mark.process
@needs_bubblewrap
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fence(GOOD), ""),
        (fence("def double(x):\n    return x + x\n"), ""),
        (fence("def double(x):\n    return x\n"), "A test failed: AssertionError on line 1 (`assert double(2) == 4`)."),
        ("I cannot do that.", "The code failed: SyntaxError: "),
        ("", "A test failed: NameError: name 'double' is not defined"),
    ],
)
def test_an_answer_passes_or_fails(answer: str, reason: str) -> None:
    grade = graded(answer, "code", TESTS, entry_point="double")
    assert (grade.passed, grade.error) == (not reason, None)
    assert grade.reason.startswith(reason)


@pytest.mark.process
@needs_bubblewrap
def test_code_before_the_answers_is_there_for_it() -> None:
    answer = fence("def double(x):\n    return helper(x, x)\n")
    assert graded(answer, "code", TESTS, before="def helper(a, b):\n    return a + b").passed


@pytest.mark.parametrize("negated", [False, True])
def test_without_a_sandbox_nothing_passes(monkeypatch: pytest.MonkeyPatch, negated: bool) -> None:
    monkeypatch.setattr(sandbox, "find_way", lambda **_: sandbox.Way(None, "There is none here."))
    grade = graded(fence(GOOD), "code", TESTS, tools=Tools(unconfined=True), negated=negated)
    assert (grade.passed, grade.score, grade.error) == (False, None, "There is none here.")


@pytest.mark.parametrize(
    ("value", "options", "sentence"),
    [
        (None, {}, "The value of `code` must be a text."),
        ("assert (", {}, "The value of `code` must be its hidden tests in Python, such as `assert double(2) == 4`."),
        (TESTS, {"entry_point": "a b"}, "`entry_point` of `code` must be a name of Python."),
        (TESTS, {"seconds": 600}, "`code` can have 1 to 60 `seconds`, and a `memory` of 50 to 2,000 megabytes."),
        (TESTS, {"memory": 1}, "`code` can have 1 to 60 `seconds`, and a `memory` of 50 to 2,000 megabytes."),
    ],
)
def test_tests_that_cannot_run_are_refused(value: object, options: dict[str, Any], sentence: str) -> None:
    assert refused("code", value, **options) == sentence
