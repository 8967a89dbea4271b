"""Anthropic's messages on the wire: what a request becomes, and what any answer means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.errors import ProviderError, decide
from router.core.events import (
    AnswerBuilder,
    Finished,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import Answer, ToolCall, Usage
from router.core.requests import Request
from router.providers import Call
from router.providers.anthropic import MessageReader, read_usage
from router.providers.anthropic_request import MAX_TOKENS, left_out, messages_body
from tests.scripted import HELLO, KEY, Body, Wire, sse, whole

HI = TextDelta("Hi")
DONE = Finished("stop")


def start(**message: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "model": "m-1", "content": [], **message}}


def block(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def text(piece: str, index: int = 0) -> dict[str, Any]:
    return delta(index, type="text_delta", text=piece)


def stop(reason: object = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, **fields}


def stream(*events: object) -> httpx.Response:
    return sse(*events, end='event: message_stop\ndata: {"type": "message_stop"}\n\n')


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path, "anthropic")


def without_usage(events: list[ProviderEvent]) -> list[ProviderEvent]:
    return [event for event in events if not isinstance(event, Usage)]


# --- What is sent ----------------------------------------------------------------------------------


def asked(*messages: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The body that a request becomes."""
    return messages_body(Request(messages=messages or HELLO.messages, **fields), "m")


async def test_a_request_goes_out_whole(tmp_path: Path) -> None:
    wire = Wire(tmp_path, "anthropic", api_key="${A_KEY}", headers={"anthropic-beta": "x"}, body={"service_tier": "y"})
    await wire.events(stream(start(), text("Hi"), stop()))
    assert wire.sent == {
        "model": "m",
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "service_tier": "y",
        "stream": True,
    }
    sent = [wire.headers[name] for name in ("x-api-key", "anthropic-version", "anthropic-beta")]
    assert sent == [KEY, "2023-06-01", "x"]
    assert "authorization" not in wire.headers


async def test_a_whole_answer_is_asked_for_without_a_stream(wire: Wire) -> None:
    await wire.events(whole({"content": [], "stop_reason": "end_turn"}), stream=False)
    assert wire.sent["stream"] is False
    assert "x-api-key" not in wire.headers


PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO+/=="}}
CACHED = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "text", "text": "x"}, {"type": "text", "text": "x"}),
        ({"type": "text", "text": "x", **CACHED}, {"type": "text", "text": "x", **CACHED}),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO+/=="}}, PNG),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO+/=="}, **CACHED}, {**PNG, **CACHED}),
        (
            {"type": "image_url", "image_url": {"url": "https://host/a.png", "detail": "high"}},
            {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                "title": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_data": "https://host/a.pdf"}},
            {"type": "document", "source": {"type": "url", "url": "https://host/a.pdf"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:text/plain;base64,w6kh"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é!"}},
        ),
        ({"type": "search_result", "title": "Its own"}, {"type": "search_result", "title": "Its own"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_part_of_a_message_becomes_a_block(part: dict[str, Any], sent: dict[str, Any]) -> None:
    assert asked({"role": "user", "content": [part]})["messages"][0]["content"] == [sent]


@pytest.mark.parametrize(
    "content",
    [None, "", [], [None, 5], [{"type": "text", "text": ""}], 5, [{"type": "text"}]],
    ids=str,
)
def test_a_message_without_content_is_left_out(content: object) -> None:
    assert asked(*HELLO.messages, {"role": "user", "content": content})["messages"] == asked()["messages"]


def test_system_stands_outside_the_messages() -> None:
    body = asked(
        {"role": "system", "content": "Be brief."},
        *HELLO.messages,
        {"role": "developer", "content": [{"type": "text", "text": "In verse."}]},
    )
    assert body["system"] == "Be brief.\n\nIn verse."
    assert [message["role"] for message in body["messages"]] == ["user"]


@pytest.mark.parametrize("nothing", [(), ({"role": "user", "content": " "},)], ids=["no message", "a blank one"])
def test_a_system_prompt_alone_is_what_the_user_says(nothing: tuple[Mapping[str, Any], ...]) -> None:
    request = Request(messages=({"role": "system", "content": "Write a haiku."}, *nothing))
    body = messages_body(request, "m")
    said = {"role": "user", "content": [{"type": "text", "text": "Write a haiku."}]}
    assert (body["messages"], body.get("system")) == ([said], None)
    [note] = left_out(request, body)
    assert note.startswith("The system prompt was sent as the user's")


def test_system_keeps_its_cache_control() -> None:
    cached = {"type": "text", "text": "A long one.", **CACHED}
    body = asked({"role": "system", "content": [cached]}, {"role": "system", "content": "More."}, *HELLO.messages)
    assert body["system"] == [cached, {"type": "text", "text": "More."}]


def test_neighbours_of_one_role_become_one_message() -> None:
    roles = ["user", "user", "assistant", "assistant", "user"]
    body = asked(*({"role": role, "content": str(number)} for number, role in enumerate(roles)))
    sent = [(message["role"], [part["text"] for part in message["content"]]) for message in body["messages"]]
    assert sent == [("user", ["0", "1"]), ("assistant", ["2", "3"]), ("user", ["4"])]


def call(name: str, arguments: object) -> dict[str, Any]:
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_several_tool_results_are_one_user_message() -> None:
    body = asked(
        *HELLO.messages,
        {"role": "assistant", "content": "Wait.", "tool_calls": [call("f", '{"x": 1}'), call("g", "")]},
        {"role": "tool", "tool_call_id": "call_f", "content": "1"},
        {"role": "tool", "tool_call_id": "call_g", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": "And?"},
    )
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Wait."},
                {"type": "tool_use", "id": "call_f", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "call_g", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_f", "content": [{"type": "text", "text": "1"}]},
                {"type": "tool_result", "tool_use_id": "call_g", "content": [{"type": "text", "text": "2"}]},
                {"type": "text", "text": "And?"},
            ],
        },
    ]


@pytest.mark.parametrize("name", ["functions.add:0", "", "é", "x" * 5])
def test_an_id_of_another_provider_becomes_one_that_the_api_takes(name: str) -> None:
    call = {"id": name, "type": "function", "function": {"name": "add", "arguments": "{}"}}
    body = asked({"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": name, "content": "3"})
    use, result = body["messages"][0]["content"][0]["id"], body["messages"][1]["content"][0]["tool_use_id"]
    assert use == result
    assert re.fullmatch(r"[A-Za-z0-9_-]+", use)


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [('{"x": 1}', {"x": 1}), ({"x": 1}, {"x": 1}), ("", {}), (None, {}), ("{cut", {}), ("[1]", {}), (5, {})],
    ids=str,
)
def test_arguments_become_an_object(arguments: object, sent: dict[str, Any]) -> None:
    body = asked({"role": "assistant", "content": None, "tool_calls": [call("f", arguments)]})
    assert body["messages"][0]["content"][0]["input"] == sent


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
CLOSED = {**SCHEMA, "additionalProperties": False}
ADD = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    ("tool", "sent"),
    [
        (ADD, {"name": "add", "description": "Adds.", "input_schema": SCHEMA}),
        (
            {"type": "function", "function": {"name": "now"}},
            {"name": "now", "input_schema": {"type": "object", "properties": {}}},
        ),
        ({"type": "web_search_20250305", "name": "s"}, {"type": "web_search_20250305", "name": "s"}),
    ],
    ids=["described", "bare", "its own"],
)
def test_a_tool_is_translated(tool: dict[str, Any], sent: dict[str, Any]) -> None:
    assert asked(tools=(tool,))["tools"] == [sent]


def strict_tools(count: int, **schema: Any) -> tuple[dict[str, Any], ...]:
    parameters = {"type": "object", "additionalProperties": False, **schema}
    named = [{"name": f"f{number}", "strict": True, "parameters": parameters} for number in range(count)]
    return tuple({"type": "function", "function": function} for function in named)


@pytest.mark.parametrize(
    ("tools", "strict"),
    [
        (strict_tools(22), 20),
        (strict_tools(5, properties={str(number): {"type": "string"} for number in range(10)}), 2),
        (strict_tools(3, properties={"x": {"type": ["string", "null"]}}, required=["x"]), 3),
        (
            strict_tools(
                5,
                properties={str(number): {"anyOf": [{"type": "string"}, {"type": "null"}]} for number in range(5)},
                required=[str(number) for number in range(5)],
            ),
            3,
        ),
    ],
    ids=["tools", "optional", "few", "unions"],
)
def test_no_more_tools_are_strict_than_the_api_takes(tools: tuple[dict[str, Any], ...], strict: int) -> None:
    body = messages_body(Request(messages=HELLO.messages, tools=tools), "claude-sonnet-4-5")
    assert [tool.get("strict") for tool in body["tools"]] == [True] * strict + [None] * (len(tools) - strict)


