"""Answers against what was asked for: tool calls against their tools, texts against the response format."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from router.core.attempts import Attempt
from router.core.errors import AllModelsFailed
from router.core.events import Finished, Restarted, ToolCallDelta
from router.core.formatting import attempt_sentence
from router.core.messages import Answer, ToolCall
from router.core.requests import Request
from router.engine import schemas
from router.engine.options import Options
from router.engine.validation import validate
from router.lab import Lab
from tests.conftest import MakeLab
from tests.fakes import HELLO, Bench, Step, good, story
from tests.upstream import Answer as Sent
from tests.upstream import Upstream, answer, chain_yaml, status

NUMBERS = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
ADD = {"type": "function", "function": {"name": "add", "parameters": NUMBERS}}
BARE = {"type": "function", "function": {"name": "bare"}}
VENDORS_OWN = {"type": "custom_20250101", "name": "own", "input_schema": NUMBERS}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": NUMBERS}}
OBJECT = {"type": "json_object"}


def calling(*calls: tuple[str, str]) -> Answer:
    return Answer(tool_calls=tuple(ToolCall(id="c", name=name, arguments=arguments) for name, arguments in calls))


def asking(*tools: Mapping[str, Any], response_format: Mapping[str, Any] | None = None) -> Request:
    return Request(messages=HELLO.messages, tools=tools, response_format=response_format)


def found(answer: Answer, request: Request) -> tuple[str | None, str | None]:
    return asyncio.run(validate(answer, request))


# --- Tool calls ------------------------------------------------------------------------------------

UNFIT = 'The call of `add` does not fit the schema at `x`: "a" is not of type "integer".'
NO_TOOL = "It called `sub`, which is not one of the tools."


@pytest.mark.parametrize(
    ("calls", "validation", "sentence"),
    [
        ([("add", '{"x": 1}')], "valid", None),
        ([("add", '{"x": 1}'), ("bare", '{"any": "thing"}'), ("own", '{"x": 2}')], "valid", None),
        ([("bare", "")], "valid", None),
        ([("sub", '{"x": 1}')], "unknown_tool", NO_TOOL),
        ([("Add", '{"x": 1}')], "unknown_tool", "It called `Add`, which is not one of the tools."),
        ([("add", '{"x": "a"}'), ("sub", "{}")], "unknown_tool", NO_TOOL),
        ([("add", '{"x": "a"}')], "invalid_arguments", UNFIT),
        ([("add", '{"x": 1}'), ("add", '{"x": "a"}')], "invalid_arguments", UNFIT),
        ([("add", "")], "invalid_arguments", 'The call of `add` does not fit the schema: "x" is a required property.'),
        (
            [("own", "{}")],
            "invalid_arguments",
            'The call of `own` does not fit the schema: "x" is a required property.',
        ),
    ],
)
def test_tool_calls_are_checked_against_the_request_s_tools(
    calls: Sequence[tuple[str, str]], validation: str, sentence: str | None
) -> None:
    assert found(calling(*calls), asking(ADD, BARE, VENDORS_OWN)) == (validation, sentence)


def test_without_tools_every_call_is_of_an_unknown_one() -> None:
    assert found(calling(("add", "{}")), HELLO)[0] == "unknown_tool"


# --- Texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "response_format", "validation", "sentence"),
    [
        ("Hi", None, None, None),
        ("Hi", {"type": "text"}, None, None),
        ('{"x": 1}', SCHEMA, "valid", None),
        ('{"x": 1}', OBJECT, "valid", None),
        ('{"x": 1}', {"type": "json_schema"}, "valid", None),
        ("Hi", OBJECT, "invalid_json", "The answer is not JSON: JSON is malformed: invalid character (byte 0)."),
        ('```json\n{"x": 1}\n```', SCHEMA, "invalid_json", "The answer is not JSON: JSON is malformed: "),
        ('{"x": 1', SCHEMA, "invalid_json", "The answer is not JSON: Input data was truncated."),
        ("{}", SCHEMA, "invalid_json", 'The answer does not fit the schema: "x" is a required property.'),
    ],
)
def test_a_text_is_checked_against_the_response_format(
    text: str, response_format: Mapping[str, Any] | None, validation: str | None, sentence: str | None
) -> None:
    said = found(Answer(text=text), asking(response_format=response_format))
    assert said[0] == validation
    assert (said[1] or "").startswith(sentence or "")


def test_a_text_beside_tool_calls_need_not_be_json() -> None:
    said = found(
        Answer(text="Let me see.", tool_calls=calling(("bare", "{}")).tool_calls), asking(BARE, response_format=SCHEMA)
    )
    assert said == ("valid", None)


# --- What cannot be checked ------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [{"type": "strin"}, {"$ref": "#/nowhere"}, True, [], 5], ids=str)
def test_a_schema_that_is_none_leaves_the_answer_unchecked(schema: Any) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": schema}}
    asked = asking(tool, response_format={"type": "json_schema", "json_schema": {"schema": schema or {"type": 1}}})
    assert found(Answer(text="{}"), asked)[0] == "unchecked"
    assert found(calling(("add", "{}")), asked)[0] == ("unchecked" if schema else "valid")


def test_a_check_that_takes_too_long_leaves_the_answer_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "PATIENCE", 0.001)
    assert found(Answer(text="{}"), asking(response_format=SCHEMA)) == (
        "unchecked", "The answer cannot be checked within 2 seconds. Make the schema simpler.",
    )  # fmt: skip


def test_a_child_that_cannot_start_leaves_the_answer_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "run", full)
    assert found(Answer(text="{}"), asking(response_format=SCHEMA))[0] == "unchecked"


def test_the_loop_goes_on_while_an_answer_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    looped = threading.Event()

    def waiting(*_: object) -> None:
        assert looped.wait(10)

    monkeypatch.setattr("router.engine.validation.mismatch", waiting)

    async def both() -> object:
        check = asyncio.create_task(validate(Answer(text="{}"), asking(response_format=SCHEMA)))
        await asyncio.sleep(0)
        looped.set()
        return await check

    assert asyncio.run(both()) == ("valid", None)


# --- Through a chain -------------------------------------------------------------------------------

each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
each_protocol = pytest.mark.parametrize("protocol", ["openai", "anthropic"])
TOOLS = asking(ADD)
JSON = asking(response_format=SCHEMA)


def calls(arguments: Mapping[str, Any], name: str = "add") -> Sent:
    call = {"id": "c", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return Sent((), tool_calls=[call], finish_reason="tool_calls")


def lab_of(make_lab: MakeLab, upstream: Upstream, *, provider: Mapping[str, Any] = {}, **policy: Any) -> Lab:
    return make_lab(chain_yaml(upstream, "primary", "fallback", provider=provider, **policy))


def reasons(attempts: Sequence[Attempt]) -> list[tuple[str, str | None, str | None]]:
    return [(attempt.model, attempt.reason, attempt.validation) for attempt in attempts]


@each_way
@each_protocol
def test_an_invalid_call_is_accepted_and_said_in_the_trace(
    upstream: Upstream, make_lab: MakeLab, protocol: str, stream: bool
) -> None:
    upstream.script("primary", calls({"x": "a"}))
    lab = lab_of(make_lab, upstream, provider={"protocol": protocol})
    completion = lab.start(TOOLS, category="chat", options=Options(stream=stream)).result(timeout=30)
    assert reasons(completion.attempts) == [("primary", None, "invalid_arguments")]
    assert attempt_sentence(completion.attempts[0]).endswith(UNFIT)
    assert lab.store.writer.flush()
    assert [row["validation"] for row in lab.store.observations.last(9)] == ["invalid_arguments"]


@each_way
@each_protocol
def test_an_invalid_call_moves_on_where_the_chain_says_so(
    upstream: Upstream, make_lab: MakeLab, protocol: str, stream: bool
) -> None:
    upstream.script("primary", calls({"x": "a"}))
    upstream.script("fallback", calls({"x": 1}))
    lab = lab_of(make_lab, upstream, provider={"protocol": protocol}, on_invalid_tool_call="next")
    handle = lab.start(TOOLS, category="chat", options=Options(stream=stream))
    assert reasons(handle.result(timeout=30).attempts) == [
        ("primary", "invalid_tool_call", "invalid_arguments"), ("fallback", None, "valid"),
    ]  # fmt: skip
    assert json.loads(handle.snapshot().answer.tool_calls[0].arguments) == {"x": 1}
    assert attempt_sentence(handle.snapshot().attempts[0]) == f"failed: {UNFIT}"


@each_way
def test_invalid_json_moves_on_where_the_chain_says_so(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", answer("Sure! Here you are."))
    upstream.script("fallback", answer('{"x": 1}'))
    lab = lab_of(make_lab, upstream, on_invalid_json="next", on_invalid_tool_call="accept")
    completion = lab.start(JSON, category="chat", options=Options(stream=stream)).result(timeout=30)
    assert reasons(completion.attempts) == [("primary", "invalid_json", "invalid_json"), ("fallback", None, "valid")]
    assert completion.answer.text == '{"x": 1}'


def test_a_stream_that_was_shown_is_taken_back_before_the_next_model_is_called(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    upstream.script("primary", answer("Sure!"))
    upstream.script("fallback", answer('{"x": 1}'))
    handle = lab_of(make_lab, upstream, on_invalid_json="next").start(JSON, category="chat")
    handle.result(timeout=30)
    kinds = [type(event) for event in handle.events()]
    assert kinds.index(Restarted) > kinds.index(Finished)
    assert handle.snapshot().answer.text == '{"x": 1}'


def test_the_same_model_is_not_asked_again(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=answer("Sure!"))
    upstream.script("fallback", then=answer('{"x": 1}'))
    lab_of(make_lab, upstream, on_invalid_json="next").start(JSON, category="chat").result(timeout=30)
    assert [call.model for call in upstream.requests] == ["primary", "fallback"]


UNKNOWN: list[Step] = [ToolCallDelta(0, "c", "sub", "{}"), Finished("tool_calls")]


def test_answers_that_do_not_fit_open_no_breaker() -> None:
    bench = Bench(a=[UNKNOWN], b=[good()])
    for _ in range(9):
        completion = bench.run("a", "b", on_invalid_tool_call="next")
    assert story(completion.attempts) == [("a", 1, "failed", "invalid_tool_call"), ("b", 1, "answered", None)]


# --- Where none fits -------------------------------------------------------------------------------


@each_way
@pytest.mark.parametrize("last", [answer("No JSON."), status(404, "No such model.")], ids=["unfit", "failed"])
def test_where_no_answer_fits_the_request_fails_and_keeps_the_last_one(
    upstream: Upstream, make_lab: MakeLab, stream: bool, last: Any
) -> None:
    upstream.script("primary", answer("No JSON."))
    upstream.script("fallback", last)
    handle = lab_of(make_lab, upstream, on_invalid_json="next").start(
        JSON, category="chat", options=Options(stream=stream)
    )
    with pytest.raises(AllModelsFailed) as failed:
        handle.result(timeout=30)
    assert failed.value.answer is not None and failed.value.answer.text == "No JSON."
    assert (handle.snapshot().state, handle.snapshot().answer.text) == ("failed", "No JSON.")


def test_the_sentence_says_what_did_not_fit(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=calls({}, name="sub"))
    upstream.script("fallback", then=calls({}, name="sub"))
    with pytest.raises(AllModelsFailed, match=f"^All models failed. Last error: {NO_TOOL}$"):
        lab_of(make_lab, upstream, on_invalid_tool_call="next").start(TOOLS, category="chat").result(timeout=30)


# --- Kept and shared answers -----------------------------------------------------------------------


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The child processes so far."""
    runs: list[Any] = []
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: runs.append(args) or real(*args, **kwargs))
    return runs


