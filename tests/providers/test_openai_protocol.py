"""Chat completions on the wire: what is sent, and what any answer means."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import router.providers.body
import router.providers.exchange
from router.core.errors import ProviderError, decide
from router.core.events import (
    AnswerBuilder,
    Finished,
    Noted,
    ProviderEvent,
    ReasoningDelta,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import Answer, Usage
from router.core.requests import Request
from router.providers import Call
from router.providers.failures import failure
from router.providers.openai import ChunkReader
from router.providers.openai_usage import read_usage
from router.providers.producers import producer
from tests.scripted import HELLO, KEY, Body, Speaks, Wire, sse, whole

STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
DONE = Finished("stop")


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "gen", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


# --- What is sent ----------------------------------------------------------------------------------


async def test_a_request_goes_out_whole(wire: Wire) -> None:
    tools = ({"type": "function", "function": {"name": "add"}},)
    choice = {"type": "function", "function": {"name": "add"}}
    request = Request(
        messages=HELLO.messages, tools=tools, tool_choice=choice, temperature=0.0, params={"seed": 7, "model": "other"}
    )
    await wire.events(sse(chunk("stop", content="Hi")), request=request)
    assert wire.sent == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": list(tools),
        "tool_choice": choice,
        "temperature": 0.0,
        "seed": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_a_whole_answer_is_asked_for_without_a_stream(wire: Wire) -> None:
    await wire.events(whole({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}), stream=False)
    assert wire.sent == {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


async def test_the_key_and_the_provider_s_own_fields_go_along(tmp_path: Path) -> None:
    wire = Wire(tmp_path, api_key="${A_KEY}", headers={"X-Title": "Lab"}, body={"top_k": 1, "seed": 1})
    await wire.events(sse(chunk("stop", content="Hi")), request=Request(messages=HELLO.messages, params={"seed": 7}))
    headers = wire.route.calls.last.request.headers
    assert (headers["authorization"], headers["x-title"]) == (f"Bearer {KEY}", "Lab")
    assert (wire.sent["top_k"], wire.sent["seed"]) == (1, 7)


OPENROUTER = "https://openrouter.ai/api/v1"
OTHERS = ["http://host/v1", "https://openrouter.ai.host/v1", "https://host/openrouter.ai/v1"]
GREETING = sse(chunk("stop", content="Hi"))


@pytest.mark.parametrize(
    ("base_url", "headers", "sent"),
    [
        (OPENROUTER, {}, ("http://localhost:8501", "Fallback Lab")),
        (OPENROUTER, {"X-OpenRouter-Title": "Mine"}, ("http://localhost:8501", "Mine")),
        (OPENROUTER, {"http-referer": "https://mine", "x-openrouter-title": "Mine"}, ("https://mine", "Mine")),
        *((other, {}, (None, None)) for other in OTHERS),
    ],
)
async def test_openrouter_alone_is_told_which_app_asks(
    tmp_path: Path, base_url: str, headers: dict[str, str], sent: tuple[str | None, str | None]
) -> None:
    wire = Wire(tmp_path, base_url=base_url, headers=headers)
    await wire.events(GREETING)
    assert (wire.headers.get("http-referer"), wire.headers.get("x-openrouter-title")) == sent


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("base_url", "headers", "sent"),
    [
        (OPENROUTER, {}, "enabled"),
        (OPENROUTER, {"x-openrouter-metadata": "disabled"}, "disabled"),
        *((other, {}, None) for other in OTHERS),
    ],
)
async def test_openrouter_alone_is_asked_for_the_attempts_it_makes(
    tmp_path: Path, protocol: Speaks, base_url: str, headers: dict[str, str], sent: str | None
) -> None:
    wire = Wire(tmp_path, protocol, base_url=base_url, headers=headers)
    await wire.error(httpx.Response(404))
    assert wire.headers.get("x-openrouter-metadata") == sent


async def test_a_header_of_one_s_own_may_hold_any_letter(tmp_path: Path) -> None:
    wire = Wire(tmp_path, headers={"X-Title": "Café 東京"})
    await wire.events(GREETING)
    assert dict(wire.headers.raw)[b"X-Title"] == "Café 東京".encode()


async def test_a_server_without_keys_gets_none(wire: Wire) -> None:
    await wire.events(sse(chunk("stop", content="Hi")))
    assert "authorization" not in wire.route.calls.last.request.headers


@pytest.mark.parametrize(("variable", "reason"), [("A_KEY", None), ("B_KEY", ("no_key", "B_KEY is not set"))])
def test_a_missing_key_is_a_problem(tmp_path: Path, variable: str, reason: tuple[str, str] | None) -> None:
    assert Wire(tmp_path, api_key=f"${{{variable}}}").provider.problem() == reason


# --- What an answer means --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delta", "event"),
    [
        ({"content": "x"}, TextDelta("x")),
        ({"content": "x", "role": "assistant", "refusal": None, "annotations": []}, TextDelta("x")),
        ({"content": None, "refusal": "x"}, TextDelta("x", refused=True)),
        ({"content": [{"type": "refusal", "refusal": "x"}]}, TextDelta("x", refused=True)),
        ({"content": [{"type": "text", "text": "x"}, {"type": "image"}, 5]}, TextDelta("x")),
        ({"content": "a\u2028b\x85c\x0bd"}, TextDelta("a\u2028b\x85c\x0bd")),
        ({"reasoning": "x"}, ReasoningDelta("x")),
        ({"reasoning_content": "x", "content": None}, ReasoningDelta("x")),
        ({"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "x"}]}, ReasoningDelta("x")),
        ({"content": "", "reasoning": "x", "reasoning_details": [{"text": "x"}]}, ReasoningDelta("x")),
        (
            {"tool_calls": [{"index": 1, "id": "i", "function": {"name": "add", "arguments": ""}}]},
            ToolCallDelta(1, "i", "add", ""),
        ),
        (
            {"tool_calls": [{"index": 0, "id": None, "function": {"arguments": '{"x'}}]},
            ToolCallDelta(0, None, None, '{"x'),
        ),
        (
            {"tool_calls": [{"id": "i", "function": {"name": "f", "arguments": {"x": 1}}}]},
            ToolCallDelta(0, "i", "f", '{"x":1}'),
        ),
    ],
)
@pytest.mark.parametrize("position", ["first", "later"])
async def test_a_delta_is_read(wire: Wire, delta: dict[str, Any], event: ProviderEvent, position: str) -> None:
    before = [chunk(content="before ")] if position == "later" else []
    assert (await wire.events(sse(*before, chunk(**delta), STOP)))[len(before) :] == [event, DONE]


NOTHING: list[Any] = [
    ": OPENROUTER PROCESSING\n\n",
    "event: ping\n\n",
    "data: \n\n",
    "data: {not json\n\n",
    f"data: {'[' * 100_000}\n\n",
    'data: {"choices": [{"delta": ' + '{"content":' * 100_000 + "\n\n",
    "retry: 5\nid: 7\nunknown line\n\n",
    None,
    5,
    [],
    {},
    {"choices": None},
    {"choices": []},
    {"choices": [None]},
    {"choices": {}},
    {"choices": [{"delta": None, "finish_reason": None}]},
    {"choices": [{"delta": [], "finish_reason": 5}]},
    {"choices": [{}], "usage": None, "error": None, "x_new": {"y": [1]}},
    {"choices": [{"delta": {"content": None, "tool_calls": None, "reasoning": None}}]},
    {"choices": [{"delta": {"content": 5, "tool_calls": [None, 5], "reasoning": {}}}]},
    {"usage": [], "model": 5, "provider": {}, "id": []},
]


@pytest.mark.parametrize("nothing", NOTHING, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("position", ["first", "later"])
async def test_what_says_nothing_is_skipped(wire: Wire, nothing: object, position: str) -> None:
    text = chunk(content="Hi")
    chunks = [nothing, text] if position == "first" else [text, nothing]
    assert await wire.events(sse(*chunks, STOP)) == [TextDelta("Hi"), DONE]


FIELDS = [
    *("choices", "delta", "message", "content", "tool_calls", "function", "arguments", "index", "reasoning"),
    *("error", "code", "metadata", "finish_reason", "usage", "cost", "prompt_tokens", "model", "id"),
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=12,
)


@given(json_values, st.booleans())
def test_no_chunk_whatsoever_is_an_accident(value: object, first: bool) -> None:
    reader = ChunkReader()
    if not first:
        list(reader.read(json.dumps(chunk(content="x"))))
    try:
        list(reader.read(json.dumps(value)))
    except ProviderError as error:
        assert str(error)


@pytest.mark.parametrize("end", ["data: [DONE]\n\n", "", "data: [DONE]\n\ndata: {}\n\n"], ids=["done", "none", "more"])
async def test_an_answer_ends_with_a_finish_reason_and_not_with_done(wire: Wire, end: str) -> None:
    assert await wire.events(sse(chunk(content="Hi"), STOP, end=end)) == [TextDelta("Hi"), DONE]


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"], ids=repr)
async def test_any_line_ending_will_do(wire: Wire, newline: str) -> None:
    lines = [f"data: {json.dumps(one)}\n\n".replace("\n", newline) for one in (chunk(content="Hi"), STOP)]
    assert await wire.events(sse(*lines, end="")) == [TextDelta("Hi"), DONE]


async def test_a_byte_order_mark_hides_nothing(wire: Wire) -> None:
    mark = "\ufeff".encode()
    body = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}).encode()
    streamed = await wire.events(Body(mark, HI, f"data: {json.dumps(STOP)}\n\n".encode()).response())
    in_one = await wire.events(Body(mark, body).response("application/json"))
    assert (streamed, in_one) == ([TextDelta("Hi"), DONE], [TextDelta("Hi"), DONE])


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "brand_new"])
async def test_any_finish_reason_is_handed_on(wire: Wire, reason: str) -> None:
    assert (await wire.events(sse(chunk(reason, content="Hi"))))[-1] == Finished(reason)


async def test_a_finish_reason_that_is_repeated_counts_once(wire: Wire) -> None:
    assert await wire.events(sse(chunk("stop", content="Hi"), STOP)) == [TextDelta("Hi"), DONE]


async def test_a_stream_that_comes_as_one_body_is_read(wire: Wire) -> None:
    body = {"choices": [{"message": {"content": "Hi", "reasoning": "Hm."}, "finish_reason": "stop"}]}
    events = [ReasoningDelta("Hm."), TextDelta("Hi"), DONE]
    assert await wire.events(whole(body)) == events


async def test_a_body_that_begins_with_blank_lines_is_read(wire: Wire) -> None:
    body = b'\n\n \n{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}\n'
    answer = httpx.Response(200, headers={"content-type": "application/json"}, content=body)
    assert await wire.events(answer, stream=False) == [TextDelta("Hi"), DONE]


async def test_tool_calls_in_a_whole_answer_are_told_apart_without_an_index(wire: Wire) -> None:
    calls = [{"id": name, "function": {"name": name, "arguments": "{}"}} for name in ("f", "g")]
    body = {"choices": [{"message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}]}
    events = await wire.events(whole(body), stream=False)
    assert events[:2] == [ToolCallDelta(0, "f", "f", "{}"), ToolCallDelta(1, "g", "g", "{}")]


@pytest.mark.parametrize("choices", [[], None, "left out"])
async def test_usage_comes_with_or_without_choices(wire: Wire, choices: object) -> None:
    last = {"usage": {"prompt_tokens": 3}} | ({} if choices == "left out" else {"choices": choices})
    assert await wire.events(sse(chunk("stop", content="Hi"), last)) == [TextDelta("Hi"), DONE, Usage(prompt_tokens=3)]


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "cost": 0.25,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(prompt_tokens=9, completion_tokens=5, cached_tokens=4, reasoning_tokens=2, cost=0.25),
        ),
        ({"cost": 0, "prompt_tokens": 0}, Usage(cost=0.0)),
        ({"cost": None, "prompt_tokens": None, "prompt_tokens_details": None}, Usage()),
        ({"cost": "x", "prompt_tokens": "x", "completion_tokens": 1.5, "prompt_tokens_details": []}, Usage()),
        ({"cost": True, "prompt_tokens": True, "completion_tokens": -1}, Usage()),
        ({"cost": -1}, Usage()),
        ({"cost": 10**400}, Usage()),
        ({"prompt_tokens": 10**30}, Usage()),
    ],
)
def test_what_usage_does_not_say_stays_unknown(usage: dict[str, Any], read: Usage) -> None:
    assert read_usage(usage) == read


@pytest.mark.parametrize(
    "last", [{"choices": [], "usage": {}}, {**STOP, "model": None}, {**STOP, "id": "gen", "model": "m-1"}], ids=str
)
async def test_who_serves_is_not_forgotten_by_later_chunks(wire: Wire, last: dict[str, Any]) -> None:
    wire.route.mock(return_value=sse({**chunk(content="Hi"), "provider": "host"}, last, STOP))
    served = [event async for event in wire.provider.stream(Call("m", HELLO, True, 5.0)) if isinstance(event, Served)]
    assert served[-1] == Served("m-1", "host", "gen")


DETAILS: list[Any] = [
    {"type": "reasoning.text", "text": "Hm, é", "signature": None, "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "text": "m.", "index": 0, "id": None},
    {"type": "reasoning.text", "signature": "c2ln", "index": 0},
    {"type": "reasoning.summary", "summary": "One ", "id": "rs_1", "index": 1},
    {"type": "reasoning.summary", "summary": "two.", "index": 1},
    {"type": "reasoning.encrypted", "data": "b25l", "id": "rs_2", "index": 2, "new": {"x": [1]}},
    {"type": "reasoning.encrypted", "data": "dHdv", "id": "rs_3", "index": 3},
]
JOINED = [
    {
        "type": "reasoning.text",
        "text": "Hm, ém.",
        "signature": "c2ln",
        "format": "anthropic-claude-v1",
        "index": 0,
        "id": None,
    },
    {"type": "reasoning.summary", "summary": "One two.", "id": "rs_1", "index": 1},
    *DETAILS[-2:],
]


def in_one_body(*details: object) -> httpx.Response:
    message = {"content": "Hi", "reasoning_details": details}
    return whole({"choices": [{"message": message, "finish_reason": "stop"}]})


WITHOUT_INDEX = [{"type": "reasoning.encrypted", "data": data, "id": data} for data in ("one", "two")]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (sse(*(chunk(reasoning_details=[detail]) for detail in DETAILS), chunk("stop", content="Hi")), JOINED),
        (in_one_body(*JOINED), JOINED),
        (in_one_body(*WITHOUT_INDEX), WITHOUT_INDEX),
        (sse(*(chunk(reasoning_details=[one]) for one in WITHOUT_INDEX), chunk("stop", content="Hi")), WITHOUT_INDEX),
        (in_one_body(None, 5, []), []),
        (in_one_body({"type": ["odd"], "index": {}}), [{"type": ["odd"], "index": {}}]),
    ],
    ids=["streamed", "whole", "without index", "without index, streamed", "odd", "odder"],
)
async def test_reasoning_details_go_back_to_openrouter_as_they_came(
    tmp_path: Path, answer: httpx.Response, kept: list[object]
) -> None:
    wire = Wire(tmp_path, base_url=OPENROUTER)
    builder = AnswerBuilder()
    for event in await wire.all_events(answer):
        builder.add(event)
    await wire.events(GREETING, request=Request(messages=(*HELLO.messages, builder.answer().message())))
    assert wire.sent["messages"][-1].get("reasoning_details", []) == kept


THINKS = "deepseek-v4-pro"
HMM = ({"type": "reasoning_content", "text": "Hm."},)
SIGNED = {"producer": producer("http://host/v1/chat/completions", THINKS), "reasoning_details": HMM}
FOREIGN = {"producer": "aaaaaaaaaaaa", "reasoning_details": HMM, "reasoning_content": "Hm."}


@pytest.mark.parametrize(
    ("model", "said", "sent"),
    [
        (THINKS, SIGNED, "Hm."),
        (THINKS, {"reasoning_content": "Hm."}, "Hm."),
        (THINKS, FOREIGN, " "),
        (THINKS, {}, " "),
        ("moonshotai/Kimi-K2.6", {}, " "),
        ("deepseek-v3.2", {"reasoning_content": "Hm."}, None),
        ("kimi-k2-0905-preview", {}, None),
        ("m", {}, None),
    ],
    ids=["own", "unsigned", "another's", "none", "Kimi", "DeepSeek before", "Kimi before", "others"],
)
async def test_servers_that_want_a_thought_in_every_answer_get_one(
    wire: Wire, model: str, said: dict[str, Any], sent: str | None
) -> None:
    """They answer 400 where one is missing, also where another model of the chain gave that answer."""
    said = {"role": "assistant", "content": "Hi", **said}
    await wire.events(GREETING, request=Request(messages=(*HELLO.messages, said)), model=model)
    assert wire.sent["messages"][-1].get("reasoning_content") == sent


GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai"
ADDS = [{"id": name, "type": "function", "function": {"name": "add", "arguments": "{}"}} for name in ("a", "b")]
SKIPPED = {"google": {"thought_signature": "skip_thought_signature_validator"}}
MADE = {"google": {"thought_signature": "c2ln"}}


@pytest.mark.parametrize(
    ("base_url", "model", "by", "sent"),
    [
        (GOOGLE, "gemini-3-flash", "aaaaaaaaaaaa", SKIPPED),
        (GOOGLE, "models/gemini-flash-latest", None, SKIPPED),
        (GOOGLE, "gemini-3-flash", producer(f"{GOOGLE}/chat/completions", "gemini-3-flash"), MADE),
        (GOOGLE, "gemini-2.5-flash", None, None),
        ("http://host/v1", "gemini-3-flash", None, None),
    ],
    ids=["another's", "unknown", "own", "Gemini before", "other servers"],
)
async def test_gemini_is_told_of_calls_that_it_did_not_make(
    tmp_path: Path, base_url: str, model: str, by: str | None, sent: Any
) -> None:
    """It answers 400 to a first call without a signature, also where another model of the chain made it."""
    wire = Wire(tmp_path, base_url=base_url)
    calls = [{**ADDS[0], "extra_content": MADE}, ADDS[1]]
    said = {"role": "assistant", "content": None, "tool_calls": calls, **({"producer": by} if by else {})}
    await wire.events(GREETING, request=Request(messages=(*HELLO.messages, said)), model=model)
    extras = [call.get("extra_content") for call in wire.sent["messages"][-1]["tool_calls"]]
    assert extras == [sent, None]


ASKED_TO_ADD = {"role": "assistant", "content": None, "tool_calls": [{**ADDS[0], "id": "call_1.2:3"}]}
ADDED = {"role": "tool", "tool_call_id": "call_1.2:3", "content": "3"}
THANKS = {"role": "user", "content": "Thanks!"}


async def sent_after_a_call(wire: Wire, model: str) -> list[dict[str, Any]]:
    await wire.events(GREETING, request=Request(messages=(*HELLO.messages, ASKED_TO_ADD, ADDED, THANKS)), model=model)
    return list(wire.sent["messages"][1:])


@pytest.mark.parametrize("model", ["mistral-large-latest", "mistralai/Devstral-Small-2"])
async def test_a_mistral_gets_short_ids_and_no_user_right_after_a_tool(wire: Wire, model: str) -> None:
    """It refuses the ids of other models, with which a conversation comes to it in a chain."""
    called, given, between, said = await sent_after_a_call(wire, model)
    [call] = called["tool_calls"]
    assert re.fullmatch("[a-zA-Z0-9]{9}", call["id"])
    assert given == {**ADDED, "tool_call_id": call["id"]}
    assert (between["role"], said) == ("assistant", THANKS)


async def test_what_a_tool_gave_in_several_texts_is_one_text(wire: Wire) -> None:
    """A server that holds to the protocol's letter takes strings alone here."""
    texts = [{"type": "text", "text": text} for text in ("3", "5")]
    request = Request(messages=(*HELLO.messages, ASKED_TO_ADD, {**ADDED, "content": texts}))
    await wire.events(GREETING, request=request)
    assert wire.sent["messages"][-1] == {**ADDED, "content": "3\n\n5"}


