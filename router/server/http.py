"""Requests and responses of the endpoint, as ASGI has them: bodies up to a limit, JSON, and who leaves."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from router.config.origins import is_loopback
from router.core.untrusted import NO_JSON, cut, decode_json
from router.server.dialects.base import Refusal

BODY_WITHIN = 60.0
"""Seconds in which a request's body has to arrive."""

Pairs = Iterable[tuple[bytes, bytes]]


async def body_of(headers: Headers, receive: Receive, most: int, *, limit: str = "server.max_body") -> bytes:
    """The body of a request.

    Args:
        most: bytes.
        limit: what says so.

    Raises:
        Refusal: it is larger, or does not arrive in time.
        ClientLeft: the connection has ended.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 18 or int(length) > most:
        raise _too_large(most, limit)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                piece = message.get("body", b"")
                if (size := size + len(piece)) > most:
                    raise _too_large(most, limit)
                pieces.append(piece)
                if not message.get("more_body"):
                    return b"".join(pieces)
    except TimeoutError:
        raise Refusal(f"The body did not arrive within {BODY_WITHIN:g} s.", status=408) from None


def _too_large(most: int, limit: str) -> Refusal:
    return Refusal(f"The body is larger than {most / 1e6:g} MB (`{limit}`).", status=413, code="too_large")


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


def json_object(headers: Headers, body: bytes) -> dict[str, Any]:
    """A body as a JSON object; raises `Refusal`."""
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":  # a foreign web page may send all others without asking
        raise Refusal("Send JSON, with `content-type: application/json`.", status=415)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal("Send the body without `content-encoding`.", status=415)
    try:
        found = _decoded(body)
    except NO_JSON as error:
        raise Refusal(f"The body is not valid JSON: {str(error) or type(error).__name__}.") from None
    if not isinstance(found, dict):
        raise Refusal("The body must be a JSON object.")
    return found


_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""One half of a character, as JSON in ASCII has it."""


def _decoded(body: bytes) -> Any:
    """A body's value; half a character, which clients leave where they cut a text, becomes U+FFFD."""
    try:
        return msgspec.json.decode(body)
    except NO_JSON:
        if _HALF.search(body):
            with contextlib.suppress(*NO_JSON):
                return decode_json(body)
        raise


async def left(receive: Receive) -> None:
    """Until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def respond(send: Send, status: int, body: bytes, kind: bytes = b"application/json", more: Pairs = ()) -> None:
    """A whole response."""
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def begin_stream(send: Send, more: Pairs = ()) -> None:
    """The head of server-sent events; the `x-accel-buffering` keeps nginx from holding them back."""
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache, no-transform"),
        (b"x-accel-buffering", b"no"),
        *more,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def send_part(send: Send, data: bytes) -> None:
    """A piece of a stream."""
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def end_stream(send: Send) -> None:
    """The end of a stream."""
    await send({"type": "http.response.body", "body": b""})


MAX_LINE = 1_000
"""Characters of a header; clients give up on a response whose headers are longer than some kilobytes."""


def header_pairs(values: Mapping[str, object]) -> list[tuple[bytes, bytes]]:
    """Header lines; of what is not ASCII, or would break a line, a `?` is left."""
    return [(name.encode(), _line(cut(str(value), MAX_LINE))) for name, value in values.items() if value is not None]


def _line(text: str) -> bytes:
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(char if 32 <= ord(char) < 127 else "?" for char in text).encode()


def is_local(scope: Scope) -> bool:
    """Whether a connection comes from this machine; a Unix socket's has no address."""
    client, server = scope.get("client"), scope.get("server")
    return (client is None or is_loopback(client[0])) and (
        server is None or server[1] is None or is_loopback(server[0])
    )
