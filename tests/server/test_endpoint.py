"""The endpoint over a real socket, in front of a real upstream: what callers get, and when."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import openai
import pydantic
import pytest

from router.core.errors import ConfigError
from router.core.events import TextDelta
from router.library.stream import MOST_AT_ONCE, Prepared, Stream
from tests.conftest import MakeLab
from tests.server.conftest import Serve
from tests.server.serving import Served, data_of
from tests.upstream import (
    Upstream,
    answer,
    chain_yaml,
    cut_after,
    error_in_stream,
    late,
    silent,
    status,
    words,
)

GOOD = "A whole answer."

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
]


@pytest.fixture
def served(serve: Serve, upstream: Upstream) -> Served:
    return serve(chain_yaml(upstream, "primary", "fallback", retries=0, first_token="500ms"))


@pytest.fixture
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        yield client


def rows(served: Served, table: str = "requests") -> list[dict[str, Any]]:
    """What is stored by now: rows are written within a second."""
    for _ in range(100):
        with closing(sqlite3.connect(served.path.parent / ".lab" / "lab.sqlite")) as connection:
            connection.row_factory = sqlite3.Row
            found = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]
        if found:
            return found
        time.sleep(0.05)
    return []


# --- Answers ---------------------------------------------------------------------------------------


def test_a_whole_answer_names_the_model_that_served(served: Served, sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer(GOOD, model="fallback-0905"))
    raw = sdk.chat.completions.with_raw_response.create(model="chat", messages=[{"role": "user", "content": "Hi"}])
    found = raw.parse()
    assert (found.choices[0].message.content, found.model) == (GOOD, "fallback-0905")
    assert found.choices[0].finish_reason == "stop"
    assert found.usage is not None and found.usage.total_tokens == 18
    names = ("model", "place", "attempts", "cached")
    assert [raw.headers[f"x-fallback-lab-{name}"] for name in names] == ["fallback", "1", "2", "false"]
    assert "x-fallback-lab-cost" not in raw.headers  # what the failed call cost is unknown
    assert rows(served)[0]["request_id"] == raw.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_by_an_experiments_candidate_says_its_place_there(
    serve: Serve, upstream: Upstream, stream: bool
) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer(GOOD))
    candidate = {"category": "chat", "candidate": ["primary", "local:fallback"], "share": 1}
    served = serve(chain_yaml(upstream, "another", "fallback", "third", retries=0), experiments={"order": candidate})
    response = served.ask(stream=stream)
    names = ("model", "place", "attempts")
    assert [response.headers[f"x-fallback-lab-{name}"] for name in names] == ["local:fallback", "1", "2"]


async def test_a_request_that_joins_anothers_call_names_its_own_model_and_place(
    serve: Serve, upstream: Upstream
) -> None:
    """The two chains spell the model differently."""
    upstream.script("shared", then=late(0.5))
    text = json.loads(chain_yaml(upstream))
    served = serve(json.dumps({**text, "chains": {"chat": ["shared"], "other": ["another", "local:shared"]}}))
    upstream.script("another", then=status(503))
    body = {"stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    async with httpx.AsyncClient() as client:
        ask = [client.post(f"{served.url}/chat/completions", json={**body, "model": m}) for m in ("chat", "other")]
        first, second = await asyncio.gather(*ask)
    assert len(upstream.received("shared")) == 1
    names = ("model", "place")
    assert [first.headers[f"x-fallback-lab-{name}"] for name in names] == ["shared", "0"]
    assert [second.headers[f"x-fallback-lab-{name}"] for name in names] == ["local:shared", "1"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_stand_in_comes_after_the_chains_last_place(serve: Serve, upstream: Upstream, stream: bool) -> None:
    text = json.loads(chain_yaml(upstream, "primary"))
    text["providers"]["keyless"] = {**text["providers"]["local"], "api_key": "${NOT_SET}"}
    text |= {"chains": {"chat": ["keyless:primary"]}, "offline": "local:fallback"}
    response = serve(json.dumps(text)).ask(stream=stream)
    names = ("model", "place")
    assert [response.headers[f"x-fallback-lab-{name}"] for name in names] == ["local:fallback", "1"]


def test_a_stream_is_what_the_whole_answer_is(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(tokens=20, reasoning="Because."))
    with sdk.chat.completions.stream(
        model="chat", messages=[{"role": "user", "content": "Hi"}], stream_options={"include_usage": True}
    ) as stream:
        found = stream.get_final_completion()
    assert found.choices[0].message.content == "".join(words(20))
    assert found.usage is not None and found.usage.completion_tokens == 7


def test_every_chunk_but_one_has_a_null_finish_reason_and_the_usage_comes_alone(served: Served) -> None:
    chunks = data_of(served.ask(stream=True, stream_options={"include_usage": True}).text)
    assert chunks.pop() == "[DONE]"
    usage = chunks.pop()
    assert usage["choices"] == [] and usage["usage"]["total_tokens"] == 18
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [*[None] * (len(chunks) - 1), "stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_tool_calls_in_several_turns(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", answer("", tool_calls=CALLS, finish_reason="tool_calls"), then=answer("Sunny."))
    messages: list[Any] = [{"role": "user", "content": "The weather?"}]
    with sdk.chat.completions.stream(model="chat", messages=messages, tools=[WEATHER]) as stream:  # type: ignore[list-item]
        first = stream.get_final_completion().choices[0]
    assert first.finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments)["city"] for call in first.message.tool_calls or ()] == ["Rome", "Oslo"]
    messages.append(first.message.to_dict())
    messages += [{"role": "tool", "tool_call_id": f"call_{number}", "content": "21 °C"} for number in (1, 2)]
    second = sdk.chat.completions.create(model="chat", messages=messages, tools=[WEATHER])  # type: ignore[list-item]
    assert second.choices[0].message.content == "Sunny."
    sent = upstream.received("primary")[1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]


CALL: dict[str, Any] = CALLS[0]
SAID = {"role": "assistant", "content": "No."}
GIVEN = {"role": "tool", "tool_call_id": "call_1", "content": "21 °C"}
WANTED = {"role": "assistant", "content": None, "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("echoed", "sent"),
    [
        ([{**SAID, "refusal": None, "annotations": [], "audio": None, "function_call": None, "images": []}], [SAID]),
        ([{**SAID, "parsed": {"x": 1}, "tool_calls": []}], [SAID]),
        ([{"role": "assistant", "content": None, "refusal": "No."}], [SAID]),
        ([{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
         [{**SAID, "content": [{"type": "text", "text": "No."}]}]),
        ([{"role": "user", "content": [{"type": "text", "text": "No.", "image_url": None}]}],
         [{"role": "user", "content": [{"type": "text", "text": "No."}]}]),
        ([{**WANTED, "tool_calls": [{**CALL, "type": None, "index": 0, "custom": None}]}, GIVEN], [WANTED, GIVEN]),
        ([{**WANTED, "tool_calls": [{**CALL, "function": {**CALL["function"], "parsed_arguments": {}}}]}, GIVEN],
         [WANTED, GIVEN]),
        ([WANTED, {**GIVEN, "content": None}], [WANTED, {**GIVEN, "content": ""}]),
    ],
)  # fmt: skip
def test_an_answer_that_a_client_sends_back_as_it_came_holds_nothing_that_servers_refuse(
    served: Served, upstream: Upstream, echoed: list[Any], sent: list[Any]
) -> None:
    hello = {"role": "user", "content": "Hello?"}
    body = {"model": "chat", "messages": [hello, *echoed]}
    assert served.post("/v1/chat/completions", body).status_code == 200
    assert upstream.received("primary")[-1].body["messages"] == [hello, *sent]


def test_parallel_calls_are_not_asked_for_where_there_are_no_tools(served: Served, upstream: Upstream) -> None:
    """OpenAI refuses that; some clients send it with every request."""
    assert served.ask(parallel_tool_calls=True, tools=[], tool_choice="auto").status_code == 200
    assert not {"parallel_tool_calls", "tools", "tool_choice"} & upstream.received("primary")[-1].body.keys()


@pytest.mark.parametrize("stream", [False, True])
def test_calls_that_a_server_ends_with_stop_are_tool_calls(served: Served, upstream: Upstream, stream: bool) -> None:
    """Clients' loops end at `stop`, and the tools would never be run."""
    upstream.script("primary", then=answer("", tool_calls=CALLS, finish_reason="stop"))
    found = served.ask(stream=stream, tools=[WEATHER])
    last = data_of(found.text)[-2] if stream else found.json()
    assert last["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_call_without_arguments_is_one_that_the_sdk_parses(
    sdk: openai.OpenAI, upstream: Upstream, stream: bool
) -> None:
    class Now(pydantic.BaseModel):
        """What time it is."""

    call = {"id": "call_1", "type": "function", "function": {"name": "Now", "arguments": ""}}
    upstream.script("primary", then=answer("", tool_calls=[call], finish_reason="tool_calls"))
    asked: Any = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}
    tools = [openai.pydantic_function_tool(Now)]
    if stream:
        with sdk.chat.completions.stream(**asked, tools=tools) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = sdk.chat.completions.parse(**asked, tools=tools).choices[0].message
    [function] = [call.function for call in message.tool_calls or ()]
    assert (function.arguments, function.parsed_arguments) == ("{}", Now())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_refusal_is_one_and_no_text(sdk: openai.OpenAI, upstream: Upstream, stream: bool) -> None:
    """As text, the SDK would read it as the JSON that was asked for."""

    class City(pydantic.BaseModel):
        name: str

    upstream.script("primary", then=answer("", refusal="I cannot help with that."))
    asked: Any = {"model": "chat", "messages": [{"role": "user", "content": "A city?"}], "response_format": City}
    if stream:
        with sdk.chat.completions.stream(**asked) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = sdk.chat.completions.parse(**asked).choices[0].message
    assert (message.refusal, message.content) == ("I cannot help with that.", None)


