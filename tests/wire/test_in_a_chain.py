"""What real servers send, through the whole engine and over a real socket."""

from __future__ import annotations

import json

import pytest

from router.core.attempts import Completion
from router.core.formatting import attempt_sentence
from router.core.requests import Request
from router.engine.options import Options
from tests.conftest import MakeLab
from tests.scripted import HELLO
from tests.upstream import Step, Upstream, answer, chain_yaml, respond

each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


def ask(make_lab: MakeLab, upstream: Upstream, *, stream: bool = True, request: Request = HELLO) -> Completion:
    lab = make_lab(chain_yaml(upstream, "primary", "fallback"))
    return lab.start(request, category="chat", options=Options(stream=stream, cache="off")).result(timeout=30)


def sends(*chunks: object, then: str = "data: [DONE]\n\n") -> Step:
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + then
    return respond(200, data.encode(), {"Content-Type": "text/event-stream"})


def test_an_answer_of_images_alone_is_one(upstream: Upstream, make_lab: MakeLab) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    upstream.script("primary", then=sends({"choices": [{"delta": {"images": [image]}, "finish_reason": "stop"}]}))
    completion = ask(make_lab, upstream)
    assert (completion.answer.images, len(completion.attempts)) == (("data:image/png;base64,AAAA",), 1)


LOST = 'data: {"choices":[{"delta":{"content":"lost \\q"}}]}\n\n'
DAMAGED = sends(
    {"choices": [{"delta": {"content": "Hi"}}]},
    then=f'{LOST}data: {{"choices":[{{"delta":{{}},"finish_reason":"stop"}}]}}\n\ndata: [DONE]\n\n',
)


def test_a_text_that_lacks_a_part_is_answered_by_the_next_model(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=DAMAGED)
    upstream.script("fallback", then=answer("All of it."))
    completion = ask(make_lab, upstream)
    assert [attempt.reason for attempt in completion.attempts] == ["stream_cut", None]
    assert completion.answer.text == "All of it."


@each_way
def test_what_did_not_reach_the_model_is_said_in_the_trace(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", then=answer("Hi"))
    request = Request(messages=HELLO.messages, params={"reasoning": {"effort": "low", "max_tokens": 9}})
    completion = ask(make_lab, upstream, stream=stream, request=request)
    assert attempt_sentence(completion.attempts[-1]).endswith(
        "`reasoning.max_tokens` was left out: this server knows `reasoning_effort` alone."
    )


def test_the_attempts_that_openrouter_made_are_in_the_trace_and_stay_there(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    attempts = [{"provider": "One", "status": 429}, {"provider": "Two", "status": 200}]
    upstream.script(
        "primary",
        then=sends(
            {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]},
            {"choices": [], "openrouter_metadata": {"attempts": attempts, "endpoints": {"total": 3}}},
        ),
    )
    lab = make_lab(chain_yaml(upstream, "primary"))
    completion = lab.start(HELLO, category="chat").result(timeout=30)
    assert lab.store.writer.flush()
    [stored] = lab.store.observations.of_request(completion.request_id)
    for attempt in (completion.attempts[0], stored.attempt):
        assert attempt_sentence(attempt).endswith(
            ". Its own attempts upstream: One (HTTP 429), Two (HTTP 200), of 3 endpoints."
        )


@pytest.mark.parametrize(
    "body",
    [b"\x00" * 10, b'{"choices": [' * 5000, b'{"choices":[{"message":{"content":"a"', b"\xff\xfe{}"],
    ids=["zeros", "nested deeply", "cut", "another encoding"],
)
@each_way
def test_whatever_a_server_sends_ends_its_try_and_not_the_chain(
    upstream: Upstream, make_lab: MakeLab, body: bytes, stream: bool
) -> None:
    upstream.script("primary", then=respond(200, body))
    upstream.script("fallback", then=answer("Hi"))
    completion = ask(make_lab, upstream, stream=stream)
    assert (completion.attempts[0].outcome, completion.answer.text) == ("failed", "Hi")


def test_a_reader_that_fails_in_a_way_of_its_own_ends_its_try_and_not_the_chain(
    upstream: Upstream, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("never meant")

    monkeypatch.setattr("router.providers.openai.ChunkReader.read", fail)
    upstream.script("primary", then=answer("Hi"))
    upstream.script("fallback", then=respond(200, b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'))
    completion = ask(make_lab, upstream)
    assert [attempt.reason for attempt in completion.attempts] == ["invalid_answer", None]
    assert completion.attempts[0].detail == "The answer cannot be read (KeyError)."
