"""What the transport does to a call: connections that close, redirects, TLS, and answers without an end."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import httpx
import pytest

import router.providers.body
from router.config.keys import Keys
from router.config.schema import ProviderConfig
from router.core.errors import ProviderError
from router.core.events import AnswerBuilder
from router.providers import Call
from router.providers.body import MAX_BODY_BYTES
from router.providers.http import new_transport, send
from router.providers.openai import OpenAIProvider
from tests.scripted import HELLO, KEY, Body, Wire
from tests.upstream import Upstream, respond


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The real one."""
    async with new_transport() as transport:
        yield transport


async def asked(transport: httpx.AsyncBaseTransport, base_url: str, folder: Path) -> str:
    """The text of one answer."""
    config = ProviderConfig.model_validate({"protocol": "openai", "base_url": base_url, "api_key": "${A_KEY}"})
    provider = OpenAIProvider(config, Keys(folder, {"A_KEY": KEY, "FALLBACK_LAB_KEYS": "A_KEY"}), transport)
    builder = AnswerBuilder()
    async for event in provider.stream(Call("m", HELLO, True, 5.0)):
        builder.add(event)
    return builder.answer().text


# --- Connections -----------------------------------------------------------------------------------


class Failing(httpx.AsyncBaseTransport):
    """Fails with these errors, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return httpx.Response(200)


def lost(*causes: BaseException) -> httpx.HTTPError:
    """The transport's error of a lost connection, and what caused it."""
    error: BaseException = httpx.ConnectTimeout("lost")
    first = error
    for cause in causes:
        error.__cause__ = cause
        error = cause
    assert isinstance(first, httpx.HTTPError)
    return first


def closed_before() -> httpx.HTTPError:
    """Nothing was written: the connection had been closed by then."""
    return lost(aiohttp.ClientOSError(), aiohttp.ClientConnectionResetError())


@pytest.mark.parametrize(
    ("errors", "outcome", "calls"),
    [
        ([closed_before()], None, 2),
        ([closed_before(), closed_before()], "connection_reset", 2),
        ([lost(aiohttp.ServerDisconnectedError())], "connection_reset", 1),
        ([lost(aiohttp.ClientOSError(), ConnectionResetError())], "connection_reset", 1),
        ([OSError("lost")], "connection_reset", 1),
        ([ValueError("Newline in headers")], "connection_failed", 1),
        ([UnicodeError("label too long")], "connection_failed", 1),
        ([RuntimeError("Session is closed")], "connection_failed", 1),
        ([KeyError("anything")], "connection_failed", 1),
    ],
    ids=["closed before", "closed before, twice", "no answer", "reset", "OSError", "header", "host", "session", "any"],
)
async def test_only_what_was_never_sent_is_sent_again_and_once(
    tmp_path: Path, errors: list[Exception], outcome: str | None, calls: int
) -> None:
    transport = Failing(*errors)
    try:
        await send(transport, Keys(tmp_path, {}), "http://host/", headers={}, body=b"{}", connect=5)
        kind = None
    except ProviderError as error:
        kind = error.kind
    assert (kind, transport.calls) == (outcome, calls)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    upstream: Upstream, transport: httpx.AsyncBaseTransport, tmp_path: Path, status: int
) -> None:
    upstream.script("m", then=respond(status, b"", {"Location": f"{upstream.base_url}/elsewhere"}))
    with pytest.raises(ProviderError, match=r"redirects to another address.*base_url") as caught:
        await asked(transport, upstream.base_url, tmp_path)
    assert (caught.value.status, len(upstream.requests)) == (status, 1)


async def test_a_server_that_speaks_no_tls_is_told_as_that(transport: httpx.AsyncBaseTransport, tmp_path: Path) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderError, match="TLS handshake failed") as caught:
            await asked(transport, f"https://127.0.0.1:{port}/v1", tmp_path)
    assert caught.value.kind == "connection_failed"


# --- Answers without an end ------------------------------------------------------------------------

PIECE = 16_384
"""Bytes that the transport hands on at once."""


class Endless(Body):
    """A body whose last part comes again and again, and how many bytes of it were taken."""

    taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in super().__aiter__():
            yield part
        while True:
            self.taken += len(self.parts[-1])
            yield self.parts[-1]


ENDLESS = {
    "a line": (b"data: ", b"x" * PIECE),
    "comments": (b": OPENROUTER PROCESSING\n\n" * (PIECE // 25),),
    "blank lines": (b"\n" * PIECE,),
    "data without an event's end": (b"data: x\n" * (PIECE // 8),),
    "odd events": (b"data: {}\n\n" * (PIECE // 10),),
}


@pytest.mark.parametrize("parts", ENDLESS.values(), ids=ENDLESS)
async def test_a_stream_without_an_end_is_left_at_the_largest_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(router.providers.body, "MAX_BODY_BYTES", 20 * PIECE)
    body = Endless(*parts)
    error = await Wire(tmp_path).error(body.response())
    assert (error.kind, body.taken <= 22 * PIECE, body.closed) == ("answer_too_large", True, True)


def deflated(size: int) -> bytes:
    """Zeros, as a stream that could go on."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(b"\0" * size) + packer.flush(zlib.Z_FULL_FLUSH)


BOMBS = {
    "once": ("gzip", deflated(64_000_000), "answer_too_large"),
    "twice": ("gzip, gzip", gzip.compress(deflated(128_000_000), 1), "invalid_answer"),
}


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
@pytest.mark.parametrize(("encoding", "data", "outcome"), BOMBS.values(), ids=BOMBS)
async def test_a_bomb_of_zeros_takes_no_more_memory_than_a_few_answers(
    tmp_path: Path, kind: str, encoding: str, data: bytes, outcome: str
) -> None:
    pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
    headers = {"content-type": kind, "content-encoding": encoding}
    wire = Wire(tmp_path)
    tracemalloc.start()
    try:
        error = await wire.error(httpx.Response(200, headers=headers, stream=Body(*pieces)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (error.kind, peak < 5 * MAX_BODY_BYTES) == (outcome, True)