def test_an_answer_from_the_cache_is_not_checked_again(
    upstream: Upstream, make_lab: MakeLab, checks: list[Any]
) -> None:
    upstream.script("primary", calls({"x": "a"}))
    lab = lab_of(make_lab, upstream)
    attempts = [lab.start(TOOLS, category="chat").result(timeout=30).attempts[-1] for _ in range(3)]
    assert [(attempt.cached, attempt.validation, attempt.mismatch) for attempt in attempts] == [
        (cached, "invalid_arguments", UNFIT) for cached in (False, True, True)
    ]
    assert len(checks) == 1


def test_an_answer_in_the_cache_that_another_policy_refuses_is_asked_for_again(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    upstream.script("primary", answer("No JSON."), answer('{"x": 1}'))
    text = json.loads(chain_yaml(upstream, "primary"))
    text["chains"]["strict"] = {"models": ["primary"], "policy": {"on_invalid_json": "next"}}
    lab = make_lab(json.dumps(text))
    told = [lab.start(JSON, category=name).result(timeout=30) for name in ("chat", "chat", "strict", "strict", "chat")]
    assert [completion.answer.text for completion in told] == ["No JSON."] * 2 + ['{"x": 1}'] * 3
    assert [completion.attempts[-1].cached for completion in told] == [False, True, False, True, True]


def test_chains_of_two_policies_share_one_call_and_one_check(
    upstream: Upstream, make_lab: MakeLab, checks: list[Any]
) -> None:
    upstream.script("primary", answer('{"x": "a"}', delay=0.5))
    upstream.script("fallback", answer('{"x": 1}'))
    text = json.loads(chain_yaml(upstream, "primary"))
    text["chains"]["strict"] = {"models": ["primary", "fallback"], "policy": {"on_invalid_json": "next"}}
    lab = make_lab(json.dumps(text))
    mild, strict = [lab.start(JSON, category=name) for name in ("chat", "strict")]
    assert reasons(mild.result(timeout=30).attempts) == [("primary", None, "invalid_json")]
    attempts = strict.result(timeout=30).attempts
    assert reasons(attempts) == [("primary", "invalid_json", "invalid_json"), ("fallback", None, "valid")]
    assert (attempts[0].shared, len(upstream.received("primary")), len(checks)) == (True, 1, 2)


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        ("unknown_tool", "It called a tool that was not offered."),
        ("invalid_arguments", "The arguments of a tool call do not fit the tool."),
        ("invalid_json", "It is not the JSON that was asked for."),
        ("unchecked", "Its tool calls or its JSON could not be checked."),
    ],
)
def test_of_a_stored_attempt_the_kind_is_said(validation: Any, words: str) -> None:
    stored = Attempt(
        model="m", provider="p", place=0, number=1, outcome="answered", started=0, offset=0, validation=validation
    )
    assert attempt_sentence(stored).endswith(f". {words}")
