"""The library, as a program of somebody else uses it: on its own loop, over a real socket."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from router import Router
from router.core.errors import AllModelsFailed, ConfigError, InvalidRequest
from router.core.events import Restarted, TextDelta
from router.core.records import RequestSummary
from router.engine.options import Options
from tests.upstream import Upstream, answer, chain_yaml, cut_after, status, words

DOCS = Path(__file__).parents[2] / "docs" / "library.md"
GOOD = "A whole answer."


@pytest.fixture
async def router(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Router]:
    path = tmp_path / "models.yaml"
    path.write_text(chain_yaml(upstream, "primary", "fallback", retries=0), encoding="utf-8")
    async with Router.open(path, environ={}) as router:
        yield router


async def test_a_prompt_is_answered_by_the_chain(router: Router, upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer(GOOD))
    completion = await router.ask("chat", "Hello?", temperature=0.5, seed=7)
    assert completion.answer.text == GOOD
    assert completion.attempt is not None and completion.attempt.model == "fallback"
    assert {name: upstream.received("fallback")[0].body[name] for name in ("temperature", "seed")} == {
        "temperature": 0.5,
        "seed": 7,
    }


async def test_a_model_can_be_named(router: Router, upstream: Upstream) -> None:
    completion = await router.ask("local:other", [{"role": "user", "content": "Hello?"}])
    assert completion.category is None
    assert len(upstream.received("other")) == 1


async def test_tools_are_asked_for_as_they_are_given(router: Router, upstream: Upstream) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    await router.ask("chat", "The weather?", tools=tools, tool_choice="auto")
    assert upstream.received("primary")[0].body["tools"] == tools


async def test_all_models_failing_is_one_sentence_with_every_attempt(router: Router, upstream: Upstream) -> None:
    for model in ("primary", "fallback"):
        upstream.script(model, then=status(503, "Busy."))
    with pytest.raises(AllModelsFailed, match=r"All models failed\. Last error: ") as caught:
        await router.ask("chat", "Hello?")
    assert [attempt.model for attempt in caught.value.attempts] == ["primary", "fallback"]


async def test_a_request_that_cannot_be_sent_says_why(router: Router) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        await router.ask("chat", "")
    with pytest.raises(ConfigError):
        await router.ask("", "Hello?")


async def test_a_stream_tells_what_is_void(router: Router, upstream: Upstream) -> None:
    upstream.script("primary", then=cut_after(40))
    upstream.script("fallback", then=answer(GOOD))
    text = ""
    stream = router.stream("chat", "Hello?")
    async for event in stream:
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, Restarted):
            assert text == "".join(words(40))
            text = ""
    assert text == stream.completion.answer.text == GOOD


async def test_a_stream_raises_where_no_model_answers(router: Router, upstream: Upstream) -> None:
    for model in ("primary", "fallback"):
        upstream.script(model, then=status(503))
    with pytest.raises(AllModelsFailed):
        async for _ in router.stream("chat", "Hello?"):
            pass


async def test_leaving_a_stream_ends_the_upstream_call(router: Router, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(tokens=500, token_delay=0.05))
    stream = router.stream("chat", "Hello?")
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await stream.aclose()
    assert (await asyncio.to_thread(upstream.wait_closed, "primary")).disconnected


async def test_a_stream_that_is_left_at_once_leaves_its_row(router: Router) -> None:
    rows: list[RequestSummary] = []
    router.concluders.append(rows.append)
    await router.stream("chat", "Hello?").aclose()
    assert [row.outcome for row in rows] == ["cancelled"]


async def test_canceling_who_waits_ends_the_upstream_call(router: Router, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(delay=20))
    task = asyncio.create_task(router.ask("chat", "Hello?"))
    await asyncio.to_thread(upstream.wait_received, "primary")
    task.cancel()
    assert (await asyncio.to_thread(upstream.wait_closed, "primary")).disconnected


async def test_a_time_limit_around_it_is_a_time_limit(router: Router, upstream: Upstream) -> None:
    upstream.script("primary", then=answer(delay=20))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await router.ask("chat", "Hello?")


async def test_requests_run_on_the_callers_own_loop(router: Router) -> None:
    ours = threading.get_ident()
    seen: list[int] = []
    router.observers.append(lambda _: seen.append(threading.get_ident()))
    await asyncio.gather(*(router.ask("chat", f"Hello {number}?") for number in range(3)))
    assert seen == [ours] * 3


async def test_closing_stops_what_is_in_progress_and_keeps_what_was_observed(
    tmp_path: Path, upstream: Upstream
) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(chain_yaml(upstream, "primary"), encoding="utf-8")
    upstream.script("primary", then=answer(delay=20))
    async with Router.open(path, environ={}) as router:
        stream = router.stream("chat", "Hello?", options=Options(source="library", request_id="r"))
        await asyncio.to_thread(upstream.wait_received, "primary")
    assert stream.task.done()
    async with Router.open(path, environ={}) as router:
        [row] = router.parts.store.requests.last(1)
    assert (row["request_id"], row["source"], row["outcome"]) == ("r", "library", "cancelled")


def test_the_example_with_fastapi_runs(tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = [code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "FastAPI" in code]
    (tmp_path / "models.yaml").write_text(chain_yaml(upstream, "primary", retries=0), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    exec(example, names)
    upstream.script("primary", answer(GOOD), then=status(503, "Busy."))
    with TestClient(names["app"]) as client:
        body = {"category": "chat", "messages": [{"role": "user", "content": "Hello?"}]}
        found = client.post("/ask", json=body).json()
        assert (found["answer"]["content"], found["model"]) == (GOOD, "primary")
        failed = client.post("/ask", json={**body, "messages": [{"role": "user", "content": "Again?"}]})
    assert failed.status_code == 502
    assert failed.json()["detail"].startswith("All models failed. Last error: ")
