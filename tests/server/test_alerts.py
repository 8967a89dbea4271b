"""The endpoint alone watches alerts as the app does."""

from __future__ import annotations

import logging
import threading

import pytest

from tests.server.conftest import Serve
from tests.upstream import Upstream, chain_yaml


def test_serve_watches_the_rules(serve: Serve, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.alerts.watcher.EVERY", 0.05)
    told = threading.Event()
    said: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())
            told.set()

    heard = Heard()
    logging.getLogger("router.alerts").addHandler(heard)
    try:
        served = serve(
            chain_yaml(upstream, "one"), alerts=[{"when": "requests > 0 over 1h from endpoint in chat", "to": "log"}]
        )
        assert served.ask().status_code == 200
        assert told.wait(30)
    finally:
        logging.getLogger("router.alerts").removeHandler(heard)
    assert said == ["Alert: requests > 0 over 1h in chat from endpoint. Now 1 request."]