@pytest.mark.parametrize(
    ("choice", "params", "sent"),
    [
        (None, {}, None),
        ("auto", {}, {"type": "auto"}),
        ("none", {}, {"type": "none"}),
        ("required", {}, {"type": "any"}),
        ({"type": "function", "function": {"name": "add"}}, {}, {"type": "tool", "name": "add"}),
        ({"type": "any"}, {}, {"type": "any"}),
        (None, {"parallel_tool_calls": True}, None),
        (None, {"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"parallel_tool_calls": False}, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", {"parallel_tool_calls": False}, {"type": "none"}),
    ],
    ids=str,
)
def test_a_tool_choice_is_translated(choice: Any, params: dict[str, Any], sent: dict[str, Any] | None) -> None:
    assert asked(tools=(ADD,), tool_choice=choice, params=params).get("tool_choice") == sent


@pytest.mark.parametrize(
    ("choice", "thinks"),
    [
        (None, True),
        ("auto", True),
        ("none", True),
        ("required", False),
        ({"type": "function", "function": {"name": "add"}}, False),
    ],
    ids=str,
)
def test_a_forced_call_leaves_no_room_to_think(choice: Any, thinks: bool) -> None:
    body = asked(tools=(ADD,), tool_choice=choice, temperature=0.5, params={"reasoning_effort": "low"})
    assert ("thinking" in body, "temperature" in body) == (thinks, not thinks)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"params": {"max_completion_tokens": 9}}, {"max_tokens": 9}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"temperature": 1.8}, {"temperature": 1.0}),
        ({"params": {"top_p": 0.5, "top_k": 3}}, {"top_p": 0.5, "top_k": 3}),
        ({"params": {"stop": "END"}}, {"stop_sequences": ["END"]}),
        ({"params": {"stop": ["a", "b"]}}, {"stop_sequences": ["a", "b"]}),
        ({"params": {"seed": 7, "presence_penalty": 1, "logprobs": True, "n": 1}}, {}),
        ({"params": {"metadata": {"user_id": "u"}}}, {"metadata": {"user_id": "u"}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
        ),
        (
            {
                "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
                "params": {"output_config": {"effort": "low"}},
            },
            {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": CLOSED}}},
        ),
        ({"response_format": {"type": "json_object"}}, {}),
        (
            {"params": {"reasoning_effort": "low", "top_p": 0.5, "top_k": 3}, "max_tokens": 100, "temperature": 0.5},
            {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 2148},
        ),
        (
            {"params": {"reasoning": {"effort": "high"}}},
            {"thinking": {"type": "enabled", "budget_tokens": 16_384}, "max_tokens": MAX_TOKENS + 16_384},
        ),
        (
            {"params": {"reasoning": {"max_tokens": 3000}}},
            {"thinking": {"type": "enabled", "budget_tokens": 3000}, "max_tokens": MAX_TOKENS + 3000},
        ),
        ({"params": {"reasoning_effort": "none"}}, {}),
        ({"params": {"reasoning_effort": "low", "thinking": {"type": "adaptive"}}}, {"thinking": {"type": "adaptive"}}),
    ],
    ids=str,
)  # fmt: skip
def test_a_parameter_is_translated_or_left_out(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    assert asked(**fields) == {**asked(), **sent}


def test_a_schema_that_is_changed_for_the_api_stays_whole_in_the_request() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}}
    request = Request(
        messages=HELLO.messages, response_format={"type": "json_schema", "json_schema": {"schema": schema}}
    )
    messages_body(request, "m")
    assert schema == {"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}}


def test_a_schema_of_any_depth_is_no_accident() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"items": schema}
    request = Request(
        messages=HELLO.messages, response_format={"type": "json_schema", "json_schema": {"schema": schema}}
    )
    assert "output_config" not in messages_body(request, "m")


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("a:;,", max_size=3) | st.just("data:a;base64,!"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "text", "image_url", "url", "file", "file_data", "function", "name", "arguments"),
                    *("parameters", "id", "format", "signature", "effort", "max_tokens", "schema", "json_schema"),
                ]
            ),
            inner | st.sampled_from(["text", "image_url", "file", "function", "anthropic-claude-v1"]),
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "reasoning_details", "tool_call_id"]),
            ODD | st.sampled_from(["system", "user", "assistant", "tool"]),
        ),
        max_size=3,
    ),
    st.dictionaries(st.sampled_from(["stop", "reasoning", "reasoning_effort", "parallel_tool_calls"]), ODD),
    st.none() | st.dictionaries(st.sampled_from(["type", "json_schema"]), ODD),
)
def test_no_message_whatsoever_is_an_accident(
    messages: list[dict[str, Any]], params: dict[str, Any], response_format: dict[str, Any] | None
) -> None:
    request = Request(messages=tuple(messages), params=params, response_format=response_format)
    assert messages_body(request, "m")["model"] == "m"


