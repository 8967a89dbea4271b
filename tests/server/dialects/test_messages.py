"""Anthropic's messages: bodies read, answers as Anthropic's SDK reads them."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from router.config.schema import ProviderConfig
from router.core.events import ImageDelta, ProviderEvent, ReasoningDelta, ReasoningDetail, TextDelta, ToolCallDelta
from router.providers import Call
from router.providers.anthropic_request import left_out, messages_body
from router.providers.openai_request import Body, completions_body
from router.providers.producers import returned
from router.server.dialects.base import Refusal
from router.server.dialects.messages import count_tokens
from tests.server.dialects.speaking import (
    MESSAGES,
    REPLY,
    TEXT,
    WEATHER,
    as_anthropic,
    completed,
    said,
    streamed,
    written,
)

CITY = {**WEATHER, "required": ["city"], "additionalProperties": False}
BODY: dict[str, Any] = {"model": "code", "max_tokens": 4000, "messages": [{"role": "user", "content": "Hi"}]}
TOOLS = [{"name": "weather", "description": "How is it?", "input_schema": WEATHER}]
THINKING = {**BODY, "thinking": {"type": "adaptive"}}
FORMAT = "anthropic-claude-v1"
THOUGHT: list[ProviderEvent] = [
    ReasoningDelta("Hmm"),
    ReasoningDetail({"type": "reasoning.text", "text": "Hmm", "format": FORMAT, "index": 0}),
    ReasoningDetail({"type": "reasoning.text", "signature": "s1==", "format": FORMAT, "index": 0}),
]
CALL = [
    ToolCallDelta(0, "toolu_1", "weather"),
    ToolCallDelta(0, arguments='{"city": "Ro'),
    ToolCallDelta(0, arguments='me"}'),
]


def body_of(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**BODY, "messages": list(messages), **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def received(events: list[ProviderEvent], body: dict[str, Any] = BODY) -> Message:
    """The message that the SDK puts together from the stream."""
    client = as_anthropic(streamed(MESSAGES, body, events))
    with client.messages.stream(model="code", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]) as stream:
        return stream.get_final_message()


def told(content: bytes) -> list[dict[str, Any]]:
    lines = content.decode().splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [e["type"] for e in events]
    return events


ANSWERS: dict[str, list[ProviderEvent]] = {
    "text": [*TEXT],
    "nothing": [],
    "a call alone": [*CALL],
    "text, then a call": [*TEXT, *CALL],
    "text before and after a call": [TextDelta("Let me see."), *CALL, TextDelta("Done.")],
    "thoughts, text and a call": [*THOUGHT, *TEXT, *CALL],
    "a signature after the text": [*THOUGHT[:2], *TEXT, THOUGHT[2]],
    "a call without arguments": [ToolCallDelta(0, "toolu_1", "weather")],
    "two calls, one after the other": [*CALL, ToolCallDelta(1, "toolu_2", "weather", '{"city": "Oslo"}')],
    "two calls, their pieces mixed": [
        ToolCallDelta(0, "toolu_1", "weather"),
        ToolCallDelta(1, "toolu_2", "weather"),
        ToolCallDelta(0, arguments='{"city":'),
        ToolCallDelta(1, arguments='{"city": "Os'),
        ToolCallDelta(0, arguments=' "Rome"}'),
        ToolCallDelta(1, arguments='lo"}'),
    ],
    "a call whose name comes late": [
        ToolCallDelta(0, "toolu_1", arguments="{"),
        ToolCallDelta(0, name="weather", arguments="}"),
    ],
    "a refusal": [ReasoningDelta("Hmm"), TextDelta("I ", refused=True), TextDelta("cannot.", refused=True)],
    "an image": [ImageDelta("https://images.example/1.png")],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_sdk_reads_the_same_from_a_stream_as_from_a_whole_answer(name: str) -> None:
    events = said(*ANSWERS[name], producer="aaaaaaaaaaaa")
    body = {**THINKING, "tools": TOOLS}
    streams, whole = received(events, body), Message.model_validate(written(MESSAGES, body, events), strict=True)
    assert streams.stop_reason == whole.stop_reason
    assert streams.usage.output_tokens == whole.usage.output_tokens == 20
    assert [_told(b) for b in _of(streams, "tool_use")] == [_told(b) for b in _of(whole, "tool_use")]
    assert "".join(b.text for b in _of(streams, "text")) == "".join(b.text for b in _of(whole, "text"))
    assert "".join(b.thinking for b in _of(streams, "thinking")) == "".join(b.thinking for b in _of(whole, "thinking"))


def _of(message: Message, kind: str) -> list[Any]:
    return [block for block in message.content if block.type == kind]


def _told(block: Any) -> tuple[str, str, Any]:
    return block.id, block.name, block.input


@pytest.mark.parametrize("name", ANSWERS)
def test_blocks_of_a_stream_come_one_after_the_other_with_deltas_of_their_kind(name: str) -> None:
    deltas = {
        "text": {"text_delta"},
        "thinking": {"thinking_delta", "signature_delta"},
        "tool_use": {"input_json_delta"},
        "redacted_thinking": set(),
    }
    current: dict[str, Any] | None = None
    index = -1
    events = told(streamed(MESSAGES, {**THINKING, "tools": TOOLS}, said(*ANSWERS[name], producer="aaaaaaaaaaaa")))
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert current is None
            index, current = index + 1, event["content_block"]
        assert event["index"] == index
        if event["type"] == "content_block_delta":
            assert current is not None
            assert event["delta"]["type"] in deltas[current["type"]]
        if event["type"] == "content_block_stop":
            current = None
    assert current is None


LONG = "mcp__a_server__" + "look_up_" * 12


@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
def test_a_long_name_of_a_tool_is_short_on_the_way_and_whole_to_the_caller(is_streamed: bool) -> None:
    """Servers of chat completions take 64 characters, Anthropic's API 128."""
    use = {"type": "tool_use", "id": "toolu_0", "name": LONG, "input": {}}
    body = body_of(
        *BODY["messages"],
        {"role": "assistant", "content": [use]},
        user({"type": "tool_result", "tool_use_id": "toolu_0", "content": "No."}),
        tools=[{**TOOLS[0], "name": LONG}],
        tool_choice={"type": "tool", "name": LONG},
    )
    request = MESSAGES.read(body).request
    [name] = {tool["function"]["name"] for tool in request.tools}
    assert len(name) <= 64
    assert request.messages[1]["tool_calls"][0]["function"]["name"] == name
    assert request.tool_choice == {"type": "function", "function": {"name": name}}
    events = said(ToolCallDelta(0, "toolu_1", name, "{}"))
    called = received(events, body) if is_streamed else Message.model_validate(written(MESSAGES, body, events))
    assert [block.name for block in _of(called, "tool_use")] == [LONG]


