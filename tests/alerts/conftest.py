"""What tests of alerts share: requests that are stored, a clock that is set, and a webhook on a real socket."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from router.alerts.states import States
from router.alerts.watcher import Alerts
from router.alerts.webhook import Webhook
from router.config.alerts import AlertsConfig
from router.config.keys import Keys
from router.config.loading import parse_config
from router.core.attempts import Attempt, Source
from router.core.records import Observation, RequestSummary, Step
from router.metrics import Observed
from router.providers.http import new_transport
from router.store import Store

NOW = 1_790_000_000.0
SECRET = "services-T000-B000-s3cretpath"
CHAINS = "chains:\n  code: [one, two]\n  tools: [one]\n"

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One message; without an answer in `Hook.answers` it is taken."""

    def do_POST(self) -> None:
        hook: Hook = self.server.hook  # type: ignore[attr-defined]  # set by Hook
        body = self.rfile.read(int(self.headers["content-length"]))
        hook.received.append((self.path, json.loads(body)))
        hook.headers.append(dict(self.headers))
        with contextlib.suppress(OSError):  # the client has left
            (hook.answers.pop(0) if hook.answers else status(200))(self)

    def log_message(self, *_: Any) -> None:
        pass


def status(code: int, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    return answer


def silent(handler: Handler) -> None:
    """No answer before the test is over."""
    handler.server.hook.left.wait(20)  # type: ignore[attr-defined]  # set by Hook


class Hook:
    """A webhook.

    Attributes:
        received: the paths and bodies of all messages, in order.
        answers: what the next ones get.
        left: set when the test is over.
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = []
        self.left = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.hook = self  # type: ignore[attr-defined]  # its handlers find it there
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{SECRET}"

    @property
    def messages(self) -> list[str]:
        """What was said, one line each."""
        return [line for _, body in self.received for line in body["text"].split("\n")]

    def close(self) -> None:
        self.left.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


class World:
    """A store, a clock, and alerts that watch it.

    Attributes:
        waits: seconds that the webhook waited between two tries.
    """

    def __init__(self, folder: Path, hook: Hook, transport: httpx.AsyncBaseTransport) -> None:
        self.now = NOW
        self.folder = folder
        self.waits: list[float] = []
        self.store = Store(folder / ".lab" / "lab.sqlite")
        self.observed = Observed(self.store.database, folder / ".lab" / "observed")
        self.keys = Keys(folder, {"FALLBACK_LAB_KEYS": "LAB_ALERTS_URL", "LAB_ALERTS_URL": hook.url})
        self._transport = transport
        self._asked = 0

    def watch(self, *rules: str, keys: Keys | None = None) -> Alerts:
        """Alerts with these rules, each as `answered < 99% over 15m → webhook`."""
        listed = [dict(zip(("when", "to"), rule.split(" → "), strict=True)) for rule in rules]
        config: AlertsConfig = parse_config(f"{CHAINS}alerts: {json.dumps(listed)}\n", Path("models.yaml")).alerts
        return Alerts(
            lambda: config,
            States(self.folder / ".lab" / "alerts.json"),
            Webhook(self._transport, keys or self.keys, self._sleep),
            keys or self.keys,
            observed=lambda: self.observed,
            scores=self.store.scores.streams,
            clock=lambda: self.now,
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def requests(self, answered: int, failed: int = 0, **of: Any) -> None:
        """So many requests that began a second ago; see `_store` for what they are else."""
        for number in range(answered + failed):
            self._store(outcome="answered" if number < answered else "failed", **of)
        assert self.store.writer.flush()

    def _store(
        self,
        outcome: Any,
        *,
        source: Source = "endpoint",
        category: str = "code",
        model: str = "one",
        latency: float = 1.0,
        cost: float | None = 0.001,
        reason: str | None = None,
        injected: bool = False,
    ) -> None:
        self._asked += 1
        identity: dict[str, Any] = {
            "request_id": f"r{self._asked}",
            "category": category,
            "chain": "c",
            "source": source,
        }
        why = None if outcome == "answered" else reason or "server_failed"
        skipped = reason == "breaker_open"
        attempt = Attempt(
            model=model, provider="p", place=0, number=0 if skipped else 1, outcome="skipped" if skipped else outcome,
            reason=why, started=self.now - 1, offset=0, latency=None if skipped else latency, cost=cost,
            injected=injected,
        )  # fmt: skip
        self.store.observations.add(Observation(**identity, prompt_hash="p", sample=0, attempt=attempt))
        self.store.requests.add(
            RequestSummary(
                **identity, started=self.now - 1, outcome=outcome, path=(Step(model, "p", 0, attempt.outcome, why),),
                model=model if outcome == "answered" else None, place=0 if outcome == "answered" else None,
                latency=latency, ttft=latency / 2, cost=cost, cached=False, shared=False, injected=injected,
                stand_in=False, keyless=False,
            )
        )  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("router.store.writer.LINGER", 0)
    async with new_transport() as transport:
        world = World(tmp_path, hook, transport)
        yield world
        world.store.close()