def test_what_a_caller_says_in_this_protocols_words_cannot_name_another_model_or_limit() -> None:
    """A budget is kept by the price of the model that was asked."""
    said = {"model": "dear", "max_tokens": 99_999, "messages": [], "tools": [{}], "service_tier": "auto"}
    body = messages_body(Request(messages=HELLO.messages, params={"anthropic": said, "max_tokens": 9}), "m")
    assert (body["model"], body["max_tokens"], body["service_tier"], "tools" in body) == ("m", 9, "auto", False)
    assert body["messages"] == messages_body(HELLO, "m")["messages"]


# --- What an answer means --------------------------------------------------------------------------

TOOL = block(1, type="tool_use", id="i", name="add", input={})


@pytest.mark.parametrize(
    ("events", "read"),
    [
        ([text("x")], [TextDelta("x")]),
        ([block(0, type="text", text="x")], [TextDelta("x")]),
        ([delta(0, type="text_delta", text="x", citations=None, new={"y": [1]})], [TextDelta("x")]),
        ([text("a\u2028b\x85c😀")], [TextDelta("a\u2028b\x85c😀")]),
        ([delta(0, type="thinking_delta", thinking="x")], [ReasoningDelta("x")]),
        ([block(0, type="thinking", thinking="", signature=""), delta(0, type="signature_delta", signature="s")], []),
        ([block(0, type="redacted_thinking", data="d")], []),
        ([TOOL], [ToolCallDelta(0, "i", "add", "")]),
        (
            [TOOL, *(delta(1, type="input_json_delta", partial_json=piece) for piece in ("", '{"x'))],
            [ToolCallDelta(0, "i", "add", ""), ToolCallDelta(0, None, None, '{"x')],
        ),
        (
            [
                block(1, type="server_tool_use", id="s", name="web_search", input={}),
                delta(1, type="input_json_delta", partial_json='{"query": 1}'),
                block(2, type="web_search_tool_result", content=[]),
                block(3, type="tool_use", id="i", name="add", input={}),
                delta(3, type="input_json_delta", partial_json="{}"),
            ],
            [ToolCallDelta(0, "i", "add", ""), ToolCallDelta(0, None, None, "{}")],
        ),
    ],
    ids=str,
)  # fmt: skip
async def test_a_block_is_read(wire: Wire, events: list[Any], read: list[ProviderEvent]) -> None:
    assert without_usage(await wire.events(stream(start(), *events, stop()))) == [*read, DONE]


async def test_parallel_tool_calls_in_fragments_are_told_apart(wire: Wire) -> None:
    def piece(index: int, json: str) -> dict[str, Any]:
        return delta(index, type="input_json_delta", partial_json=json)

    blocks = [block(at, type="tool_use", id=name, name=name, input={}) for at, name in ((1, "f"), (2, "g"))]
    events = [text("Both."), *blocks, piece(2, '{"y"'), piece(1, '{"x":'), piece(2, ":2}"), piece(1, "1}")]
    builder = AnswerBuilder()
    for event in await wire.events(stream(start(), *events, stop("tool_use"))):
        builder.add(event)
    assert builder.answer().tool_calls == (
        ToolCall(id="f", name="f", arguments='{"x":1}'),
        ToolCall(id="g", name="g", arguments='{"y":2}'),
    )


ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m-1",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "i", "name": "add", "input": {"x": 1}},
        {"type": "tool_use", "id": "j", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 3, "output_tokens": 5},
}


