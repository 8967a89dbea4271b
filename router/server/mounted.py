"""The endpoint beside the pages: on the Lab's loop, while the server has another one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.core.errors import ConfigError
from router.lab import Lab
from router.server.dialects.base import Refusal
from router.server.endpoint import Endpoint, new_id, refuse

T = TypeVar("T")


class Mounted:
    """The ASGI application for the pages' server.

    Args:
        open_lab: opens the Lab of this process, or gives the one that is open.
    """

    def __init__(self, open_lab: Callable[[], Lab]) -> None:
        self._open = open_lab
        self._opening = threading.Lock()
        self._lab: Lab | None = None
        self._endpoint: Endpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            lab, endpoint = await anyio.to_thread.run_sync(self._opened)
        except ConfigError as problem:
            await refuse(send, scope, Refusal(str(problem), status=503, code="config_error"), new_id())
            return
        await _on_loop(lab.router.runtime.loop, endpoint, scope, receive, send)

    def _opened(self) -> tuple[Lab, Endpoint]:
        with self._opening:
            lab = self._open()
            if self._endpoint is None or lab is not self._lab:
                self._lab, self._endpoint = lab, Endpoint(lab.router)
            return lab, self._endpoint


async def _on_loop(loop: asyncio.AbstractEventLoop, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an ASGI application on another thread's loop; what it receives and sends goes through this one's."""
    here = asyncio.get_running_loop()

    async def receive_here() -> Message:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(receive()), here))

    async def send_here(message: Message) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(send(message)), here))

    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(app(scope, receive_here, send_here)), loop))


async def _awaited(what: Awaitable[T]) -> T:
    """A coroutine of its own, as another thread's loop wants one."""
    return await what
