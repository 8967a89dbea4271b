"""BFCL: functions as an OpenAI-style API takes them, and the accepted calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.core.errors import ConfigError
from router.core.suites import Check
from router.evaluate.importers import import_bfcl
from router.evaluate.importers.imported import Imported
from tests.evaluate.importers.samples import left, lines, only, taken

PARAMETERS = {
    "type": "dict",
    "properties": {
        "size": {"type": "tuple", "items": {"type": "float"}},
        "type": {"type": "string", "enum": ["float", "dict"], "default": "float"},
        "anything": {"type": "any", "default": {"type": "float"}},
    },
    "required": ["size"],
}
QUESTION = {
    "id": "simple_0",
    "question": [[{"role": "user", "content": "How large?"}]],
    "function": [{"name": "math.area", "description": "Area.", "parameters": PARAMETERS}],
}
ANSWER = {"id": "simple_0", "ground_truth": [{"math.area": {"size": [[1.0, 2.0]], "type": ["", "float"]}}]}


def bfcl(question: Any = QUESTION, answer: Any = ANSWER, name: str = "BFCL_v3_simple.json") -> Imported:
    return import_bfcl(lines(question, name=name), lines(answer) if answer is not None else None)


def function(imported: Imported) -> Any:
    [tool] = only(imported).request.tools
    return tool["function"]


def test_a_question_is_checked_by_the_accepted_calls() -> None:
    case = only(bfcl())
    assert (case.id, case.category) == ("simple_0", "tools")
    assert case.request.messages == ({"role": "user", "content": "How large?"},)
    wanted = [{"math_area": {"size": [[1.0, 2.0]], "type": ["", "float"]}}]
    assert case.checks == (Check(type="tool-calls", value=wanted),)


def test_a_dot_in_a_name_becomes_an_underscore() -> None:
    assert function(bfcl())["name"] == "math_area"


def test_types_have_their_names_in_json_schemas() -> None:
    parameters = function(bfcl())["parameters"]
    assert parameters["type"] == "object"
    assert parameters["properties"]["size"] == {"type": "array", "items": {"type": "number"}}
    assert parameters["properties"]["anything"] == {"default": {"type": "float"}}


def test_a_parameter_called_type_and_its_values_stay_as_they_are() -> None:
    assert function(bfcl())["parameters"]["properties"]["type"] == {
        "type": "string",
        "enum": ["float", "dict"],
        "default": "float",
    }


def test_the_answers_are_found_beside_the_questions(tmp_path: Path) -> None:
    (tmp_path / "possible_answer").mkdir()
    (tmp_path / "BFCL_v3_simple.json").write_text(json.dumps(QUESTION))
    (tmp_path / "possible_answer" / "BFCL_v3_simple.json").write_text(json.dumps(ANSWER))
    assert only(import_bfcl(tmp_path / "BFCL_v3_simple.json")).checks[0].type == "tool-calls"


@pytest.mark.parametrize(
    ("id_", "check"),
    [
        ("irrelevance_0", Check(type="no-tool-calls")),
        ("live_irrelevance_7-0-0", Check(type="no-tool-calls")),
        ("live_relevance_3-3-0", Check(type="no-tool-calls", negated=True)),
    ],
)
def test_whether_any_call_is_right_is_told_by_the_name(id_: str, check: Check) -> None:
    assert only(bfcl({**QUESTION, "id": id_}, None)).checks == (check,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "unknown"}, "Its accepted calls are missing"),
        ({"question": [[], []]}, "It has 2 turns"),
        ({"question": [[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]]}, "It has 2 turns"),
        ({"involved_classes": ["GorillaFileSystem"]}, "It needs the systems that BFCL simulates"),
        ({"id": "simple_java_0"}, "Its values are written as in Java or JavaScript."),
        ({"id": "simple_javascript_0"}, "Its values are written as in Java or JavaScript."),
        ({"function": [{"name": "a" * 65, "parameters": PARAMETERS}]}, "One of its tools cannot be sent"),
        ({"function": [{"name": "f", "parameters": {"type": "HashMap"}}]}, "One of its tools cannot be sent"),
        (
            {"function": [{"name": "f", "parameters": {"type": "dict", "properties": {"a": {"type": "Long"}}}}]},
            "One of its tools cannot be sent",
        ),
        ({"function": [{"description": "x"}]}, "One of its functions has no name"),
        ({"function": "none"}, "One of its functions has no name"),
    ],
)
def test_what_cannot_be_asked_or_graded_is_named(change: dict[str, Any], words: str) -> None:
    found = bfcl({**QUESTION, **change})
    assert taken(found) == ()
    [(place, what)] = left(found)
    assert place == "BFCL_v3_simple.json:1" and what.startswith(words)


def test_answers_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"cases\.jsonl:2: the accepted calls cannot be read"):
        import_bfcl(lines(QUESTION), lines(ANSWER, "{"))
