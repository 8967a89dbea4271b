"""Live spans, as a collector gets them over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from router.library import telemetry
from router.library.router import Router
from tests.upstream import Upstream, answer, chain_yaml, status


class Collector:
    """What a collector received."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.headers: list[Any] = []
        self.status = 200
        self.url = ""


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.headers.append(self.headers)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found.spans += [span for scope in resource.scope_spans for span in scope.spans]
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def models_yaml(folder: Path, upstream: Upstream, otel: dict[str, Any]) -> Path:
    path = folder / "models.yaml"
    path.write_text(json.dumps({**json.loads(chain_yaml(upstream, "primary", "fallback", retries=0)), "otel": otel}))
    return path


async def test_a_request_and_its_attempts_are_spans_of_one_trace(
    tmp_path: Path, upstream: Upstream, collector: Collector
) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer("A whole answer."))
    (tmp_path / ".env").write_text("COLLECTOR_KEY=collector-key-0123\n")
    otel = {"endpoint": collector.url, "headers": {"authorization": "Bearer ${COLLECTOR_KEY}"}}
    async with Router.open(models_yaml(tmp_path, upstream, otel), environ={}) as router:
        await router.ask("chat", "A secret prompt")
    assert [span.name for span in collector.spans] == ["chat primary", "chat fallback", "chat chat"]
    *attempts, request = collector.spans
    assert {span.trace_id for span in collector.spans} == {request.trace_id}
    assert {span.parent_span_id for span in attempts} == {request.span_id}
    assert [span.status.code for span in collector.spans] == [2, 0, 0]
    assert collector.headers[0]["authorization"] == "Bearer collector-key-0123"
    assert "secret prompt" not in str(collector.spans)


async def test_a_collector_that_refuses_is_a_notice_and_no_failure(
    tmp_path: Path, upstream: Upstream, collector: Collector
) -> None:
    collector.status = 400
    async with Router.open(models_yaml(tmp_path, upstream, {"endpoint": collector.url}), environ={}) as router:
        assert (await router.ask("chat", "Hello?")).answer.text
        assert router.parts.telemetry is not None
        router.parts.telemetry.close()
        assert any("could not be sent to the collector" in notice for notice in router.parts.notices())


async def test_without_its_packages_a_notice_names_them(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise ImportError

    monkeypatch.setattr(telemetry, "_exporter", missing)
    async with Router.open(models_yaml(tmp_path, upstream, {"endpoint": "http://127.0.0.1:9"}), environ={}) as router:
        assert (await router.ask("chat", "Hello?")).answer.text
        assert any("uv sync --group otel" in notice for notice in router.parts.notices())
