"""HTTP/1.1 as clients write it: what offers another protocol is read as if it had not."""

from __future__ import annotations

import json
import socket

import pytest

from tests.server.conftest import Serve
from tests.server.serving import Served
from tests.upstream import Upstream, chain_yaml

BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (BODY[:5], len(BODY) - 5, BODY[5:])
LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def statuses(served: Served, *pieces: bytes) -> list[bytes]:
    """Of the answers to bytes that are sent in pieces, until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("body", [LENGTH, CHUNKS], ids=["length", "chunks"])
def test_the_body_of_a_request_that_offers_http_2_is_read(serve: Serve, upstream: Upstream, body: bytes) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    assert statuses(served, HEAD + OFFER + body + LAST) == [b"200", b"200"]
    assert upstream.requests[0].body["messages"] == [{"role": "user", "content": "Hi"}]


def test_an_offer_may_come_in_pieces(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    request = HEAD + OFFER + CHUNKS + LAST
    assert statuses(served, *(request[at : at + 7] for at in range(0, len(request), 7))) == [b"200", b"200"]


def test_many_offers_may_follow_each_other(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    offer = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + OFFER + b"\r\n"
    assert statuses(served, offer * 500 + LAST) == [b"200"] * 501


@pytest.mark.parametrize("method", [b"CONNECT localhost:80", b"GET /healthz"])
def test_an_offer_that_is_none_ends_with_an_answer(serve: Serve, upstream: Upstream, method: bytes) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    [status, *_] = statuses(served, method + b" HTTP/1.1\r\nConnection: close, upgrade\r\nUpgrade: \r\n\r\n")
    assert status in (b"200", b"400", b"404", b"405")
