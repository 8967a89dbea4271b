"""GSM8K, HumanEval and IFEval: what becomes of their records."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.suites import Check
from router.evaluate.importers import Source, import_gsm8k, import_human_eval, import_ifeval
from router.evaluate.importers.imported import Imported
from tests.evaluate.importers.samples import left, lines, only, prompt, taken

DUCKS = {"question": "How many eggs?", "answer": "16 - 3 = <<16-3=13>>13\n#### 1,013"}
FIND_ZERO = {
    "task_id": "HumanEval/32",
    "prompt": 'import math\n\ndef poly(xs, x):\n    return sum(xs)\n\n\ndef find_zero(xs):\n    """Find it."""\n',
    "entry_point": "find_zero",
    "canonical_solution": "    return 0\n",
    "test": "\n\ndef check(candidate):\n    assert poly([1], candidate([1])) == 1\n",
}
COMMAS = {
    "key": 1001,
    "prompt": "Write a haiku without commas.",
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
    "kwargs": [{}, {"relation": "at least", "num_words": 3, "keyword": None}],
}


def gsm8k(*records: Any) -> Imported:
    return import_gsm8k(lines(*records))


# --- GSM8K -----------------------------------------------------------------------------------------


def test_a_problem_is_checked_for_its_number() -> None:
    case = only(gsm8k(DUCKS))
    assert (case.target, case.checks, case.category) == (("1013",), (Check(type="number"),), "reasoning")
    assert case.metadata == {"solution": "16 - 3 = <<16-3=13>>13"}


def test_a_problem_says_how_to_answer() -> None:
    asked = prompt(only(gsm8k(DUCKS)))
    assert asked.startswith("How many eggs?\n\n") and "####" in asked


@pytest.mark.parametrize(
    ("answer", "number"), [("#### 5", "5"), ("####-2.5", "-2.5"), ("x\n#### $1,234,567 ", "1234567")]
)
def test_numbers_are_read_in_all_their_forms(answer: str, number: str) -> None:
    assert only(gsm8k({**DUCKS, "answer": answer})).target == (number,)


@pytest.mark.parametrize(
    "record", [{"answer": "#### 5"}, {"question": "x", "answer": "5"}, {"question": 5, "answer": ""}]
)
def test_a_problem_without_its_parts_is_named(record: dict[str, Any]) -> None:
    found = gsm8k(DUCKS, record)
    assert len(taken(found)) == 1
    assert [place for place, _ in left(found)] == ["cases.jsonl:2"]


# --- HumanEval -------------------------------------------------------------------------------------


def test_a_task_is_checked_by_its_tests() -> None:
    case = only(import_human_eval(lines(FIND_ZERO)))
    [check] = case.checks
    assert (case.id, case.category) == ("HumanEval/32", "code")
    assert (check.type, check.options["entry_point"]) == ("code", "find_zero")
    assert case.metadata == {"canonical_solution": "    return 0\n"}


def test_the_tests_run_with_what_the_prompt_has_before_its_function() -> None:
    [check] = only(import_human_eval(lines(FIND_ZERO))).checks
    namespace: dict[str, Any] = {"find_zero": lambda _: 0}
    exec(check.options["before"], namespace)
    exec(check.value, namespace)
    assert "poly" in namespace and "def find_zero" not in check.options["before"]


def test_a_wrong_function_fails_the_tests() -> None:
    record = {**FIND_ZERO, "test": "def check(candidate):\n    assert candidate([1]) == 5\n"}
    [check] = only(import_human_eval(lines(record))).checks
    with pytest.raises(AssertionError):
        exec(check.value, {"find_zero": lambda _: 0})


def test_the_function_is_shown_as_code() -> None:
    assert f"```python\n{FIND_ZERO['prompt'].rstrip()}\n```" in prompt(only(import_human_eval(lines(FIND_ZERO))))


@pytest.mark.parametrize(
    "change", [{"entry_point": "other"}, {"entry_point": "f(); g"}, {"test": ""}, {"prompt": None}]
)
def test_a_task_without_its_parts_is_named(change: dict[str, Any]) -> None:
    found = import_human_eval(lines({**FIND_ZERO, **change}))
    assert (taken(found), [place for place, _ in left(found)]) == ((), ["cases.jsonl:1"])


# --- IFEval ----------------------------------------------------------------------------------------


def test_a_prompt_is_checked_for_its_instructions() -> None:
    case = only(import_ifeval(lines(COMMAS)))
    wanted = [
        {"id": "punctuation:no_comma"},
        {"id": "length_constraints:number_words", "relation": "at least", "num_words": 3},
    ]
    assert (case.id, case.category) == ("1001", "conversation")
    assert case.checks == (Check(type="instructions", value=wanted),)


@pytest.mark.parametrize(
    "change", [{"kwargs": [{}]}, {"kwargs": None}, {"kwargs": [1, 2]}, {"instruction_id_list": []}]
)
def test_a_prompt_whose_instructions_cannot_be_read_is_named(change: dict[str, Any]) -> None:
    found = import_ifeval(lines({**COMMAS, **change}))
    assert (taken(found), [place for place, _ in left(found)]) == ((), ["cases.jsonl:1"])


# --- All of them -----------------------------------------------------------------------------------


def test_a_field_that_is_not_used_is_named_once() -> None:
    found = gsm8k({**DUCKS, "difficulty": 1}, {**DUCKS, "question": "And now?", "difficulty": 2})
    assert len(taken(found)) == 2
    assert left(found) == [("cases.jsonl:1", "`difficulty` is not used.")]


def test_a_line_that_cannot_be_read_is_named() -> None:
    found = gsm8k(DUCKS, "{")
    assert [place for place, _ in left(found)] == ["cases.jsonl:2"]
    assert found.sentence == "Read as GSM8K problems: 1 of 2 cases taken. 1 case is left out."


def test_the_same_case_twice_is_named() -> None:
    assert left(gsm8k(DUCKS, DUCKS)) == [("cases.jsonl:2", "It is the same case as cases.jsonl:1.")]


def test_an_id_that_is_taken_is_named() -> None:
    found = import_ifeval(lines(COMMAS, {**COMMAS, "prompt": "Another."}))
    assert left(found) == [("cases.jsonl:2", "Its id `1001` is taken by cases.jsonl:1.")]


@pytest.mark.parametrize("question", ["NUL \0", "half \ud800", " "], ids=ascii)
def test_a_case_that_cannot_be_sent_is_named(question: str) -> None:
    found = gsm8k({**DUCKS, "question": question})
    assert (taken(found), [place for place, _ in left(found)]) == ((), ["cases.jsonl:1"])


def test_bytes_without_a_name_are_imported_too() -> None:
    source: Source = lines(DUCKS)
    assert only(import_gsm8k(source.data, name="ducks")).place == "import:1"
