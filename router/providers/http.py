"""The only file that knows httpx: the client, its transport, and its errors in our words."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_sse import EventSource, ServerSentEvent

from router.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    ConnectionReset,
    ConnectTimeout,
    InvalidAnswer,
    ProviderError,
    StreamCut,
)

MAX_BODY_BYTES = 16_000_000
"""Largest body that is read, in bytes after decompression."""

# With the aiohttp transport a reset and a refused connection both surface as httpx.ConnectTimeout; what happened
# stands in __cause__. The first entry that fits wins.
_CAUSES: tuple[tuple[type[BaseException], type[ProviderError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, ConnectTimeout, "no connection in time"),
    (aiohttp.ClientConnectorDNSError, ConnectionFailed, "its name cannot be resolved"),
    (aiohttp.ClientSSLError, ConnectionFailed, "no TLS connection"),
    (aiohttp.ClientConnectorError, ConnectionFailed, "connection refused"),
    (aiohttp.InvalidURL, ConnectionFailed, "the address is not valid"),
    (httpx.ConnectTimeout, ConnectTimeout, "no connection in time"),
    (httpx.ConnectError, ConnectionFailed, "connection refused"),
    (httpx.UnsupportedProtocol, ConnectionFailed, "the address is not valid"),
    (httpx.InvalidURL, ConnectionFailed, "the address is not valid"),
)


FOREIGN_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError, OSError)
"""What can come out of a response while it is read; `translate` says what it means."""


def new_transport() -> AiohttpTransport:
    """A transport for the running loop.

    httpx-aiohttp against httpx's own, on two cores over loopback with 64 calls at once: see docs/benchmarks.md, and
    tests/benchmarks/transports.py to repeat it.
    """
    proxied = any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in os.environ)

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # limit=0: no limit of its own (None would mean 100); each provider's max_concurrency is the limit.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Only where a proxy is set: the look-up costs as much as the rest of a request.
            trust_env=proxied,
        )

    return AiohttpTransport(client=session)


@functools.lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


async def send(
    transport: httpx.AsyncBaseTransport, url: str, *, headers: Mapping[str, str], body: bytes | None, connect: float
) -> httpx.Response:
    """Send a POST, or a GET where there is no body. The answer is not read yet; `aclose` closes its connection.

    The transport is called without httpx's client: its cookies, redirects and authentication are of no use here (a
    redirect is an error: the key must not go to another host), and cost as much as all of ours. Only the connection has
    a limit here; how long an answer may take is the chain's to know.

    Raises:
        ProviderError: ConnectionFailed, ConnectTimeout, or ConnectionReset.
    """
    timeout = {"connect": connect, "read": None, "write": None, "pool": None}
    try:
        method = "GET" if body is None else "POST"
        request = httpx.Request(
            method, _parsed(url), headers=_encoded(headers), content=body, extensions={"timeout": timeout}
        )
        try:
            return await transport.handle_async_request(request)
        except httpx.HTTPError as error:
            if not _was_closed(error):
                raise
            return await transport.handle_async_request(request)
    except FOREIGN_ERRORS as error:
        raise translate(error, began=False) from error


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Of several that differ in upper and lower case, the last one; any letter, as UTF-8."""
    last = {name.lower(): (name.encode(), value.encode()) for name, value in headers.items()}
    return list(last.values())


def _was_closed(error: httpx.HTTPError) -> bool:
    """Whether a kept connection had been closed by its server before anything was written to it."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientOSError) and isinstance(cause.__cause__, aiohttp.ClientConnectionResetError)


def translate(error: Exception, *, began: bool) -> ProviderError:
    """What a transport's error means; `began`: the answer had begun."""
    if began:
        return StreamCut("The connection was lost before the answer was whole.")
    cause = error.__cause__
    for kind, translated, words in _CAUSES:
        if isinstance(cause, kind) or (not isinstance(cause, aiohttp.ClientError) and isinstance(error, kind)):
            return translated(f"Cannot connect: {words}.")
    return ConnectionReset("The connection was lost before the answer began.")


async def read_body(response: httpx.Response) -> bytes:
    """The whole body, up to MAX_BODY_BYTES.

    Raises:
        AnswerTooLarge: it is larger.
    """
    return b"".join([part async for part in _Limited(response)])


def server_sent_events(response: httpx.Response) -> AsyncGenerator[ServerSentEvent, None]:
    """The events of a stream, up to MAX_BODY_BYTES of it; comments are passed over.

    Raises:
        AnswerTooLarge: it is larger, be it in events, in comments or in a line without an end.
    """
    limited = httpx.Response(200, headers=_EVENT_STREAM, stream=_Limited(response))
    return EventSource(limited).aiter_sse()


_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8-sig"}  # some servers begin with a byte order mark


class _Limited(httpx.AsyncByteStream):
    """A response's body after decompression, up to MAX_BODY_BYTES."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # What is compressed twice can grow a millionfold in one piece, before anything here is asked.
        if "," in self._response.headers.get("content-encoding", ""):
            raise InvalidAnswer("The answer is compressed more than once, as no server needs to.")
        size = 0
        async for part in self._response.aiter_bytes():
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise AnswerTooLarge(f"The answer is larger than {MAX_BODY_BYTES / 1e6:.0f} MB.")
            yield part


def media_type(response: httpx.Response) -> str:
    """The Content-Type without its parameters, lower case."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
