"""One exchange over HTTP, the same for every protocol: send, read events, and say what failed."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import httpx
import msgspec

from router.errors import AnswerTimeout, InvalidAnswer, ProviderError, StreamCut
from router.events import ProviderEvent, Served
from router.providers import Sent
from router.providers.failures import failure
from router.providers.http import (
    FOREIGN_ERRORS,
    media_type,
    read_body,
    send,
    server_sent_events,
    translate,
)
from router.providers.untrusted import NO_JSON

_NUMBERS = ("x-generation-id", "request-id", "x-request-id")
"""OpenRouter's, Anthropic's and OpenAI's header with a call's number."""


class Reader(Protocol):
    """Reads one answer of a protocol; unknown fields, events and odd types are passed over.

    Attributes:
        finished: a finish reason has come.
    """

    finished: bool

    def read(self, data: str) -> Iterable[ProviderEvent]:
        """The events in the data of one server-sent event.

        Raises:
            ProviderError: the event reports an error, or a content policy stopped the answer.
        """

    def whole(self, answer: Mapping[str, Any]) -> Iterable[ProviderEvent]:
        """The events that an answer in one body amounts to; likewise."""


async def exchange(  # noqa: PLR0912  # a generator more in between costs a tenth of a stream
    transport: httpx.AsyncBaseTransport,
    sent: Sent,
    *,
    connect: float,
    reader: Reader,
    scrub: Callable[[str], str],
) -> AsyncGenerator[ProviderEvent, None]:
    """Send one call and yield its answer's events; see `Provider.stream`.

    Args:
        connect: seconds to open a connection.
        scrub: takes keys out of what a server says of an error.
    """
    response: httpx.Response | None = None
    try:
        data = msgspec.json.encode(sent.body)
        headers = {"Content-Type": "application/json", **sent.headers}
        response = await send(transport, sent.url, headers=headers, body=data, connect=connect)
        # A failed call has a number to ask its provider about, too. In an answer, its own id comes later and wins.
        if named := next((response.headers[name] for name in _NUMBERS if name in response.headers), None):
            yield Served(id=named)
        if response.status_code != 200:
            raise failure(response.status_code, await read_body(response), response.headers)
        # Some servers answer a request for a stream with one body: what it says it is decides.
        if media_type(response) != "text/event-stream":
            for event in reader.whole(_decoded(await read_body(response), media_type(response))):
                yield event
        else:
            async with aclosing(server_sent_events(response)) as stream:
                async for message in stream:
                    if message.data == "[DONE]":
                        break
                    for event in reader.read(message.data):
                        yield event
        if not reader.finished:
            raise StreamCut("The answer ended without a finish reason.")
    except ProviderError as error:
        error.args = (scrub(str(error)),)
        raise
    except FOREIGN_ERRORS as error:
        raise translate(error, began=True) from error
    finally:
        if response is not None:
            await response.aclose()


READ_LIMIT = 20.0
"""Seconds to read a whole answer that is not a model's."""


async def read_json(
    transport: httpx.AsyncBaseTransport,
    url: str,
    *,
    headers: Mapping[str, str],
    connect: float,
    scrub: Callable[[str], str],
) -> Mapping[str, Any]:
    """GET an address that answers with one JSON object.

    Raises:
        ProviderError: it does not.
    """
    try:
        async with asyncio.timeout(READ_LIMIT):
            response = await send(transport, url, headers=headers, body=None, connect=connect)
            try:
                body = await read_body(response)
            finally:
                await response.aclose()
        if response.status_code != 200:
            raise failure(response.status_code, body, response.headers)
        return _decoded(body, media_type(response))
    except ProviderError as error:
        error.args = (scrub(str(error)),)
        raise
    except TimeoutError:
        raise AnswerTimeout(f"No whole answer within {READ_LIMIT:g} s.") from None
    except FOREIGN_ERRORS as error:
        raise translate(error, began=True) from error


def _decoded(body: bytes, kind: str) -> Mapping[str, Any]:
    try:
        answer = msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8).strip())
    except NO_JSON:
        what = f"{kind} instead of JSON" if kind and "json" not in kind else "no valid JSON"
        raise InvalidAnswer(f"The server answered with {what}; check its base_url.", status=200) from None
    if not isinstance(answer, dict):
        raise InvalidAnswer("The server answered with JSON that is no object; check its base_url.", status=200)
    return answer
