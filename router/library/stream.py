"""A request whose events are followed on its own event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from router.config.chains import Chain
from router.core.attempts import Attempt, Completion
from router.core.events import Began, Ended, Event, Queued, Waiting, answer_so_far
from router.core.snapshots import Snapshot

MOST_AT_ONCE = 1_000
"""Events in a batch: a reader that has fallen behind lets others on the loop run between batches."""


class Prepared(NamedTuple):
    """A request that is ready to be run on the loop.

    Attributes:
        chain: what it goes through: its category's own, or an experiment's candidate.
    """

    chain: Chain
    run: Coroutine[Any, Any, Completion]


class Stream:
    """A request whose events are followed: `async for event in stream`, then its `completion`.

    Leaving the loop early, or `aclose`, stops the request; its upstream connection is closed within a second.

    Args:
        prepare: the request; it appends its events to the list.

    Attributes:
        chain: see `Prepared`.
    """

    def __init__(self, prepare: Callable[[list[Event]], Prepared]) -> None:
        self._log = _Log()
        self._started = time.monotonic()
        self.chain, run = prepare(self._log)
        self.task = asyncio.create_task(run)
        self.task.add_done_callback(lambda _: self._log.wake())

    @property
    def completion(self) -> Completion:
        """The answer with its attempts, once the events have ended.

        Raises:
            AllModelsFailed, InvalidRequest, Cancelled: there is none.
        """
        return self.task.result()

    def snapshot(self) -> Snapshot:
        """The request as it stands now; may be called from any thread."""
        events = [*self._log]
        activities = [event for event in events if isinstance(event, Queued | Began | Waiting)]
        return Snapshot(
            state="running",
            answer=answer_so_far(events),
            attempts=tuple(event.attempt for event in events if isinstance(event, Ended)),
            activity=activities[-1] if activities else None,
            elapsed=time.monotonic() - self._started,
            error=None,
        )

    @property
    def attempts(self) -> list[Attempt]:
        """Those that are over."""
        return [event.attempt for event in self._log if isinstance(event, Ended)]

    async def result(self) -> Completion:
        """Wait for the answer; raises as `completion`."""
        return await asyncio.shield(self.task)  # who is canceled waiting gets that, not `Cancelled`

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Every event as it comes; raises as `completion` where no model answered."""
        try:
            async for events in self.batches():
                for event in events:
                    yield event
            self.completion  # noqa: B018  # raises
        finally:
            await self.aclose()

    async def batches(self, within: Callable[[], float] | None = None) -> AsyncIterator[Sequence[Event]]:
        """The events that are there at once, up to `MOST_AT_ONCE`; ends with the request, however that ended.

        Args:
            within: after so many seconds without any, none are given; asked before each wait. None to wait for some.
        """
        seen = 0
        while True:
            done = self.task.done()
            if len(self._log) > seen:
                events = self._log[seen : seen + MOST_AT_ONCE]
                seen += len(events)
                yield events
            elif done:
                return
            elif not await self._log.more(within() if within is not None else None):
                yield ()

    async def aclose(self) -> None:
        """Stop the request, unless it is over."""
        if not self.task.done():
            await asyncio.sleep(0)  # a task canceled before its first step leaves no trace
            self.task.cancel()
            await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.exception()  # retrieved, so that asyncio does not report it: a caller who left will not look


class _Log(list[Event]):
    """Events as they come, and a future that the next one wakes."""

    _waiting: asyncio.Future[bool] | None = None

    def append(self, event: Event, /) -> None:
        super().append(event)
        self.wake()

    def extend(self, events: Any, /) -> None:
        super().extend(events)
        self.wake()

    def wake(self, news: bool = True) -> None:
        """Resume the waiting reader; `news` says whether an event has come."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(news)

    async def more(self, within: float | None) -> bool:
        """Wait for something new, or for the request's end; False where neither comes within so many seconds."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()
        self._waiting = waiting
        timer = loop.call_later(within, self.wake, False) if within is not None else None  # see `wake`
        try:
            return await waiting
        finally:
            if timer is not None:
                timer.cancel()
