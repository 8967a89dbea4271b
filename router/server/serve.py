"""The endpoint without pages: `fallback-lab serve`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import multiprocessing
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.supervisors import Multiprocess

from router.alerts.watcher import Alerts
from router.evaluate.live import LiveGrades
from router.library.parts import Parts
from router.library.router import Router
from router.server.endpoint import Endpoint
from router.server.http import respond
from router.server.protocol import HttpProtocol

if TYPE_CHECKING:
    from router.metrics import Observed

log = logging.getLogger(__name__)

SETTINGS: Mapping[str, Any] = {
    "http": HttpProtocol,
    "proxy_headers": False,  # without keys nothing is answered that came through a proxy
    "lifespan": "on",
    "access_log": False,
    "log_level": "warning",
    "server_header": False,
    "date_header": False,
    "timeout_graceful_shutdown": 10,
}
"""uvicorn's."""


class Serving:
    """An ASGI application that opens a Router when the server starts, and closes it when it ends.

    Args:
        path, environ: as of `Router.open`.
    """

    def __init__(self, path: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._environ = environ
        self._exit = AsyncExitStack()
        self._endpoint: Endpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self._endpoint is not None:
            await self._endpoint(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await respond(send, 503, b'{"status":"starting"}')

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        _end_with_parent()
        router = await self._exit.enter_async_context(Router.open(self._path, environ=self._environ))
        grades = LiveGrades(router)
        alerts = Alerts.of(router.parts, functools.cache(lambda: _observed(router.parts)))
        await alerts.start()
        self._exit.push_async_callback(alerts.stop)
        self._endpoint = Endpoint(router)
        for notice in await asyncio.to_thread(lambda: [*router.parts.notices(), *grades.notices()]):
            log.warning("%s", notice)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._exit.aclose()
        await send({"type": "lifespan.shutdown.complete"})


def _end_with_parent() -> None:
    """Let a worker stop when the process that started it is gone, however that ended: it would keep the port."""
    if (parent := multiprocessing.parent_process()) is not None:

        def wait() -> None:
            parent.join()
            signal.raise_signal(signal.SIGTERM)

        threading.Thread(target=wait, name="parent", daemon=True).start()


def _observed(parts: Parts) -> Observed:
    from router.metrics import Observed  # noqa: PLC0415  # numpy, which only alerts need here

    return Observed(parts.store.database, parts.folder / "observed")


def listening_on(host: str, port: int) -> socket.socket:
    """A socket that answers at an address; raises `OSError` where that cannot be.

    Its protocol is named: where it is 0, as in uvicorn's own for several workers, asyncio leaves Nagle's algorithm on,
    and each answer waits 40 ms for the acknowledgment of its head.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.set_inheritable(True)
    except OSError:
        listening.close()
        raise
    return listening


def serve(listening: socket.socket, workers: int) -> None:
    """Serve until a signal ends it; FALLBACK_LAB_CONFIG names models.yaml.

    Args:
        workers: processes that share the socket and the store.
    """
    config = uvicorn.Config("router.server.serve:Serving", factory=True, workers=workers, **SETTINGS)
    with contextlib.suppress(KeyboardInterrupt):
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            Multiprocess(config, sockets=[listening]).run()
