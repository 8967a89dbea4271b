"""How many calls of one provider are in progress at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

Turn: TypeAlias = "asyncio.Future[None]"
"""A call's turn: done when it has its slot."""


class Slots:
    """A provider's slots, given in order of arrival. Used on one loop.

    Args:
        limit: how many there are now; it may change at any time without stopping a call in progress.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._taken: set[Turn] = set()
        self._queue: deque[Turn] = deque()

    @property
    def are_spare(self) -> bool:
        """Whether half of them are free, and nobody waits."""
        return not self._queue and 2 * len(self._taken) < self._limit()

    def ask(self) -> Turn:
        """Ask for a slot, given now or later; call `give_back` in either case."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._give()
        return turn

    def give_back(self, turn: Turn) -> None:
        """Return the slot, or stop waiting for one."""
        self._taken.discard(turn)
        turn.cancel()
        self._give()

    def _give(self) -> None:
        while self._queue and len(self._taken) < self._limit():
            turn = self._queue.popleft()
            if not turn.done():
                self._taken.add(turn)
                turn.set_result(None)
