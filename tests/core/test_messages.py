"""Requests, answers and what they cost, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.attempts import Attempt, Completion
from router.core.errors import InvalidRequest
from router.core.events import (
    AnswerBuilder,
    Finished,
    ProviderEvent,
    ReasoningDelta,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import (
    Answer,
    ToolCall,
    Usage,
    digest,
)
from router.core.requests import MAX_FILES_BYTES, MAX_REQUEST_BYTES, Request

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def asking(content: Any = "Hello", **fields: Any) -> Request:
    return Request(messages=({"role": "user", "content": content},), **fields)


# --- What goes on the wire -------------------------------------------------------------------------


def test_what_is_not_set_is_not_sent() -> None:
    assert asking().body() == {"messages": ({"role": "user", "content": "Hello"},)}


def test_every_field_and_every_other_parameter_is_sent() -> None:
    fields = {"tools": (TOOL,), "tool_choice": "required", "response_format": {"type": "json_object"}}
    request = asking(**fields, temperature=0.0, max_tokens=5, params={"seed": 7, "stop": ["x"]})
    sent = {**fields, "temperature": 0.0, "max_tokens": 5, "seed": 7, "stop": ["x"]}
    assert request.body() == {"messages": request.messages, **sent}


def test_a_tool_choice_without_tools_is_not_sent() -> None:
    assert "tool_choice" not in asking(tool_choice="auto").body()


def test_a_chain_s_parameters_fill_in_what_the_request_leaves_open() -> None:
    request = asking().with_defaults({"temperature": 0.2, "seed": 7})
    assert request == asking(temperature=0.2, params={"seed": 7})


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize(
    ("own", "both"),
    [
        ("Be brief.", "Think.\n\nBe brief."),
        (
            [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            [
                {"type": "text", "text": "Think."},
                {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            ],
        ),
    ],
    ids=["text", "parts"],
)
def test_another_system_prompt_comes_before_the_request_s_own(role: str, own: object, both: object) -> None:
    user = {"role": "user", "content": "Hello"}
    request = Request(messages=({"role": role, "content": own}, user)).with_system("Think.")
    assert request.messages == ({"role": role, "content": both}, user)


def test_a_system_prompt_is_added_where_there_is_none() -> None:
    user = {"role": "user", "content": "Hello"}
    assert Request(messages=(user,)).with_system("Think.").messages == ({"role": "system", "content": "Think."}, user)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_system_prompt_changes_nothing(text: str) -> None:
    assert asking().with_system(text) == asking()


def test_a_chain_s_tools_fill_in_where_the_request_has_none() -> None:
    assert asking().with_defaults({"tools": [TOOL]}).body()["tools"] == [TOOL]


@pytest.mark.parametrize(
    "own", [{"temperature": 0.9}, {"temperature": 0.0}, {"params": {"temperature": 0.9, "seed": 1}}]
)
def test_what_a_request_sets_itself_wins_over_its_chain(own: dict[str, Any]) -> None:
    before = asking(**own).body()
    after = asking(**own).with_defaults({"temperature": 0.2, "seed": 7}).body()
    assert {name: after[name] for name in before} == before


def shuffled(value: Any, draw: st.DrawFn) -> Any:
    """An equal value whose mappings have their keys in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], draw) for key in draw(st.permutations(list(value)))}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("ab\n\\é"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["seed", "stop", "top_p", "logit_bias"]), json_values), st.data())
def test_canonical_json_does_not_depend_on_the_order_of_keys(params: dict[str, Any], data: st.DataObject) -> None:
    other = data.draw(st.composite(lambda draw: shuffled(params, draw))())
    assert asking(params=params).canonical() == asking(params=other).canonical()


@given(st.dictionaries(st.sampled_from(["seed", "stop", "top_p", "logit_bias"]), json_values))
def test_canonical_json_holds_all_that_is_sent(params: dict[str, Any]) -> None:
    request = asking(params=params)
    assert json.loads(request.canonical()) == {"messages": [dict(request.messages[0])], **params}


# --- What cannot be sent ---------------------------------------------------------------------------


def picture(size: int) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * size}"}}


