"""Feedback at the endpoint: of a caller's own requests alone."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.server.conftest import Serve
from tests.server.serving import Served
from tests.upstream import Upstream, chain_yaml

KEYS = {"KEY_A": "lab-key-aaaaaaaaaa", "KEY_B": "lab-key-bbbbbbbbbb"}


@pytest.fixture
def served(serve: Serve, upstream: Upstream) -> Served:
    return serve(chain_yaml(upstream, "primary"), KEYS, server={"keys": {"a": "${KEY_A}", "b": "${KEY_B}"}})


def of(caller: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[f'KEY_{caller.upper()}']}"}


def test_a_score_is_kept_with_the_request(served: Served) -> None:
    request = served.ask(headers=of("a")).headers["x-request-id"]
    body = {"request_id": request, "score": 0.25, "comment": "Too long."}
    assert served.post("/v1/feedback", body, of("a")).json() == {"status": "ok"}
    assert stored(served) == [(request, 0.25, "Too long.")]


@pytest.mark.parametrize(
    ("path", "more"),
    [("/v1/chat/completions", {}), ("/v1/messages", {"max_tokens": 9}), ("/v1/responses", {})],
)
def test_an_answer_is_rated_by_its_own_id(served: Served, path: str, more: dict[str, Any]) -> None:
    asked = {"input": "Hi"} if path == "/v1/responses" else {"messages": [{"role": "user", "content": "Hi"}]}
    response = served.post(path, {"model": "chat", **asked, **more}, of("a"))
    body = {"request_id": response.json()["id"], "score": True}
    assert served.post("/v1/feedback", body, of("a")).json() == {"status": "ok"}
    assert stored(served) == [(response.headers["x-request-id"], 1.0, None)]


def test_a_comment_that_is_too_long_is_refused_by_its_name(served: Served) -> None:
    response = served.post("/v1/feedback", {"request_id": "x", "score": 1, "comment": "a" * 20_000}, of("a"))
    assert response.status_code == 413
    assert "`comment`" in response.json()["error"]["message"]


def stored(served: Served) -> list[tuple[Any, ...]]:
    """What is stored by now: rows are written within a second."""
    rows: list[tuple[Any, ...]] = []
    for _ in range(100):
        with closing(sqlite3.connect(served.path.parent / ".lab" / "lab.sqlite")) as connection:
            rows = connection.execute("SELECT request_id, score, comment FROM feedback").fetchall()
        if rows:
            break
        time.sleep(0.05)
    return rows


@pytest.mark.parametrize(("body", "status"), [
    ({"request_id": "0" * 32, "score": True}, 404),
    ({"request_id": "0" * 32, "score": 2}, 400),
    ({"request_id": "0" * 32}, 400),
    ({"request_id": "", "score": 1}, 400),
    ({"request_id": "0" * 32, "score": 1, "thumb": 1}, 400),
], ids=["unknown", "too high", "no score", "no id", "unknown field"])  # fmt: skip
def test_what_cannot_be_kept_is_refused(served: Served, body: dict[str, Any], status: int) -> None:
    assert served.post("/v1/feedback", body, of("a")).status_code == status


def test_nobody_rates_another_callers_requests(served: Served) -> None:
    request = served.ask(headers=of("a")).headers["x-request-id"]
    assert served.post("/v1/feedback", {"request_id": request, "score": 1}, of("b")).status_code == 404