def test_half_a_character_in_a_body_is_replaced_and_the_rest_reaches_the_model(
    served: Served, upstream: Upstream
) -> None:
    """JavaScript cuts texts in the middle of one; refused, the conversation could never go on."""
    assert served.ask(text="cut \ud83d and whole \U0001f600").status_code == 200
    assert upstream.received("primary")[0].body["messages"][0]["content"] == "cut \ufffd and whole \U0001f600"


def test_a_body_that_is_broken_besides_is_refused_for_what_is_broken(served: Served) -> None:
    refused = served.post("/v1/chat/completions", b'{"model": "\\ud83d", "messages"}')
    assert (refused.status_code, refused.json()["error"]["message"][:31]) == (400, "The body is not valid JSON: JSO")


def test_an_answer_that_is_sent_back_as_it_came_has_nothing_that_strict_servers_refuse(
    sdk: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.script("primary", answer("", tool_calls=CALLS, finish_reason="tool_calls"), then=answer("Sunny."))
    messages: list[Any] = [{"role": "user", "content": "The weather?"}]
    first = sdk.chat.completions.create(model="chat", messages=messages, tools=[WEATHER])  # type: ignore[list-item]
    sent = first.choices[0].message.model_dump()
    sent |= {"annotations": [], "tool_calls": [{**call, "index": 0} for call in sent["tool_calls"]]}
    results = [{"role": "tool", "tool_call_id": f"call_{number}", "content": "21 °C"} for number in (1, 2)]
    said = {"role": "assistant", "content": "Sunny.", "tool_calls": [], "prefix": True}
    messages += [sent, *results, said]
    sdk.chat.completions.create(model="chat", messages=messages)
    _, called, *_, last = upstream.received("primary")[1].body["messages"]
    assert called.keys() == {"role", "content", "tool_calls"}
    assert called["tool_calls"][0].keys() == {"id", "type", "function"}
    assert last == {"role": "assistant", "content": "Sunny.", "prefix": True}


@pytest.mark.parametrize(("arguments", "sent"), [({"city": "Rome"}, '{"city":"Rome"}'), (None, "{}")])
def test_arguments_of_a_call_are_sent_as_text(served: Served, upstream: Upstream, arguments: Any, sent: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "21 °C"},
    ]
    assert served.ask(messages=messages).status_code == 200
    assert upstream.received("primary")[0].body["messages"][1]["tool_calls"][0]["function"]["arguments"] == sent


