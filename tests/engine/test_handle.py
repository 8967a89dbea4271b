"""A request in progress, as others see it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from router.core.attempts import Attempt, Completion
from router.core.errors import (
    AllModelsFailed,
    Cancelled,
    FallbackLabError,
    InvalidRequest,
)
from router.core.events import (
    Began,
    Ended,
    Event,
    Finished,
    Queued,
    ReasoningDelta,
    Restarted,
    TextDelta,
    Waiting,
)
from router.core.messages import Answer
from router.core.snapshots import Snapshot
from router.engine.handle import Handle
from router.engine.viewers import LOST_AFTER
from tests.fakes import FOREVER, AtOnce, Bench, chain_of
from tests.virtual_time import run_virtual

FAILED = Attempt(model="a", provider="p", place=0, number=1, outcome="failed", started=0, offset=0)
DONE = Completion(request_id="r", category=None, answer=Answer(text="Hi"), attempts=())


async def running(*events: Event) -> Handle:
    """A request that has told so much, and goes on for ever."""
    return await ended_by(asyncio.sleep(1e9, DONE), *events)


async def ended_by(run: Coroutine[Any, Any, Completion], *events: Event) -> Handle:
    """A request that tells these events and runs this."""
    handle = Handle(asyncio.get_running_loop(), AtOnce())
    handle.log.extend(events)
    handle.launch(run)
    for _ in range(3):
        await asyncio.sleep(0)
    return handle


async def answer() -> Completion:
    return DONE


async def fail(error: BaseException) -> Completion:
    raise error


async def until_stopped() -> Completion:
    """What the chain does when it is stopped."""
    try:
        await asyncio.sleep(1e9)
    except asyncio.CancelledError:
        raise Cancelled(DONE) from None
    return DONE


# --- Looking ---------------------------------------------------------------------------------------


async def test_a_snapshot_holds_what_has_arrived() -> None:
    handle = await running(Began("a", 1), ReasoningDelta("Hm."), TextDelta("Hel"), TextDelta("lo"))
    snapshot = handle.snapshot()
    assert (snapshot.state, snapshot.answer) == ("running", Answer(text="Hello", reasoning="Hm."))


async def test_each_look_takes_in_what_is_new() -> None:
    handle = await running(TextDelta("Hel"))
    before = handle.snapshot().answer.text
    handle.log.append(TextDelta("lo"))
    assert (before, handle.snapshot().answer.text) == ("Hel", "Hello")


async def test_a_snapshot_that_says_that_it_is_over_holds_the_last_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may end a request in the middle of a look from another thread."""
    handle = await running(Began("a", 1))
    take_in = handle._take_in

    def take_in_too_early() -> None:
        take_in()
        handle.log.append(Ended(FAILED))
        handle._done.set_result(DONE)

    monkeypatch.setattr(handle, "_take_in", take_in_too_early)
    snapshot = handle.snapshot()
    assert (snapshot.state, snapshot.attempts) in (("running", ()), ("answered", (FAILED,)))


async def test_a_restart_voids_what_came_before() -> None:
    handle = await running(TextDelta("old"), Ended(FAILED), Restarted(), TextDelta("new"))
    assert (handle.snapshot().answer.text, handle.snapshot().attempts) == ("new", (FAILED,))


def task_of(handle: Handle) -> asyncio.Task[Any]:
    """What runs, once it was launched."""
    assert handle._task is not None
    return handle._task


def test_a_failed_try_leaves_nothing_in_the_answer_of_the_next() -> None:
    bench = Bench(a=[[Finished("stop")]], b=[[TextDelta("new"), FOREVER]])

    async def main() -> Answer:
        handle = Handle(asyncio.get_running_loop(), AtOnce())
        handle.launch(bench.ask(chain_of("a", "b"), events=handle.log))
        await asyncio.sleep(1)
        return handle.snapshot().answer

    assert run_virtual(main()) == Answer(text="new")


@pytest.mark.parametrize("activity", [Queued("a"), Began("a", 1), Waiting("a", 2.5)])
async def test_a_snapshot_tells_what_goes_on(activity: Queued | Began | Waiting) -> None:
    assert (await running(activity)).snapshot().activity == activity


async def test_nothing_goes_on_once_it_is_over() -> None:
    assert (await ended_by(answer(), Began("a", 1))).snapshot().activity is None


async def test_the_clock_stops_at_the_end() -> None:
    handle = await ended_by(answer())
    assert handle.snapshot().elapsed == handle.snapshot().elapsed


async def test_events_are_told_from_where_the_last_look_ended() -> None:
    handle = await running(Began("a", 1), TextDelta("x"), TextDelta("y"))
    assert handle.events(after=1) == [TextDelta("x"), TextDelta("y")]


# --- How it ends -----------------------------------------------------------------------------------


async def test_an_answer() -> None:
    handle = await ended_by(answer())
    assert (handle.snapshot().state, handle.snapshot().error, handle.result(0)) == ("answered", None, DONE)


