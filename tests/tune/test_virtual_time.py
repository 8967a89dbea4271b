"""Virtual time: hours pass in a moment, in the right order, and what nothing can end is an error."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import closing
from typing import Any

import pytest

from router.tune.virtual_time import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    with closing(VirtualLoop()) as loop:
        yield loop


def test_a_wait_ends_a_day_later(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.sleep(86_400))
    assert loop.time() == pytest.approx(86_400)


def test_who_waits_less_is_first(loop: VirtualLoop) -> None:
    ended: list[tuple[float, str]] = []

    async def one(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append((loop.time(), name))

    async def both() -> None:
        await asyncio.gather(one("slow", 3), one("fast", 1), one("middle", 2))

    loop.run_until_complete(both())
    assert ended == [(1, "fast"), (2, "middle"), (3, "slow")]


def test_a_limit_is_reached_at_its_time(loop: VirtualLoop) -> None:
    async def late() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 4)
        return loop.time()

    assert loop.run_until_complete(late()) == 4


def test_a_coroutine_that_waits_for_nothing_is_an_error_at_once(loop: VirtualLoop) -> None:
    waiting: Coroutine[Any, Any, Any] = asyncio.Event().wait()
    with pytest.raises(RuntimeError, match=r"^Nothing is left to wait for, and the coroutine has not ended\.$"):
        loop.run_until_complete(waiting)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