@pytest.mark.parametrize(
    ("body", "at"),
    [({"tools": [{"type": "custom", "custom": {}}]}, "tools[0]"), ({"tool_choice": {"type": "mcp"}}, "tool_choice")],
)
def test_tools_of_other_kinds_are_refused_by_their_kind(served: Served, body: Any, at: str) -> None:
    refused = served.ask(**body)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith(f"`{at}` is of the type `")
    assert refused.json()["error"]["message"].endswith("it can be function alone.")


def test_a_category_a_model_with_its_provider_and_an_alias_can_be_named(serve: Serve, upstream: Upstream) -> None:
    text = chain_yaml(upstream, "primary")
    served = serve(text, server={"aliases": {"claude-*": "chat", "fast": "local:quick"}})
    for name, asked in (("chat", "primary"), ("local:other", "other"), ("claude-x-1", "primary"), ("fast", "quick")):
        assert served.ask(name).json()["model"] == asked


def test_models_are_listed_for_both_sdks(served: Served, sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["chat", "primary", "fallback"]
    assert sdk.models.retrieve("chat").owned_by == "fallback-lab"
    with pytest.raises(openai.NotFoundError, match="neither a category nor a model"):
        sdk.models.retrieve("chatt")


@pytest.mark.parametrize("name", ["chat", "primary", "local:primary", "gpt-5", "local:new"])
def test_a_model_is_there_under_every_name_that_a_request_may_use(serve: Serve, upstream: Upstream, name: str) -> None:
    served = serve(chain_yaml(upstream, "primary"), server={"aliases": {"gpt-*": "chat"}})
    assert served.ask(name).status_code == 200
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as sdk:
        assert sdk.models.retrieve(name).id == name


def test_tools_that_a_choice_allows_are_the_only_ones_sent(served: Served, upstream: Upstream) -> None:
    other = {"type": "function", "function": {"name": "other"}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "weather"}}]}
    served.ask(tools=[other, WEATHER], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    [call] = upstream.requests
    assert (call.body["tools"], call.body["tool_choice"]) == ([WEATHER], "required")


def test_what_the_body_holds_beside_goes_to_the_provider(served: Served, upstream: Upstream) -> None:
    served.ask(seed=7, top_p=0.5, stop=["."], user="u", max_completion_tokens=9, metadata={"app": "shop"})
    body = upstream.received("primary")[0].body
    assert {name: body[name] for name in ("seed", "top_p", "stop", "user", "max_tokens")} == {
        "seed": 7, "top_p": 0.5, "stop": ["."], "user": "u", "max_tokens": 9,
    }  # fmt: skip
    assert "metadata" not in body and "model" in body


def test_a_system_prompt_alone_goes_to_the_provider_as_it_is(served: Served, upstream: Upstream) -> None:
    messages = [{"role": "system", "content": "Write a haiku."}]
    assert served.ask(messages=messages).status_code == 200
    assert upstream.received("primary")[0].body["messages"] == messages


def test_the_trace_is_in_the_last_chunk_where_it_is_asked_for(served: Served, upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    chunks = data_of(served.ask(stream=True, headers={"x-fallback-lab-trace": "true"}).text)
    assert ["fallback_lab" in chunk for chunk in chunks[:-1]] == [*[False] * (len(chunks) - 2), True]
    attempts = chunks[-2]["fallback_lab"]["attempts"]
    assert [(attempt["model"], attempt["outcome"]) for attempt in attempts] == [
        ("primary", "failed"),
        ("fallback", "answered"),
    ]


def test_an_identical_request_is_answered_from_the_cache_and_says_so(served: Served, upstream: Upstream) -> None:
    for cached in ("false", "true"):
        assert served.ask(headers={"x-fallback-lab-cache": "use"}).headers["x-fallback-lab-cached"] == cached
    streamed = served.ask(stream=True, headers={"x-fallback-lab-cache": "use"})
    assert streamed.headers["x-fallback-lab-cached"] == "true"
    assert len(upstream.received("primary")) == 1


# --- Streams that fail -----------------------------------------------------------------------------


def test_before_the_first_content_a_fallback_is_unseen(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", then=error_in_stream(502))
    upstream.script("fallback", then=answer(GOOD))
    stream = sdk.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}], stream=True)
    chunks = list(stream)
    assert {chunk.model for chunk in chunks} == {"fallback"}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == GOOD