def test_a_tool_with_a_long_name_that_came_in_the_middle_is_known_by_it() -> None:
    definition = {"type": "tool_definition", "definition": {**TOOLS[0], "name": LONG}}
    came = {"role": "system", "content": [{"type": "tool_addition", "tool": definition}]}
    body = body_of(*BODY["messages"], came)
    [tool] = MESSAGES.read(body).request.tools
    events = said(ToolCallDelta(0, "toolu_1", tool["function"]["name"], "{}"))
    assert written(MESSAGES, body, events)["content"][0]["name"] == LONG


def test_parallel_calls_keep_their_own_arguments() -> None:
    calls = _of(received(said(*ANSWERS["two calls, their pieces mixed"])), "tool_use")
    assert [call.input for call in calls] == [{"city": "Rome"}, {"city": "Oslo"}]


@pytest.mark.parametrize(
    ("events", "reason", "expected"),
    [
        (TEXT, "stop", "end_turn"),
        (TEXT, "length", "max_tokens"),
        (CALL, "stop", "tool_use"),
        (CALL, "tool_calls", "tool_use"),
        (CALL, "length", "max_tokens"),
        (TEXT, "content_filter", "refusal"),
        (TEXT, "something new", "end_turn"),
    ],
)
def test_stop_reasons_are_anthropics(events: list[ProviderEvent], reason: str, expected: str) -> None:
    assert received(said(*events, reason=reason)).stop_reason == expected


def test_input_tokens_do_not_hold_those_of_the_cache() -> None:
    usage = received(said(*TEXT)).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (30, 60, 10)


def test_the_model_is_the_one_that_served() -> None:
    assert received(said(*TEXT)).model == "small-1"


