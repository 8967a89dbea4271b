"""Anthropic's messages at the endpoint, as its own SDK sends and reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.server.conftest import Serve
from tests.server.serving import Served, data_of
from tests.upstream import PIXEL, Upstream, answer, chain_yaml, cut_after, silent, status, words

GOOD = "A whole answer."
TOOL: Any = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "cache_control": {"type": "ephemeral"},
}
CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
    {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
]
HELLO: Any = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
def served(serve: Serve, upstream: Upstream) -> Served:
    return serve(chain_yaml(upstream, "primary", "fallback", retries=0, first_token="500ms", cache={"enabled": False}))


@pytest.fixture
def sdk(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.url.removesuffix("/v1"), api_key="none", max_retries=0) as client:
        yield client


def test_a_whole_answer(sdk: anthropic.Anthropic, upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer(GOOD))
    found = sdk.messages.create(model="chat", max_tokens=50, system="Be brief.", messages=HELLO)
    assert [block.text for block in found.content if block.type == "text"] == [GOOD]
    assert (found.model, found.stop_reason) == ("fallback", "end_turn")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (11, 7)
    sent = upstream.received("fallback")[0].body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["max_tokens"] == 50
    assert "anthropic" not in sent


def test_a_stream_is_what_the_sdk_adds_up(sdk: anthropic.Anthropic, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(tokens=20))
    with sdk.messages.stream(model="chat", max_tokens=50, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "".join(words(20))
        found = stream.get_final_message()
    assert (found.stop_reason, found.usage.output_tokens) == ("end_turn", 7)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tools_in_several_turns(sdk: anthropic.Anthropic, upstream: Upstream, stream: bool) -> None:
    upstream.script(
        "primary", answer("Let me see.", tool_calls=CALLS, finish_reason="tool_calls"), then=answer("Sunny.")
    )
    messages: Any = [{"role": "user", "content": "The weather?"}]
    asked: Any = {"model": "chat", "max_tokens": 50, "tools": [TOOL], "tool_choice": {"type": "auto"}}
    if stream:
        with sdk.messages.stream(messages=messages, **asked) as events:
            first = events.get_final_message()
    else:
        first = sdk.messages.create(messages=messages, **asked)
    assert first.stop_reason == "tool_use"
    assert [(block.name, block.input) for block in first.content if block.type == "tool_use"] == [
        ("weather", {"city": "Rome"}),
        ("weather", {"city": "Oslo"}),
    ]
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "21 °C", "is_error": False}
        for block in first.content
        if block.type == "tool_use"
    ]
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = sdk.messages.create(messages=messages, **asked)
    assert [block.text for block in second.content if block.type == "text"] == ["Sunny."]
    sent = upstream.received("primary")[1].body
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "tool"]
    assert "cache_control" not in json.dumps(sent)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_refusal_is_a_text_that_stopped_as_one(sdk: anthropic.Anthropic, upstream: Upstream, stream: bool) -> None:
    upstream.script("primary", then=answer("", refusal="I cannot help with that."))
    asked: Any = {"model": "chat", "max_tokens": 50, "messages": HELLO}
    if stream:
        with sdk.messages.stream(**asked) as events:
            found = events.get_final_message()
    else:
        found = sdk.messages.create(**asked)
    assert [block.text for block in found.content if block.type == "text"] == ["I cannot help with that."]
    assert found.stop_reason == "refusal"


def test_images_reach_the_model(sdk: anthropic.Anthropic, upstream: Upstream) -> None:
    data = PIXEL.partition(",")[2]
    source: Any = {"type": "base64", "media_type": "image/png", "data": data}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    sdk.messages.create(model="chat", max_tokens=5, messages=[{"role": "user", "content": content}])
    [part, _] = upstream.received("primary")[0].body["messages"][0]["content"]
    assert part == {"type": "image_url", "image_url": {"url": PIXEL}}


def test_a_conversation_of_an_anthropic_model_goes_through_unchanged(serve: Serve, upstream: Upstream) -> None:
    """What the caller writes arrives as it was, caching marks included."""
    served = serve(claude(upstream))
    body = {
        "model": "chat", "max_tokens": 4000, "metadata": {"user_id": "u_session_s1"}, "top_k": 5,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "No."}],
                 "is_error": True},
            ]},
        ],
    }  # fmt: skip
    response = served.post("/v1/messages", body)
    assert response.status_code == 200
    sent = upstream.requests[0].body
    assert {name: sent[name] for name in body if name != "model"} == {
        name: value for name, value in body.items() if name not in ("model", "top_k")
    } | {"top_k": 5}


def claude(upstream: Upstream, **settings: Any) -> str:
    """A models.yaml with one Claude."""
    provider = {"protocol": "anthropic", "base_url": upstream.base_url, **settings}
    return json.dumps({
        "default_provider": "claude", "providers": {"claude": provider}, "offline": None,
        "chains": {"chat": ["claude-sonnet-4-5"]},
    })  # fmt: skip


ASKED = {"model": "chat", "max_tokens": 50, "messages": HELLO}


@pytest.mark.parametrize(
    ("settings", "sent"),
    [({}, "a-1,b-2"), ({"headers": {"Anthropic-Beta": "c-3"}}, "c-3,a-1,b-2")],
    ids=["alone", "with the provider's own"],
)
def test_the_betas_that_a_caller_names_reach_an_anthropic_model(
    serve: Serve, upstream: Upstream, settings: dict[str, Any], sent: str
) -> None:
    response = serve(claude(upstream, **settings)).post("/v1/messages", ASKED, {"anthropic-beta": "a-1,b-2"})
    assert response.status_code == 200
    [call] = upstream.requests
    assert call.headers["anthropic-beta"] == sent
    assert "betas" not in call.body


def test_a_request_with_other_betas_is_another(serve: Serve, upstream: Upstream) -> None:
    served = serve(claude(upstream))
    for beta, cached in (("a-1", "false"), ("a-1", "true"), ("b-2", "false")):
        response = served.post("/v1/messages", ASKED, {"anthropic-beta": beta})
        assert response.headers["x-fallback-lab-cached"] == cached


def test_no_key_goes_out_in_the_betas_that_a_caller_names(serve: Serve, upstream: Upstream) -> None:
    environ = {"A_KEY": "sk-secret-0123456789", "FALLBACK_LAB_KEYS": "A_KEY"}
    served = serve(claude(upstream, api_key="${A_KEY}"), environ)
    served.post("/v1/messages", ASKED, {"anthropic-beta": "${A_KEY}"})
    assert "anthropic-beta" not in upstream.requests[0].headers


def test_betas_reach_no_other_server(served: Served, upstream: Upstream) -> None:
    served.post("/v1/messages", ASKED, {"anthropic-beta": "a-1"})
    [call] = upstream.requests
    assert "anthropic-beta" not in call.headers
    assert "anthropic" not in call.body


def test_a_broken_stream_is_an_error_that_the_sdk_raises(sdk: anthropic.Anthropic, upstream: Upstream) -> None:
    upstream.script("primary", then=cut_after(40))
    with (
        pytest.raises(anthropic.APIError, match="What was sent is not whole"),
        sdk.messages.stream(model="chat", max_tokens=50, messages=HELLO) as stream,
    ):
        stream.get_final_message()


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (status(429), anthropic.RateLimitError),
        (status(413), anthropic.APIStatusError),
        (status(503), anthropic.InternalServerError),
    ],
    ids=["429", "413", "503"],
)
def test_failures_are_the_sdks_own_errors(
    sdk: anthropic.Anthropic, upstream: Upstream, step: Any, error: type[anthropic.APIStatusError]
) -> None:
    for model in ("primary", "fallback"):
        upstream.script(model, then=step)
    with pytest.raises(error, match="All models failed"):
        sdk.messages.create(model="chat", max_tokens=5, messages=HELLO)


def test_a_key_may_come_as_anthropics_sdk_sends_it(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"), {"KEY_A": "lab-key-0123456789"}, server={"keys": {"a": "${KEY_A}"}})
    with anthropic.Anthropic(base_url=served.url.removesuffix("/v1"), api_key="none", max_retries=0) as wrong:
        with pytest.raises(anthropic.AuthenticationError, match="not one of the endpoint's"):
            wrong.messages.create(model="chat", max_tokens=5, messages=HELLO)
        right = wrong.with_options(api_key="lab-key-0123456789")
        assert right.messages.create(model="chat", max_tokens=5, messages=HELLO).model == "primary"


@pytest.mark.parametrize("first", ["500ms", "5s"], ids=["after a comment", "at once"])
def test_the_sdk_knows_the_request_of_a_stream(
    serve: Serve, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    if first == "500ms":
        monkeypatch.setattr("router.server.answering.KEEP_ALIVE", 0.1)
        upstream.script("primary", then=silent)
    served = serve(chain_yaml(upstream, "primary", "fallback", retries=0, first_token=first))
    with (
        anthropic.Anthropic(base_url=served.url.removesuffix("/v1"), api_key="none", max_retries=0) as sdk,
        sdk.messages.stream(model="chat", max_tokens=50, messages=HELLO) as stream,
    ):
        assert f"msg_{stream.request_id}" == stream.get_final_message().id


def test_the_sdk_knows_the_request_of_a_whole_answer(sdk: anthropic.Anthropic) -> None:
    found = sdk.messages.create(model="chat", max_tokens=50, messages=HELLO)
    assert f"msg_{found._request_id}" == found.id
    assert sdk.messages.count_tokens(model="chat", messages=HELLO)._request_id


@pytest.mark.parametrize("model", ["chat", "nobody"], ids=["by all models", "before any was asked"])
def test_the_sdk_knows_the_request_that_failed(sdk: anthropic.Anthropic, upstream: Upstream, model: str) -> None:
    for name in ("primary", "fallback"):
        upstream.script(name, then=status(503))
    with pytest.raises(anthropic.APIStatusError) as raised:
        sdk.messages.create(model=model, max_tokens=5, messages=HELLO)
    body: Any = raised.value.body
    assert raised.value.request_id == raised.value.response.headers["x-request-id"] == body["request_id"]


def test_an_error_in_a_stream_names_its_request(served: Served, upstream: Upstream) -> None:
    upstream.script("primary", then=cut_after(40))
    asked = {"model": "chat", "max_tokens": 50, "messages": HELLO, "stream": True}
    response = served.post("/v1/messages", asked)
    assert data_of(response.text)[-1]["request_id"] == response.headers["request-id"]


def test_tokens_are_estimated(sdk: anthropic.Anthropic, upstream: Upstream) -> None:
    few = sdk.messages.count_tokens(model="chat", messages=HELLO).input_tokens
    many = sdk.messages.count_tokens(model="chat", messages=[{"role": "user", "content": "word " * 1000}]).input_tokens
    assert 1 <= few < 20
    assert 800 < many < 3000
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("change", "words_of_it"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "it can be text, image"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "only Anthropic's servers have"),
        ({"mcp_servers": [{}]}, "MCP servers are called on Anthropic's side"),
        ({"system": 5}, "`system`"),
    ],
    ids=["max_tokens", "tool_result", "video", "server tool", "MCP", "system"],
)
def test_a_body_that_cannot_be_used_is_refused_with_the_field(
    served: Served, change: dict[str, Any], words_of_it: str
) -> None:
    response = served.post("/v1/messages", {"model": "chat", "max_tokens": 5, "messages": HELLO, **change})
    assert response.status_code == 400
    found = response.json()
    assert (found["type"], found["error"]["type"]) == ("error", "invalid_request_error")
    assert words_of_it in found["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/messages/batches", "/v1/files", "/v1/models/nobody"])
def test_what_is_not_here_is_refused_in_the_shape_that_the_sdk_reads(
    served: Served, sdk: anthropic.Anthropic, path: str
) -> None:
    with pytest.raises(anthropic.NotFoundError) as refused:
        sdk.get(path, cast_to=object)
    said = refused.value.response.json()
    assert (said["type"], said["error"]["type"]) == ("error", "not_found_error")
    assert served.post("/v1/messages/batches", {}).json()["type"] == "error"