def test_after_the_first_content_a_stream_ends_with_an_error_and_without_done(
    served: Served, upstream: Upstream
) -> None:
    upstream.script("primary", then=cut_after(40))
    chunks = data_of(served.ask(stream=True).text)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]) == "".join(words(40))
    assert chunks[-1]["error"]["code"] == "stream_cut"
    assert upstream.received("fallback") == []


def test_an_answer_that_is_known_to_be_broken_before_any_of_it_was_sent_falls_back_unseen(
    served: Served, upstream: Upstream
) -> None:
    """A whole body in place of a stream has its first word and its fault at once."""
    broken = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}}
    upstream.script("primary", then=answer("Let me see.", tool_calls=[broken], always_whole=True))
    upstream.script("fallback", then=answer(GOOD))
    response = served.ask(stream=True, tools=[WEATHER])
    chunks = data_of(response.text)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]) == GOOD
    names = ("model", "place", "attempts")
    assert [response.headers[f"x-fallback-lab-{name}"] for name in names] == ["fallback", "1", "2"]


def test_an_sdk_raises_where_a_stream_breaks(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", then=cut_after(40))
    stream = sdk.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}], stream=True)
    with pytest.raises(openai.APIError, match="What was sent is not whole"):
        list(stream)


def test_a_stream_that_is_held_back_falls_back_unseen(served: Served, upstream: Upstream) -> None:
    upstream.script("primary", then=cut_after(40))
    upstream.script("fallback", then=answer(GOOD))
    response = served.ask(stream=True, headers={"x-fallback-lab-buffer": "true"})
    chunks = data_of(response.text)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]) == GOOD
    assert (response.headers["x-fallback-lab-model"], chunks[-1]) == ("fallback", "[DONE]")


