"""What a request becomes on the wire: each case of requests.yaml, what goes back to whom, and where it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anthropic.types.message_create_params as anthropic_types
import httpx
import msgspec
import openai.types.chat.completion_create_params as openai_types
import pydantic
import pytest
import yaml

from router.config.schema import ProviderConfig
from router.core.events import AnswerBuilder, Noted
from router.core.messages import Answer
from router.core.requests import Request
from router.providers import Call
from tests.scripted import HELLO, Body, Speaks, Wire, sse, whole

CASES = yaml.safe_load(Path(__file__).with_name("requests.yaml").read_text(encoding="utf-8"))
each_case = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])

WHOLE = {
    "openai": {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]},
    "anthropic": {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"},
}


async def sent(folder: Path, case: Mapping[str, Any], *, stream: bool = True) -> tuple[dict[str, Any], list[str]]:
    """The body that a case becomes, and what is said of it."""
    wire = Wire(folder, **case.get("provider", {}))
    fields = case.get("asks", {})
    request = Request(**{**fields, "messages": tuple(fields.get("messages", HELLO.messages))})
    wire.route.mock(return_value=whole(WHOLE[case.get("provider", {}).get("protocol", "openai")]))
    call = Call(case.get("model", "m"), request, stream, 5.0)
    notes = [note async for event in wire.provider.stream(call) if isinstance(event, Noted) for note in event.notes]
    return wire.sent, notes


@each_case
async def test_a_request_is_what_the_server_takes(tmp_path: Path, case: Mapping[str, Any]) -> None:
    body, notes = await sent(tmp_path, case)
    assert {name: body.get(name) for name in case["sends"]} == case["sends"]
    assert notes == case.get("notes", [])


# --- The vendors' own types ------------------------------------------------------------------------

VENDORS_OWN: Mapping[tuple[str, bool], Any] = {
    ("openai", True): openai_types.CompletionCreateParamsStreaming,
    ("openai", False): openai_types.CompletionCreateParamsNonStreaming,
    ("anthropic", True): anthropic_types.MessageCreateParamsStreaming,
    ("anthropic", False): anthropic_types.MessageCreateParamsNonStreaming,
}
FULL: Mapping[str, Any] = {
    "temperature": 0.5,
    "max_tokens": 100,
    "tools": ({"type": "function", "function": {"name": "f", "description": "F.", "parameters": {"type": "object"}}},),
    "tool_choice": "required",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "params": {"top_p": 0.9, "stop": ["END"], "parallel_tool_calls": False},
    "messages": (
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look."},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "3"},
    ),
}


def settled(value: object) -> object:
    """A validated value with every lazy iterable in it gone through: pydantic checks those as they are read."""
    if isinstance(value, Mapping):
        return {name: settled(item) for name, item in value.items()}
    return [settled(item) for item in value] if isinstance(value, list | tuple | Iterator) else value


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("asks", [{}, FULL, {"params": {"reasoning_effort": "low"}}], ids=["plain", "full", "effort"])
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-5"])
async def test_a_request_is_one_of_the_vendor_s_own_types(
    tmp_path: Path, stream: bool, protocol: Speaks, asks: Mapping[str, Any], model: str
) -> None:
    case = {"provider": {"protocol": protocol}, "asks": asks, "model": model}
    body, _ = await sent(tmp_path, case, stream=stream)
    kind = VENDORS_OWN[protocol, stream]
    assert settled(pydantic.TypeAdapter(kind).validate_python(body))
    # Anthropic's newest types are those of its newest models, which take no sampling.
    assert body.keys() - {"temperature", "top_p"} <= kind.__annotations__.keys()


# --- What goes back in the next turn, and to whom --------------------------------------------------

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
DETAILS = [{"type": "reasoning.text", "text": "Hm.", "signature": "c2ln", "format": "x", "index": 0}]

MADE: Mapping[str, tuple[Speaks, Any, Any]] = {
    "reasoning_content beside a call": (
        "openai",
        {"content": "", "reasoning_content": "Hm.", "tool_calls": [CALL]},
        {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]},
    ),
    "reasoning_content beside text alone": (
        "openai",
        {"content": "Hi", "reasoning_content": "Hm."},
        {"role": "assistant", "content": "Hi"},
    ),
    "a signature on a call": (
        "openai",
        {"content": None, "tool_calls": [SIGNED]},
        {"role": "assistant", "content": None, "tool_calls": [SIGNED]},
    ),
    "reasoning_details": (
        "openai",
        {"content": "Hi", "reasoning_details": DETAILS},
        {"role": "assistant", "content": "Hi", "reasoning_details": DETAILS},
    ),
    "thinking with its signature": (
        "anthropic",
        [THINKING, {"type": "text", "text": "Hi"}],
        {"role": "assistant", "content": [THINKING, {"type": "text", "text": "Hi"}]},
    ),
}
each_made = pytest.mark.parametrize(("protocol", "made", "back"), MADE.values(), ids=MADE)
each_way = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


def answers(protocol: Speaks, made: Any, *, streamed: bool) -> httpx.Response:
    """An answer with this message, or these blocks."""
    if protocol == "anthropic":
        if not streamed:
            return whole({"content": made, "stop_reason": "end_turn"})
        blocks = [{"type": "content_block_start", "index": at, "content_block": one} for at, one in enumerate(made)]
        return sse(*blocks, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, end="")
    if not streamed:
        return whole({"choices": [{"message": made, "finish_reason": "stop"}]})
    pieces = [{"choices": [{"delta": {name: value}}]} for name, value in made.items()]
    return sse(*pieces, {"choices": [{"delta": {}, "finish_reason": "stop"}]})


async def next_turn(
    first: Wire, second: Wire, protocol: Speaks, made: Any, *, streamed: bool, models: tuple[str, str] = ("m", "m")
) -> Mapping[str, Any]:
    """What the second provider gets of the first one's answer."""
    first.route.mock(return_value=answers(protocol, made, streamed=streamed))
    builder = AnswerBuilder()
    async for event in first.provider.stream(Call(models[0], HELLO, streamed, 5.0)):
        builder.add(event)
    kept = msgspec.json.decode(msgspec.json.encode(builder.answer()), type=Answer)
    request = Request(messages=(*HELLO.messages, kept.message(), {"role": "user", "content": "And?"}))
    sent = second.provider.sent(Call(models[1], request, streamed, 5.0))
    return dict(msgspec.json.decode(msgspec.json.encode(sent.body))["messages"][1])