async def test_others_get_ids_and_turns_as_they_are(wire: Wire) -> None:
    assert await sent_after_a_call(wire, "m") == [ASKED_TO_ADD, ADDED, THANKS]


async def test_openrouter_needs_no_thought_for_an_answer_that_has_none(tmp_path: Path) -> None:
    wire = Wire(tmp_path, base_url=OPENROUTER)
    said = Answer(text="Hi").message()
    await wire.events(GREETING, request=Request(messages=(*HELLO.messages, said)), model=f"deepseek/{THINKS}")
    assert wire.sent["messages"][-1] == said


@pytest.mark.parametrize("other", OTHERS)
async def test_reasoning_details_go_to_no_other_server(tmp_path: Path, other: str) -> None:
    wire = Wire(tmp_path, base_url=other)
    said = Answer(text="Hi", reasoning_details=(DETAILS[0],)).message()
    await wire.events(GREETING, request=Request(messages=(*HELLO.messages, said)))
    assert wire.sent["messages"] == [*HELLO.messages, {"role": "assistant", "content": "Hi"}]


ECHOED = {
    "role": "assistant", "content": "Hi", "name": "m", "id": "chatcmpl-1", "timestamp": 5, "reasoning_content": "Hmm",
    "vendor": {"x": 1}, "prefix": True,
}  # fmt: skip


