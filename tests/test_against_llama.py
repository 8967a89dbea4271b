"""Both protocols against a real server: llama.cpp answers chat completions and messages alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from router.config import ProviderConfig
from router.errors import ProviderError
from router.events import AnswerBuilder
from router.keys import Keys
from router.messages import Request
from router.providers import Call
from router.providers.anthropic import AnthropicProvider
from router.providers.embedded import MODEL, EmbeddedProvider
from router.providers.http import new_transport
from router.providers.openai import OpenAIProvider

SPEAKS = {"openai": OpenAIProvider, "anthropic": AnthropicProvider}

PROMPT = Request(
    messages=(
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Name the capital of France."},
    ),
    temperature=0.0,
    max_tokens=40,
)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its base URL."""
    keys = Keys(tmp_path_factory.mktemp("keys"), {})
    with start_blocking_portal("asyncio") as portal:
        embedded = EmbeddedProvider(keys, portal.call(_transport))
        if problem := embedded.problem():
            pytest.skip(problem.detail)
        portal.call(embedded.prepare)
        yield f"{embedded._address}/v1"
        portal.call(embedded.close)


async def _transport() -> Any:
    return new_transport()


async def answered(base_url: str, folder: Path, *calls: tuple[str, Request, bool]) -> list[AnswerBuilder]:
    """What each call (protocol, request, streamed) is answered.

    Each has a transport of its own: the server closes its connection after a stream although it promised to keep it,
    and a call that meets that moment fails.
    """
    built = []
    for protocol, request, stream in calls:
        async with new_transport() as transport:
            config = ProviderConfig(protocol=protocol, base_url=base_url)
            provider = SPEAKS[protocol](config, Keys(folder, {}), transport)
            builder = AnswerBuilder()
            async for event in provider.stream(Call(MODEL, request, stream, 5.0)):
                builder.add(event)
        built.append(builder)
    return built


@pytest.fixture(scope="module")
def builders(llama: str, tmp_path_factory: pytest.TempPathFactory) -> list[AnswerBuilder]:
    """The same question in each protocol, streamed and whole."""
    calls = [(protocol, PROMPT, stream) for protocol in SPEAKS for stream in (True, False)]
    return asyncio.run(answered(llama, tmp_path_factory.mktemp("lab"), *calls))


def test_both_protocols_give_the_same_text_streamed_and_whole(builders: list[AnswerBuilder]) -> None:
    texts = [builder.answer().text for builder in builders]
    assert "Paris" in texts[0]
    assert texts == texts[:1] * 4


def test_both_protocols_count_the_same_tokens(builders: list[AnswerBuilder]) -> None:
    counts = {(b.usage.prompt_tokens, b.usage.completion_tokens) for b in builders if b.usage is not None}
    assert len(counts) == 1
    assert all(min(pair) > 0 for pair in counts)


def test_both_protocols_give_the_same_reason_to_end(builders: list[AnswerBuilder]) -> None:
    assert [builder.finish_reason for builder in builders] == ["stop"] * 4


def test_both_protocols_say_who_served(builders: list[AnswerBuilder]) -> None:
    assert [builder.served.model for builder in builders] == [MODEL] * 4
    assert all(builder.served.id for builder in builders)


@pytest.mark.parametrize("protocol", SPEAKS)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_cut_short_says_so(llama: str, tmp_path: Path, protocol: str, stream: bool) -> None:
    short = Request(messages=PROMPT.messages, max_tokens=1)
    assert [b.finish_reason for b in await answered(llama, tmp_path, (protocol, short, stream))] == ["length"]


@pytest.mark.parametrize("protocol", SPEAKS)
async def test_a_prompt_that_is_too_long_is_told_as_that(llama: str, tmp_path: Path, protocol: str) -> None:
    long = Request(messages=({"role": "user", "content": "word " * 20_000},))
    with pytest.raises(ProviderError) as caught:
        await answered(llama, tmp_path, (protocol, long, True))
    assert caught.value.kind == "context_length_exceeded"