def test_files_are_not_counted_as_text() -> None:
    assert asking([picture(2 * MAX_REQUEST_BYTES), {"type": "text", "text": "What is this?"}]).canonical()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(messages=()), "prompt is empty"),
        (asking(""), "prompt is empty"),
        (asking(" \n\t"), "prompt is empty"),
        (asking([]), "prompt is empty"),
        (asking([{"type": "text", "text": " "}]), "prompt is empty"),
        (Request(messages=({"role": "system", "content": " "},)), "prompt is empty"),
        (asking("a\0b"), "NUL"),
        (asking(params={"stop": ["\0"]}), "NUL"),
        (asking(params={"logit_bias": {"\0": 1}}), "NUL"),
        (asking("half \ud83d"), r"U\+D83D"),
        (asking("x" * MAX_REQUEST_BYTES), "4.0 MB; the limit is 4 MB"),
        (asking([picture(MAX_FILES_BYTES)]), "files of this conversation total 24 MB; the limit is 24 MB"),
        (asking([picture(9), {"type": "text", "text": "x" * MAX_REQUEST_BYTES}]), "4.0 MB; the limit is 4 MB"),
        (asking(params={"seed": object()}), "cannot be written as JSON"),
    ],
    ids=[
        "none",
        "empty",
        "white",
        "no parts",
        "white parts",
        "white system",
        "nul",
        "nul in",
        "nul key",
        "surrogate",
        "large",
        "files",
        "large beside a file",
        "object",
    ],
)
def test_a_request_that_no_model_can_take_is_refused_in_words(request_: Request, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        request_.canonical()


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize(
    "content", ["Write a haiku.", [{"type": "text", "text": "Write a haiku."}]], ids=["text", "parts"]
)
def test_a_system_prompt_alone_can_be_sent(role: str, content: Any) -> None:
    assert Request(messages=({"role": role, "content": content},)).canonical()


@pytest.mark.parametrize("content", ["the escape \\u0000 written out", "\U0001f600", "line\u2028end", "é"])
def test_unusual_text_is_sent_as_it_is(content: str) -> None:
    assert json.loads(asking(content).canonical())["messages"][0]["content"] == content


@given(st.lists(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_two_lists_of_parts_share_a_digest_only_where_they_are_equal(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


# --- What comes back -------------------------------------------------------------------------------


def built(*events: ProviderEvent) -> Answer:
    builder = AnswerBuilder()
    for event in events:
        builder.add(event)
    return builder.answer()


def test_an_answer_is_put_together_from_its_pieces() -> None:
    answer = built(ReasoningDelta("Hm"), ReasoningDelta("m."), TextDelta("Hel"), TextDelta("lo"), Finished("stop"))
    assert answer == Answer(text="Hello", reasoning="Hmm.", finish_reason="stop")


def test_interleaved_tool_calls_are_told_apart_by_their_index() -> None:
    answer = built(
        ToolCallDelta(1, "id1", "sub", '{"x"'),
        ToolCallDelta(0, "id0", "add", "{"),
        ToolCallDelta(1, None, None, ": 1}"),
        ToolCallDelta(0, None, None, "}"),
    )
    assert answer.tool_calls == (
        ToolCall(id="id0", name="add", arguments="{}"),
        ToolCall(id="id1", name="sub", arguments='{"x": 1}'),
    )


def test_a_tool_call_without_an_id_gets_one() -> None:
    assert built(ToolCallDelta(2, None, "add", "{}")).tool_calls[0].id == "call_2"


@pytest.mark.parametrize(
    ("event", "token"),
    [
        (TextDelta("x"), True),
        (ReasoningDelta("x"), True),
        (ToolCallDelta(0, arguments="x"), True),
        (Served("m"), False),
        (Usage(prompt_tokens=1), False),
        (Finished("stop"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_counts_as_a_token(event: ProviderEvent, token: bool) -> None:
    assert AnswerBuilder().add(event) is token


def tried(outcome: str = "failed", **fields: Any) -> Attempt:
    base: Mapping[str, Any] = {"model": "a", "provider": "p", "place": 0, "number": 1, "started": 0.0, "offset": 0.0}
    return msgspec.convert({**base, "outcome": outcome, **fields}, Attempt)


def completed(*attempts: Attempt) -> Completion:
    return Completion(request_id="r", category=None, answer=Answer(), attempts=attempts)


@pytest.mark.parametrize(
    ("attempts", "cost"),
    [
        ([tried("failed", cost=1.0), tried("answered", cost=2.0)], 3.0),
        ([tried("failed"), tried("answered", cost=2.0)], None),
        ([tried("cancelled", cost=1.0), tried("answered")], None),
        ([tried("skipped", number=0), tried("answered", cost=2.0)], 2.0),
        ([tried("failed", number=0), tried("answered", cost=2.0)], 2.0),
        ([tried("cancelled", number=0)], 0),
        ([tried("failed", shared=True), tried("answered", cost=2.0)], 2.0),
        ([tried("failed", cost=1.0), tried("answered", cost=2.0, cached=True)], 1.0),
    ],
    ids=[
        "failed tries count",
        "an unknown part",
        "cancelled unknown",
        "skips are free",
        "not sent",
        "stopped in the queue",
        "shared",
        "cached",
    ],
)
def test_the_cost_of_a_completion(attempts: list[Attempt], cost: float | None) -> None:
    assert completed(*attempts).cost == cost


def test_a_cut_completion_was_answered_by_no_attempt() -> None:
    assert completed(tried("failed"), tried("cancelled")).attempt is None


def test_a_completion_survives_json_both_ways() -> None:
    whole = completed(tried("answered", usage={"prompt_tokens": 1}, cost=0.5, cost_source="provider"))
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Completion) == whole