async def test_fields_of_messages_that_no_server_knows_are_left_out_and_named(wire: Wire) -> None:
    """Clients keep their own there, and send answers back as they came; strict servers refuse a request for one."""
    events = await wire.all_events(GREETING, request=Request(messages=(*HELLO.messages, ECHOED)))
    assert wire.sent["messages"][-1] == {"role": "assistant", "content": "Hi", "name": "m", "prefix": True}
    [noted] = [event for event in events if isinstance(event, Noted)]
    [note] = noted.notes
    assert note.startswith("`id`, `timestamp`, `vendor` of messages")


async def test_openrouter_gets_fields_of_messages_as_they_are(tmp_path: Path) -> None:
    wire = Wire(tmp_path, base_url=OPENROUTER)
    await wire.events(GREETING, request=Request(messages=(*HELLO.messages, {**HELLO.messages[0], "images": ["x"]})))
    assert wire.sent["messages"][-1]["images"] == ["x"]


@pytest.mark.parametrize(
    ("base_url", "role"),
    [
        ("https://api.openai.com/v1", "developer"),
        (OPENROUTER, "developer"),
        ("https://api.groq.com/openai/v1", "system"),
    ],
)
async def test_only_openai_knows_developers(tmp_path: Path, base_url: str, role: str) -> None:
    wire = Wire(tmp_path, base_url=base_url)
    told = {"role": "developer", "content": "Be brief."}
    await wire.events(GREETING, request=Request(messages=(told, *HELLO.messages)))
    assert wire.sent["messages"][0] == {**told, "role": role}


