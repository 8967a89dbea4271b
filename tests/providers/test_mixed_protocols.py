"""A conversation with tools that passes from one protocol to another in its middle, over a real socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.core.attempts import Completion
from router.core.messages import Answer
from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab
from tests.conftest import MakeLab
from tests.upstream import SIGNATURE, Received, Upstream, answer, status

ASKED = {"role": "user", "content": "What is 1 + 2?"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}
ADD = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": SCHEMA}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"x": 1, "y": 2}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "3"}

USES_A_TOOL = answer("Let me add.", reasoning="Hm, add.", tool_calls=[CALL], finish_reason="tool_calls")
SAYS_IT = answer("It is 3.")
FAILS = status(503)

MODELS = {"anthropic": "claude", "openai": "gpt"}

each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
each_direction = pytest.mark.parametrize(
    ("first", "second"), [("anthropic", "openai"), ("openai", "anthropic")], ids=["to openai", "to anthropic"]
)


def chain(upstream: Upstream, *protocols: str) -> str:
    """A models.yaml with a chain of one model for each protocol, all on this upstream."""
    providers = {name: {"protocol": name, "base_url": upstream.base_url} for name in protocols}
    models = [f"{name}:{MODELS[name]}" for name in protocols]
    policy = {"retries": 0, "cache": {"enabled": False}}
    settings = {"default_provider": protocols[0], "providers": providers, "offline": None, "policy": policy}
    return json.dumps({**settings, "chains": {"chat": models}})


def ask(lab: Lab, *messages: Any, stream: bool) -> Completion:
    request = Request(messages=(ASKED, *messages), tools=(ADD,), max_tokens=100)
    return lab.start(request, category="chat", options=Options(stream=stream)).result(timeout=30)


def two_turns(upstream: Upstream, make_lab: MakeLab, *protocols: str, stream: bool) -> tuple[Answer, Answer]:
    """The first model calls a tool and then fails; the second one answers with the tool's result."""
    first, second = (MODELS[protocol] for protocol in protocols)
    upstream.script(first, USES_A_TOOL, then=FAILS)
    upstream.script(second, then=SAYS_IT)
    lab = make_lab(chain(upstream, *protocols))
    called = ask(lab, stream=stream).answer
    return called, ask(lab, called.message(), RESULT, stream=stream).answer


def sent(upstream: Upstream, protocol: str) -> list[Any]:
    """The messages of a model's last call."""
    last: Received = upstream.received(MODELS[protocol])[-1]
    return list(last.body["messages"])


TEXT = {"type": "text", "text": "Let me add."}
TOOL_USE = {"type": "tool_use", "id": "call_1", "name": "add", "input": {"x": 1, "y": 2}}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "3"}]}
THINKING = {"type": "thinking", "thinking": "Hm, add.", "signature": SIGNATURE}
QUESTION = {"role": "user", "content": [{"type": "text", "text": "What is 1 + 2?"}]}


@each_way
@each_direction
def test_the_next_model_answers_with_the_tool_s_result(
    upstream: Upstream, make_lab: MakeLab, first: str, second: str, stream: bool
) -> None:
    called, said = two_turns(upstream, make_lab, first, second, stream=stream)
    assert [(call.id, call.name, json.loads(call.arguments)) for call in called.tool_calls] == [
        ("call_1", "add", {"x": 1, "y": 2})
    ]
    assert (called.text, called.finish_reason) == ("Let me add.", "tool_calls")
    assert (said.text, said.finish_reason) == ("It is 3.", "stop")


@each_way
def test_the_model_that_called_the_tool_gets_its_thinking_back(
    upstream: Upstream, make_lab: MakeLab, stream: bool
) -> None:
    two_turns(upstream, make_lab, "anthropic", "openai", stream=stream)
    assert sent(upstream, "anthropic") == [
        QUESTION,
        {"role": "assistant", "content": [THINKING, TEXT, TOOL_USE]},
        {"role": "user", "content": [TOOL_RESULT]},
    ]


@each_way
def test_a_compatible_server_gets_the_call_and_no_thinking(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    two_turns(upstream, make_lab, "anthropic", "openai", stream=stream)
    said, *rest = sent(upstream, "openai")[1:]
    arguments = said["tool_calls"][0]["function"].pop("arguments")
    assert json.loads(arguments) == {"x": 1, "y": 2}
    assert (said, rest) == (
        {
            "role": "assistant",
            "content": "Let me add.",
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "add"}}],
        },
        [RESULT],
    )


@each_way
def test_anthropic_gets_the_call_and_none_of_another_model_s_reasoning(
    upstream: Upstream, make_lab: MakeLab, stream: bool
) -> None:
    two_turns(upstream, make_lab, "openai", "anthropic", stream=stream)
    assert sent(upstream, "anthropic") == [
        QUESTION,
        {"role": "assistant", "content": [TEXT, TOOL_USE]},
        {"role": "user", "content": [TOOL_RESULT]},
    ]


@each_direction
def test_each_server_gets_the_tools_in_its_own_words(
    upstream: Upstream, make_lab: MakeLab, first: str, second: str
) -> None:
    two_turns(upstream, make_lab, first, second, stream=True)
    tools = {protocol: upstream.received(MODELS[protocol])[-1].body["tools"] for protocol in MODELS}
    assert tools == {
        "openai": [ADD],
        "anthropic": [{"name": "add", "description": "Adds.", "input_schema": SCHEMA}],
    }
