"""Against a server that nobody here wrote: llmock speaks as seven vendors do, and fails on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.testing import LLMockServer

from router.core.attempts import Completion
from router.core.errors import AllModelsFailed
from router.core.messages import Answer
from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab

VENDORS = ("openai", "anthropic", "mistral", "groq", "together", "perplexity", "xai")

each_vendor = pytest.mark.parametrize("vendor", VENDORS)
each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])

QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
TEXT = "Grüße aus Paris: tomorrow 21 °C, ☀️ and\n\nno  rain."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Forecasts.", "parameters": SCHEMA}}


@pytest.fixture(scope="module")
def lab(llmock_server: LLMockServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A chain for each vendor, and one after whose model another vendor's follows."""
    providers = {
        vendor: {
            "protocol": "anthropic" if vendor == "anthropic" else "openai",
            "base_url": llmock_server.base_url(vendor) + ("/v1" if vendor == "anthropic" else ""),
        }
        for vendor in VENDORS
    }
    policy = {"retries": 0, "stall": 0.3, "cache": {"enabled": False}, "breaker": {"min_calls": 20}}
    alone = {vendor: [f"{vendor}:m"] for vendor in VENDORS}
    followed = {f"{vendor}, then xai": [f"{vendor}:m", "xai:m"] for vendor in ("openai", "anthropic")}
    settings = {"default_provider": "openai", "providers": providers, "offline": None, "policy": policy}
    path = tmp_path_factory.mktemp("lab") / "models.yaml"
    path.write_text(json.dumps({**settings, "chains": {**alone, **followed}}), encoding="utf-8")
    opened = Lab(path, environ={})
    yield opened
    opened.close()


def ask(lab: Lab, chain: str, *messages: Any, stream: bool, **parts: Any) -> Completion:
    request = Request(messages=(QUESTION, *messages), **parts)
    return lab.start(request, category=chain, options=Options(stream=stream)).result(timeout=30)


@each_way
@each_vendor
def test_a_text_arrives_as_it_was_sent(llmock: LLMock, lab: Lab, vendor: str, stream: bool) -> None:
    llmock.reply(TEXT)
    assert ask(lab, vendor, stream=stream).answer == Answer(text=TEXT, finish_reason="stop")


@each_way
@each_vendor
def test_who_served_and_the_tokens_are_known(llmock: LLMock, lab: Lab, vendor: str, stream: bool) -> None:
    llmock.reply(TEXT)
    (attempt,) = ask(lab, vendor, stream=stream).attempts
    assert attempt.usage is not None and attempt.usage.completion_tokens == len(TEXT) // 4
    assert attempt.served_model == "m"


@each_way
@each_vendor
def test_a_tool_is_called_as_its_schema_says(llmock: LLMock, lab: Lab, vendor: str, stream: bool) -> None:
    answered = ask(lab, vendor, stream=stream, tools=(WEATHER,))
    (call,) = answered.answer.tool_calls
    assert (answered.answer.finish_reason, call.name) == ("tool_calls", "weather")
    assert answered.attempts[-1].validation == "valid"


@each_way
@each_vendor
def test_a_tool_s_result_is_answered(llmock: LLMock, lab: Lab, vendor: str, stream: bool) -> None:
    called = ask(lab, vendor, stream=stream, tools=(WEATHER,)).answer
    result = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "Sunny."}
    llmock.reply("It is sunny.")
    said = ask(lab, vendor, called.message(), result, stream=stream, tools=(WEATHER,)).answer
    assert said == Answer(text="It is sunny.", finish_reason="stop")


@each_way
@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "anthropic"])
def test_an_answer_fits_the_schema_that_was_asked_for(llmock: LLMock, lab: Lab, vendor: str, stream: bool) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "forecast", "schema": SCHEMA}}
    assert ask(lab, vendor, stream=stream, response_format=asked).attempts[-1].validation == "valid"


ERRORS = {400: "bad_request", 401: "authentication_failed", 429: "rate_limited", 503: "server_failed"}


@pytest.mark.parametrize(("status", "kind"), ERRORS.items())
@each_vendor
def test_an_error_is_told_in_the_vendor_s_words(llmock: LLMock, lab: Lab, vendor: str, status: int, kind: str) -> None:
    llmock.fail(status, message="The sky fell.", retry_after=0)
    with pytest.raises(AllModelsFailed, match=r"The sky fell\.") as caught:
        ask(lab, vendor, stream=True)
    assert [attempt.reason for attempt in caught.value.attempts] == [kind]


FAULTS: dict[str, tuple[Callable[[LLMock], object], str]] = {
    "cut": (lambda server: server.truncate(after_chunks=4), "stream_cut"),
    "dropped": (lambda server: server.disconnect(after_chunks=4), "stream_cut"),
    "stalled": (lambda server: server.stall(after_chunks=4, seconds=1), "stream_stalled"),
    "damaged": (lambda server: server.corrupt(after_chunks=4), "stream_cut"),
    "overloaded": (lambda server: server.fail(529, retry_after=0), "server_failed"),
    "too long": (lambda server: server.context_overflow(), "context_length_exceeded"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_after_a_fault_the_next_model_answers_in_full(
    llmock: LLMock, lab: Lab, vendor: str, fault: Callable[[LLMock], object], reason: str
) -> None:
    fault(llmock.reply(TEXT, times=2))
    completion = ask(lab, f"{vendor}, then xai", stream=True)
    assert [attempt.reason for attempt in completion.attempts] == [reason, None]
    assert completion.answer.text == TEXT