def test_who_asks_for_no_thoughts_gets_the_text_first() -> None:
    message = written(MESSAGES, BODY, said(*THOUGHT, *TEXT, producer="aaaaaaaaaaaa"))
    assert [block["type"] for block in message["content"]] == ["text"]


def test_something_is_sent_while_thoughts_are_not_shown() -> None:
    writer = MESSAGES.writer(MESSAGES.read(BODY), REPLY)
    writer.add(ReasoningDelta("Hm"))
    assert b"ping" in writer.add(ReasoningDelta("m"))


@pytest.mark.parametrize("given", [None, "", "call_0"])
def test_calls_without_an_id_of_their_own_have_one_that_no_other_answer_has(given: str | None) -> None:
    [call] = _of(received(said(ToolCallDelta(0, given, "weather", "{}"))), "tool_use")
    assert "0123456789abcdef" in call.id


def test_arguments_that_are_no_object_stay_readable() -> None:
    message = written(MESSAGES, BODY, said(ToolCallDelta(0, "toolu_1", "weather", "[1]")))
    assert message["content"][0]["input"] == {"arguments": "[1]"}


def test_an_error_in_mid_stream_is_an_error_to_the_sdk() -> None:
    writer = MESSAGES.writer(MESSAGES.read(BODY), REPLY)
    content = writer.add(TEXT[0]) + writer.fail(Refusal("All models failed.", status=503))
    with (
        as_anthropic(content).messages.stream(
            model="code", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        ) as stream,
        pytest.raises(anthropic.APIStatusError, match="All models failed"),
    ):
        stream.get_final_message()
    assert told(content)[-1]["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"), (404, "not_found_error"),
     (413, "request_too_large"), (429, "rate_limit_error"), (502, "api_error"), (503, "overloaded_error")],
)  # fmt: skip
def test_errors_have_anthropics_types(status: int, kind: str) -> None:
    content = json.dumps(MESSAGES.error(Refusal("No.", status=status), REPLY.id)).encode()
    with pytest.raises(anthropic.APIStatusError) as caught:
        as_anthropic(content, status).messages.create(
            model="code", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        )
    assert caught.value.body == {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": REPLY.id}


def test_claude_code_is_told_in_its_words_that_a_prompt_is_too_long() -> None:
    found = MESSAGES.error(Refusal("Too much.", code="context_length_exceeded"), REPLY.id)
    assert found["error"]["message"] == "prompt is too long: Too much."


# --- What comes back to the producer ---------------------------------------------------------------


@pytest.mark.parametrize("is_streamed", [True, False])
def test_thoughts_return_to_their_producer_alone(is_streamed: bool) -> None:
    events = said(*THOUGHT, *CALL, producer="aaaaaaaaaaaa")
    body = {**THINKING, "tools": TOOLS}
    message = received(events, body) if is_streamed else Message.model_validate(written(MESSAGES, body, events))
    again = body_of(
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [block.model_dump(mode="json") for block in message.content]},
        user({"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"}),
        tools=TOOLS,
    )
    messages = MESSAGES.read(again).request.messages
    assert dict(messages[1]) == {**completed(events).answer.message(), **_as_read(messages[1])}
    assert "reasoning_details" in returned(messages, "aaaaaaaaaaaa")[1]
    assert "reasoning_details" not in returned(messages, "bbbbbbbbbbbb")[1]


def _as_read(message: Any) -> dict[str, Any]:
    """The parts that JSON encodes again."""
    calls = [
        {**call, "function": {**call["function"], "arguments": '{"city":"Rome"}'}} for call in message["tool_calls"]
    ]
    return {"tool_calls": calls}


def test_what_a_call_carries_returns_with_it() -> None:
    call = ToolCallDelta(0, "toolu_1", "weather", "{}", {"google": {"thought_signature": "abc"}})
    content = written(MESSAGES, {**BODY, "tools": TOOLS}, said(call, producer="aaaaaaaaaaaa"))["content"]
    [message] = MESSAGES.read(body_of({"role": "assistant", "content": content})).request.messages
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "abc"}}


@pytest.mark.parametrize("signature", ["EqQBCkYI", "fallback-lab-1.%%%", "fallback-lab-1.e30="])
def test_thoughts_of_others_are_left_out_and_named(signature: str) -> None:
    thought = {"type": "thinking", "thinking": "Hm", "signature": signature}
    asked = MESSAGES.read(body_of({"role": "assistant", "content": [thought, {"type": "text", "text": "Yes"}]}))
    assert asked.request.messages == ({"role": "assistant", "content": "Yes"},)
    assert asked.notes


