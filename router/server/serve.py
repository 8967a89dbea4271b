"""The endpoint without pages: `fallback-lab serve`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

from router.router import Router
from router.server.endpoint import Endpoint
from router.server.http import respond


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
        self._endpoint = Endpoint(await self._exit.enter_async_context(Router.open(self._path, environ=self._environ)))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._exit.aclose()
        await send({"type": "lifespan.shutdown.complete"})


def serve(host: str, port: int, workers: int) -> None:
    """Serve until a signal ends it; FALLBACK_LAB_CONFIG names models.yaml.

    Args:
        workers: processes that share the port and the store.
    """
    uvicorn.run(
        "router.server.serve:Serving",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=65_536,
    )
