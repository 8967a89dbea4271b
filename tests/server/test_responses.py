"""OpenAI's responses at the endpoint, as its own SDK sends and reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from tests.server.conftest import Serve
from tests.server.serving import Served, data_of
from tests.upstream import PIXEL, Upstream, answer, chain_yaml, cut_after, status, words

GOOD = "A whole answer."
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": None,
}
CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
    {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
]


@pytest.fixture
def served(serve: Serve, upstream: Upstream) -> Served:
    return serve(chain_yaml(upstream, "primary", "fallback", retries=0, first_token="500ms", cache={"enabled": False}))


@pytest.fixture
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        yield client


def test_a_whole_answer(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer(GOOD))
    found = sdk.responses.create(model="chat", instructions="Be brief.", input="Hello?", metadata={"app": "shop"})
    assert (found.output_text, found.model, found.status) == (GOOD, "fallback", "completed")
    assert found.usage is not None and found.usage.total_tokens == 18
    assert (found.instructions, found.metadata) == ("Be brief.", {"app": "shop"})
    assert [message["role"] for message in upstream.received("fallback")[0].body["messages"]] == ["system", "user"]


def test_a_stream_is_what_the_sdk_adds_up(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(tokens=20))
    with sdk.responses.stream(model="chat", input="Hello?") as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        found = stream.get_final_response()
    assert deltas == found.output_text == "".join(words(20))
    assert found.usage is not None and found.usage.output_tokens == 7


def test_events_are_numbered_and_end_with_the_whole_response(served: Served, upstream: Upstream) -> None:
    upstream.script("primary", then=answer("Hello.", tool_calls=CALLS[:1], finish_reason="tool_calls"))
    response = served.post("/v1/responses", {"model": "chat", "input": "Hi", "stream": True, "tools": [TOOL]})
    events = data_of(response.text)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in (events[0], events[1], events[-1])] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tools_in_several_turns(sdk: openai.OpenAI, upstream: Upstream, stream: bool) -> None:
    upstream.script("primary", answer("", tool_calls=CALLS, finish_reason="tool_calls"), then=answer("Sunny."))
    items: Any = [{"role": "user", "content": "The weather?"}]
    if stream:
        with sdk.responses.stream(model="chat", input=items, tools=[TOOL]) as events:
            first: Any = events.get_final_response()
    else:
        first = sdk.responses.create(model="chat", input=items, tools=[TOOL])
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Rome", "Oslo"]
    items += [item.to_dict() for item in first.output]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": "21 °C"} for call in calls]
    second = sdk.responses.create(model="chat", input=items, tools=[TOOL])
    assert second.output_text == "Sunny."
    sent = upstream.received("primary")[1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == [message["tool_call_id"] for message in sent[2:]]


def test_a_stream_is_kept_alive_while_a_call_comes_that_is_sent_as_one(
    served: Served, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The input of a custom tool can be told from its JSON at the end alone; a patch takes minutes."""
    monkeypatch.setattr("router.server.answering.KEEP_ALIVE", 0.1)
    call = {"id": "call_a", "function": {"name": "apply_patch", "arguments": json.dumps({"input": "x" * 30})}}

    def slowly(events: list[Any]) -> list[Any]:
        [at] = [n for n, event in enumerate(events) if "put" in json.dumps(event)]
        delta = events[at]["choices"][0]["delta"]["tool_calls"][0]
        pieces = [
            {"choices": [{"index": 0, "delta": {"tool_calls": [{**delta, "function": {"arguments": piece}}]}}]}
            for piece in delta["function"]["arguments"]
        ]
        return [*events[:at], *(step for piece in pieces for step in (0.02, piece)), *events[at + 1 :]]

    upstream.script("primary", then=answer("", tool_calls=[call], finish_reason="tool_calls", edit=slowly))
    asked = {"model": "chat", "input": "Hi", "stream": True, "tools": [{"type": "custom", "name": "apply_patch"}]}
    before, _, after = served.post("/v1/responses", asked).text.partition(
        "event: response.custom_tool_call_input.delta"
    )
    assert "response.output_item.added" in before.partition(": waiting")[0]
    assert ": waiting" in before
    assert after


