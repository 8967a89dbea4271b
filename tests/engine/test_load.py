"""What holds when many ask at once: nobody queues for a dead model, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from router.config.chains import Chain, Link
from router.config.policy import BreakerPolicy
from router.core.attempts import Completion
from router.core.errors import AllModelsFailed, Cancelled, ServerFailed
from router.core.requests import Request
from router.lab import Lab
from tests.conftest import MakeLab
from tests.fakes import FOREVER, Bench, Step, chain_of, good, ref
from tests.upstream import Upstream, answer, chain_yaml, silent
from tests.virtual_time import run_virtual

DOWN = ServerFailed("It is down.", status=503)


def prompt(number: int) -> Request:
    return Request(messages=({"role": "user", "content": f"Prompt {number}"},))


async def many(bench: Bench, chain: Chain, count: int) -> list[Completion | AllModelsFailed]:
    """So many different requests at once."""

    async def one(number: int) -> Completion | AllModelsFailed:
        try:
            return await bench.ask(chain, prompt(number), events=[])
        except AllModelsFailed as error:
            return error

    return await asyncio.gather(*(one(number) for number in range(count)))


# --- Forty at once, and a primary that is down -----------------------------------------------------

DEAD = pytest.mark.parametrize(
    ("dead", "seconds"), [([FOREVER], 10), ([1, DOWN], 1)], ids=["silent", "503 after a second"]
)


@DEAD
def test_only_those_with_a_slot_ask_a_dead_primary(dead: Sequence[Step], seconds: float) -> None:
    bench = Bench(slots=8, a=[dead], b=[good()])
    completions = run_virtual(many(bench, chain_of("a", "b", first_token=10), 40))
    assert [completion.attempts[-1].model for completion in completions] == ["b"] * 40
    assert bench.provider.count("a") == 8


@DEAD
def test_those_who_wait_for_a_slot_move_on_as_soon_as_the_breaker_opens(dead: Sequence[Step], seconds: float) -> None:
    bench = Bench(slots=8, a=[dead], b=[good()])

    async def main() -> float:
        began = bench.now()
        await many(bench, chain_of("a", "b", first_token=10, retries=0), 40)
        return bench.now() - began

    assert run_virtual(main()) == pytest.approx(seconds)


def test_those_who_move_on_are_observed_as_skipped_and_how_long_they_waited() -> None:
    bench = Bench(slots=8, a=[[FOREVER]], b=[good()])
    completions = run_virtual(many(bench, chain_of("a", "b", first_token=10), 40))
    first = [completion.attempts[0] for completion in completions]
    waited = [attempt.queued for attempt in first if (attempt.outcome, attempt.reason) == ("skipped", "breaker_open")]
    assert waited == [pytest.approx(10)] * 32


def test_those_who_move_on_need_no_slot_to_become_free() -> None:
    """Another model takes all slots for long, and those of the dead one as they become free."""
    bench = Bench(slots=4, a=[[FOREVER]], b=[good()], slow=[good(after=500)])
    patient = chain_of("slow", first_token=1000, deadline=1000)
    elsewhere = chain_of("a", Link(ref=ref("b", provider="q")), first_token=10)

    async def main() -> float:
        tasks = [asyncio.create_task(many(bench, each, count)) for each, count in ((elsewhere, 3), (patient, 9))]
        await asyncio.sleep(1)
        began = bench.now()
        await bench.ask(elsewhere, prompt(99), events=[])
        waited = bench.now() - began
        await asyncio.gather(*tasks)
        return waited

    assert run_virtual(main()) == pytest.approx(9)


def test_where_nothing_else_is_left_one_call_is_made_for_all_who_were_skipped() -> None:
    bench = Bench(slots=8, a=[[1, DOWN]])
    errors = run_virtual(many(bench, chain_of("a", retries=0), 40))
    assert {str(error) for error in errors} == {"All models failed. Last error: It is down."}
    assert bench.provider.count("a") == 8 + 1


def test_a_retry_that_waits_for_a_slot_is_given_up_when_the_breaker_opens() -> None:
    bench = Bench(slots=1, breaker=BreakerPolicy(min_calls=3), a=[[1, DOWN]], b=[good()])
    completions = run_virtual(many(bench, chain_of("a", "b"), 4))
    assert (bench.provider.count("a"), {completion.attempts[-1].model for completion in completions}) == (3, {"b"})


# --- In order of arrival ---------------------------------------------------------------------------


def test_slots_are_given_in_order_of_arrival_also_where_some_leave() -> None:
    bench = Bench(slots=2, a=[good(after=1)])

    async def main() -> None:
        tasks = [asyncio.create_task(bench.ask(chain_of("a"), prompt(number), events=[])) for number in range(12)]
        await asyncio.sleep(0.5)
        for number in (3, 4, 7):
            tasks[number].cancel()
        await asyncio.sleep(1)
        tasks += [asyncio.create_task(bench.ask(chain_of("a"), prompt(12), events=[]))]
        await asyncio.gather(*tasks, return_exceptions=True)

    run_virtual(main())
    asked = [call.request.messages[0]["content"] for call in bench.provider.requests]
    assert asked == [f"Prompt {number}" for number in (0, 1, 2, 5, 6, 8, 9, 10, 11, 12)]


# --- While models.yaml is edited -------------------------------------------------------------------


def test_while_models_yaml_is_edited_no_provider_has_more_calls_than_its_limit(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    """Requests that began before an edit go on after it, and ask its fallback."""
    upstream.script("m", then=answer("Whole.", delay=0.05))
    upstream.script("n", then=answer("Whole.", finish_reason=None, delay=0.05))

    def edited(number: int) -> str:
        settings = {"max_concurrency": 4, "body": {"edit": number}}
        return chain_yaml(upstream, "n", "m", provider=settings, retries=0, breaker={"min_calls": 1000})

    lab = make_lab(edited(0))
    handles = []
    for number in range(100):
        if number % 10 == 0:
            lab.path.write_text(edited(number), encoding="utf-8")
        handles.append(lab.start(prompt(number), category="chat"))
    assert [handle.result(timeout=60).answer.text for handle in handles] == ["Whole."] * 100
    moments = [(call.arrived, 1) for call in upstream.requests] + [
        (call.closed or 0.0, -1) for call in upstream.requests
    ]
    in_progress = most = 0
    for _, step in sorted(moments):
        in_progress += step
        most = max(most, in_progress)
    assert len(upstream.requests) == 200
    assert 1 < most <= 4  # a busy machine may never fill all four


# --- Stopped before anything was sent --------------------------------------------------------------


def outcomes(lab: Lab) -> list[str]:
    """What became of each request, from the database."""
    with closing(sqlite3.connect(lab.folder / "lab.sqlite")) as database:
        return [outcome for (outcome,) in database.execute("SELECT outcome FROM requests")]


def test_a_request_that_is_stopped_at_once_leaves_its_row(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "m"))
    upstream.script("m", then=silent)
    for number in range(200):
        handle = lab.start(prompt(number), category="chat")
        handle.cancel()
        with pytest.raises(Cancelled):
            handle.result(timeout=30)
    assert lab.store.writer.flush()
    assert outcomes(lab) == ["cancelled"] * 200


def test_requests_that_are_stopped_by_the_end_of_the_lab_leave_their_rows(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(chain_yaml(upstream, "m"), encoding="utf-8")
    upstream.script("m", then=silent)
    lab = Lab(path, environ={})
    for number in range(20):
        lab.start(prompt(number), category="chat")
    lab.close()
    assert outcomes(lab) == ["cancelled"] * 20
