"""The bundled suites: what each of them promises, and that what they take for right is right."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.evaluate.reasoning_answers import COMPUTED, READ

NAMES = ("tools", "code", "reasoning", "conversation")

FOLDER = Path(__file__).parents[2] / "router" / "evaluate" / "bundled"

DIFFICULTIES = ("easy", "medium", "hard")


@functools.cache
def suite(name: str) -> Mapping[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


@functools.cache
def references(name: str) -> Mapping[str, Any]:
    return yaml.safe_load((Path(__file__).parent / "references" / f"{name}.yaml").read_text(encoding="utf-8"))


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in suite(name)["cases"]]


def asked(case: Mapping[str, Any]) -> str:
    """All that a case says to the model."""
    messages = case.get("messages") or [{"content": case["prompt"]}]
    return "\n".join([*(str(message["content"]) for message in messages), *case.get("then", ())])


def settings(case: Mapping[str, Any], grader: str) -> list[Any]:
    """What a case's checks of one kind are given."""
    return [check[grader] for check in case["checks"] if isinstance(check, dict) and grader in check]


# --- All four --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_has_sixty_cases_with_ids_of_their_own(name: str) -> None:
    ids = [case["id"] for case in suite(name)["cases"]]
    assert len(ids) == len(set(ids)) == 60


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_is_of_the_category_that_it_is_named_after(name: str) -> None:
    assert suite(name)["name"] == suite(name)["category"] == name


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_says_what_it_does_not_measure_and_which_differences_it_can_tell(name: str) -> None:
    description = suite(name)["description"]
    assert "does not measure" in description
    assert "differ by about 18 points" in description


@pytest.mark.parametrize("name", NAMES)
def test_every_case_has_one_difficulty_and_a_skill(name: str) -> None:
    for case in suite(name)["cases"]:
        assert len([tag for tag in case["tags"] if tag in DIFFICULTIES]) == 1, case["id"]
        assert len(case["tags"]) > 1, case["id"]


@pytest.mark.parametrize("name", NAMES)
def test_about_a_third_of_a_suite_is_of_each_difficulty(name: str) -> None:
    count = Counter(tag for case in suite(name)["cases"] for tag in case["tags"])
    assert all(15 <= count[each] <= 25 for each in DIFFICULTIES), count


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_short_and_long(name: str) -> None:
    lengths = [len(asked(case).split()) for case in suite(name)["cases"]]
    assert min(lengths) < 40
    assert max(lengths) > 300


def test_no_two_cases_ask_the_same() -> None:
    prompts = [asked(case) for name in NAMES for case in suite(name)["cases"]]
    assert len(prompts) == len(set(prompts))


@pytest.mark.parametrize("name", ["tools", "code", "conversation"])
def test_every_case_has_a_reference(name: str) -> None:
    assert set(references(name)) == {case["id"] for case in suite(name)["cases"]}


# --- Code ------------------------------------------------------------------------------------------


def hidden(case: Mapping[str, Any]) -> tuple[str, str]:
    """The name that a case's tests call, and the tests."""
    [check] = settings(case, "code")
    return check["entry_point"], check["value"]


def run(code: str, tests: str) -> None:
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    exec(tests, namespace)


@pytest.mark.parametrize("case", cases("code"))
def test_the_reference_solution_passes_the_hidden_tests(case: Mapping[str, Any]) -> None:
    run(references("code")[case["id"]], hidden(case)[1])


@pytest.mark.parametrize("case", cases("code"))
def test_an_empty_solution_passes_none_of_the_hidden_tests_together(case: Mapping[str, Any]) -> None:
    name, tests = hidden(case)
    with pytest.raises((AssertionError, TypeError)):
        run(f"def {name}(*_, **__): pass", tests)


@pytest.mark.parametrize("case", cases("code"))
def test_the_prompt_names_the_function_that_the_tests_call(case: Mapping[str, Any]) -> None:
    assert f"`{hidden(case)[0]}(" in case["prompt"]


@pytest.mark.parametrize("case", cases("code"))
def test_a_function_has_four_to_eight_hidden_tests(case: Mapping[str, Any]) -> None:
    tests = [each for each in ast.parse(hidden(case)[1]).body if isinstance(each, ast.Assert)]
    assert 4 <= len(tests) <= 8