# --- Requests --------------------------------------------------------------------------------------

MARK = {"cache_control": {"type": "ephemeral"}}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "aGk="}


def to_anthropic(body: dict[str, Any], model: str = "claude-sonnet-4-6") -> dict[str, Any]:
    """What Anthropic gets of a body, in a chain of its models."""
    return messages_body(MESSAGES.read(body).request, model)


def test_a_conversation_reaches_anthropic_as_it_came() -> None:
    body = body_of(
        user({"type": "text", "text": "Look", **MARK}, {"type": "image", "source": PIXEL}),
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I see"},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        user(
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "is_error": True,
                "content": [{"type": "text", "text": "No"}, {"type": "image", "source": PIXEL}],
                **MARK,
            },
            {"type": "text", "text": "And now?"},
        ),
        system=[{"type": "text", "text": "Be brief.", **MARK}],
        tools=[{**TOOLS[0], **MARK}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        temperature=0.5,
        metadata={"user_id": "u"},
        service_tier="auto",
    )
    assert to_anthropic(body) == {**body, "model": "claude-sonnet-4-6"}


@pytest.mark.parametrize(
    ("model", "thinking", "expected"),
    [
        ("claude-sonnet-4-6", {"type": "adaptive"}, {"type": "adaptive"}),
        ("claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 2000}, {"type": "enabled", "budget_tokens": 2000}),
        ("claude-sonnet-4-5", {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 3999}),
        ("claude-opus-4-7", {"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive", "display": "summarized"}),
        ("claude-sonnet-4-6", {"type": "disabled"}, {"type": "disabled"}),
    ],
)
def test_thinking_is_said_as_each_claude_takes_it(model: str, thinking: Any, expected: Any) -> None:
    sent = to_anthropic({**BODY, "thinking": thinking}, model)
    assert sent["thinking"] == expected
    assert sent["max_tokens"] == BODY["max_tokens"]
    assert "output_config" not in sent


def test_what_only_anthropics_tools_have_reaches_them() -> None:
    own = {"strict": True, "eager_input_streaming": True, "input_examples": [{"city": "Rome"}]}
    tool = {**TOOLS[0], "input_schema": CITY, **own}
    assert to_anthropic({**BODY, "tools": [tool]})["tools"] == [tool]


def test_the_mark_of_a_cache_on_a_call_reaches_anthropic_alone() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}, **MARK}
    body = body_of(*BODY["messages"], {"role": "assistant", "content": [use]})
    assert to_anthropic(body)["messages"][-1]["content"] == [use]
    assert "cache_control" not in json.dumps(to_others(body))


@pytest.mark.parametrize("more", [{}, {"output_config": {"effort": "high"}}], ids=["alone", "with an effort"])
def test_words_between_the_calls_of_tools_are_no_thinking(more: dict[str, Any]) -> None:
    body = {**BODY, "thinking": {"type": "between_tools"}, **more}
    assert to_anthropic(body, "claude-opus-5")["thinking"] == {"type": "between_tools"}
    assert "thinking" not in to_anthropic(body, "claude-sonnet-4-5")
    assert to_others(body).get("reasoning_effort") == more.get("output_config", {}).get("effort")


def test_words_between_the_calls_of_tools_that_a_claude_does_not_have_are_named() -> None:
    request = MESSAGES.read({**BODY, "thinking": {"type": "between_tools"}}).request
    [note] = left_out(request, messages_body(request, "claude-sonnet-4-5"))
    assert "between_tools" in note


def test_a_kind_of_thinking_that_came_later_is_thinking() -> None:
    assert MESSAGES.read({**BODY, "thinking": {"type": "later"}}).request.params["reasoning_effort"] == "medium"


def test_an_effort_alone_asks_for_no_thoughts() -> None:
    sent = to_anthropic({**BODY, "output_config": {"effort": "low"}})
    assert sent["output_config"] == {"effort": "low"}
    assert "thinking" not in sent


