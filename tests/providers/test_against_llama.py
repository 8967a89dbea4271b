"""Both protocols against a real server: llama.cpp answers chat completions and messages alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from router.config.keys import Keys
from router.config.schema import ProviderConfig
from router.core.errors import ProviderError
from router.core.events import AnswerBuilder
from router.core.requests import Request
from router.engine.schemas import Json, mismatch
from router.providers import Call
from router.providers.anthropic import AnthropicProvider
from router.providers.embedded import MODEL, EmbeddedProvider
from router.providers.http import local_transport
from router.providers.openai import OpenAIProvider

pytestmark = pytest.mark.process

SPEAKS: Mapping[str, type[OpenAIProvider | AnthropicProvider]] = {
    "openai": OpenAIProvider,
    "anthropic": AnthropicProvider,
}

PROMPT = Request(
    messages=(
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Name the capital of France."},
    ),
    temperature=0.0,
    max_tokens=40,
)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedProvider]:
    """Whoever has it running."""
    keys = Keys(tmp_path_factory.mktemp("keys"), {})
    with start_blocking_portal("asyncio") as portal:
        embedded = EmbeddedProvider(keys)
        if problem := embedded.problem():
            pytest.skip(problem.detail)
        portal.call(embedded.prepare)
        yield embedded
        portal.call(embedded.close)


async def answered(llama: EmbeddedProvider, folder: Path, *calls: tuple[str, Request, bool]) -> list[AnswerBuilder]:
    """What each call (protocol, request, streamed) is answered.

    Each has a transport of its own: the server closes its connection after a stream although it promised to keep it,
    and a call that meets that moment fails.
    """
    built = []
    for protocol, request, stream in calls:
        async with local_transport(llama._socket) as transport:
            config = ProviderConfig.model_validate(
                {"protocol": protocol, "base_url": f"{llama._address}/v1", "api_key": "${LLAMA_API_KEY}"}
            )
            provider = SPEAKS[protocol](
                config,
                Keys(folder, {"LLAMA_API_KEY": llama._own.value, "FALLBACK_LAB_KEYS": "LLAMA_API_KEY"}),
                transport,
            )
            builder = AnswerBuilder()
            async for event in provider.stream(Call(MODEL, request, stream, 5.0)):
                builder.add(event)
        built.append(builder)
    return built


@pytest.fixture(scope="module")
def builders(llama: EmbeddedProvider, tmp_path_factory: pytest.TempPathFactory) -> list[AnswerBuilder]:
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
    assert all(tokens for pair in counts for tokens in pair)


def test_both_protocols_give_the_same_reason_to_end(builders: list[AnswerBuilder]) -> None:
    assert [builder.finish_reason for builder in builders] == ["stop"] * 4


def test_both_protocols_say_who_served(builders: list[AnswerBuilder]) -> None:
    assert [builder.served.model for builder in builders] == [MODEL] * 4
    assert all(builder.served.id for builder in builders)


@pytest.mark.parametrize("protocol", SPEAKS)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_cut_short_says_so(
    llama: EmbeddedProvider, tmp_path: Path, protocol: str, stream: bool
) -> None:
    short = Request(messages=PROMPT.messages, max_tokens=1, temperature=0)
    assert [b.finish_reason for b in await answered(llama, tmp_path, (protocol, short, stream))] == ["length"]


@pytest.mark.parametrize("protocol", SPEAKS)
async def test_a_prompt_that_is_too_long_is_told_as_that(
    llama: EmbeddedProvider, tmp_path: Path, protocol: str
) -> None:
    long = Request(messages=({"role": "user", "content": "word " * 20_000},))
    with pytest.raises(ProviderError) as caught:
        await answered(llama, tmp_path, (protocol, long, True))
    assert caught.value.kind == "context_length_exceeded"


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_an_answer_fits_the_schema_that_was_asked_for(
    llama: EmbeddedProvider, tmp_path: Path, stream: bool
) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    request = Request(messages=PROMPT.messages, response_format=asked, max_tokens=60, temperature=0)
    [builder] = await answered(llama, tmp_path, ("openai", request, stream))
    assert mismatch(Json("The answer", builder.answer().text, SCHEMA)) is None


# --- Those who have no business with it ------------------------------------------------------------


def knock(llama: EmbeddedProvider, method: str, path: str, key: str | None = None) -> httpx.Response:
    """A request of a web page elsewhere, which got through to the server somehow."""
    headers = {"Origin": "http://evil.example", "Host": "evil.example", "Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    with httpx.Client(transport=httpx.HTTPTransport(uds=llama._socket)) as client:
        return client.request(method, f"{llama._address}{path}", headers=headers, content=b"{}")


@pytest.mark.parametrize("key", [None, "wrong"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("GET", f"/{name}")
            for name in ("slots", "props", "metrics", "models", "v1/models", "lora-adapters", "tools")
        ),
        *(("POST", f"/{name}") for name in ("v1/chat/completions", "v1/messages", "completion", "tokenize", "props")),
        ("GET", "/whatever"),
    ],
)
def test_without_its_key_it_says_nothing(llama: EmbeddedProvider, method: str, path: str, key: str | None) -> None:
    assert knock(llama, method, path, key).status_code == 401


def test_without_its_key_it_says_that_it_is_there_and_no_more(llama: EmbeddedProvider) -> None:
    assert knock(llama, "GET", "/health").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_it_has_no_pages(llama: EmbeddedProvider, path: str) -> None:
    assert knock(llama, "GET", path).status_code == 404


@pytest.mark.parametrize("path", ["/slots", "/metrics"])
def test_with_its_key_too_others_prompts_are_not_told(llama: EmbeddedProvider, path: str) -> None:
    assert knock(llama, "GET", path, llama._own.value).status_code == 501


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/chat/completions"])
def test_no_web_page_may_read_what_it_says(llama: EmbeddedProvider, method: str, path: str) -> None:
    headers = knock(llama, method, path).headers
    assert not headers.get("Access-Control-Allow-Origin")
    assert headers.get("Access-Control-Allow-Credentials") != "true"
