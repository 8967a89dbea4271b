"""Experiments and shadows on real traffic: what is sent where, what is stored of it, and the stop by itself."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from router.config.draft import Draft
from router.config.loading import load_config
from router.core.errors import AllModelsFailed
from router.core.fields import record_of
from router.core.records import Observation, RequestSummary
from router.engine.options import Options
from router.experiments.budget import DAY, EVERY
from router.experiments.shadow import Shadows
from router.library.router import Router
from router.store.tables import observations, requests
from tests.upstream import Upstream, answer, chain_yaml, status

LIBRARY = Options(source="library", cache="off")


def models_yaml(upstream: Upstream, **sections: Any) -> str:
    return json.dumps({**json.loads(chain_yaml(upstream, "current", retries=0)), **sections})


def experiment(**rest: Any) -> dict[str, Any]:
    return {"e": {"category": "chat", "candidate": ["candidate"], "share": 0.5, **rest}}


@asynccontextmanager
async def opened(folder: Path, text: str, **environ: str) -> AsyncIterator[Router]:
    path = folder / "models.yaml"
    path.write_text(text)
    async with Router.open(path, environ=environ) as router:
        yield router


async def ask(router: Router, count: int, **options: Any) -> None:
    for number in range(count):
        with suppress(AllModelsFailed):
            await router.ask("chat", f"Hello {number}", options=replace(LIBRARY, **options))
    await asyncio.to_thread(router.parts.store.writer.flush)


def stored(router: Router) -> list[RequestSummary]:
    with router.parts.store.database.reading() as connection:
        rows = connection.execute(requests.select()).mappings().all()
    return [record_of(RequestSummary, row) for row in rows]


async def test_a_share_of_real_requests_gets_the_candidate_and_each_row_says_so(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with opened(tmp_path, models_yaml(upstream, experiments=experiment())) as router:
        await ask(router, 24)
        rows = stored(router)
    assert {(row.origin.experiment, row.origin.arm, row.model, row.probability) for row in rows} == {
        ("e", "current", "current", 0.5), ("e", "candidate", "candidate", 0.5),
    }  # fmt: skip
    assert {row.category for row in rows} == {"chat"}
    assert len({row.chain for row in rows}) == 2


async def test_a_person_on_a_page_and_a_named_model_are_in_no_experiment(tmp_path: Path, upstream: Upstream) -> None:
    async with opened(tmp_path, models_yaml(upstream, experiments=experiment(share=1.0))) as router:
        await ask(router, 3, source="chat")
        await router.ask("current", "Hello", options=LIBRARY)
        assert {row.origin.experiment for row in stored(router)} <= {None}
    assert upstream.received("candidate") == []


async def test_an_experiment_that_begins_later_gets_nothing_yet(tmp_path: Path, upstream: Upstream) -> None:
    async with opened(tmp_path, models_yaml(upstream, experiments=experiment(start="2999-01-01T00:00Z"))) as router:
        await ask(router, 6)
    assert upstream.received("candidate") == []


async def test_a_session_stays_with_its_chain_also_after_a_restart_with_another_share(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with opened(tmp_path, models_yaml(upstream, experiments=experiment(share=0.9))) as router:
        for session in map(str, range(8)):
            await ask(router, 1, session=session)
        first = {row.session: row.origin.arm for row in stored(router)}
    async with opened(tmp_path, models_yaml(upstream, experiments=experiment(share=0.01))) as router:
        await asyncio.to_thread(router.parts.experiments.check)
        for session in map(str, range(8)):
            await ask(router, 1, session=session)
        assert {row.session: row.origin.arm for row in stored(router)} == first
        assert "candidate" in first.values()


async def test_a_candidate_that_fails_is_stopped_with_a_reason_and_requests_go_to_the_current_chain_again(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script("candidate", then=status(500))
    text = models_yaml(upstream, experiments=experiment(guardrails={"answered": "5 points", "min_requests": 5}),
                       policy={"breaker": {"min_calls": 1000, "window": 1000}, "retries": 0})  # fmt: skip
    async with opened(tmp_path, text) as router:
        await ask(router, 60)
        await asyncio.to_thread(router.parts.experiments.check)
        [version] = router.parts.editor.history()
        asked = len(upstream.received("candidate"))
        await ask(router, 10)
        assert router.parts.notices() == []
    found = load_config(tmp_path / "models.yaml").experiments["e"]
    assert (found.share, (found.stopped or "")[:41]) == (0, "The candidate answered 0.0% of requests, ")
    assert version.why.startswith("stopped the experiment e: The candidate answered")
    assert version.text == text
    assert len(upstream.received("candidate")) == asked
    assert [ref.text for ref in load_config(tmp_path / "models.yaml").chains["chat"].models] == ["current"]


async def test_requests_are_watched_without_being_asked_to(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with opened(tmp_path, models_yaml(upstream, experiments=experiment())) as router:
        watch = router.parts.experiments
        watch._every = 0.01
        monkeypatch.setattr(watch, "check", lambda: loop.call_soon_threadsafe(seen.set))
        await ask(router, 1)
        await asyncio.wait_for(seen.wait(), 5)


async def test_without_experiments_nothing_is_watched(tmp_path: Path, upstream: Upstream) -> None:
    async with opened(tmp_path, models_yaml(upstream)) as router:
        await ask(router, 1)
        assert router.parts.experiments._thread is None


async def test_where_the_file_is_read_only_a_stop_holds_also_after_a_restart_and_a_notice_says_so(
    tmp_path: Path, upstream: Upstream
) -> None:
    text = models_yaml(upstream, experiments=experiment(share=0.9))
    for restarted in (False, True):
        async with opened(tmp_path, text, FALLBACK_LAB_READONLY="1") as router:
            if not restarted:
                running = router.parts.file.current().experiments["e"]
                await asyncio.to_thread(router.parts.experiments.stop, running, "It was slow.")
            await ask(router, 6)
            [notice] = router.parts.notices()
            assert notice.startswith("The experiment `e` is stopped: It was slow. models.yaml could not be changed")
    assert upstream.received("candidate") == []
    assert (tmp_path / "models.yaml").read_text() == text


@pytest.mark.parametrize("other", ["a worker that stops it too", "a person who adds a comment"])
async def test_a_stop_while_somebody_else_saves_is_written_once_and_blocks_no_later_start(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    text = models_yaml(upstream, experiments=experiment())
    path = tmp_path / "models.yaml"
    async with opened(tmp_path, text) as router:
        watch, editor = router.parts.experiments, router.parts.editor
        running = router.parts.file.current().experiments["e"]
        save = editor.save

        def late(draft: Draft, why: str) -> None:
            monkeypatch.setattr(editor, "save", save)
            if other.startswith("a worker"):
                watch.stop(running, "It was slow.")
            else:
                path.write_text(f"{text}# mine\n")
            save(draft, why)

        monkeypatch.setattr(editor, "save", late)
        await asyncio.to_thread(watch.stop, running, "It was slow.")
        assert (router.parts.notices(), load_config(path).experiments["e"].share) == ([], 0)
        await asyncio.to_thread(router.parts.store.writer.flush)
        assert router.parts.store.experiments.stopped() == {}


# --- Shadow ----------------------------------------------------------------------------------------


def shadow(**rest: Any) -> dict[str, Any]:
    return {"chat": {"models": ["other"], "share": 1.0, "dollars_per_day": 1, "unpriced": "allow", **rest}}


def calls(router: Router) -> list[Observation]:
    with router.parts.store.database.reading() as connection:
        rows = connection.execute(observations.select()).mappings().all()
    return [record_of(Observation, row) for row in rows]


async def until(router: Router, met: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not met():
            await asyncio.sleep(0.01)
            await asyncio.to_thread(router.parts.store.writer.flush)


def is_idle(shadows: Shadows) -> bool:
    return not shadows._in_flight


async def test_a_shadow_is_asked_the_same_by_itself_and_counts_as_nobody_s_request(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with opened(tmp_path, models_yaml(upstream, shadow=shadow(models=["other", "third"]))) as router:
        await ask(router, 1)
        await until(router, lambda: len(calls(router)) == 3)
        found, rows = calls(router), stored(router)
    assert [(row.attempt.model, row.attempt.place, row.source, row.category) for row in found] == [
        ("current", 0, "library", "chat"), ("other", 0, "shadow", "chat"), ("third", 0, "shadow", "chat"),
    ]  # fmt: skip
    assert len({row.prompt_hash for row in found}) == 1
    assert [row.source for row in rows] == ["library"]


async def test_a_shadow_is_asked_again_what_it_was_asked_before(tmp_path: Path, upstream: Upstream) -> None:
    async with opened(tmp_path, models_yaml(upstream, shadow=shadow())) as router:
        for _ in range(2):
            await ask(router, 1)
            await until(router, partial(is_idle, router._shadows))
    assert len(upstream.received("other")) == 2


async def test_an_answer_does_not_wait_for_its_shadow(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script("other", answer(delay=60))
    async with opened(tmp_path, models_yaml(upstream, shadow=shadow())) as router:
        async with asyncio.timeout(5):
            await ask(router, 1)
        await asyncio.to_thread(upstream.wait_received, "other")
        assert upstream.received("other")[0].closed is None  # the answer came, and its shadow has not


async def test_a_request_that_failed_has_a_shadow_too(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script("current", status(500))
    async with opened(tmp_path, models_yaml(upstream, shadow=shadow())) as router:
        await ask(router, 1)
        await asyncio.to_thread(upstream.wait_received, "other")
        assert len(upstream.received("other")) == 1


async def test_a_day_s_budget_is_kept_also_after_a_restart(tmp_path: Path, upstream: Upstream) -> None:
    text = models_yaml(upstream, shadow=shadow(dollars_per_day=0.0008))  # each answer costs 0.00042
    for count in (1, 0):
        async with opened(tmp_path, text) as router:
            before = len(upstream.received("other"))
            for _ in range(4):
                await ask(router, 1)
                await until(router, partial(is_idle, router._shadows))
            assert len(upstream.received("other")) - before == count


async def test_a_day_s_budget_is_one_for_all_processes_on_the_store(tmp_path: Path, upstream: Upstream) -> None:
    text = models_yaml(upstream, shadow=shadow(dollars_per_day=0.0012))  # two answers
    async with opened(tmp_path, text) as one, opened(tmp_path, text) as other:
        for shadows in (one._shadows, other._shadows):
            shadows._budget._clock = itertools.count(20_000 * DAY, EVERY).__next__
        for router in (one, other, one):
            await ask(router, 1)
            await until(router, partial(is_idle, router._shadows))
    assert len(upstream.received("other")) == 2


async def test_a_model_without_a_price_has_no_shadow_unless_that_is_allowed(tmp_path: Path, upstream: Upstream) -> None:
    async with opened(tmp_path, models_yaml(upstream, shadow=shadow(unpriced="refuse"))) as router:
        await ask(router, 2)
        await until(router, partial(is_idle, router._shadows))
    assert upstream.received("other") == []


@pytest.mark.parametrize(("share", "source"), [(0.0, "library"), (1.0, "chat")])
async def test_what_is_not_drawn_or_not_real_has_no_shadow(
    tmp_path: Path, upstream: Upstream, share: float, source: str
) -> None:
    async with opened(tmp_path, models_yaml(upstream, shadow=shadow(share=share))) as router:
        await ask(router, 3, source=source)
        assert not router._shadows._in_flight
