"""Injected faults: what they affect, and what they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.config.policy import BreakerPolicy, CachePolicy
from router.core.attempts import Attempt, Completion
from router.core.errors import AllModelsFailed, ServerFailed
from router.core.events import Restarted, TextDelta, Waiting
from router.core.faults import FAULT_KINDS, Fault, FaultKind
from router.engine.cache import ResponseCache
from router.engine.faults import AFTER_TOKENS, Faults
from tests.fakes import Bench, Step, chain_of, good, ref, story
from tests.virtual_time import run_virtual

LONG: list[Step] = [*(TextDelta(f"{number} ") for number in range(AFTER_TOKENS + 5)), *good()]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    cache = ResponseCache(tmp_path / "cache", CachePolicy())
    yield cache
    cache.close()


def faults_of(**models: Fault) -> Faults:
    faults = Faults(draw=lambda: 0.5)
    for model, fault in models.items():
        faults.set(model, fault)
    return faults


def run(bench: Bench, faults: Faults, *models: str, **options: Any) -> Completion:
    return run_virtual(bench.ask(chain_of(*models), faults=faults, **options))


def first(completion: Completion) -> Attempt:
    return completion.attempts[0]


REASONS: dict[FaultKind, str] = {
    "silence": "first_token_timeout",
    "rate limit": "rate_limited",
    "server error": "server_failed",
    "bad answer": "invalid_answer",
    "cut stream": "stream_cut",
    "stalled stream": "stream_stalled",
}


@pytest.mark.parametrize("kind", REASONS)
def test_a_model_with_a_fault_fails_as_it_would(kind: FaultKind) -> None:
    completion = run(Bench(a=[LONG], b=[good()]), faults_of(a=Fault(kind=kind, times=None)), "a", "b")
    assert (first(completion).reason, completion.attempts[-1].model) == (REASONS[kind], "b")


def test_every_kind_of_fault_is_told_apart() -> None:
    assert set(FAULT_KINDS) == {*REASONS, "slow first token"}


def test_a_slow_first_token_is_still_an_answer() -> None:
    completion = run(Bench(a=[good()]), faults_of(a=Fault(kind="slow first token", seconds=4)), "a")
    assert first(completion).ttft == pytest.approx(4)


def test_a_fault_lasts_for_so_many_calls() -> None:
    faults = faults_of(a=Fault(kind="server error", times=2))
    completion = run(Bench(a=[good()]), faults, "a")
    assert story(completion.attempts) == [
        ("a", 1, "failed", "server_failed"),
        ("a", 2, "failed", "server_failed"),
        ("a", 3, "answered", None),
    ]
    assert faults.view() == {}


@pytest.mark.parametrize(("probability", "outcome"), [(0.4, "answered"), (0.6, "failed")])
def test_a_fault_may_affect_only_some_calls(probability: float, outcome: str) -> None:
    faults = faults_of(a=Fault(kind="bad answer", times=None, probability=probability))
    assert first(run(Bench(a=[good()], b=[good()]), faults, "a", "b")).outcome == outcome


def test_a_fault_is_removed_affects_nothing() -> None:
    faults = faults_of(a=Fault(kind="bad answer"))
    faults.set("a", None)
    assert first(run(Bench(a=[good()]), faults, "a")).outcome == "answered"


def test_what_a_cut_stream_gave_is_dropped() -> None:
    bench = Bench(a=[LONG], b=[good()])
    run(bench, faults_of(a=Fault(kind="cut stream")), "a", "b")
    assert Restarted() in bench.events


@pytest.mark.parametrize("kind", ["cut stream", "stalled stream"])
def test_a_stream_too_short_to_break_is_cut_at_its_end(kind: FaultKind) -> None:
    completion = run(Bench(a=[good()], b=[good()]), faults_of(a=Fault(kind=kind)), "a", "b")
    assert first(completion).reason == "stream_cut"


# --- Models without a key --------------------------------------------------------------------------

OFFLINE = ref("o", "embedded")


def keyless() -> Bench:
    bench = Bench(a=[good()], b=[good()], o=[good()])
    bench.provider.key = False
    return bench


@pytest.mark.parametrize("kind", ["silence", "rate limit", "server error", "bad answer"])
def test_a_model_without_a_key_fails_as_it_would_and_the_offline_model_answers(kind: FaultKind) -> None:
    bench = keyless()
    completion = run(bench, faults_of(a=Fault(kind=kind, times=None)), "a", "b", offline=OFFLINE)
    told = [(attempt.model, attempt.outcome, attempt.reason, attempt.injected) for attempt in completion.attempts]
    assert list(dict.fromkeys(told)) == [
        ("a", "failed", REASONS[kind], True),
        ("b", "skipped", "no_key", False),
        ("o", "answered", None, False),
    ]
    assert bench.provider.calls == []


def test_a_model_without_a_key_is_not_called_after_its_last_fault() -> None:
    bench = keyless()
    completion = run(bench, faults_of(a=Fault(kind="server error")), "a", offline=OFFLINE)
    assert story(completion.attempts) == [("a", 1, "failed", "server_failed"), ("o", 1, "answered", None)]
    assert bench.provider.calls == []
    assert not [event for event in bench.events if isinstance(event, Waiting)]


def test_a_model_without_a_key_is_skipped_where_its_fault_does_not_affect_the_call() -> None:
    bench = keyless()
    faults = faults_of(a=Fault(kind="bad answer", times=None, probability=0.4))
    assert story(run(bench, faults, "a", offline=OFFLINE).attempts) == [
        ("a", 0, "skipped", "no_key"),
        ("o", 1, "answered", None),
    ]
    assert bench.provider.calls == []


@pytest.mark.parametrize("kind", ["slow first token", "cut stream", "stalled stream"])
def test_a_fault_that_needs_a_real_call_leaves_a_model_without_a_key_skipped(kind: FaultKind) -> None:
    bench = keyless()
    faults = faults_of(a=Fault(kind=kind))
    assert first(run(bench, faults, "a", offline=OFFLINE)).reason == "no_key"
    assert bench.provider.calls == []
    assert "a" in faults


# --- What hears nothing of it ----------------------------------------------------------------------


def test_attempts_are_marked() -> None:
    completion = run(Bench(a=[good()], b=[good()]), faults_of(a=Fault(kind="bad answer")), "a", "b")
    assert [attempt.injected for attempt in completion.attempts] == [True, False]


def test_a_fault_without_a_call_makes_none_and_costs_nothing() -> None:
    bench = Bench(a=[good()], b=[good()])
    completion = run(bench, faults_of(a=Fault(kind="silence")), "a", "b")
    assert (bench.provider.count("a"), first(completion).cost) == (0, 0.0)


def test_a_breaker_is_not_affected_by_injected_faults() -> None:
    bench = Bench(a=[good()], b=[good()])

    async def calls_heard_of() -> int:
        await bench.ask(chain_of("a", "b"), faults=faults_of(a=Fault(kind="server error", times=None)))
        return bench.breakers.get("p", "a", BreakerPolicy()).view("a").calls

    assert run_virtual(calls_heard_of()) == 0


def test_an_injected_fault_beside_a_real_failure_blames_no_prompt() -> None:
    bench = Bench(a=[good()], b=[good(), [ServerFailed("Down.", status=500)]])

    async def failure() -> AllModelsFailed:
        await bench.ask(chain_of("b"))
        return await bench.failed(chain_of("a", "b", retries=0), faults=faults_of(a=Fault(kind="server error")))

    assert not run_virtual(failure()).by_prompt


def test_an_answer_from_the_cache_does_not_hide_a_fault(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[good()], b=[good()])
    run(bench, Faults(), "a", "b")
    assert first(run(bench, faults_of(a=Fault(kind="bad answer")), "a", "b")).reason == "invalid_answer"


def test_an_answer_with_a_fault_is_not_kept(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[good()])
    run(bench, faults_of(a=Fault(kind="slow first token")), "a")
    assert not first(run(bench, Faults(), "a")).cached


def test_a_call_with_a_fault_is_shared_with_nobody() -> None:
    bench = Bench(a=[good(after=1)])

    async def both() -> tuple[Completion, Completion]:
        faults = faults_of(a=Fault(kind="slow first token", seconds=2))
        return await asyncio.gather(bench.ask(chain_of("a"), faults=faults), bench.ask(chain_of("a")))

    with_fault, without = run_virtual(both())
    assert (first(with_fault).shared, first(without).injected, first(without).shared) == (False, False, False)