@pytest.mark.parametrize("asked_for_a_stream", [True, False])
async def test_a_whole_answer_is_read(wire: Wire, asked_for_a_stream: bool) -> None:
    events = await wire.all_events(whole(ANSWER), stream=asked_for_a_stream)
    assert events[1:] == [
        Served("m-1", None, "msg_1"),
        Usage(prompt_tokens=3),
        ReasoningDelta("Hm."),
        *thinking(0, text="Hm.", signature="sig"),
        HI,
        ToolCallDelta(0, "i", "add"),
        ToolCallDelta(0, arguments='{"x":1}'),
        ToolCallDelta(1, "j", "now"),
        Usage(prompt_tokens=3, completion_tokens=5),
        Finished("tool_calls"),
    ]


def thinking(index: int, **fields: str) -> list[ProviderEvent]:
    base = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": index}
    return [ReasoningDetail({**base, name: value}) for name, value in fields.items()]


NOTHING: list[Any] = [
    'event: ping\ndata: {"type": "ping"}\n\n',
    ": a comment\n\n",
    "data: \n\n",
    "data: {not json\n\n",
    f"data: {'[' * 100_000}\n\n",
    'data: {"type": "content_block_delta", "delta": ' + '{"delta":' * 100_000 + "\n\n",
    None,
    5,
    [],
    {},
    {"type": "brand_new", "delta": {"text": "x"}},
    {"type": None},
    {"type": ["content_block_delta"]},
    {"type": "message_start"},
    {"type": "message_start", "message": None},
    start(id=5, model={}, usage=[]),
    {"type": "content_block_start"},
    {"type": "content_block_start", "index": "0", "content_block": []},
    block(0, type="brand_new", text="x"),
    block(0, type="text", text=5),
    block(0, type="redacted_thinking", data=None),
    {"type": "content_block_delta", "index": 0, "delta": None},
    delta(0, type="text_delta"),
    delta(0, type="text_delta", text=None),
    delta(0, type="brand_new", new="x"),
    delta(0, type="citations_delta", citation={"cited_text": "x"}),
    delta(7, type="input_json_delta", partial_json="{}"),
    {"type": "content_block_stop", "index": {}},
    {"type": "message_delta"},
    {"type": "message_delta", "delta": None, "usage": None},
    {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": "5"}},
    {"type": "message_delta", "delta": {"stop_reason": 5}},
]


@pytest.mark.parametrize("nothing", NOTHING, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("position", ["first", "later"])
async def test_what_says_nothing_is_skipped(wire: Wire, nothing: object, position: str) -> None:
    events = [nothing, text("Hi")] if position == "first" else [text("Hi"), nothing]
    assert without_usage(await wire.events(stream(*events, stop()))) == [HI, DONE]


FIELDS = [
    *("type", "message", "content_block", "delta", "index", "content", "text", "thinking", "signature", "data"),
    *("partial_json", "input", "error", "stop_reason", "usage", "input_tokens", "model", "id", "code"),
]
KINDS = [
    *("message_start", "content_block_start", "content_block_delta", "message_delta", "error", "tool_use"),
    *("text_delta", "thinking", "redacted_thinking", "refusal"),
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab", max_size=2)
    | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=12,
)


@given(json_values, st.booleans())
def test_no_event_whatsoever_is_an_accident(value: object, is_whole: bool) -> None:
    reader = MessageReader()
    try:
        list(reader.whole(value) if is_whole and isinstance(value, dict) else reader.read(json.dumps(value)))
    except ProviderError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("brand_new", "brand_new"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_any_stop_reason_is_handed_on(wire: Wire, reason: str, finish: str, streamed: bool) -> None:
    answer = stream(start(), text("Hi"), stop(reason)) if streamed else whole({**ANSWER, "stop_reason": reason})
    assert (await wire.events(answer))[-1] == Finished(finish)


async def test_a_stop_reason_that_is_repeated_counts_once(wire: Wire) -> None:
    assert without_usage(await wire.events(stream(start(), text("Hi"), stop(), stop()))) == [HI, DONE]


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (
            {
                "input_tokens": 3,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 20,
                "output_tokens": 5,
                "service_tier": "standard",
            },
            Usage(prompt_tokens=123, completion_tokens=5, cached_tokens=100, cache_write_tokens=20),
        ),
        (
            {"input_tokens": 3, "cache_read_input_tokens": 0, "cache_creation_input_tokens": None},
            Usage(prompt_tokens=3, cached_tokens=0),
        ),
        ({"cache_read_input_tokens": 100}, Usage(cached_tokens=100)),
        ({"input_tokens": None, "output_tokens": "5"}, Usage(completion_tokens=5)),
        ({"input_tokens": True, "output_tokens": -1}, Usage()),
        ({"input_tokens": 10**30, "output_tokens": 1.5}, Usage()),
        ({}, Usage()),
    ],
    ids=str,
)
def test_what_usage_does_not_say_stays_unknown(usage: dict[str, Any], read: Usage) -> None:
    assert read_usage(usage) == read


STARTED = {"input_tokens": 3, "cache_read_input_tokens": 100, "output_tokens": 1}


@pytest.mark.parametrize(
    ("last", "read"),
    [
        ({"usage": {"output_tokens": 5}}, Usage(prompt_tokens=103, cached_tokens=100, completion_tokens=5)),
        (
            {"usage": {"input_tokens": 4, "cache_read_input_tokens": None, "output_tokens": 5}},
            Usage(prompt_tokens=104, cached_tokens=100, completion_tokens=5),
        ),
        ({}, Usage(prompt_tokens=103, cached_tokens=100)),
    ],
    ids=["output alone", "input again", "nothing"],
)
async def test_usage_is_what_both_ends_of_a_stream_say(wire: Wire, last: dict[str, Any], read: Usage) -> None:
    events = await wire.events(stream(start(usage=STARTED), text("Hi"), stop(**last)))
    assert [event for event in events if isinstance(event, Usage)][-1] == read


async def test_the_prompt_s_usage_is_known_of_a_stream_that_is_cut(wire: Wire) -> None:
    wire.route.mock(return_value=sse(start(usage=STARTED), text("Hi"), end=""))
    builder = AnswerBuilder()
    with pytest.raises(ProviderError, match="finish reason"):
        async for event in wire.provider.stream(Call("m", HELLO, True, 5.0)):
            builder.add(event)
    assert builder.usage == Usage(prompt_tokens=103, cached_tokens=100)


# --- The next turn ---------------------------------------------------------------------------------

TURN: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "First, add.", "signature": "c2ln+/=="},
    {"type": "redacted_thinking", "data": "b25l+/=="},
    {"type": "redacted_thinking", "data": "dHdv"},
    {"type": "thinking", "thinking": "", "signature": "withheld"},
    {"type": "text", "text": "Let me add."},
    {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 1, "s": 'é"\n'}},
    {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
]


