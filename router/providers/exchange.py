"""One exchange over HTTP, the same for every protocol: send, read events, and say what failed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any

import httpx
import msgspec

from router.config.keys import HeaderKeys
from router.core.errors import AnswerTimeout, InvalidAnswer, ProviderError
from router.core.events import Noted, ProviderEvent, Served
from router.core.untrusted import MAX_MESSAGE, cut, mappings
from router.providers import Sent
from router.providers.body import Body
from router.providers.failures import failure, reports_error
from router.providers.http import FOREIGN_ERRORS, send, translate
from router.providers.reader import AnswerReader

_CALL_IDS = (b"x-generation-id", b"request-id", b"x-request-id")
"""The headers with a call's ID: OpenRouter's, Anthropic's and OpenAI's."""


async def exchange(  # noqa: PLR0912  # a generator more in between costs a tenth of a stream
    transport: httpx.AsyncBaseTransport, keys: HeaderKeys, sent: Sent, *, connect: float, reader: AnswerReader
) -> AsyncGenerator[ProviderEvent, None]:
    """Send one call and yield its answer's events; see `Provider.stream`.

    Args:
        keys: fill in the headers, and are removed from what a server says about an error.
        connect: seconds to open a connection.
    """
    with _translated(keys):
        data = msgspec.json.encode(sent.body)
        headers = {"Content-Type": "application/json", **sent.headers}
        response = await send(transport, keys, sent.url, headers=headers, body=data, connect=connect)
        try:
            body = Body(response)
            # A failed call has an ID too, to ask its provider about. An ID in the answer comes later and replaces it.
            call_id = _call_id(response.headers.raw)
            if call_id or sent.producer:
                yield Served(id=call_id, producer=sent.producer)
            if sent.notes:
                yield Noted(sent.notes)
            if response.status_code != 200:
                raise failure(response.status_code, await body.read_error(), response.headers)
            # Some servers answer a request for a stream with one body or vice versa, under either label.
            if not await body.is_stream():
                for event in reader.whole(_object(await body.read_json())):
                    yield event
            else:
                async with aclosing(body.events()) as stream:
                    async for message in stream:
                        if message.data == "[DONE]":
                            await _drain(stream)
                            break
                        if message.event == "error":
                            raise failure(200, message.data)
                        for event in reader.read(message.data):
                            yield event
                for event in () if reader.is_finished else reader.read(body.bare_line()):
                    yield event
            for event in reader.end():
                yield event
        finally:
            await response.aclose()


@contextmanager
def _translated(keys: HeaderKeys) -> Iterator[None]:
    """Whatever a server's bytes cause is a `ProviderError` without keys: it ends this call but not the chain."""
    try:
        yield
    except ProviderError as error:
        error.args = (cut(keys.scrub(str(error)), MAX_MESSAGE),)
        raise
    except FOREIGN_ERRORS as error:
        raise translate(error, began=True) from error
    except Exception as error:
        raise InvalidAnswer(f"The answer cannot be read ({type(error).__name__}).", status=200) from error


DRAIN_LIMIT = 0.1
"""Seconds that the end of a body may come after its last event."""


async def _drain(stream: AsyncGenerator[object, None]) -> None:
    """Read to the end of a body whose answer is whole: only then is its connection kept."""
    with contextlib.suppress(TimeoutError, ProviderError, *FOREIGN_ERRORS):
        async with asyncio.timeout(DRAIN_LIMIT):
            async for _ in stream:
                pass


def _call_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    # httpx.Headers looks one name up in the time that this takes for all of them.
    values = {name.lower(): value for name, value in headers}
    return next((values[name].decode(errors="replace") for name in _CALL_IDS if name in values), None)


READ_LIMIT = 20.0
"""Seconds to read a whole response that is no model's answer, such as a list of models."""


async def read_json(
    transport: httpx.AsyncBaseTransport, keys: HeaderKeys, url: str, *, headers: Mapping[str, str], connect: float
) -> Any:
    """GET an address that answers with JSON.

    Raises:
        ProviderError: it does not.
    """
    try:
        async with asyncio.timeout(READ_LIMIT):
            with _translated(keys):
                response = await send(transport, keys, url, headers=headers, body=None, connect=connect)
                body = Body(response)
                try:
                    if response.status_code != 200:
                        raise failure(response.status_code, await body.read_error(), response.headers)
                    return await body.read_json()
                finally:
                    await response.aclose()
    except TimeoutError:
        raise AnswerTimeout(f"No whole answer within {READ_LIMIT:g} s.") from None


def _object(answer: object) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        if isinstance(answer, list) and mappings(answer) and reports_error(mappings(answer)[0], unless="choices"):
            raise failure(200, answer)
        raise InvalidAnswer("The server answered with JSON that is not an object; check its base_url.", status=200)
    return answer
