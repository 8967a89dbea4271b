"""An event loop on which hours pass in a moment: where asyncio's own would wait for a timer, its clock jumps there."""

from __future__ import annotations

import asyncio
from typing import Any


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines that wait for nothing but time and each other: nothing can be read, written or called from
    another thread. `BaseEventLoop` leaves to its subclasses only how to wait, which is `_selector.select`, and how to
    be woken.

    Args:
        now: what its clock shows at first, seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        super().__init__()
        self._selector = _Jump(now)

    def time(self) -> float:
        """What its clock shows, seconds."""
        return self._selector.now

    def _write_to_self(self) -> None:
        """It never sleeps."""

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""


class _Jump:
    """Waits for a moment by going there."""

    def __init__(self, now: float) -> None:
        self.now = now

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("Nothing is left to wait for, and the coroutine has not ended.")
        self.now += timeout
        return []