def test_a_silent_start_is_kept_alive_with_comments(
    served: Served, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.server.answering.KEEP_ALIVE", 0.1)
    upstream.script("primary", then=silent)
    upstream.script("fallback", then=answer(GOOD))
    text = served.ask(stream=True).text
    assert text.startswith(": waiting\n\n")
    assert data_of(text)[-1] == "[DONE]"


def test_all_models_failing_after_a_comment_is_an_error_in_the_stream(
    served: Served, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.server.answering.KEEP_ALIVE", 0.1)
    for model in ("primary", "fallback"):
        upstream.script(model, then=silent)
    response = served.ask(stream=True)
    [error] = data_of(response.text)
    assert response.status_code == 200
    assert error["error"]["message"].startswith("All models failed. Last error: No first token")


# --- Failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        (status(503), 502, "server_failed"),
        (status(429), 429, "rate_limited"),
        (status(401), 502, "authentication_failed"),
        (status(413), 413, "request_too_large"),
        (status(400, "context length", code="context_length_exceeded"), 400, "context_length_exceeded"),
        (status(400, "Refused.", code="content_policy_violation"), 400, "content_policy_violation"),
        (status(503, headers={"Retry-After": "7"}), 503, "server_failed"),
    ],
    ids=["503", "429", "401", "413", "context", "policy", "503 with Retry-After"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_failure_has_the_status_that_a_client_can_act_on(
    served: Served, upstream: Upstream, case: tuple[Any, int, str], stream: bool
) -> None:
    step, expected, code = case
    for model in ("primary", "fallback"):
        upstream.script(model, then=step)
    response = served.ask(stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (expected, code)
    assert ("retry-after" in response.headers) == (expected in (429, 503))


@pytest.mark.parametrize(
    ("change", "words_of_it"),
    [
        ({"model": "chatt"}, "Did you mean `chat`?"),
        ({"messages": []}, "`messages` is empty"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "needs `text`"),
        ({"n": 2}, "`n` must be 1"),
        ({"functions": [{}]}, "send `tools`"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "at least 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_body_that_cannot_be_used_is_refused_with_the_field(
    served: Served, change: dict[str, Any], words_of_it: str
) -> None:
    body = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], **change}
    response = served.post("/v1/chat/completions", body)
    assert response.status_code in (400, 404)
    assert words_of_it in response.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"a": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(served: Served, body: bytes) -> None:
    assert served.post("/v1/chat/completions", body).status_code == 400


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/nothing"])
def test_what_is_refused_at_once_has_an_id_of_its_own(served: Served, path: str) -> None:
    ids = {served.post(path, body).headers["x-request-id"] for body in (b"no JSON", {}, {"model": "nobody"})}
    assert [len(each) for each in ids] == [32] * 3


def test_an_unknown_route_says_which_there_are(served: Served) -> None:
    response = served.post("/v1/embeddings", {})
    assert response.status_code == 404
    assert "POST /v1/chat/completions" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("OPTIONS", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/chat", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_there_are(served: Served, method: str, path: str, allow: str) -> None:
    with served.client as client:
        response = client.request(method, path)
    assert (response.status_code, response.headers.get("allow")) == (405, allow)


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/v1/models", "/v1/models/chat"])
def test_what_can_be_got_can_be_asked_for_its_head(served: Served, path: str) -> None:
    with served.client as client:
        response = client.head(path)
    assert (response.status_code, response.content) == (200, b"")


# --- Who leaves ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_caller_who_leaves_ends_the_upstream_call(served: Served, upstream: Upstream, stream: bool) -> None:
    slow = answer(tokens=500, token_delay=0.05)
    upstream.script("primary", then=slow if stream else answer(delay=20))
    body = json.dumps({"model": "chat", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        upstream.wait_received("primary")
        if stream:
            connection.recv(100)
        left = time.monotonic()
    call = upstream.wait_closed("primary")
    assert call.disconnected
    assert call.closed is not None and call.closed - left < 1
    assert rows(served)[0]["outcome"] == "cancelled"


# --- What is stored --------------------------------------------------------------------------------


def test_a_request_is_stored_with_its_source_tags_and_session(served: Served) -> None:
    served.ask(metadata={"team": "a", "app": "shop"}, headers={"x-session-id": "s1"})
    [row] = rows(served)
    assert (row["source"], row["category"], row["tags"]) == ("endpoint", "chat", '["app=shop","team=a"]')
    assert row["session"] and "s1" not in row["session"]


def test_a_session_stays_with_the_model_that_answered_it(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary", "fallback", retries=0, stickiness="session"))
    upstream.script("primary", status(503), then=answer())
    session = {"x-session-id": "s1"}
    assert [served.ask(headers=session).json()["model"] for _ in range(2)] == ["fallback", "fallback"]
    assert served.ask(headers={"x-session-id": "s2"}).json()["model"] == "primary"
    upstream.script("fallback", then=status(503))
    assert served.ask(headers=session).json()["model"] == "primary"


def test_the_metrics_count_what_happened(served: Served, upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    served.ask()
    served.ask("nobody")
    text = served.get("/metrics").text
    of = 'cached="false",caller="",category="chat",outcome="answered",source="endpoint"'
    assert f"fallback_lab_requests_total{{{of}}} 1.0" in text
    assert (
        'fallback_lab_attempts_total{model="primary",outcome="failed",provider="local",reason="server_failed"} 1.0'
        in text
    )
    assert 'fallback_lab_refused_total{status="404"} 1.0' in text


def test_names_that_callers_invent_do_not_become_series_of_their_own(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.server.measures.MOST_MODELS", 1)
    for name in ("first", "second", "third"):
        served.ask(f"local:{name}")
    text = served.get("/metrics").text
    counted = {line.split('model="')[1].split('"')[0] for line in text.splitlines() if "_attempts_total{" in line}
    assert counted == {"local:first", "other"}


# --- Beside the pages ------------------------------------------------------------------------------


def test_beside_the_pages_requests_run_on_the_labs_loop(make_lab: MakeLab, upstream: Upstream) -> None:
    from starlette.testclient import TestClient

    from router.server.mounted import Mounted

    lab = make_lab(chain_yaml(upstream, "primary"))
    client = TestClient(Mounted(lambda: lab), base_url="http://127.0.0.1", client=("127.0.0.1", 1))
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        assert data_of("".join(response.iter_text()))[-1] == "[DONE]"


def test_beside_the_pages_a_models_yaml_that_does_not_open_is_said_in_the_shape_that_the_sdk_reads() -> None:
    from starlette.testclient import TestClient

    from router.server.mounted import Mounted

    def broken() -> Any:
        raise ConfigError("Line 3 is wrong.")

    refused = TestClient(Mounted(broken)).post("/v1/messages", json={})
    assert refused.status_code == 503
    assert refused.json()["type"] == "error"
    assert refused.json()["request_id"] == refused.headers["request-id"]


async def test_a_reader_who_has_fallen_behind_takes_turns_with_everybody_else() -> None:
    async def run(events: list[Any]) -> Any:
        events.extend([TextDelta("x")] * (2 * MOST_AT_ONCE + 5))

    stream = Stream(lambda events: Prepared(None, run(events)))  # type: ignore[arg-type]  # no chain
    assert [len(events) async for events in stream.batches()] == [MOST_AT_ONCE, MOST_AT_ONCE, 5]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_calls_without_an_id_of_their_own_get_one_that_no_other_answer_has(
    served: Served, upstream: Upstream, stream: bool
) -> None:
    """A conversation holds the calls of many answers, and each result names its call."""
    call = {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    upstream.script("primary", then=answer("", tool_calls=[call], finish_reason="tool_calls"))
    ids = set()
    for _ in range(2):
        response = served.ask(stream=stream, tools=[WEATHER])
        if stream:
            deltas = [chunk["choices"][0]["delta"] for chunk in data_of(response.text)[:-1]]
            ids |= {call["id"] for delta in deltas for call in delta.get("tool_calls", ()) if "id" in call}
        else:
            ids |= {call["id"] for call in response.json()["choices"][0]["message"]["tool_calls"]}
    assert len(ids) == 2
