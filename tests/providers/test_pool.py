"""Providers by name and settings, while models.yaml is edited."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from router.config.loading import parse_config
from router.config.schema import Config, ProviderConfig
from router.providers import Provider
from router.providers.pool import ProviderPool
from tests.fakes import FakeProvider


def config(**settings: Any) -> Config:
    """One whose provider `p` has these settings."""
    provider = {"protocol": "openai", "base_url": "http://host/v1", **settings}
    file = {"default_provider": "p", "providers": {"p": provider}, "chains": {"chat": ["a"]}, "offline": None}
    return parse_config(json.dumps(file), Path("models.yaml"))


class Pool:
    """A pool, and how many providers it has made."""

    def __init__(self, in_force: Config) -> None:
        self.in_force = in_force
        self.made = 0
        self.pool = ProviderPool(lambda: self.in_force, self._make)

    def _make(self, _: ProviderConfig) -> Provider:
        self.made += 1
        time.sleep(0.001)  # another thread's turn
        return FakeProvider()

    async def given(self, at: Config, count: int) -> int:
        """How many of so many who ask have a slot at once."""
        slots = self.pool.get(at, "p").slots
        turns = [slots.ask() for _ in range(count)]
        given = sum(turn.done() for turn in turns)
        for turn in turns:
            slots.give_back(turn)
        return given


def test_requests_from_before_and_after_an_edit_do_not_throw_each_other_s_provider_away() -> None:
    before, after = config(max_concurrency=2), config(max_concurrency=3)
    pool = Pool(after)
    seen = [pool.pool.get(each, "p") for each in (before, after, before, after)]
    assert (pool.made, len({id(each.slots) for each in seen})) == (2, 1)


def test_the_newest_limit_holds_for_requests_from_before_an_edit_too() -> None:
    before, after = config(max_concurrency=2), config(max_concurrency=3)
    pool = Pool(before)
    first = asyncio.run(pool.given(before, 9))
    pool.in_force = after
    assert (first, asyncio.run(pool.given(before, 9)), asyncio.run(pool.given(after, 9))) == (2, 3, 3)


def test_a_provider_that_is_not_in_the_file_any_more_keeps_its_limit() -> None:
    before = config(max_concurrency=2)
    pool = Pool(before.model_copy(update={"providers": {}}))
    assert asyncio.run(pool.given(before, 9)) == 2


def test_many_threads_that_ask_at_once_get_one_provider() -> None:
    at = config(max_concurrency=2)
    pool = Pool(at)
    together = threading.Barrier(8)

    def get() -> int:
        together.wait()
        return id(pool.pool.get(at, "p").provider)

    with ThreadPoolExecutor(8) as threads:
        seen = {each.result() for each in [threads.submit(get) for _ in range(8)]}
    assert (len(seen), pool.made) == (1, 1)
