"""What may be spent in a day on calls that nobody waits for, together by all processes on the same store."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

from router.store.experiments import Costs

DAY = 86_400.0
EVERY = 60.0
"""Seconds after which it is read again what other processes have spent."""


class Budget:
    """US dollars of a day (UTC) by whom they are spent for; used on one event loop.

    Args:
        read: what was spent since a Unix time, from the store.
        clock: Unix time, seconds.
    """

    def __init__(self, read: Callable[[float], Mapping[str, Costs]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._looked = -math.inf
        self._costs: Mapping[str, Costs] = {}

    async def allows(self, whose: str, most: float, on_their_way: int) -> bool:
        """Whether another call fits below `most` dollars; each on its way may cost as much as the dearest so far."""
        await self._look()
        costs = self._costs.get(whose, Costs())
        return costs.total + costs.dearest * on_their_way < most

    def spend(self, whose: str, cost: float) -> None:
        """A call is over."""
        known = self._costs.get(whose, Costs())
        self._costs = {**self._costs, whose: Costs(known.total + cost, max(known.dearest, cost))}

    async def _look(self) -> None:
        now = self._clock()
        if now - self._looked < EVERY:
            return
        today = now // DAY * DAY
        stored = await asyncio.to_thread(self._read, today)
        own = self._costs if self._looked >= today else {}
        # The newest calls of this process may not be written yet; those of other processes are in the store alone.
        self._costs = {**own, **{whose: max(each, own.get(whose, each)) for whose, each in stored.items()}}
        self._looked = now