def in_pieces(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stream that gives these blocks, each text in two pieces."""
    kinds = {"thinking": "thinking_delta", "text": "text_delta"}
    events: list[dict[str, Any]] = []
    for index, content in enumerate(blocks):
        kind = content["type"]
        if kind == "tool_use":
            pieces = [("input_json_delta", "partial_json", json.dumps(content["input"]))]
            events.append(block(index, **{**content, "input": {}}))
        elif kind == "redacted_thinking":
            pieces = []
            events.append(block(index, **content))
        else:
            pieces = [(kinds[kind], kind, content[kind])]
            events.append(block(index, type=kind, **{kind: ""}))
        for name, field, value in pieces:
            events += [delta(index, type=name, **{field: part}) for part in (value[:3], value[3:])]
        if "signature" in content:
            events.append(delta(index, type="signature_delta", signature=content["signature"]))
        events.append({"type": "content_block_stop", "index": index})
    return events


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_goes_back_in_the_next_turn_as_it_came(wire: Wire, streamed: bool) -> None:
    answer = stream(start(), *in_pieces(TURN), stop("tool_use")) if streamed else whole({**ANSWER, "content": TURN})
    builder = AnswerBuilder()
    for event in await wire.all_events(answer):
        builder.add(event)
    sent = asked(*HELLO.messages, builder.answer().message())["messages"][-1]
    assert sent == {"role": "assistant", "content": TURN}


@pytest.mark.parametrize(
    "detail",
    [
        {"type": "reasoning.text", "text": "x", "format": "anthropic-claude-v1"},
        {"type": "reasoning.text", "text": "x", "signature": "s", "format": "google-gemini-v1"},
        {"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1"},
        {"type": "reasoning.summary", "summary": "x", "format": "anthropic-claude-v1"},
        None,
    ],
    ids=str,
)
def test_reasoning_that_the_api_would_refuse_is_left_out(detail: Any) -> None:
    message = Answer(text="Hi", reasoning_details=(detail,)).message()
    assert asked(message)["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]


# --- Errors at every place -------------------------------------------------------------------------


def error(kind: str, message: str = "Why.") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("status", "kind", "read"),
    [
        (400, "invalid_request_error", "bad_request"),
        (401, "authentication_error", "authentication_failed"),
        (402, "billing_error", "payment_required"),
        (403, "permission_error", "permission_denied"),
        (404, "not_found_error", "model_not_found"),
        (413, "request_too_large", "request_too_large"),
        (429, "rate_limit_error", "rate_limited"),
        (500, "api_error", "server_failed"),
        (504, "timeout_error", "server_failed"),
        (529, "overloaded_error", "server_failed"),
    ],
)
@pytest.mark.parametrize("place", ["status", "whole", "first in the stream", "later in the stream"])
async def test_an_error_means_the_same_wherever_it_stands(
    wire: Wire, status: int, kind: str, read: str, place: str
) -> None:
    answer = {
        "status": whole(error(kind), status),
        "whole": whole(error(kind)),
        "first in the stream": sse(error(kind)),
        "later in the stream": sse(start(), text("Hi"), error(kind), stop()),
    }[place]
    found = await wire.error(answer)
    assert (found.kind, str(found), found.code) == (read, "Why.", kind)


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", "context_length_exceeded"),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", "context_length_exceeded"),
        ("Your credit balance is too low to access the Anthropic API.", "payment_required"),
        ("messages: roles must alternate", "bad_request"),
    ],
)
async def test_the_words_of_an_invalid_request_say_more(wire: Wire, message: str, read: str) -> None:
    assert (await wire.error(whole(error("invalid_request_error", message), 400))).kind == read


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (stream(start(), text("Hi"), stop("refusal")), "content_filtered"),
        (whole({**ANSWER, "stop_reason": "refusal"}), "content_filtered"),
        (stream(start(), text("Hi")), "stream_cut"),
        (sse(end=""), "stream_cut"),
        (whole({**ANSWER, "stop_reason": None}), "stream_cut"),
        (sse({"type": "error"}), "server_failed"),
        (sse({"type": "error", "error": "It is down."}), "server_failed"),
        (whole({}), "invalid_answer"),
        (whole({"choices": []}), "invalid_answer"),
        (whole([]), "invalid_answer"),
        (whole("<html>Log in</html>"), "invalid_answer"),
        (whole(""), "invalid_answer"),
        (whole("<html>Bad gateway</html>", 502), "server_failed"),
        (Body(b'{"content": "\xff"}').response("application/json"), "invalid_answer"),
        (Body(b"[" * 100_000).response("application/json"), "invalid_answer"),
        (Body(b"[" * 100_000).response("application/json", 500), "server_failed"),
    ],
)
async def test_what_is_no_answer_is_an_error(wire: Wire, answer: httpx.Response, kind: str) -> None:
    assert (await wire.error(answer)).kind == kind


async def test_the_usage_of_a_refusal_is_known(wire: Wire) -> None:
    wire.route.mock(return_value=stream(start(usage=STARTED), stop("refusal", usage={"output_tokens": 5})))
    builder = AnswerBuilder()
    with pytest.raises(ProviderError, match="refusal"):
        async for event in wire.provider.stream(Call("m", HELLO, True, 5.0)):
            builder.add(event)
    assert builder.usage == Usage(prompt_tokens=103, cached_tokens=100, completion_tokens=5)


async def test_overloaded_asks_to_wait_as_its_header_says(wire: Wire) -> None:
    found = await wire.error(whole(error("overloaded_error"), 529, **{"retry-after": "7", "request-id": "req_1"}))
    assert (found.retry_after, decide(found).retry) == (7.0, True)


async def test_a_key_that_an_error_repeats_is_scrubbed(tmp_path: Path) -> None:
    wire = Wire(tmp_path, "anthropic", api_key="${A_KEY}")
    assert str(await wire.error(sse(error("authentication_error", f"invalid x-api-key: {KEY}")))) == (
        "invalid x-api-key: ***"
    )