NUMBERED = {"content-type": "text/event-stream", "x-request-id": "req"}


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        (whole({"error": {}}, 500, **{"x-generation-id": "gen-7", "x-request-id": "r"}), "gen-7"),
        (whole({"error": {}}, 500, **{"Request-Id": "req-7"}), "req-7"),
        (whole("<html>", 502, **{"X-Request-Id": "req-7"}), "req-7"),
        (whole({"error": {}}, 500), None),
        (httpx.Response(200, headers=NUMBERED, content=b""), "req"),
        (httpx.Response(200, headers=NUMBERED, content=b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'), "req"),
        (httpx.Response(200, headers=NUMBERED, content=b'data: {"choices":[],"model":"m"}\n\n'), "req"),
        (httpx.Response(200, headers=NUMBERED, content=b'data: {"choices":[],"id":"gen"}\n\n'), "gen"),
    ],
)
async def test_a_failed_call_has_a_number_to_ask_about(wire: Wire, answer: httpx.Response, number: str | None) -> None:
    wire.route.mock(return_value=answer)
    builder = AnswerBuilder()
    with pytest.raises(ProviderError):
        async for event in wire.provider.stream(Call("m", HELLO, True, 5.0)):
            builder.add(event)
    assert builder.served.id == number


# --- Errors at every place -------------------------------------------------------------------------

