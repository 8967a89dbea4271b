"""The body of a response: limited, decompressed, and read as what its first bytes show it to be."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from router.core.errors import AnswerTooLarge, InvalidAnswer, ProviderError
from router.core.untrusted import NO_JSON, decode_json
from router.providers.http import FOREIGN_ERRORS

MAX_BODY_BYTES = 16_000_000
"""Largest body that is read, in bytes after decompression."""

ERROR_BODY_LIMIT = 3.0
"""Seconds to read the body of an error, whose status is known by then."""

_EVENTS = re.compile(rb"(data|event|id|retry)?:|(data|event)\s?$")
_GZIP = b"\x1f\x8b"
_LONGEST_FIELD = len("event:")
_EVENT_STREAM = {"content-type": "text/event-stream"}
_BLANK = codecs.BOM_UTF8 + b" \t\r\n"


class Body:
    """A response's body, read once."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._size = 0
        self._begun: list[bytes] = []
        self._last: deque[bytes] = deque(maxlen=32)
        self._parts: AsyncIterator[bytes] | None = None

    async def is_stream(self) -> bool:
        """Whether server-sent events come, whatever the label says; blank lines before them are ignored."""
        start = b""
        async with aclosing(self._rest()) as parts:
            async for part in parts:
                self._begun.append(part)
                start = (start + part).lstrip(_BLANK)
                if start[:1] in (b"{", b"["):
                    return False
                if len(start) >= _LONGEST_FIELD:
                    break
        return _EVENTS.match(start) is not None or self.media_type == "text/event-stream"

    def events(self) -> AsyncGenerator[ServerSentEvent, None]:
        """The events of a stream; comments are skipped.

        Raises:
            AnswerTooLarge: it is larger than MAX_BODY_BYTES, whether in events, comments or one endless line.
        """
        return EventSource(_Events(200, headers=_EVENT_STREAM, stream=_Stream(self._rest()))).aiter_sse()

    async def read(self) -> bytes:
        """The whole body; raises the same."""
        return b"".join([part async for part in self._rest()])

    async def read_json(self) -> Any:
        """The whole body as JSON.

        Raises:
            InvalidAnswer: it is not JSON.
        """
        body = await self.read()
        try:
            return decode_json(body.removeprefix(codecs.BOM_UTF8).strip())
        except NO_JSON:
            kind = self.media_type
            what = f"{kind} instead of JSON" if kind and "json" not in kind else "invalid JSON"
            raise InvalidAnswer(f"The server answered with {what}; check its base_url.", status=200) from None

    async def read_error(self) -> bytes:
        """As much of an error's body as arrives; its status counts even if the body is cut or stalls."""
        parts: list[bytes] = []
        with contextlib.suppress(ProviderError, TimeoutError, *FOREIGN_ERRORS):
            async with asyncio.timeout(ERROR_BODY_LIMIT):
                async for part in self._rest():
                    parts.append(part)  # noqa: PERF401  # what has arrived is kept if the rest fails
        return b"".join(parts)

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, lower case."""
        return str(self._response.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def bare_line(self) -> str:
        """The last line without a `data:`, which is how some servers send an error in the middle of a stream."""
        lines = b"".join(self._last).decode(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.startswith(("{", "[{"))), "")

    async def _rest(self) -> AsyncGenerator[bytes, None]:
        """The pieces after decompression, up to MAX_BODY_BYTES."""
        begun, self._begun = self._begun, []
        for part in begun:
            yield part
        if self._parts is None:
            self._parts = await _unpacked(self._response)
        async for part in self._parts:
            self._size += len(part)
            if self._size > MAX_BODY_BYTES:
                raise AnswerTooLarge(f"The answer is larger than {MAX_BODY_BYTES / 1e6:.0f} MB.")
            self._last.append(part)
            yield part
        yield b"\n\n"  # a last event counts even without its blank line


class _Stream(httpx.AsyncByteStream):
    """A generator as httpx wants it."""

    def __init__(self, parts: AsyncGenerator[bytes, None]) -> None:
        self._parts = parts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts


class _Events(httpx.Response):
    """Server-sent events, which are UTF-8: decoded without three of httpx's layers around each piece."""

    async def aiter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:  # noqa: ARG002  # httpx's
        assert isinstance(self.stream, _Stream)  # noqa: S101  # made here
        decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode  # some begin with a byte order mark
        async for part in self.stream:
            if text := decode(part):
                yield text


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The pieces of a response after decompression, whatever a gzip label says that is wrong."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    # Data compressed twice can grow a millionfold in one piece, before any limit here applies.
    if "," in encoding:
        raise InvalidAnswer("The answer is compressed more than once, which is not supported.")
    if not encoding and isinstance(response.stream, httpx.AsyncByteStream):
        return aiter(response.stream)  # without the two layers that httpx has around each piece
    if encoding not in ("gzip", "x-gzip") or response.is_stream_consumed:
        return response.aiter_bytes()
    raw, begun = response.aiter_raw(), b""
    async for part in raw:
        begun += part
        if len(begun) >= len(_GZIP):
            break

    async def parts() -> AsyncGenerator[bytes, None]:
        yield begun
        async for part in raw:
            yield part

    headers = {"content-encoding": "gzip"} if begun.startswith(_GZIP) else {}
    return httpx.Response(200, headers=headers, stream=_Stream(parts())).aiter_bytes()