@each_way
@each_made
async def test_what_a_model_wants_back_it_gets_back(
    tmp_path: Path, protocol: Speaks, made: Any, back: Any, streamed: bool
) -> None:
    wire = Wire(tmp_path, protocol)
    assert await next_turn(wire, wire, protocol, made, streamed=streamed) == back


@pytest.mark.parametrize(
    "models", [("maker/m", "maker/m:free"), ("models/m", "m"), ("m-20250929", "m"), ("m-2025-09-29", "m-latest")]
)
async def test_a_date_or_a_route_makes_no_other_model(tmp_path: Path, models: tuple[str, str]) -> None:
    wire = Wire(tmp_path)
    _, made, back = MADE["a signature on a call"]
    assert await next_turn(wire, wire, "openai", made, streamed=True, models=models) == back


OTHERS: Mapping[str, tuple[dict[str, Any], str]] = {
    "another model": ({}, "n"),
    "another server": ({"base_url": "http://other/v1"}, "m"),
    "the other protocol": ({"protocol": "other"}, "m"),
    "OpenRouter": ({"base_url": "https://openrouter.ai/api/v1"}, "m"),
}


@each_way
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("other", OTHERS)
async def test_what_one_model_made_for_itself_goes_to_no_other(
    tmp_path: Path, made: str, streamed: bool, other: str
) -> None:
    protocol, message, _ = MADE[made]
    settings, model = OTHERS[other]
    if "protocol" in settings:
        settings = {"protocol": "openai" if protocol == "anthropic" else "anthropic"}
    first, second = Wire(tmp_path, protocol), Wire(tmp_path, **{"protocol": protocol, **settings})
    sent = str(await next_turn(first, second, protocol, message, streamed=streamed, models=("m", model)))
    assert [mark for mark in ("Hm.", "c2ln", "producer", "reasoning") if mark in sent] == []


# --- Addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://host/v1", "https://host/v1/chat/completions"),
        (" https://host/v1/ \n", "https://host/v1/chat/completions"),
        ("https://host/d/gpt?api-version=2024-10-21", "https://host/d/gpt/chat/completions?api-version=2024-10-21"),
        ("https://host/d/gpt/?a=1&b=%20", "https://host/d/gpt/chat/completions?a=1&b=%20"),
        ("https://host?a=1", "https://host/chat/completions?a=1"),
        ("https://host/models", "https://host/models/chat/completions"),
    ],
)
def test_a_path_comes_before_the_query(base_url: str, url: str) -> None:
    assert ProviderConfig(protocol="openai", base_url=base_url).url("chat/completions") == url


def test_a_query_of_ours_comes_behind_the_provider_s() -> None:
    config = ProviderConfig(protocol="anthropic", base_url="https://host/v1?a=1")
    assert config.url("models", limit="1000") == "https://host/v1/models?a=1&limit=1000"


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("https://host/v1/chat/completions", "must end before `/chat/completions`"),
        ("https://host/v1/chat/completions/?a=1", "must end before `/chat/completions`"),
        ("https://host/v1/messages", "must end before `/messages`"),
        ("https://host/v1/responses", "must end before `/responses`"),
        ("https://host/v1#frag", "must not contain a `#`"),
        ("https://host/v 1", "must not contain blanks"),
    ],
)
def test_an_address_that_no_call_could_use_is_refused(base_url: str, says: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=says):
        ProviderConfig(protocol="openai", base_url=base_url)


async def test_the_address_with_its_query_is_what_is_asked(tmp_path: Path) -> None:
    wire = Wire(tmp_path, base_url="http://host/v1?api-version=1")
    wire.elsewhere.mock(side_effect=lambda request: httpx.Response(200, stream=Body(str(request.url).encode())))
    await wire.error(httpx.Response(500))
    assert str(wire.elsewhere.calls.last.request.url) == "http://host/v1/chat/completions?api-version=1"
