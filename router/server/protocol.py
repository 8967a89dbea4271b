"""HTTP/1.1 as the endpoint's server reads it: httptools' parser, an end to what is no body, and no other protocol."""

from __future__ import annotations

import sys

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65_536
"""Bytes of a request's head; as many of a chunk's extensions, or of trailers."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, which by itself keeps a head that never ends, and drops the body of a request
    that offers another protocol: Java's clients offer HTTP/2 (`Upgrade: h2c`) with each (Kludex/uvicorn#2722).
    """

    _no_body = 0
    """Bytes since the last head was whole, or since the last piece of a body."""

    _is_declined = False
    """Whether the parser is at a request whose offer is declined: it is read again without the offer."""

    _received = b""
    _again = b""

    def data_received(self, data: bytes) -> None:
        while data and not self.transport.is_closing():
            self._received, self._again = data, b""
            self._no_body += len(data)
            super().data_received(data)
            data = self._again
        if self._no_body > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of the request is larger than {MAX_HEAD:,} bytes.")

    def on_headers_complete(self) -> None:
        self._no_body = 0
        is_offer = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        self._is_declined = is_offer and not self._should_upgrade()
        if not self._is_declined:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._is_declined:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        upgrade = sys.exception()
        if self._is_declined and isinstance(upgrade, HttpParserUpgrade):
            method, version = self.parser.get_method(), self.parser.get_http_version().encode()
            kept = (b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
            head = b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, b"".join(kept))
            self._again = head + self._received[upgrade.args[0] :]

    def on_body(self, body: bytes) -> None:
        self._no_body = 0
        super().on_body(body)


def limit_heads() -> None:
    """Make ours of every connection that uvicorn's protocol is given: Streamlit's server cannot be told to use ours."""

    def new(*_: object, **__: object) -> HttpToolsProtocol:
        return object.__new__(HttpProtocol)

    HttpToolsProtocol.__new__ = new  # type: ignore[method-assign, assignment]