def for_others(body: dict[str, Any]) -> Body:
    """What a server of chat completions gets of a body, and what is said of the rest."""
    config = ProviderConfig(protocol="openai", base_url="http://127.0.0.1:9/v1")
    return completions_body(Call(request=MESSAGES.read(body).request, model="m", stream=False, connect=1), config, None)


def to_others(body: dict[str, Any]) -> dict[str, Any]:
    return for_others(body).fields


def test_what_only_anthropics_tools_have_is_left_out_elsewhere_and_named() -> None:
    own = {"eager_input_streaming": True, "input_examples": [{"city": "Rome"}]}
    sent = for_others({**BODY, "tools": [{**TOOLS[0], **own}]})
    assert sent.fields["tools"] == to_others({**BODY, "tools": TOOLS})["tools"]
    assert sent.notes == ("`eager_input_streaming`, `input_examples` of tools left out: only Anthropic's API has it.",)


def test_a_strict_tool_is_strict_elsewhere_where_its_schema_can_be() -> None:
    """OpenAI refuses a strict tool with an optional property."""
    strict = {**TOOLS[0], "strict": True}
    sent = for_others({**BODY, "tools": [{**strict, "input_schema": CITY}, {**strict, "name": "map"}]})
    assert [tool["function"].get("strict") for tool in sent.fields["tools"]] == [True, None]
    assert sent.notes == ("`strict` of `map` was left out: it may have properties that are not required.",)


def test_other_servers_get_nothing_of_anthropics_own() -> None:
    sent = to_others(
        body_of(
            user({"type": "text", "text": "Hi", **MARK}),
            system=[{"type": "text", "text": "One.", **MARK}, {"type": "text", "text": "Two.", **MARK}],
            tools=[{**TOOLS[0], **MARK}],
            thinking={"type": "adaptive"},
            metadata={"user_id": "u"},
        )
    )
    assert "cache_control" not in json.dumps(sent)
    assert sent["messages"] == [{"role": "system", "content": "One.\n\nTwo."}, {"role": "user", "content": "Hi"}]
    assert sent.keys() == {"model", "messages", "tools", "max_tokens", "reasoning_effort"}


def test_images_of_tools_follow_as_the_users_for_other_servers() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    image = {"type": "image", "source": PIXEL}
    sent = to_others(
        body_of(
            {"role": "assistant", "content": [use]},
            user({"type": "tool_result", "tool_use_id": "toolu_1", "content": [image], "is_error": True}),
        )
    )
    assert [message["role"] for message in sent["messages"]] == ["assistant", "tool", "user"]
    assert sent["messages"][1].keys() == {"role", "tool_call_id", "content"}
    assert sent["messages"][2]["content"][0]["type"] == "image_url"


def test_a_document_of_text_is_text_to_other_servers_and_a_document_to_anthropic() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "Ça va?"}
    body = body_of(user({"type": "document", "source": source, "title": "a.txt"}, {"type": "text", "text": "Well?"}))
    assert [part["text"] for part in to_others(body)["messages"][0]["content"]] == ["a.txt:\n\nÇa va?", "Well?"]
    assert to_anthropic(body)["messages"] == body["messages"]


def test_a_document_of_text_that_a_tool_gave_stays_in_its_result() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Sunny"}}
    result = user({"type": "tool_result", "tool_use_id": "toolu_1", "content": [document]})
    sent = to_others(body_of({"role": "assistant", "content": [use]}, result))["messages"]
    assert [message["role"] for message in sent] == ["assistant", "tool"]
    assert sent[1]["content"] == "document.txt:\n\nSunny"


def test_results_come_before_what_the_user_says_beside_them() -> None:
    blocks = [{"type": "text", "text": "And?"}, {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"}]
    assert [message["role"] for message in MESSAGES.read(body_of(user(*blocks))).request.messages] == ["tool", "user"]


def test_all_system_prompts_become_one_at_the_beginning() -> None:
    body = body_of({"role": "user", "content": "Hi"}, {"role": "system", "content": "Two."}, system="One.")
    assert [m["content"] for m in MESSAGES.read(body).request.messages] == ["One.\n\nTwo.", "Hi"]


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        ("user_ab_account__session_1f-2e", "1f-2e"),
        ('{"device_id": "d", "session_id": "1f-2e"}', "1f-2e"),
        ("someone", "someone"),
    ],
)
def test_the_session_is_in_the_users_id(user_id: str, session: str) -> None:
    assert MESSAGES.read({**BODY, "metadata": {"user_id": user_id}}).session == session