# --- Tools -----------------------------------------------------------------------------------------


def schemas(case: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of each tool that a case offers."""
    return {tool["name"]: tool["parameters"] for tool in case.get("tools", suite("tools")["tools"])}


def values(accepted: Any) -> Iterator[Any]:
    """Every value that an accepted one stands for: the keys of an object have several each."""
    if isinstance(accepted, dict):
        choices = [[(key, each) for value in listed for each in optional(value)] for key, listed in accepted.items()]
        for pairs in product(*choices):
            yield {key: value for key, value in pairs if value != ""}
    elif isinstance(accepted, list):
        yield from map(list, product(*map(list, map(values, accepted))))
    else:
        yield accepted


def optional(accepted: Any) -> list[Any]:
    """An empty text means that a key may be left out."""
    return [""] if accepted == "" else list(values(accepted))


def expected(case: Mapping[str, Any]) -> list[tuple[str, dict[str, list[Any]]]]:
    """The calls that are right, as names with their accepted values."""
    return [next(iter(call.items())) for calls in settings(case, "tool-calls") for call in calls]


@pytest.mark.parametrize("case", cases("tools"))
def test_tools_have_valid_schemas(case: Mapping[str, Any]) -> None:
    for schema in schemas(case).values():
        jsonschema_rs.meta.validate(schema)
        assert set(schema["required"]) <= set(schema["properties"])


@pytest.mark.parametrize("case", cases("tools"))
def test_a_case_expects_calls_of_its_own_tools_or_none(case: Mapping[str, Any]) -> None:
    calls = expected(case)
    assert bool(calls) != ("no-tool-calls" in case["checks"])
    assert {name for name, _ in calls} <= set(schemas(case))


@pytest.mark.parametrize("case", cases("tools"))
def test_accepted_values_fit_the_schemas_of_their_tools(case: Mapping[str, Any]) -> None:
    for name, accepted in expected(case):
        for arguments in values(accepted):
            jsonschema_rs.validate(schemas(case)[name], arguments)


@pytest.mark.parametrize("case", cases("tools"))
def test_accepted_values_are_given_for_every_parameter_of_a_tool(case: Mapping[str, Any]) -> None:
    for name, accepted in expected(case):
        assert set(accepted) == set(schemas(case)[name]["properties"])


@pytest.mark.parametrize("case", cases("tools"))
def test_the_reference_calls_are_accepted(case: Mapping[str, Any]) -> None:
    reference, calls = references("tools")[case["id"]], expected(case)
    if isinstance(reference, str):
        assert not calls
        return
    assert [call["name"] for call in reference] == [name for name, _ in calls]
    for call, (_, accepted) in zip(reference, calls, strict=True):
        assert call["arguments"] in list(values(accepted))


# --- Reasoning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("reasoning"))
def test_the_target_is_what_a_computer_finds(case: Mapping[str, Any]) -> None:
    prompt = case["prompt"]
    found = COMPUTED[case["id"]]() if case["id"] in COMPUTED else READ[case["id"]](prompt)
    if "number" in case["checks"]:
        assert Fraction(case["target"]) == Fraction(str(found))
    else:
        assert case["target"] == str(found)


def patterns(case: Mapping[str, Any]) -> Sequence[str]:
    return settings(case, "regex")


@pytest.mark.parametrize("case", [param for param in cases("reasoning") if patterns(param.values[0])])
def test_a_pattern_accepts_the_target_alone(case: Mapping[str, Any]) -> None:
    [pattern] = patterns(case)
    assert re.search(pattern, f"So it is.\n\n**Answer: {case['target']}**\n")
    assert not re.search(pattern, f"Answer: not {case['target']}")
    assert not re.search(pattern, f"Answer: {case['target']} or so")


# --- Conversation ----------------------------------------------------------------------------------


def test_a_conversation_has_at_most_five_turns() -> None:
    assert {len(case.get("then", ())) for case in suite("conversation")["cases"]} == {0, 1, 2, 3, 4}


def test_every_conversation_has_answers_that_must_not_pass() -> None:
    assert all(reference["bad"] for reference in references("conversation").values())