@pytest.mark.parametrize("error", [AllModelsFailed((), None), InvalidRequest("Empty.")])
async def test_a_failure_tells_why(error: FallbackLabError) -> None:
    handle = await ended_by(fail(error))
    assert (handle.snapshot().state, handle.snapshot().error) == ("failed", error)
    with pytest.raises(type(error)):
        handle.result(0)


async def test_a_failure_of_our_own_is_logged_and_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    handle = await ended_by(fail(KeyError("sk-secret")))
    assert str(handle.snapshot().error) == "Internal error (KeyError). The log has details; please report it."
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


async def test_who_waits_too_short_is_told_so() -> None:
    with pytest.raises(TimeoutError):
        (await running()).result(0)


async def test_a_stopped_request_is_cut_and_no_failure() -> None:
    handle = await ended_by(until_stopped())
    handle.cancel()
    await asyncio.wait([task_of(handle)])
    assert (handle.snapshot().state, handle.snapshot().error) == ("cut", None)


async def test_a_request_stopped_before_it_began_is_cut() -> None:
    handle = Handle(asyncio.get_running_loop(), AtOnce())
    handle.launch(answer()).cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    with pytest.raises(Cancelled):
        handle.result(0)


async def test_stopping_what_is_over_does_no_harm() -> None:
    handle = await ended_by(answer())
    handle.cancel()
    await asyncio.sleep(0)
    assert handle.snapshot().state == "answered"


def test_it_can_be_used_from_another_thread() -> None:
    async def main() -> tuple[str, str]:
        handle = await ended_by(until_stopped(), TextDelta("Hel"))
        text = await asyncio.to_thread(lambda: handle.snapshot().answer.text)
        await asyncio.to_thread(handle.cancel)
        with pytest.raises(Cancelled):
            await asyncio.to_thread(handle.result, 10)
        return text, handle.snapshot().state

    assert asyncio.run(main()) == ("Hel", "cut")


# --- Who looks at it -------------------------------------------------------------------------------


def lost(*moves: tuple[float, str, str]) -> float:
    """Seconds until a request is stopped, after viewers came and went: when, what, who; a day where it is not."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        handle = await ended_by(until_stopped())
        for at, move, viewer in moves:
            loop.call_at(start + at, getattr(handle, move), viewer)
        await asyncio.wait([task_of(handle)], timeout=86_400)
        seconds = loop.time() - start
        handle.cancel()
        await asyncio.wait([task_of(handle)])
        return seconds

    return run_virtual(main())


NEVER = pytest.approx(86_400)


@pytest.mark.parametrize(
    ("moves", "seconds"),
    [
        ([], NEVER),
        ([(0, "attach", "x")], NEVER),
        ([(0, "attach", "x"), (5, "detach", "x")], pytest.approx(5 + LOST_AFTER)),
        ([(0, "attach", "x"), (5, "detach", "x"), (19, "attach", "x")], NEVER),
        ([(0, "attach", "x"), (5, "detach", "x"), (19, "attach", "y")], NEVER),
        ([(0, "attach", "x"), (1, "attach", "y"), (5, "detach", "x")], NEVER),
        (
            [(0, "attach", "x"), (1, "attach", "y"), (5, "detach", "x"), (6, "detach", "y")],
            pytest.approx(6 + LOST_AFTER),
        ),
        (
            [(0, "attach", "x"), (5, "detach", "x"), (9, "attach", "x"), (10, "detach", "x")],
            pytest.approx(10 + LOST_AFTER),
        ),
        ([(0, "attach", "x"), (5, "detach", "x"), (7, "detach", "x")], pytest.approx(5 + LOST_AFTER)),
    ],
    ids=["nobody yet", "seen", "lost", "reloaded", "taken over", "one of two", "both", "lost twice", "told twice"],
)
def test_what_nobody_looks_at_any_more_is_stopped(moves: list[tuple[float, str, str]], seconds: float) -> None:
    assert lost(*moves) == seconds


# --- Being told ------------------------------------------------------------------------------------


def test_who_watches_is_told_at_intervals_and_once_at_the_end() -> None:
    told: list[Snapshot] = []

    async def work() -> Completion:
        await asyncio.sleep(3.5)
        return DONE

    async def main() -> None:
        handle = await ended_by(work())
        handle.watch(told.append, every=1)
        await asyncio.sleep(100)

    run_virtual(main())
    assert [snapshot.state for snapshot in told] == ["running", "running", "running", "answered"]


async def test_who_watches_what_is_over_is_told_once() -> None:
    told: list[Snapshot] = []
    handle = await ended_by(answer())
    handle.watch(told.append, every=0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert [snapshot.state for snapshot in told] == ["answered"]


async def test_a_request_that_is_stopped_before_its_first_step_still_takes_it() -> None:
    """Otherwise it would leave no trace."""
    handle = Handle(asyncio.get_running_loop(), AtOnce())
    asyncio.get_running_loop().call_soon(handle.launch, until_stopped())
    handle.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    with pytest.raises(Cancelled) as stopped:
        handle.result(0)
    assert stopped.value.partial == DONE