def test_tools_of_anthropics_servers_are_left_out_and_named() -> None:
    asked = MESSAGES.read({**BODY, "tools": [*TOOLS, {"type": "web_search_20250305", "name": "web_search"}]})
    assert len(asked.request.tools) == 1
    assert "web_search_20250305" in asked.notes[0]


def change(kind: str, **tool: Any) -> dict[str, Any]:
    return {"type": kind, "tool": {"type": "tool_reference", **tool}}


def test_tools_that_come_and_go_in_a_conversation_are_those_of_its_end() -> None:
    """Claude Code says so in system messages; refused, its session could never go on."""
    new = {"name": "map", "description": "A map.", "input_schema": WEATHER}
    came = {"role": "system", "content": [
        {"type": "text", "text": "A server is there."}, change("tool_addition", name="later"),
        {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": new}},
    ]}  # fmt: skip
    went = {"role": "system", "content": [change("tool_removal", name="weather"), change("tool_removal", name="x")]}
    tools = [*TOOLS, {**TOOLS[0], "name": "later", "defer_loading": True}]
    asked = MESSAGES.read(body_of(*BODY["messages"], came, *BODY["messages"], went, tools=tools))
    assert [tool["function"]["name"] for tool in asked.request.tools] == ["later", "map"]
    assert [message["role"] for message in asked.request.messages] == ["system", "user", "user"]
    assert asked.request.messages[0]["content"] == "A server is there."


def test_a_tool_that_comes_back_is_there_again() -> None:
    changes = {
        "role": "system",
        "content": [change(kind, name="weather") for kind in ("tool_removal", "tool_addition")],
    }
    asked = MESSAGES.read(body_of(*BODY["messages"], changes, tools=TOOLS))
    assert [tool["function"]["name"] for tool in asked.request.tools] == ["weather"]


def test_a_format_of_the_output_is_a_response_format() -> None:
    form = {"type": "json_schema", "schema": WEATHER}
    asked = MESSAGES.read({**BODY, "output_config": {"format": form}})
    assert asked.request.response_format is not None
    assert asked.request.response_format["json_schema"]["schema"] == WEATHER


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CITY, True),
        (WEATHER, False),
        ({**CITY, "additionalProperties": True}, False),
        ({**CITY, "required": []}, False),
        ({"type": "array", "items": CITY}, True),
        ({"type": "array", "items": WEATHER}, False),
        ({**CITY, "properties": {"city": WEATHER}}, False),
        ({"anyOf": [CITY, {"type": "null"}, WEATHER]}, False),
        ({**CITY, "$defs": {"x": WEATHER}}, False),
        ({**CITY, "properties": {"city": {"enum": [WEATHER]}}}, True),
    ],
    ids=str,
)
def test_a_format_is_strict_where_its_schema_can_be(schema: dict[str, Any], strict: bool) -> None:
    """OpenAI refuses a strict schema with an optional property."""
    form = {"type": "json_schema", "schema": schema}
    assert to_others({**BODY, "output_config": {"format": form}})["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": strict},
    }


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [user({"type": "text"})]}, "messages[0].content[0]"),
        ({"messages": [user({"type": "image", "source": {"type": "base64"}})]}, "messages[0].content[0].source"),
        ({"messages": [user({"type": "video"})]}, "messages[0].content[0].type"),
        ({"tools": [{"name": "weather"}]}, "tools[0]"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools"),
        ({"tool_choice": {"type": "tool", "name": "other"}, "tools": TOOLS}, "tool_choice.name"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field(change: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        MESSAGES.read({**BODY, **change})
    assert caught.value.status == 400
    assert caught.value.param == param


def test_tokens_are_counted_with_the_tools_the_system_prompt_and_images() -> None:
    body = {"model": "code", "messages": BODY["messages"]}
    bare = count_tokens(body)["input_tokens"]
    assert count_tokens({**body, "system": "x" * 300})["input_tokens"] >= bare + 100
    assert count_tokens({**body, "tools": TOOLS})["input_tokens"] > bare + 30
    image = user({"type": "image", "source": PIXEL})
    assert count_tokens({**body, "messages": [image]})["input_tokens"] >= 1600
