"""HTTP/1.1 as the endpoint's server reads it: httptools' parser, and an end to what is no body."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65_536
"""Bytes of a request's head; as many of a chunk's extensions, or of trailers."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, which by itself keeps a head that never ends."""

    _no_body = 0
    """Bytes since the last head was whole, or since the last piece of a body."""

    def data_received(self, data: bytes) -> None:
        self._no_body += len(data)
        super().data_received(data)
        if self._no_body > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of the request is larger than {MAX_HEAD:,} bytes.")

    def on_headers_complete(self) -> None:
        self._no_body = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._no_body = 0
        super().on_body(body)


def limit_heads() -> None:
    """Make ours of every connection that uvicorn's protocol is given: Streamlit's server cannot be told to use ours."""

    def new(*_: object, **__: object) -> HttpToolsProtocol:
        return object.__new__(HttpProtocol)

    HttpToolsProtocol.__new__ = new  # type: ignore[method-assign, assignment]
