"""A reverse proxy on loopback that asks the app under the app's own host name, as nginx does unless it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import ClientSession, web

_NOT_PASSED_ON = {"host", "connection", "upgrade", "content-length", "content-encoding", "transfer-encoding"}


class ReverseProxy:
    """Attributes: port: what it listens on; upstream: the app's URL."""

    def __init__(self) -> None:
        self.port = 0
        self.upstream = ""

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        url, headers = f"{self.upstream}{request.path_qs}", _passed_on(request.headers)
        async with ClientSession(auto_decompress=True) as client:
            if "Upgrade" in request.headers:
                return await self._join(client, url, headers, request)
            async with client.request(request.method, url, headers=headers, data=await request.read()) as answer:
                return web.Response(status=answer.status, headers=_passed_on(answer.headers), body=await answer.read())

    async def _join(self, client: ClientSession, url: str, headers: Any, request: web.Request) -> web.StreamResponse:
        protocols = [name.strip() for name in headers.pop("Sec-WebSocket-Protocol").split(",")]
        headers = {name: value for name, value in headers.items() if not name.startswith("Sec-WebSocket")}
        async with client.ws_connect(url, headers=headers, protocols=protocols, max_msg_size=0) as app:
            browser = web.WebSocketResponse(protocols=protocols, max_msg_size=0)
            await browser.prepare(request)
            await asyncio.gather(_pass_on(app, browser), _pass_on(browser, app))
            return browser

    async def serve(self, ready: threading.Event, done: asyncio.Event) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        ready.set()
        await done.wait()
        await runner.cleanup()


@contextmanager
def reverse_proxy() -> Iterator[ReverseProxy]:
    """A running one, in a thread with a loop of its own."""
    proxy, ready, loop, done = ReverseProxy(), threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[proxy.serve(ready, done)])
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


def _passed_on(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}


async def _pass_on(source: Any, sink: Any) -> None:
    async for message in source:
        await sink.send_bytes(message.data)
    await sink.close()
