"""A server that stops while requests are in progress: every caller is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.server.serving import data_of, serving
from tests.upstream import Upstream, answer, chain_yaml

HI = [{"role": "user", "content": "Hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HI},
    "/v1/messages": {"messages": HI, "max_tokens": 50},
    "/v1/responses": {"input": "Hi"},
}


@pytest.mark.parametrize("path", BODIES)
def test_answers_that_outlast_the_stop_end_with_an_error_and_no_traceback(
    tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    upstream.script("slow", then=answer(tokens=5_000, token_delay=0.01))
    upstream.script("silent", then=answer(delay=50))
    (tmp_path / "models.yaml").write_text(chain_yaml(upstream, "slow", "silent"), encoding="utf-8")
    whole: list[Any] = []
    with serving(tmp_path / "models.yaml", timeout_graceful_shutdown=0) as served:
        body = BODIES[path]
        asking = threading.Thread(target=lambda: whole.append(served.post(path, {"model": "silent", **body})))
        asking.start()
        upstream.wait_received("silent")
        streamed = {"model": "slow", "stream": True, **body}
        with served.client as client, client.stream("POST", path, json=streamed) as response:
            pieces = response.iter_text()
            text = next(pieces)
            served.stop()
            text += "".join(pieces)
        asking.join()
    assert "The server stopped the request." in str(data_of(text)[-1])
    assert (whole[0].status_code, whole[0].headers["retry-after"]) == (503, "1")
    assert "Traceback" not in caplog.text
    assert all(upstream.wait_closed(model).disconnected for model in ("slow", "silent"))
