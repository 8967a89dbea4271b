"""Inspect's samples and OpenAI evals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.chat.cases import CaseFile
from router.core.suites import Check
from router.evaluate.importers import import_inspect, import_openai_evals
from tests.evaluate.importers.samples import left, lines, only, prompt, taken, text

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "And 3 + 3?"},
]
CAPITAL = {"input": "Capital of France?", "target": "Paris"}


# --- Inspect ---------------------------------------------------------------------------------------


def test_a_sample_is_a_prompt_with_its_target() -> None:
    case = only(import_inspect(lines({**CAPITAL, "id": 7, "metadata": {"category": "reasoning", "source": "x"}})))
    assert (case.id, prompt(case), case.target) == ("7", "Capital of France?", ("Paris",))
    assert (case.category, case.metadata, case.checks) == ("reasoning", {"source": "x"}, (Check(type="includes"),))


def test_the_grader_can_be_chosen() -> None:
    assert only(import_inspect(lines(CAPITAL), check="match")).checks == (Check(type="match"),)


def test_chat_messages_keep_their_history() -> None:
    assert only(import_inspect(lines({"input": CHAT, "target": "6"}))).request.messages == tuple(CHAT)


def test_what_inspect_alone_writes_into_messages_is_not_sent() -> None:
    image = {"type": "image", "image": "data:image/png;base64,AA==", "detail": "auto"}
    given = [
        {"role": "user", "content": "x", "source": "input", "id": "a"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "1", "function": "add", "arguments": {"a": 1}, "type": "function"}],
        },
        {"role": "tool", "content": "3", "tool_call_id": "1"},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, image]},
    ]
    asked = only(import_inspect(lines({"input": given, "target": "y"}))).request.messages
    assert asked[0] == {"role": "user", "content": "x"}
    assert asked[1]["tool_calls"] == [
        {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    ]
    assert asked[3]["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def test_choices_are_asked_for_by_their_letters() -> None:
    case = only(import_inspect(lines({"input": "Which?", "choices": ["red", "blue"], "target": "B"})))
    assert "A) red\nB) blue" in prompt(case)
    assert (case.target, case.checks) == (("B",), (Check(type="choice"),))


def test_samples_in_csv_have_choices_and_metadata_as_texts() -> None:
    file = text('input,target,choices,metadata\nWhich?,A,"red, blue","{""category"": ""code""}"\n', "a.csv")
    case = only(import_inspect(file))
    assert "A) red\nB) blue" in prompt(case) and case.category == "code"


def test_what_test_case_writes_is_imported(tmp_path: Path) -> None:
    file = CaseFile(tmp_path / "tries.jsonl")
    saved = file.add(CHAT, "6", category="reasoning", model="m")
    case = only(import_inspect(file.path))
    assert (case.id, case.target, case.category) == (saved.id, ("6",), "reasoning")
    assert (case.metadata, case.place) == ({"model": "m"}, f"{file.path}:1")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"target": ""}, "It has no `target`."),
        ({"target": {"a": 1}}, "`target` is neither text nor a list of texts."),
        ({"sandbox": "docker"}, "It needs Inspect's sandbox (`sandbox`)."),
        ({"files": {"a": "b"}}, "It needs Inspect's sandbox (`files`)."),
        ({"input": None}, "Its input is neither text nor a list of messages."),
        ({"input": [{"role": "user"}]}, "In its input, the `content` of a message is text"),
        ({"input": CHAT[:3]}, "In its input, the last message must be the user's"),
        ({"input": [{"role": "user", "content": [{"type": "audio"}]}]}, "A part of its input is of the type `audio`."),
        ({"input": [{"role": "user", "content": [{"type": "image", "image": "/a.png"}]}]}, "Its image is a file."),
        ({"choices": ["a", "b"], "target": "C"}, "Its target is not the letter of one of its choices."),
        ({"choices": ["a", "b"], "target": ["A", "B"]}, "Its target is not the letter of one of its choices."),
        ({"choices": ["a", "b"], "target": "AB"}, "Its target is not the letter of one of its choices."),
        ({"metadata": "{"}, "Its `metadata` cannot be read"),
        ({"metadata": [1]}, "Its `metadata` is not an object."),
    ],
)
def test_a_sample_that_cannot_be_taken_is_named(change: dict[str, Any], what: str) -> None:
    found = import_inspect(lines(CAPITAL, {**CAPITAL, "id": "b", **change}))
    assert len(taken(found)) == 1
    [(place, why)] = left(found)
    assert place == "cases.jsonl:2" and why.startswith(what)


# --- OpenAI evals ----------------------------------------------------------------------------------


def test_a_sample_of_an_eval_keeps_its_messages() -> None:
    case = only(import_openai_evals(lines({"input": CHAT, "ideal": ["6", "six"]})))
    assert (case.request.messages, case.target, case.checks) == (tuple(CHAT), ("6", "six"), (Check(type="match"),))


def test_the_template_of_an_eval_is_its_grader() -> None:
    sample = {"input": "2 + 2?", "ideal": json.dumps({"sum": 4})}
    assert only(import_openai_evals(lines(sample), check="json-match")).checks == (Check(type="json-match"),)


@pytest.mark.parametrize("sample", [{"input": "x"}, {"input": "x", "ideal": []}, {"input": 5, "ideal": "x"}])
def test_a_sample_without_its_parts_is_named(sample: dict[str, Any]) -> None:
    found = import_openai_evals(lines(sample))
    assert (taken(found), [place for place, _ in left(found)]) == ((), ["cases.jsonl:1"])
