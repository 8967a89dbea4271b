"""OpenAI's responses: bodies read, answers as OpenAI's SDK reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from router.core.events import ImageDelta, ProviderEvent, ReasoningDelta, ReasoningDetail, TextDelta, ToolCallDelta
from router.providers.producers import returned
from router.server.dialects.base import Refusal
from tests.server.dialects.speaking import (
    REPLY,
    RESPONSES,
    TEXT,
    WEATHER,
    as_openai,
    completed,
    said,
    streamed,
    written,
)

TOOL = {"type": "function", "name": "weather", "description": "How is it?", "parameters": WEATHER, "strict": True}
SPACE = {"type": "namespace", "name": "mcp__maps", "description": "Maps", "tools": [{**TOOL, "name": "find"}]}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Patches.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: line+"},
}
FORM = {"type": "json_schema", "name": "city", "schema": WEATHER, "strict": True}
BODY: dict[str, Any] = {"model": "code", "input": "Hi"}
CODEX = {
    **BODY,
    "instructions": "You write code.",
    "tools": [TOOL, SPACE, PATCH, {"type": "web_search", "external_web_access": False}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "session-1",
    "text": {"verbosity": "low"},
    "client_metadata": {"x": "y"},
}
THOUGHT: list[ProviderEvent] = [
    ReasoningDelta("Hmm"),
    ReasoningDetail({"type": "reasoning.text", "text": "Hmm", "signature": "s1==", "format": "f", "index": 0}),
]
CALL = [
    ToolCallDelta(0, "call_a", "weather"),
    ToolCallDelta(0, arguments='{"city": "Ro'),
    ToolCallDelta(0, arguments='me"}'),
]
PATCHED = ToolCallDelta(0, "call_p", "apply_patch", '{"input": "*** Begin Patch"}')
FOUND = ToolCallDelta(0, "call_f", "mcp__maps__find", '{"city": "Rome"}')

ANSWERS: dict[str, list[ProviderEvent]] = {
    "text": [*TEXT],
    "nothing": [],
    "a call alone": [*CALL],
    "text before and after a call": [TextDelta("Let me see."), *CALL, TextDelta("Done.")],
    "thoughts, text and a call": [*THOUGHT, *TEXT, *CALL],
    "a signature after the text": [THOUGHT[0], *TEXT, THOUGHT[1]],
    "a call without arguments": [ToolCallDelta(0, "call_a", "weather")],
    "two calls, their pieces mixed": [
        ToolCallDelta(0, "call_a", "weather"),
        ToolCallDelta(1, "call_b", "weather", '{"city": "Os'),
        ToolCallDelta(0, arguments='{"city": "Rome"}'),
        ToolCallDelta(1, arguments='lo"}'),
    ],
    "a custom tool": [PATCHED],
    "a tool in a namespace": [FOUND],
    "a refusal": [ReasoningDelta("Hmm"), TextDelta("I ", refused=True), TextDelta("cannot.", refused=True)],
    "an image": [ImageDelta("data:image/png;base64,aGk=")],
}


def told(content: bytes) -> list[dict[str, Any]]:
    lines = content.decode().splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [e["type"] for e in events]
    return events


def received(content: bytes) -> Response:
    """The response that the SDK puts together from the stream."""
    with as_openai(content).responses.stream(model="code", input="Hi") as stream:
        return stream.get_final_response()


def plain(items: Iterable[Any]) -> list[Any]:
    """The items without what the SDK adds to them."""
    return [
        {name: value for name, value in item.to_dict().items() if name not in ("parsed_arguments", "id")}
        for item in items
    ]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_gives_valid_items_whose_texts_are_those_of_the_whole_answer(name: str) -> None:
    events = said(*ANSWERS[name], producer="aaaaaaaaaaaa")
    whole = Response.model_validate(written(RESPONSES, CODEX, events))
    last = told(streamed(RESPONSES, CODEX, events))[-1]
    assert last["type"] == "response.completed"
    streams = Response.model_validate(last["response"])
    assert streams.output_text == whole.output_text
    kinds = ("function_call", "custom_tool_call", "image_generation_call")
    assert plain(i for i in streams.output if i.type in kinds) == plain(i for i in whole.output if i.type in kinds)
    assert streams.usage == whole.usage
    assert streams.usage is not None
    assert streams.usage.total_tokens == 120


@pytest.mark.parametrize("name", ANSWERS)
def test_every_delta_belongs_to_an_item_that_was_added_and_is_not_done(name: str) -> None:
    events = told(streamed(RESPONSES, CODEX, said(*ANSWERS[name], producer="aaaaaaaaaaaa")))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    current: dict[str, Any] | None = None
    done: list[dict[str, Any]] = []
    for event in events[2:-1]:
        assert event["output_index"] == len(done)
        if event["type"] == "response.output_item.added":
            assert current is None
            current = event["item"]
            continue
        assert current is not None
        if event["type"] == "response.output_item.done":
            assert event["item"]["id"] == current["id"]
            done.append(event["item"])
            current = None
        else:
            assert event["item_id"] == current["id"]
    assert current is None
    assert events[-1]["response"]["output"] == done
    assert len({item["id"] for item in done}) == len(done)


@pytest.mark.parametrize("name", ["text", "a call alone", "thoughts, text and a call", "text before and after a call"])
def test_the_sdks_accumulator_takes_the_stream(name: str) -> None:
    response = received(streamed(RESPONSES, BODY, said(*ANSWERS[name], producer="aaaaaaaaaaaa")))
    assert response.status == "completed"
    assert response.output


def test_an_answer_that_was_cut_is_incomplete() -> None:
    content = streamed(RESPONSES, BODY, said(*TEXT, reason="length"))
    last = told(content)[-1]
    assert last["type"] == "response.incomplete"
    response = Response.model_validate(last["response"])
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_a_failure_in_mid_stream_ends_it_with_the_reason() -> None:
    writer = RESPONSES.writer(RESPONSES.read(BODY), REPLY)
    events = told(writer.add(TEXT[0]) + writer.fail(Refusal("All models failed.", status=502)))
    assert events[-1]["type"] == "response.failed"
    response = Response.model_validate(events[-1]["response"])
    assert response.status == "failed"
    assert response.error is not None
    assert (response.error.code, response.error.message) == ("server_error", "All models failed.")


def test_codex_is_told_in_its_words_that_a_conversation_is_too_long() -> None:
    writer = RESPONSES.writer(RESPONSES.read(BODY), REPLY)
    [*_, last] = told(writer.fail(Refusal("Too much.", code="context_length_exceeded")))
    assert last["response"]["error"]["code"] == "context_length_exceeded"


def test_errors_are_openais() -> None:
    content = json.dumps(RESPONSES.error(Refusal("No.", param="input"), REPLY.id)).encode()
    with pytest.raises(openai.BadRequestError) as caught:
        as_openai(content, 400).responses.create(model="code", input="Hi")
    assert caught.value.param == "input"


def test_answers_say_that_they_are_not_stored() -> None:
    assert written(RESPONSES, {**BODY, "store": True}, said(*TEXT))["store"] is False


# --- Tools -----------------------------------------------------------------------------------------


def test_codexs_tools_are_functions_and_those_of_openais_servers_are_named() -> None:
    asked = RESPONSES.read(CODEX)
    assert [tool["function"]["name"] for tool in asked.request.tools] == ["weather", "mcp__maps__find", "apply_patch"]
    assert "start: line+" in asked.request.tools[2]["function"]["description"]
    assert list(asked.notes) == ["The tool web_search is left out: only OpenAI's servers have it."]
    assert asked.session == "session-1"


def test_calls_come_back_in_the_callers_words() -> None:
    [found] = written(RESPONSES, CODEX, said(FOUND))["output"]
    assert (found["type"], found["name"], found["namespace"]) == ("function_call", "find", "mcp__maps")
    [patched] = written(RESPONSES, CODEX, said(PATCHED))["output"]
    assert (patched["type"], patched["name"], patched["input"]) == (
        "custom_tool_call",
        "apply_patch",
        "*** Begin Patch",
    )


def test_tools_in_the_input_are_tools_and_their_calls_come_back_in_the_callers_words() -> None:
    """Codex sends its own so, in the first turn and again in later ones."""
    held = {"type": "additional_tools", "role": "developer", "id": "at_1", "tools": [SPACE, PATCH]}
    again = {**held, "tools": [PATCH, {"type": "web_search"}]}
    asked = RESPONSES.read({**BODY, "tools": [TOOL], "input": [held, {"role": "user", "content": "Hi"}, again]})
    names = [tool["function"]["name"] for tool in asked.request.tools]
    assert names == ["weather", "mcp__maps__find", "apply_patch"]
    assert [message["role"] for message in asked.request.messages] == ["user"]
    turn = {**BODY, "input": [held, {"role": "user", "content": "Hi"}]}
    kinds = [written(RESPONSES, turn, said(call))["output"][0]["type"] for call in (FOUND, PATCHED)]
    assert kinds == ["function_call", "custom_tool_call"]


def test_what_another_agent_says_is_told_with_its_name() -> None:
    content = [{"type": "input_text", "text": "Done."}, {"type": "encrypted_content", "encrypted_content": "x"}]
    asked = RESPONSES.read({**BODY, "input": [item("agent_message", author="/root/b", recipient="/", content=content)]})
    assert [message["content"] for message in asked.request.messages] == ["/root/b:\nDone."]
    assert asked.notes == ("What agents say in encrypted content is left out: only OpenAI's models read it.",)


def test_a_long_name_in_a_namespace_is_cut_and_found_again() -> None:
    space = {"type": "namespace", "name": "n" * 50, "description": "", "tools": [{**TOOL, "name": "t" * 50}]}
    body = {**BODY, "tools": [space]}
    [tool] = RESPONSES.read(body).request.tools
    name = tool["function"]["name"]
    assert len(name) <= 64
    [call] = written(RESPONSES, body, said(ToolCallDelta(0, "call_a", name, "{}")))["output"]
    assert (call["namespace"], call["name"]) == ("n" * 50, "t" * 50)


def test_a_custom_tool_that_a_model_calls_with_bare_text_gets_the_text() -> None:
    [call] = written(RESPONSES, CODEX, said(ToolCallDelta(0, "call_p", "apply_patch", "*** Begin")))["output"]
    assert call["input"] == "*** Begin"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("required", "required"),
        ({"type": "function", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
        ({"type": "custom", "name": "apply_patch"}, {"type": "function", "function": {"name": "apply_patch"}}),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}, "required"),
    ],
)
def test_choices_of_tools_are_those_of_chat_completions(choice: Any, expected: Any) -> None:
    assert RESPONSES.read({**CODEX, "tool_choice": choice}).request.tool_choice == expected


# --- Conversations ---------------------------------------------------------------------------------


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def call(id_: str, name: str = "weather") -> dict[str, Any]:
    return item("function_call", call_id=id_, name=name, arguments="{}")


def output(id_: str) -> dict[str, Any]:
    return item("function_call_output", call_id=id_, output="Sunny")


def message(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return item("message", role=role, content=[{"type": kind, "text": text}])


def roles(*items: dict[str, Any]) -> list[str]:
    return [message["role"] for message in RESPONSES.read({**BODY, "input": list(items)}).request.messages]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([message("user", "a"), call("1"), output("1")], ["user", "assistant", "tool"]),
        ([call("1"), call("2"), output("2"), output("1")], ["assistant", "tool", "tool"]),
        ([message("assistant", "a"), call("1"), output("1")], ["assistant", "tool"]),
        ([call("1"), message("assistant", "a"), output("1")], ["assistant", "tool"]),
        ([call("1"), message("user", "a"), output("1")], ["assistant", "tool", "user"]),
        ([call("1"), output("1"), call("2"), output("2")], ["assistant", "tool", "assistant", "tool"]),
        ([call("1"), call("2"), output("1"), message("assistant", "a"), output("2")],
         ["assistant", "tool", "tool", "assistant"]),
        ([message("user", "a"), message("developer", "b")], ["system", "user"]),
    ],
)  # fmt: skip
def test_results_follow_their_calls_whatever_the_order_of_the_items(
    items: list[dict[str, Any]], expected: list[str]
) -> None:
    assert roles(*items) == expected


PIECES = [item("input_text", text="Sunny"), item("input_image", image_url="data:image/png;base64,aGk=")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([PIECES[0]], "Sunny"),
        (PIECES[0], "Sunny"),
        (PIECES, [{"type": "text", "text": "Sunny"},
                  {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]),
        ({"sky": None, "degrees": 21}, '{"sky":null,"degrees":21}'),
        ([{"type": "city", "name": "Rome"}, "Oslo"], '[{"type":"city","name":"Rome"},"Oslo"]'),
        (21, "21"),
        ([], ""),
        (None, ""),
    ],
)  # fmt: skip
def test_what_a_tool_gave_is_told_whatever_its_shape(given: Any, expected: Any) -> None:
    items = [call("1"), {**output("1"), "output": given}]
    assert RESPONSES.read({**BODY, "input": items}).request.messages[-1]["content"] == expected


def test_nulls_that_an_sdk_writes_for_fields_never_set_say_nothing() -> None:
    """`model_dump()` of an answer's items has every field of their classes."""
    items = [
        item("reasoning", id="rs_1", summary=None, content=None, encrypted_content=None, status=None),
        item("reasoning", id="rs_2", summary=[{"type": "summary_text", "text": None}], encrypted_content="x"),
        {**call("1"), "namespace": None, "arguments": None},
        {**output("1"), "id": None, "status": None},
        item("message", role="assistant", content=None, phase=None),
    ]
    tools = [{**TOOL, "description": None, "strict": None}]
    nulls = {"reasoning": {"summary": None, "effort": None}, "text": {"format": {**FORM, "name": None}}}
    choice = {"type": "allowed_tools", "mode": None, "tools": [{"type": "function", "name": "weather"}]}
    request = RESPONSES.read({**BODY, **nulls, "input": items, "tools": tools, "tool_choice": choice}).request
    assert [message["role"] for message in request.messages] == ["assistant", "tool"]
    assert request.messages[0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_arguments_may_come_as_an_object() -> None:
    items = [{**call("1"), "arguments": {"city": "Rome"}}, output("1")]
    [sent, _] = RESPONSES.read({**BODY, "input": items}).request.messages
    assert sent["tool_calls"][0]["function"]["arguments"] == '{"city":"Rome"}'


def test_history_has_the_names_that_the_tools_have() -> None:
    items = [
        {**call("1", "find"), "namespace": "mcp__maps"},
        output("1"),
        item("custom_tool_call", call_id="2", name="apply_patch", input="x"),
        item("custom_tool_call_output", call_id="2", output="done"),
    ]
    messages = RESPONSES.read({**CODEX, "input": items}).request.messages
    functions = [one["function"] for message in messages for one in message.get("tool_calls", ())]
    assert functions[0]["name"] == "mcp__maps__find"
    assert functions[1] == {"name": "apply_patch", "arguments": '{"input":"x"}'}


def test_a_long_name_of_a_function_is_short_on_the_way_and_whole_to_the_caller() -> None:
    body = {**BODY, "tools": [{**TOOL, "name": "look_up_" * 12}]}
    [tool] = RESPONSES.read(body).request.tools
    assert len(tool["function"]["name"]) <= 64
    events = said(ToolCallDelta(0, "call_1", tool["function"]["name"], "{}"))
    assert [item["name"] for item in written(RESPONSES, body, events)["output"]] == ["look_up_" * 12]


@pytest.mark.parametrize("is_streamed", [True, False])
def test_reasoning_returns_to_its_producer_alone(is_streamed: bool) -> None:
    events = said(*THOUGHT, *TEXT, *CALL, producer="aaaaaaaaaaaa")
    whole = written(RESPONSES, BODY, events)
    items = told(streamed(RESPONSES, BODY, events))[-1]["response"]["output"] if is_streamed else whole["output"]
    messages = RESPONSES.read({**BODY, "input": [message("user", "Hi"), *items, output("call_a")]}).request.messages
    assert dict(messages[1]) == completed(events).answer.message()
    assert "reasoning_details" in returned(messages, "aaaaaaaaaaaa")[1]
    assert "reasoning_details" not in returned(messages, "bbbbbbbbbbbb")[1]


def test_reasoning_of_others_is_left_out_and_named() -> None:
    asked = RESPONSES.read(
        {**BODY, "input": [item("reasoning", id="rs_1", summary=[], encrypted_content="gAAAA"), message("user", "Hi")]}
    )
    assert [message["role"] for message in asked.request.messages] == ["user"]
    assert asked.notes


def test_images_and_files_are_read() -> None:
    content = [
        item("input_image", image_url="data:image/png;base64,aGk=", detail="auto"),
        item("input_file", filename="a.pdf", file_data="data:application/pdf;base64,aGk="),
    ]
    [message] = RESPONSES.read({**BODY, "input": [{"role": "user", "content": content}]}).request.messages
    assert [part["type"] for part in message["content"]] == ["image_url", "file"]


def test_fields_go_by_the_names_of_chat_completions() -> None:
    body = {**BODY, "text": {"format": FORM}, "max_output_tokens": 50, "reasoning": {"effort": "low"}, "top_p": 0.5}
    request = RESPONSES.read(body).request
    assert request.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "city", "schema": WEATHER, "strict": True},
    }
    assert request.max_tokens == 50
    assert request.params == {"reasoning_effort": "low", "top_p": 0.5}


@pytest.mark.parametrize("nothing", ["", []], ids=["text", "items"])
def test_instructions_are_enough(nothing: Any) -> None:
    asked = RESPONSES.read({**BODY, "instructions": "Write a haiku.", "input": nothing})
    assert asked.request.messages == ({"role": "system", "content": "Write a haiku."},)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, "input[0].content[0].text"),
        ({"input": [item("input_image", file_id="f")]}, "input[0].type"),
        ({"input": [output("1")]}, "input[0].call_id"),
        ({"input": [item("item_reference", id="1")]}, "input[0].type"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "c"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"tools": [{"type": "function", "function": {"name": "weather"}}]}, "tools[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "always"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
    ],
)
def test_a_refusal_names_the_field(change: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        RESPONSES.read({**BODY, **change})
    assert caught.value.status == 400
    assert caught.value.param == param