def test_json_by_a_schema_is_asked_for_and_parsed(sdk: openai.OpenAI, upstream: Upstream) -> None:
    class City(pydantic.BaseModel):
        name: str

    upstream.script("primary", then=answer('{"name": "Rome"}'))
    found = sdk.responses.parse(model="chat", input="A city?", text_format=City)
    assert found.output_parsed == City(name="Rome")
    asked = upstream.received("primary")[0].body["response_format"]
    assert (asked["type"], asked["json_schema"]["name"]) == ("json_schema", "City")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_refusal_is_one_and_no_text(sdk: openai.OpenAI, upstream: Upstream, stream: bool) -> None:
    """As text, the SDK would read it as the JSON that was asked for."""

    class City(pydantic.BaseModel):
        name: str

    upstream.script("primary", then=answer("", refusal="I cannot help with that."))
    if stream:
        with sdk.responses.stream(model="chat", input="A city?", text_format=City) as events:
            told = [event for event in events if event.type in ("response.refusal.delta", "response.refusal.done")]
            found = events.get_final_response()
        assert [event.type for event in told] == [*["response.refusal.delta"] * 2, "response.refusal.done"]
    else:
        found = sdk.responses.parse(model="chat", input="A city?", text_format=City)
    [message] = found.output
    assert message.type == "message"
    assert [part.to_dict() for part in message.content] == [{"type": "refusal", "refusal": "I cannot help with that."}]


def test_images_reach_the_model(sdk: openai.OpenAI, upstream: Upstream) -> None:
    parts: Any = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PIXEL}]
    sdk.responses.create(model="chat", input=[{"role": "user", "content": parts}])
    [_, part] = upstream.received("primary")[0].body["messages"][0]["content"]
    assert part["image_url"]["url"] == PIXEL


def test_an_answer_that_was_cut_short_is_incomplete(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(GOOD, finish_reason="length"))
    found = sdk.responses.create(model="chat", input="Hello?", max_output_tokens=5)
    assert found.status == "incomplete"
    assert found.incomplete_details is not None and found.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("counted", "expected"), [(None, (0, 0, 0)), ({"completion_tokens": 7}, (0, 7, 7))], ids=["nothing", "a part"]
)
def test_tokens_that_nobody_counted_are_zeros(
    served: Served, upstream: Upstream, counted: Any, expected: tuple[int, ...], stream: bool
) -> None:
    """Some clients take no answer whose tokens are null."""
    upstream.script("primary", then=answer(GOOD, usage=counted))
    found = served.post("/v1/responses", {"model": "chat", "input": "Hello?", "stream": stream})
    usage = (data_of(found.text)[-1]["response"] if stream else found.json())["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == expected


def test_a_broken_stream_ends_as_failed(served: Served, upstream: Upstream) -> None:
    upstream.script("primary", then=cut_after(40))
    events = data_of(served.post("/v1/responses", {"model": "chat", "input": "Hi", "stream": True}).text)
    assert events[-1]["type"] == "response.failed"
    assert "What was sent is not whole" in events[-1]["response"]["error"]["message"]


@pytest.mark.parametrize(
    ("change", "words_of_it"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"input": 5}, "`input`"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "item_reference", "id": "rs_1"}]}, "input[0]"),
    ],
    ids=["previous response", "background", "input", "image", "reference"],
)
def test_a_body_that_cannot_be_used_is_refused_with_the_field(
    served: Served, change: dict[str, Any], words_of_it: str
) -> None:
    response = served.post("/v1/responses", {"model": "chat", "input": "Hi", **change})
    assert response.status_code == 400
    error = response.json()["error"]
    assert words_of_it in error["message"] or words_of_it in str(error["param"])