LIMIT = {"message": "Slow down.", "code": 429}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (whole({"error": LIMIT}, 429), "rate_limited"),
        (whole({"error": LIMIT}), "rate_limited"),
        (whole({"choices": [], "error": LIMIT}), "rate_limited"),
        (whole({"choices": [{"error": LIMIT, "message": {"content": "Hi"}}]}), "rate_limited"),
        (sse({"error": LIMIT}), "rate_limited"),
        (sse({"error": {**LIMIT, "code": "429"}}), "rate_limited"),
        (sse(chunk(content="Hi"), {"error": LIMIT, "choices": []}), "rate_limited"),
        (sse(chunk(content="Hi"), {"choices": [{"delta": {"content": ""}, "error": LIMIT}]}), "rate_limited"),
        (sse(chunk(content="Hi"), {"choices": [{"delta": {"content": "x"}, "error": LIMIT}]}), "rate_limited"),
        (sse(chunk(content="Hi"), {**chunk(content="x"), "error": LIMIT}), "rate_limited"),
        (sse(chunk("error", content="")), "server_failed"),
        (sse(chunk(content="Hi"), chunk("error")), "server_failed"),
        (sse({"error": "It is down."}), "server_failed"),
        (whole({"error": "It is down."}, 500), "server_failed"),
        (sse(chunk(content="Hi"), chunk("content_filter")), "content_filtered"),
        (sse(chunk(content="Hi")), "stream_cut"),
        (sse(end=""), "stream_cut"),
        (whole({"choices": [{"message": {"content": "Hi"}}]}), "stream_cut"),
        (whole({"choices": []}), "invalid_answer"),
        (whole({}), "invalid_answer"),
        (whole([]), "invalid_answer"),
        (whole("<html>Log in</html>"), "invalid_answer"),
        (whole("<html>Bad gateway</html>", 502), "server_failed"),
        (whole("", 200), "invalid_answer"),
        (sse({"error": {"type": "invalid_request_error", "message": "Why.", "code": None}}), "bad_request"),
        (Body(b'{"choices": "\xff"}').response("application/json"), "invalid_answer"),
        (Body(b"[" * 100_000).response("application/json"), "invalid_answer"),
        (Body(b"[" * 100_000).response("application/json", 500), "server_failed"),
        (whole("", 301, location="http://other/"), "bad_request"),
    ],
)
async def test_an_error_is_found_wherever_it_stands(wire: Wire, answer: httpx.Response, kind: str) -> None:
    assert (await wire.error(answer)).kind == kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_request"), (401, "authentication_failed"), (402, "payment_required"), (403, "permission_denied"),
        (404, "model_not_found"), (408, "server_failed"), (409, "bad_request"), (413, "request_too_large"),
        (418, "bad_request"), (422, "bad_request"), (429, "rate_limited"), (500, "server_failed"),
        (502, "server_failed"), (503, "server_failed"), (504, "server_failed"), (524, "server_failed"),
        (529, "server_failed"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "body", [{"error": {"message": "Why."}}, "<html>Why.</html>", {}], ids=["error", "html", "none"]
)
async def test_a_status_says_what_failed(wire: Wire, status: int, kind: str, body: object) -> None:
    error = await wire.error(whole(body, status))
    assert (error.kind, error.status) == (kind, status)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"code": "insufficient_quota"}, "quota_exhausted"),
        (429, {"type": "insufficient_quota", "code": None}, "quota_exhausted"),
        (429, {"message": "You exceeded your current quota, please check your plan."}, "rate_limited"),
        (429, {"message": "Rate limit reached for requests."}, "rate_limited"),
        (400, {"code": "context_length_exceeded"}, "context_length_exceeded"),
        (400, {"message": "This model's maximum context length is 8192 tokens."}, "context_length_exceeded"),
        (400, {"type": "exceed_context_size_error"}, "context_length_exceeded"),
        (400, {"code": "content_policy_violation"}, "content_filtered"),
        (403, {"code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "x"}}, "content_filtered"),
        (403, {"message": "Guardrail."}, "permission_denied"),
        (400, {"metadata": {"error_type": "rate_limit_exceeded"}, "code": "context_length_exceeded"}, "rate_limited"),
        (400, {"error_type": "content_policy_violation", "code": 400}, "content_filtered"),
        (401, {"code": "invalid_api_key"}, "authentication_failed"),
        (404, {"code": "model_not_found"}, "model_not_found"),
        (200, {"code": 402, "message": "Pay."}, "payment_required"),
        (200, {"code": "402", "message": "Pay."}, "payment_required"),
        (503, {"code": "brand_new_code"}, "server_failed"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_code_says_more_than_its_status(wire: Wire, status: int, error: dict[str, Any], kind: str) -> None:
    assert (await wire.error(whole({"error": error}, status))).kind == kind


@pytest.mark.parametrize("status", [429, 503])
async def test_what_the_provider_says_cannot_be_retried_is_not(wire: Wire, status: int) -> None:
    error = await wire.error(whole({"error": {"message": "Gone.", "availability": {"retryable": False}}}, status))
    assert decide(error).retry is False


@pytest.mark.parametrize("code", [7, 20_001, 10**30, "1e300", -1, "x"])
async def test_a_code_that_is_no_status_is_not_told_as_one(wire: Wire, code: object) -> None:
    assert (await wire.error(whole({"error": {"code": code, "message": "Why."}}))).status in (None, 200)


async def test_an_error_carries_the_provider_s_words(wire: Wire) -> None:
    error = await wire.error(whole({"error": {"message": " It is\n down. ", "code": "overloaded_error"}}, 529))
    assert (str(error), error.code, error.status) == ("It is down.", "overloaded_error", 529)


async def test_an_error_s_words_have_an_end(wire: Wire) -> None:
    said = str(await wire.error(whole({"error": {"message": "x" * 100_000}}, 500)))
    assert said == "x" * 499 + "…"


async def test_no_half_of_a_key_is_left_where_an_error_s_words_end(tmp_path: Path) -> None:
    wire = Wire(tmp_path, api_key="${A_KEY}")
    error = await wire.error(whole({"error": {"message": "x" * 490 + KEY + "x" * 100}}, 401))
    assert KEY[:5] not in str(error)


async def test_a_key_that_an_error_repeats_is_scrubbed(tmp_path: Path) -> None:
    wire = Wire(tmp_path, api_key="${A_KEY}")
    error = await wire.error(whole({"error": {"message": f"Incorrect API key: {KEY}"}}, 401))
    assert str(error) == "Incorrect API key: ***"


# --- How long to wait ------------------------------------------------------------------------------

DAY = 86_400.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:30 GMT"}, 90.0),
        ({"retry-after": "Wed, 31 Dec 2025 23:59:00 GMT"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "99999999999"}, DAY),
        ({"retry-after": "1e300"}, DAY),
        ({"retry-after": "Thu, 01 Jan 2099 00:00:00 GMT"}, DAY),
        ({}, None),
    ],
    ids=str,
)
async def test_how_long_to_wait_is_read_in_every_form(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], seconds: float | None
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_767_225_600.0)  # 2026-01-01 00:00:00 UTC
    assert (await wire.error(whole({"error": {}}, 429, **headers))).retry_after == seconds


