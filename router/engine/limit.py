"""A time limit that can be moved at every token, at no cost."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Limit:
    """Like `asyncio.timeout`, but `at` may be set as often as one likes.

    asyncio's own arms a timer each time it is moved, which costs more than parsing a token. This one has a single
    timer: when it fires too early, it is armed again for the moment that holds by then.

    Attributes:
        at: loop time at which the body is cancelled and TimeoutError raised; infinity for never. Set it to a later
            moment freely; an earlier one is kept only through `tighten`.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.Timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._armed = float("inf")

    def tighten(self, at: float) -> None:
        """Set a limit that may be earlier than the one that holds."""
        self.at = at
        if at < self._armed:
            self._arm()

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self.at
        self._timer = self._loop.call_at(self.at, self._fire) if self.at < float("inf") else None

    def _fire(self) -> None:
        self._timer = None
        if self._loop.time() >= self.at:
            self._timeout.reschedule(self._loop.time())
        else:
            self._arm()
