"""The connections that are kept: one with unrequested data, or that stopped responding, is not used."""

from __future__ import annotations

import select
import ssl
from contextvars import ContextVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_used_again: ContextVar[bool] = ContextVar("used_again", default=False)


def is_used_again() -> bool:
    """Whether the connection that the running task got last had served a request before."""
    return _used_again.get()


class Connections(aiohttp.TCPConnector):
    """aiohttp's connections, with two rules more about those that are used again.

    A connection that has something to read before its request is written is closed: that may be the answer to somebody
    else's request, which would be taken for the answer to this one. And where a connection that is used again is left
    without having said a word, the idle ones to its host are closed too: a network that dropped one in silence has
    mostly dropped them all, and each would cost a first-token limit.
    """

    def __init__(self, trust: ssl.SSLContext) -> None:
        # limit=0: no limit of its own (None would mean 100); each provider's max_concurrency is the limit.
        super().__init__(limit=0, keepalive_timeout=30, ssl=trust)
        self._used_again: set[ResponseHandler] = set()

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            protocol = connection.protocol
            if protocol is not None and _is_quiet(protocol):
                protocol._payload = None  # noqa: SLF001  # the last answer's; see _release
                self._used_again.add(protocol)
                _used_again.set(True)
                return connection
            connection.close()
        _used_again.set(False)
        return None

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        said_nothing = protocol._payload is None  # noqa: SLF001  # the head of an answer brings its payload
        super()._release(key, protocol, should_close=should_close)
        if protocol in self._used_again:
            self._used_again.remove(protocol)
            if said_nothing:
                for idle, _ in self._conns.pop(key, ()):
                    idle.close()


def _is_quiet(protocol: ResponseHandler) -> bool:
    """Whether nothing has come since the last answer: no response, no part of one, and nothing unread."""
    if protocol.should_close or protocol._parser is None:  # noqa: SLF001  # aiohttp has no public name for it
        return False
    try:
        # Told of the end, it gives what had begun. The next request brings a parser of its own.
        begun = protocol._parser.feed_eof() is not None  # noqa: SLF001  # aiohttp has no public name for it
    except Exception:  # noqa: BLE001  # a part of something that is not HTTP
        return False
    return not begun and not _is_readable(protocol)


def _is_readable(protocol: ResponseHandler) -> bool:
    sock = protocol.transport.get_extra_info("socket") if protocol.transport is not None else None
    if sock is None or not hasattr(select, "poll"):  # Windows reads ahead by itself
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
