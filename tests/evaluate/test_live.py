"""Live answers of experiments, graded behind their backs: which ones, by what, at whose cost, and what is kept."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from router.config.loading import parse_config
from router.core.errors import AllModelsFailed, ConfigError
from router.engine.options import Options
from router.evaluate.live import LiveGrades
from router.experiments.budget import DAY, EVERY
from router.library.router import Router
from router.store.experiments import Given
from tests.upstream import Upstream, answer, chain_yaml, status

LIBRARY = Options(source="library", cache="off")
VERDICT = '{"reason": "Good.", "pass": true, "score": 0.75}'
RUBRIC = {"checks": [{"llm-rubric": "It is polite."}], "judge": "judge", "share": 1}


def models_yaml(upstream: Upstream, grades: dict[str, Any]) -> str:
    experiment = {"category": "chat", "candidate": ["candidate"], "share": 0.5, "grades": {"share": 1, **grades}}
    return json.dumps({**json.loads(chain_yaml(upstream, "current", retries=0)), "experiments": {"e": experiment}})


@asynccontextmanager
async def opened(folder: Path, text: str, **given: Any) -> AsyncIterator[tuple[Router, LiveGrades]]:
    (folder / "models.yaml").write_text(text)
    async with Router.open(folder / "models.yaml", environ={}) as router:
        yield router, LiveGrades(router, **given)


async def ask(router: Router, count: int, options: Options = LIBRARY) -> None:
    for number in range(count):
        with suppress(AllModelsFailed):
            await router.ask("chat", f"Hello {number}", options=options)


async def graded(router: Router, live: LiveGrades) -> list[Given]:
    """The experiment's requests, once nothing is graded any more."""
    async with asyncio.timeout(10):
        await asyncio.gather(*router.runtime._background)
    assert not live._in_flight
    await asyncio.to_thread(router.parts.store.writer.flush)
    return [*router.parts.store.experiments.requests("e")]


async def test_answers_of_both_chains_are_graded_by_the_checks(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script("current", then=answer("A plain answer."))
    upstream.script("candidate", then=answer('{"json": true}'))
    text = models_yaml(upstream, {"checks": ["is-json", {"not-contains": "sorry"}]})
    async with opened(tmp_path, text) as (router, live):
        for number in range(12):
            await router.ask("chat", f"Hello {number}", options=LIBRARY)
            found = await graded(router, live)
    assert {(each.arm, each.grade) for each in found} == {("current", 0.5), ("candidate", 1.0)}


async def test_what_is_not_drawn_failed_or_came_from_the_cache_is_not_graded(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script("current", status(500))
    draws = itertools.chain([0.0], itertools.repeat(0.9), [0.0])
    text = models_yaml(upstream, {"checks": ["is-json"], "share": 0.5}).replace(
        '"share": 0.5, "grades"', '"share": 1, "grades"'
    )
    async with opened(tmp_path, text, chance=draws.__next__) as (router, live):
        upstream.script("candidate", status(500))
        await ask(router, 2)
        live._chance = lambda: 0.0
        for _ in range(2):
            await router.ask("chat", "Again", options=Options(source="library"))
        found = await graded(router, live)
    assert [each.grade for each in found] == [None, None, 0.0, None]


async def test_a_judge_is_asked_within_the_day_s_budget(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script("judge", then=answer(VERDICT))
    text = models_yaml(upstream, {**RUBRIC, "dollars_per_day": 0.0008})  # each verdict costs 0.0004 or a little more
    clock = itertools.count(20_000 * DAY, EVERY).__next__
    async with opened(tmp_path, text, clock=clock) as (router, live):
        for number in range(5):
            await router.ask("chat", f"Hello {number}", options=LIBRARY)
            found = await graded(router, live)
    known = [each.grade for each in found if each.grade is not None]
    assert known == [0.75] * len(upstream.received("judge"))
    assert 1 <= len(known) < 5


async def test_an_answer_does_not_wait_for_its_judge_and_neither_does_the_end(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script("judge", then=answer(VERDICT, delay=60))
    async with asyncio.timeout(20), opened(tmp_path, models_yaml(upstream, RUBRIC)) as (router, _):
        await ask(router, 1)
        await asyncio.to_thread(upstream.wait_received, "judge")
        assert upstream.received("judge")[0].closed is None  # the answer came, and the verdict has not


async def test_a_judge_that_fails_leaves_no_grade(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script("judge", then=status(500))
    async with opened(tmp_path, models_yaml(upstream, RUBRIC)) as (router, live):
        await ask(router, 1)
        assert [each.grade for each in await graded(router, live)] == [None]


@pytest.mark.parametrize(
    ("grades", "words"),
    [
        ({"checks": ["is-jso"]}, "`is-jso` is not a grader. Did you mean `is-json`?"),
        ({"checks": ["equals"]}, "`equals` has nothing to compare with."),
        ({"checks": [{"llm-rubric": "Polite."}]}, "`llm-rubric` needs a judge. Name a model or a chain as `judge`."),
        ({"checks": [{"a": 1, "b": 2}]}, "a check is a grader's name"),
    ],
)
async def test_checks_that_cannot_be_used_are_said_and_nothing_is_graded(
    tmp_path: Path, upstream: Upstream, grades: dict[str, Any], words: str
) -> None:
    async with opened(tmp_path, models_yaml(upstream, grades)) as (router, live):
        await ask(router, 1)
        assert [each.grade for each in await graded(router, live)] == [None]
        [notice] = live.notices()
    assert notice.startswith("The experiment `e` grades no answers: ")
    assert words in notice


def test_a_judge_that_is_no_model_is_refused_with_its_line() -> None:
    text = """chains: {code: [a/b]}
experiments:
  e:
    category: code
    candidate: [c/d]
    share: 0.1
    grades:
      checks: [is-json]
      judge: "opnai:gpt"
"""
    with pytest.raises(ConfigError, match=r"line 9: .*opnai"):
        parse_config(text, Path("models.yaml"))
