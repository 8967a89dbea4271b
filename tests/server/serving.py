"""The endpoint as it is served: uvicorn on a free port, in a thread of its own, and a client that reads it raw."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from router.server.serve import SETTINGS, Serving


class Served:
    """A running endpoint.

    Attributes:
        url: ends in /v1.
    """

    def __init__(self, port: int, path: Path, application: Serving, server: uvicorn.Server) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.port = port
        self.path = path
        self.application = application
        self._server = server

    def stop(self) -> None:
        """What a signal does."""
        self._server.should_exit = True

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url.removesuffix("/v1"), timeout=30, trust_env=False)

    def post(self, path: str, body: Any, headers: Mapping[str, str] = {}) -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.client as client:
            return client.post(path, content=data, headers={"content-type": "application/json", **headers})

    def ask(self, model: str = "chat", text: str = "Hello?", headers: Mapping[str, str] = {}, **more: Any) -> Any:
        """A chat completion's response; cached answers are left aside."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.post("/v1/chat/completions", body, {"x-fallback-lab-cache": "off", **headers})

    def get(self, path: str, headers: Mapping[str, str] = {}) -> httpx.Response:
        with self.client as client:
            return client.get(path, headers=headers)


@contextlib.contextmanager
def serving(path: Path, environ: Mapping[str, str] | None = None, **settings: Any) -> Iterator[Served]:
    """Serve a models.yaml until the end of the block, under uvicorn's settings."""
    application = Serving(path, environ if environ is not None else {})
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(application, **{**SETTINGS, **settings})
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the endpoint did not start"
                thread.join(0.01)
            yield Served(listening.getsockname()[1], path, application, server)
        finally:
            server.should_exit = True
            thread.join()


def data_of(text: str) -> list[Any]:
    """The data of each server-sent event, decoded; `[DONE]` as it is."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]
