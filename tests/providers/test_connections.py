"""Kept connections: nobody is given the answer to another request, and a dead one is not tried again and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from router.config.keys import Keys
from router.config.schema import ProviderConfig
from router.core.attempts import Completion
from router.core.errors import AllModelsFailed, ProviderError
from router.core.events import AnswerBuilder
from router.core.requests import Request
from router.engine.handle import Handle
from router.engine.options import Options
from router.lab import Lab
from router.providers import Call, exchange
from router.providers.http import new_transport
from router.providers.openai import OpenAIProvider
from tests.conftest import MakeLab
from tests.scripted import HELLO
from tests.upstream import Exchange, Upstream, answer, chain_yaml, followed_by, on_the_wire, silent, status

FIRST, SECOND = "The first answer.", "The second answer."
ANOTHERS = answer("Another person's answer.")

LATE = 0.1
"""Seconds."""


def start(lab: Lab, text: str, *, stream: bool = True) -> Handle:
    request = Request(messages=({"role": "user", "content": text},))
    return lab.start(request, category="chat", options=Options(stream=stream))


def ask(lab: Lab, text: str, *, stream: bool = True) -> Completion:
    return start(lab, text, stream=stream).result(timeout=30)


def provider_at(upstream: Upstream, folder: Path, transport: httpx.AsyncBaseTransport) -> OpenAIProvider:
    config = ProviderConfig(protocol="openai", base_url=upstream.base_url)
    return OpenAIProvider(config, Keys(folder, {}), transport)


async def text_of(provider: OpenAIProvider, *, stream: bool = True) -> str:
    """The text of one answer, on the running loop."""
    builder = AnswerBuilder()
    async with asyncio.timeout(10):
        async for event in provider.stream(Call("m", HELLO, stream, 5.0)):
            builder.add(event)
    return builder.answer().text


each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])

# --- What a server sends unasked -------------------------------------------------------------------

TIMEOUT_408 = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNASKED: dict[str, Callable[[bool], bytes]] = {
    "a whole response": lambda stream: on_the_wire(ANOTHERS, stream=stream),
    "408": lambda _: TIMEOUT_408,
    "garbage": lambda _: b"\x00\xffno HTTP at all",
    "a part of a status line": lambda _: b"HTTP/1.1 2",
    "a response without its end": lambda stream: on_the_wire(ANOTHERS, stream=stream)[:-20],
    "an empty response": lambda _: b"HTTP/1.1 204 No Content\r\n\r\n",
}

each_unasked = pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)
each_moment = pytest.mark.parametrize("after", [None, 0, LATE], ids=["in the same packet", "at once", "later"])


@each_way
@each_moment
@each_unasked
async def test_what_a_server_sends_unasked_is_nobody_s_answer(
    upstream: Upstream, tmp_path: Path, unasked: Callable[[bool], bytes], after: float | None, stream: bool
) -> None:
    upstream.script("m", followed_by(answer(FIRST), unasked(stream), after=after), then=answer(SECOND))
    async with new_transport() as transport:
        provider = provider_at(upstream, tmp_path, transport)
        with contextlib.suppress(ProviderError):  # what cannot be told from its end spoils an answer
            assert await text_of(provider, stream=stream) == FIRST
        await asyncio.to_thread(upstream.wait_closed, "m")
        assert await text_of(provider, stream=stream) == SECOND
    first, second = upstream.requests
    assert first.port != second.port


@each_way
@each_moment
def test_what_follows_a_failure_is_not_the_answer_to_its_retry(
    upstream: Upstream, make_lab: MakeLab, after: float | None, stream: bool
) -> None:
    retry_after = {"Retry-After": 2 * LATE}
    failure = followed_by(status(503, headers=retry_after), on_the_wire(ANOTHERS, stream=stream), after=after)
    upstream.script("m", failure, then=answer(SECOND))
    completion = ask(make_lab(chain_yaml(upstream, "m", retries=1)), "One?", stream=stream)
    assert completion.answer.text == SECOND


async def test_what_has_come_while_the_loop_was_busy_is_nobody_s_answer(upstream: Upstream, tmp_path: Path) -> None:
    """It lies in the socket unread when the next request is about to be written."""
    upstream.script(
        "m", followed_by(answer(FIRST), on_the_wire(ANOTHERS, stream=True), after=LATE), then=answer(SECOND)
    )
    async with new_transport() as transport:
        provider = provider_at(upstream, tmp_path, transport)
        first = await text_of(provider)
        upstream.wait_closed("m")  # this thread is the loop's
        assert (first, await text_of(provider)) == (FIRST, SECOND)


async def test_a_connection_on_which_nothing_came_unasked_is_used_again(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script("m", then=answer(FIRST))
    async with new_transport() as transport:
        for _ in range(3):
            await text_of(provider_at(upstream, tmp_path, transport))
    assert len({call.port for call in upstream.requests}) == 1


async def test_a_connection_is_used_again_where_its_stream_s_end_comes_after_the_last_event(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "DRAIN_LIMIT", 5)
    upstream.script("m", then=answer(FIRST, edit=lambda events: [*events, 0.02]))
    async with new_transport() as transport:
        for _ in range(3):
            await text_of(provider_at(upstream, tmp_path, transport))
    assert len({call.port for call in upstream.requests}) == 1


# --- A network that has dropped them in silence ----------------------------------------------------


class GoneSilent:
    """Answers on so many connections at once, and then never again on any of these."""

    def __init__(self, connections: int) -> None:
        self._count = connections
        self._warm: set[int] = set()
        self._all = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.port in self._warm:
            await silent(exchange)
        if not self._all.is_set():
            self._warm.add(exchange.port)
            if len(self._warm) == self._count:
                self._all.set()
            await self._all.wait()
        await answer(FIRST)(exchange)


@each_way
def test_warm_connections_that_stopped_responding_cost_one_timeout(
    upstream: Upstream, make_lab: MakeLab, stream: bool
) -> None:
    upstream.script("m", then=GoneSilent(8))
    lab = make_lab(chain_yaml(upstream, "m", first_token="500ms", answer="500ms", breaker={"min_calls": 100}))
    warming = [start(lab, f"Warm {number}?", stream=stream) for number in range(8)]
    assert {handle.result(timeout=30).answer.text for handle in warming} == {FIRST}
    outcomes = []
    for number in range(8):
        with contextlib.suppress(AllModelsFailed):
            outcomes.append(ask(lab, f"Again {number}?", stream=stream).answer.text)
    assert outcomes == [FIRST] * 7
