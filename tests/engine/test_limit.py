"""A time limit that can be moved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from router.engine.limit import Limit
from tests.virtual_time import run_virtual

NEVER = float("inf")


def ended_after(at: float, body: Callable[[Limit, float], Awaitable[None]]) -> float:
    """Seconds until the limit ended the body; it is handed the time of the start."""

    async def main() -> float:
        start = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with Limit(start + at) as limit:
                await body(limit, start)
        return asyncio.get_running_loop().time() - start

    return run_virtual(main())


def moved(*moves: tuple[float, str, float]) -> Callable[[Limit, float], Awaitable[None]]:
    """A body that moves its limit: when, how, and to what moment; and then waits."""

    async def body(limit: Limit, start: float) -> None:
        for seconds, how, at in moves:
            await asyncio.sleep(start + seconds - asyncio.get_running_loop().time())
            if how == "tighten":
                limit.tighten(start + at)
            else:
                limit.at = start + at
        await asyncio.sleep(1000)

    return body


@pytest.mark.parametrize(
    ("at", "moves", "end"),
    [
        (10, [], 10),
        (10, [(5, "set", 20)], 20),
        (10, [(5, "set", 20), (15, "set", 30), (25, "set", 40)], 40),
        (10, [(5, "tighten", 7)], 7),
        (10, [(5, "tighten", 20)], 20),
        (10, [(5, "set", NEVER), (50, "tighten", 60)], 60),
        (NEVER, [(5, "tighten", 7)], 7),
        (NEVER, [(5, "tighten", 7), (6, "set", 20), (19, "tighten", 25)], 25),
        (10, [(5, "set", 30), (8, "tighten", 9)], 9),
        (10, [(5, "set", 30), (15, "tighten", 16)], 16),
        (0, [], 0),
        (-5, [], 0),
    ],
)
def test_the_body_ends_at_the_moment_that_holds_by_then(
    at: float, moves: list[tuple[float, str, float]], end: float
) -> None:
    assert ended_after(at, moved(*moves)) == pytest.approx(end)


def test_a_body_that_ends_in_time_is_not_disturbed() -> None:
    async def main() -> str:
        async with Limit(asyncio.get_running_loop().time() + 10):
            await asyncio.sleep(9)
        await asyncio.sleep(9)
        return "undisturbed"

    assert run_virtual(main()) == "undisturbed"


def test_a_cancellation_from_outside_stays_one() -> None:
    async def body() -> None:
        async with Limit(asyncio.get_running_loop().time() + 10):
            await asyncio.sleep(20)

    async def main() -> bool:
        task = asyncio.create_task(body())
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run_virtual(main())


def test_moving_it_at_every_token_arms_no_timer() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        armed = 0
        call_at = loop.call_at

        def counting(*args: object, **kwargs: object) -> asyncio.TimerHandle:
            nonlocal armed
            armed += 1
            return call_at(*args, **kwargs)  # type: ignore[arg-type]

        async with Limit(loop.time() + 10) as limit:
            loop.call_at = counting  # type: ignore[method-assign]
            for _ in range(1000):
                limit.at = loop.time() + 10
        return armed

    assert run_virtual(main()) == 0
