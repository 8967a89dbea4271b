"""What is stored of a request that is over: one row, however it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.config.chains import Chain, Link
from router.config.policy import CachePolicy
from router.core.errors import BadRequest, ContentFiltered, ServerFailed
from router.core.events import Finished, TextDelta
from router.core.faults import Fault
from router.core.messages import Usage
from router.core.records import Origin, RequestSummary, Step
from router.engine.cache import ResponseCache
from router.engine.faults import Faults
from router.store import Store
from tests.fakes import FOREVER, Bench, chain_of, good, ref, stop
from tests.virtual_time import run_virtual

DOWN = ServerFailed("It is down.", status=503)


def concluded(bench: Bench, chain: Chain, **options: Any) -> RequestSummary:
    """Ask once; what was stored of it."""

    async def main() -> None:
        await asyncio.gather(bench.ask(chain, **options), return_exceptions=True)

    run_virtual(main())
    [summary] = bench.concluded
    return summary


def test_an_answer_by_a_fallback_is_stored_with_the_way_to_it() -> None:
    bench = Bench(a=[[3, DOWN]], b=[[1, TextDelta("Hi"), 1, Finished("stop"), Usage(cost=0.5)]])
    chain = chain_of("a", "b", retries=0)
    summary = concluded(bench, chain, source="cli")
    assert summary.path == (
        Step("a", "p", 0, "failed", "server_failed", 503),
        Step("b", "p", 1, "answered", None, 200),
    )
    assert (summary.outcome, summary.model, summary.place) == ("answered", "b", 1)
    assert (summary.category, summary.chain, summary.source) == ("test", chain.fingerprint, "cli")
    assert summary.request_id == bench.observed[0].request_id
    assert not (summary.cached or summary.shared or summary.injected or summary.stand_in or summary.keyless)


def test_latency_and_first_token_are_those_that_the_user_saw() -> None:
    bench = Bench(a=[[3, DOWN]], b=[[1, TextDelta("Hi"), 1, Finished("stop")]])
    summary = concluded(bench, chain_of("a", "b", retries=0))
    assert (summary.latency, summary.ttft) == (pytest.approx(5), pytest.approx(4))


def test_the_time_in_a_queue_was_waited_too() -> None:
    bench = Bench(slots=1, a=[good(after=4)])

    async def main() -> None:
        await asyncio.gather(*(bench.ask(chain_of("a"), sample=sample) for sample in (0, 1)))

    run_virtual(main())
    assert [(each.latency, each.ttft) for each in bench.concluded] == [
        (pytest.approx(t), pytest.approx(t)) for t in (4, 8)
    ]


def test_cost_is_that_of_all_attempts_and_unknown_where_any_is() -> None:
    known, unknown = Usage(cost=0.5), Usage()
    costs = [
        concluded(Bench(a=[[TextDelta("x"), cost, 1, DOWN]], b=[[*good(), Usage(cost=0.25)]]), chain_of("a", "b")).cost
        for cost in (known, unknown)
    ]
    assert costs == [0.75, None]


def test_the_tries_of_a_model_are_one_step() -> None:
    summary = concluded(Bench(a=[[DOWN]], b=[good()]), chain_of("a", "b", retries=2))
    assert [(step.model, step.reason) for step in summary.path] == [("a", "server_failed"), ("b", None)]


@pytest.mark.parametrize("error", [DOWN, BadRequest("no"), ContentFiltered("Not about that.", status=400)], ids=repr)
def test_a_request_that_fails_is_stored(error: ServerFailed) -> None:
    summary = concluded(Bench(a=[[error]]), chain_of("a", retries=0))
    assert (summary.outcome, summary.model, summary.place, summary.ttft) == ("failed", None, None, None)
    assert [step.reason for step in summary.path] == [error.kind]


def test_a_request_that_is_stopped_is_stored() -> None:
    bench = Bench(a=[[DOWN]], b=[[TextDelta("Hel"), FOREVER]])

    async def main() -> None:
        task = asyncio.create_task(bench.ask(chain_of("a", "b", retries=0)))
        await asyncio.sleep(2)
        await stop(task)

    run_virtual(main())
    [summary] = bench.concluded
    assert (summary.outcome, summary.model, summary.latency) == ("cancelled", None, pytest.approx(2))
    assert [step.outcome for step in summary.path] == ["failed", "cancelled"]


def test_a_stand_in_s_answer_is_marked_and_so_is_the_missing_key() -> None:
    bench = Bench(a=[good()], tiny=[good()])
    bench.provider.key = False
    summary = concluded(bench, chain_of("a"), offline=ref("tiny", provider="embedded"))
    assert (summary.stand_in, summary.keyless, summary.place) == (True, True, 1)


def test_where_a_model_failed_too_the_missing_key_is_not_alone_to_blame() -> None:
    bench = Bench(a=[[BadRequest("no")]], b=[good()])
    bench.offline.key = False
    summary = concluded(bench, chain_of(Link(ref=ref("keyless", provider="q")), "a", "b"))
    assert ([step.reason for step in summary.path], summary.keyless) == (["no_key", "bad_request", None], False)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    cache = ResponseCache(tmp_path / "cache", CachePolicy())
    yield cache
    cache.close()


def test_an_answer_from_the_cache_took_no_time_and_no_money(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[[*good(after=2), Usage(cost=0.5)]])

    async def main() -> None:
        for _ in range(2):
            await bench.ask(chain_of("a"))

    run_virtual(main())
    first, second = bench.concluded
    assert (first.cached, first.latency, first.cost) == (False, pytest.approx(2), 0.5)
    assert (second.cached, second.latency, second.ttft, second.cost) == (True, pytest.approx(0), pytest.approx(0), 0)


def test_who_joins_a_call_waits_for_what_is_left_of_it() -> None:
    bench = Bench(a=[[2, TextDelta("Hi"), 4, Finished("stop"), Usage(cost=0.5)]])

    async def main() -> None:
        first = asyncio.create_task(bench.ask(chain_of("a")))
        await asyncio.sleep(3)
        await asyncio.gather(first, bench.ask(chain_of("a")))

    run_virtual(main())
    first, second = sorted(bench.concluded, key=lambda summary: summary.shared)
    assert (first.shared, first.latency, first.ttft, first.cost) == (False, pytest.approx(6), pytest.approx(2), 0.5)
    assert (second.shared, second.latency, second.ttft, second.cost) == (True, pytest.approx(3), 0, 0)


def test_an_injected_fault_is_marked() -> None:
    faults = Faults()
    faults.set("a", Fault(kind="server error"))
    summary = concluded(Bench(a=[good()], b=[good()]), chain_of("a", "b", retries=0), faults=faults)
    assert (summary.injected, summary.model) == (True, "b")


# --- Rows ------------------------------------------------------------------------------------------


def test_every_field_lands_in_its_column_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.store.writer.LINGER", 0.0)
    summary = RequestSummary(
        request_id="r", started=100.5, category="tools", chain="c0ffee", source="cli", outcome="answered",
        path=(Step("a", "p", 0, "failed", "server_failed", 503), Step("q:b", "q", 1, "answered", None)),
        model="q:b", place=1, latency=4.5, ttft=2.5, cost=0.5, cached=True, shared=False,
        injected=True, stand_in=False, keyless=True,
        origin=Origin(caller="team-a", tags=("app=shop", "team=a"), experiment="e", arm="candidate"),
        session="5e55", probability=0.1,
    )  # fmt: skip
    store = Store(tmp_path / "lab.sqlite")
    store.requests.add(summary)
    assert store.writer.flush()
    assert store.requests.get([2, 1]) == [summary]
    [row] = store.requests.last(1)
    assert dict(row) == {
        "id": 1, "request_id": "r", "started": 100.5, "category": "tools", "chain": "c0ffee", "source": "cli",
        "outcome": "answered", "path": '[["a","p",0,"failed","server_failed",503],["q:b","q",1,"answered",null,null]]',
        "model": "q:b", "place": 1, "latency": 4.5, "ttft": 2.5, "cost": 0.5, "cached": True, "shared": False,
        "injected": True, "stand_in": False, "keyless": True,
        "caller": "team-a", "tags": '["app=shop","team=a"]', "experiment": "e", "arm": "candidate",
        "session": "5e55", "probability": 0.1,
    }  # fmt: skip
    store.close()
