"""The official SDK against the endpoint: asynchronous, aborted, and with the embedded model."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest

from tests.server.conftest import Serve
from tests.upstream import Upstream, answer, chain_yaml

EMBEDDED = "embedded:smollm2-135m-instruct"


async def test_the_asynchronous_sdk_streams_several_answers_at_once(serve: Serve, upstream: Upstream) -> None:
    upstream.script("primary", then=answer("A good answer.", token_delay=0.01))
    served = serve(chain_yaml(upstream, "primary"))
    async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as sdk:

        async def ask(number: int) -> str:
            prompt = f"Question {number}"
            stream = await sdk.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": prompt}], stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        assert await asyncio.gather(*(ask(number) for number in range(5))) == ["A good answer."] * 5
    assert len(upstream.requests) == 5


async def test_a_stream_that_the_sdk_closes_ends_the_call_upstream(serve: Serve, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(tokens=500, token_delay=0.05))
    served = serve(chain_yaml(upstream, "primary"))
    async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        await anext(aiter(stream))
        await stream.close()
        assert (await asyncio.to_thread(upstream.wait_closed, "primary")).disconnected


@pytest.mark.process
def test_the_embedded_model_answers_the_sdk_whole_and_streamed(serve: Serve) -> None:
    embedded = {"default_provider": "embedded", "providers": {"embedded": {"protocol": "embedded"}}}
    served = serve(json.dumps({**embedded, "chains": {"chat": [EMBEDDED]}}))
    sdk = openai.OpenAI(base_url=served.url, api_key="none", max_retries=0)
    whole = sdk.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hello!"}], max_tokens=8)
    assert whole.choices[0].message.content
    stream = sdk.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "Hello you!"}], max_tokens=8, stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream)
