"""Single flight: who shares a call, who owns it, and what happens when somebody leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from router.core.attempts import Completion
from router.core.errors import (
    AllModelsFailed,
    Cancelled,
    RateLimited,
    ServerFailed,
)
from router.core.events import (
    Began,
    Event,
    Finished,
    Served,
    TextDelta,
)
from router.core.messages import Usage
from router.core.requests import Request
from tests.fakes import Bench, Step, chain_of, good, story
from tests.virtual_time import run_virtual

T = TypeVar("T")

SLOW: list[Step] = [1, TextDelta("Hel"), 1, TextDelta("lo"), 1, Finished("stop"), Usage(cost=0.5)]
CHAIN = chain_of("a")


async def later(seconds: float, ask: Callable[[], Awaitable[T]]) -> T:
    await asyncio.sleep(seconds)
    return await ask()


def asked(bench: Bench, *starts: float, **options: Any) -> list[Completion]:
    """The same request, asked at each of these moments."""

    async def main() -> list[Completion]:
        return await asyncio.gather(*(later(start, lambda: bench.ask(CHAIN, **options)) for start in starts))

    return run_virtual(main())


# --- Who shares a call -----------------------------------------------------------------------------


def test_identical_requests_are_one_call() -> None:
    bench = Bench(a=[SLOW])
    assert [completion.answer.text for completion in asked(bench, 0, 0, 0.5, 1.5, 2.9)] == ["Hello"] * 5
    assert bench.provider.count("a") == 1


def test_each_who_waits_gets_the_whole_stream() -> None:
    bench = Bench(a=[SLOW])
    logs: list[list[Event]] = [[], [], []]

    async def main() -> None:
        await asyncio.gather(
            bench.ask(CHAIN, events=logs[0]),
            later(1.5, lambda: bench.ask(CHAIN, events=logs[1])),
            later(2.5, lambda: bench.ask(CHAIN, events=logs[2])),
        )

    run_virtual(main())
    assert [[event.text for event in log if isinstance(event, TextDelta)] for log in logs] == [["Hel", "lo"]] * 3


def test_only_the_first_is_charged() -> None:
    completions = asked(Bench(a=[SLOW]), 0, 1)
    assert [(c.attempts[0].shared, c.attempts[0].cost) for c in completions] == [(False, 0.5), (True, None)]


def test_who_joined_is_observed_as_shared() -> None:
    bench = Bench(a=[SLOW])
    asked(bench, 0, 1)
    assert sorted(seen.attempt.shared for seen in bench.observed) == [False, True]


@pytest.mark.parametrize("options", [{"cache": "refresh"}, {"cache": "off"}])
def test_regenerating_makes_a_separate_call(options: dict[str, Any]) -> None:
    bench = Bench(a=[SLOW])
    asked(bench, 0, 1, **options)
    assert bench.provider.count("a") == 2


def test_nobody_joins_a_regenerated_call() -> None:
    bench = Bench(a=[SLOW])

    async def main() -> None:
        await asyncio.gather(bench.ask(CHAIN, cache="refresh"), later(1, lambda: bench.ask(CHAIN)))

    run_virtual(main())
    assert bench.provider.count("a") == 2


@pytest.mark.parametrize(
    "difference", [{"sample": 1}, {"request": Request(messages=({"role": "user", "content": "?"},))}]
)
def test_other_requests_and_other_samples_make_calls_of_their_own(difference: dict[str, Any]) -> None:
    bench = Bench(a=[SLOW])

    async def main() -> None:
        await asyncio.gather(bench.ask(CHAIN), bench.ask(CHAIN, **difference))

    run_virtual(main())
    assert bench.provider.count("a") == 2


def test_a_request_that_comes_after_the_end_makes_a_call_of_its_own() -> None:
    bench = Bench(a=[SLOW])
    asked(bench, 0, 3.1)
    assert bench.provider.count("a") == 2


def test_a_request_that_comes_at_the_very_moment_of_the_end_is_answered() -> None:
    bench = Bench(a=[SLOW])

    async def main() -> Completion:
        first = asyncio.create_task(bench.ask(CHAIN))
        await asyncio.sleep(2.5)
        await asyncio.sleep(0.5)  # in two steps, so that the call's own timer fires before this one
        completion = await bench.ask(CHAIN)
        await first
        return completion

    assert story(run_virtual(main()).attempts) == [("a", 1, "answered", None)]


def test_a_failure_is_everybody_s() -> None:
    bench = Bench(a=[[1, ServerFailed("500")]])
    chain = chain_of("a", retries=0)

    async def main() -> tuple[AllModelsFailed, AllModelsFailed]:
        return await asyncio.gather(bench.failed(chain), later(0.5, lambda: bench.failed(chain)))

    assert [story(error.attempts) for error in run_virtual(main())] == [[("a", 1, "failed", "server_failed")]] * 2


def test_a_retry_is_shared_too() -> None:
    bench = Bench(a=[[1, ServerFailed("500")], [1, *SLOW]])
    completions = asked(bench, 0, 0.5)
    assert [story(completion.attempts)[-1] for completion in completions] == [("a", 2, "answered", None)] * 2


def test_who_joins_a_retry_is_told_nothing_of_the_try_before() -> None:
    bench = Bench(a=[[Served("old"), 1, ServerFailed("500")], SLOW])
    asked(bench, 0, 2)
    assert bench.events[0] == Began("a", 2)


# --- Who leaves ------------------------------------------------------------------------------------


def leaving(bench: Bench, *stays: float) -> list[Completion | BaseException]:
    """The same request, asked at once by several, who stay for so many seconds each."""

    async def main() -> list[Completion | BaseException]:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(bench.ask(CHAIN)) for _ in stays]
        for task, stay in zip(tasks, stays, strict=True):
            loop.call_later(stay, task.cancel)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return run_virtual(main())


def test_where_the_owner_leaves_the_others_are_answered() -> None:
    bench = Bench(a=[SLOW])
    left, stayed = leaving(bench, 1.5, 99)
    assert isinstance(left, Cancelled) and isinstance(stayed, Completion)
    assert (stayed.answer.text, bench.provider.count("a")) == ("Hello", 1)


def test_where_the_owner_leaves_the_next_is_charged() -> None:
    completions = leaving(Bench(a=[SLOW]), 1.5, 99, 99)[1:]
    assert [c.cost for c in completions if isinstance(c, Completion)] == [0.5, 0]


def test_who_leaves_keeps_what_had_arrived() -> None:
    left = leaving(Bench(a=[SLOW]), 1.5, 99)[0]
    assert isinstance(left, Cancelled)
    assert (left.partial.answer.text, left.partial.cut) == ("Hel", True)


def test_the_call_ends_when_the_last_one_leaves() -> None:
    bench = Bench(a=[SLOW])
    leaving(bench, 1.2, 1.5)
    assert bench.provider.open == 0


def test_the_last_one_to_leave_is_observed_with_the_call() -> None:
    bench = Bench(a=[SLOW])
    leaving(bench, 1.2, 1.5)
    last = bench.observed[-1].attempt
    assert (last.outcome, last.number, last.shared, last.latency) == ("cancelled", 1, False, pytest.approx(1.5))


def test_a_call_that_everybody_left_is_not_joined() -> None:
    bench = Bench(a=[SLOW])

    async def main() -> Completion:
        task = asyncio.create_task(bench.ask(CHAIN))
        await asyncio.sleep(0.5)
        task.cancel()
        completion = await bench.ask(CHAIN)
        await asyncio.gather(task, return_exceptions=True)
        return completion

    assert run_virtual(main()).attempts[0].shared is False


# --- Limits of their own ---------------------------------------------------------------------------


def with_limits(first: float, second: float) -> tuple[Bench, list[list[tuple[str, int, str, str | None]]]]:
    """Two who ask for a model that is silent for ten seconds, the second five seconds later."""
    bench = Bench(a=[good("late", after=10)], b=[good("other")])

    async def main() -> tuple[Completion, Completion]:
        return await asyncio.gather(
            bench.ask(chain_of("a", "b", first_token=first)),
            later(5, lambda: bench.ask(chain_of("a", "b", first_token=second))),
        )

    return bench, [story(completion.attempts) for completion in run_virtual(main())]


ANSWERED = [("a", 1, "answered", None)]


def test_an_impatient_owner_moves_on_alone() -> None:
    left, stayed = with_limits(8, 20)[1]
    assert (left, stayed) == ([("a", 0, "failed", "first_token_timeout"), ("b", 1, "answered", None)], ANSWERED)


def test_an_impatient_guest_moves_on_alone() -> None:
    stayed, left = with_limits(20, 3)[1]
    assert (left, stayed) == ([("a", 0, "failed", "first_token_timeout"), ("b", 1, "answered", None)], ANSWERED)


def test_who_joins_waits_for_as_long_as_if_the_call_were_their_own() -> None:
    assert with_limits(20, 5.5)[1][1] == ANSWERED


def test_a_call_that_nobody_has_the_patience_for_ends() -> None:
    bench, stories = with_limits(6, 3)
    assert [one[-1][0] for one in stories] == ["b", "b"] and bench.provider.open == 0


def test_the_most_patient_decides_whether_there_is_time_for_another_try() -> None:
    bench = Bench(a=[[1, RateLimited("429", retry_after=30)], good()])

    async def main() -> tuple[AllModelsFailed, Completion]:
        return await asyncio.gather(bench.failed(chain_of("a", deadline=20)), bench.ask(chain_of("a", deadline=100)))

    assert story(run_virtual(main())[1].attempts)[-1] == ("a", 2, "answered", None)


@pytest.mark.parametrize("hair", [0, 1e-10, 4e-10, 1e-6])
def test_a_token_that_comes_as_the_limit_ends_is_no_accident(hair: float) -> None:
    completion = Bench(a=[good(after=10 - hair)], b=[good()]).run("a", "b", first_token=10)
    assert completion.attempts[0].reason in (None, "first_token_timeout")