@pytest.mark.parametrize(("value", "seconds"), [(3, 3.0), ("3", 3.0), (-3, None), (None, 9.0), ([], 9.0), (10**9, DAY)])
async def test_what_the_body_says_of_the_wait_wins(wire: Wire, value: object, seconds: float | None) -> None:
    body = {"error": {"availability": {"retry_after": value}}}
    assert (await wire.error(whole(body, 503, **{"retry-after": "9"}))).retry_after == seconds


dates = st.from_regex(r"\A(Mon, )?[0-9]{1,3} (Jan|Feb) [0-9]{1,6} [0-9]{1,3}:[0-9]{1,2}:[0-9]{2} (GMT|[-+][0-9]{4})\Z")


@given(dates | st.text("0123456789.-+eE", max_size=8))
def test_no_retry_after_whatsoever_is_an_accident(value: str) -> None:
    seconds = failure(429, {}, {"retry-after": value}).retry_after
    assert seconds is None or 0 < seconds <= DAY


# --- The connection --------------------------------------------------------------------------------


HI = f"data: {json.dumps(chunk(content='Hi'))}\n\n".encode()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), "connection_failed"),
        (httpx.ConnectTimeout("slow"), "connect_timeout"),
        (httpx.ReadError("reset"), "connection_reset"),
        (httpx.RemoteProtocolError("gone"), "connection_reset"),
        (OSError("reset"), "connection_reset"),
        (httpx.UnsupportedProtocol("what"), "connection_failed"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_connection_that_fails_is_told_apart(wire: Wire, error: Exception, kind: str) -> None:
    assert (await wire.error(error)).kind == kind


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.RemoteProtocolError("gone"), OSError("reset")])
async def test_a_connection_that_is_lost_in_the_middle_cuts_the_stream(wire: Wire, error: Exception) -> None:
    assert (await wire.error(Body(HI, error=error).response())).kind == "stream_cut"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Body(HI, b"data: [DONE]\n\n").response(),
        lambda: Body(HI, error=OSError()).response(),
        lambda: Body(b"{}").response("application/json"),
        lambda: Body(b"{}").response("application/json", 500),
    ],
    ids=["cut", "reset", "no answer", "error"],
)
async def test_a_failed_call_closes_its_connection(wire: Wire, make: Callable[[], httpx.Response]) -> None:
    answer = make()
    await wire.error(answer)
    assert isinstance(answer.stream, Body) and answer.stream.closed


async def test_who_stops_reading_closes_the_connection(wire: Wire) -> None:
    body = Body(HI, HI, HI)
    wire.route.mock(return_value=body.response())
    events = wire.provider.stream(Call("m", HELLO, True, 5.0))
    await anext(events)
    await events.aclose()
    assert body.closed


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_an_answer_has_a_largest_size(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, stream: bool, kind: str
) -> None:
    monkeypatch.setattr(router.providers.body, "MAX_BODY_BYTES", 10 * len(HI))
    assert (await wire.error(Body(*[HI] * 50).response(kind), stream=stream)).kind == "answer_too_large"


async def test_a_piece_may_end_in_the_middle_of_a_character(wire: Wire) -> None:
    data = f"data: {json.dumps(chunk('stop', content='é😀'), ensure_ascii=False)}\n\n".encode()
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert await wire.events(Body(*pieces).response()) == [TextDelta("é😀"), DONE]
