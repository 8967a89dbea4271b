"""A request under way, as other threads see it: it can be looked at and stopped, and never waited on by accident."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec

from router.errors import Cancelled, FallbackLabError
from router.events import AnswerBuilder, Began, Ended, Event, Queued, Restarted, Waiting
from router.keys import scrubbed
from router.messages import Answer, Attempt, Completion

log = logging.getLogger(__name__)

LOST_AFTER = 15.0
"""Seconds after which a request that nobody looks at any more is stopped."""

State = Literal["running", "answered", "failed", "cut"]


class Snapshot(msgspec.Struct, frozen=True):
    """A request at one moment.

    Attributes:
        answer: what has arrived.
        attempts: those that are over.
        activity: what goes on now: waiting for a place, a call, or a wait before a retry.
        elapsed: seconds since the start.
        error: why it failed, where it did.
    """

    state: State
    answer: Answer
    attempts: tuple[Attempt, ...]
    activity: Queued | Began | Waiting | None
    elapsed: float
    error: FallbackLabError | None


class Handle:
    """A request under way. All methods may be called from any thread and, but for `result`, return at once.

    Args:
        scrub: takes the keys out of the answer that is shown and stored.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, scrub: Callable[[str], str] = str) -> None:
        self._loop = loop
        self._scrub = scrub
        self._task: asyncio.Task[Completion] | None = None
        self._lock = threading.Lock()
        self.log: list[Event] = []
        """Every event so far; the request appends to it."""
        self._taken = 0
        self._builder = AnswerBuilder()
        self._attempts: list[Attempt] = []
        self._activity: Queued | Began | Waiting | None = None
        self._started = time.monotonic()
        self._elapsed: float | None = None
        self._done: concurrent.futures.Future[Completion] = concurrent.futures.Future()
        self._viewers: set[str] = set()
        self._lost: asyncio.TimerHandle | None = None

    def snapshot(self) -> Snapshot:
        """The request as it stands now."""
        with self._lock:
            # The state first: the request goes on meanwhile, and what is over must have its last events in it.
            state, error = self._state(), self._error()
            self._take_in()
            return Snapshot(
                state=state,
                answer=scrubbed(self._builder.answer(), Answer, self._scrub),
                attempts=tuple(self._attempts),
                activity=self._activity if self._elapsed is None else None,
                elapsed=self._elapsed if self._elapsed is not None else time.monotonic() - self._started,
                error=error,
            )

    def events(self, after: int = 0) -> list[Event]:
        """All events but the first `after`."""
        return self.log[after:]

    def cancel(self) -> None:
        """Stop it: the upstream connection is closed, and nothing is retried."""
        self._loop.call_soon_threadsafe(self._cancel)

    def result(self, timeout: float | None = None) -> Completion:
        """Wait for the answer.

        Raises:
            AllModelsFailed, InvalidRequest, Cancelled: there is none.
            TimeoutError: not within `timeout` seconds.
        """
        return self._done.result(timeout)

    def attach(self, viewer: str) -> None:
        """Somebody looks at it: a browser session by its id."""
        with self._lock:
            self._viewers.add(viewer)
        self._loop.call_soon_threadsafe(self._found)

    def detach(self, viewer: str) -> None:
        """Somebody is gone; where nobody is left, and nobody comes, it is stopped after LOST_AFTER seconds."""
        with self._lock:
            self._viewers.discard(viewer)
            lost = not self._viewers
        if lost:
            self._loop.call_soon_threadsafe(self._count_down)

    def watch(self, callback: Callable[[Snapshot], None], *, every: float) -> None:
        """Call back on the Lab's loop every so many seconds while it runs, and once at its end."""

        def tick() -> None:
            if not self._done.done():
                callback(self.snapshot())
                self._loop.call_later(every, tick)

        self._loop.call_soon_threadsafe(self._loop.call_later, every, tick)
        self._done.add_done_callback(lambda _: callback(self.snapshot()))

    # --- On the Lab's loop -------------------------------------------------------------------------

    def launch(self, run: Coroutine[Any, Any, Completion]) -> asyncio.Task[Completion]:
        """Start the request's task."""
        self._task = asyncio.create_task(run)
        self._task.add_done_callback(self._finish)
        return self._task

    def _finish(self, task: asyncio.Task[Completion]) -> None:
        with self._lock:
            self._elapsed = time.monotonic() - self._started
        if task.cancelled():
            self._done.set_exception(Cancelled(Completion(request_id="", category=None, answer=Answer(), attempts=())))
        elif error := task.exception():
            if not isinstance(error, FallbackLabError):
                log.error("A request failed for a reason of our own", exc_info=error)
                error = FallbackLabError(
                    f"Internal error ({type(error).__name__}). The log says more; please report it."
                )
            self._done.set_exception(error)
        else:
            self._done.set_result(task.result())
        if self._lost is not None:
            self._lost.cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _found(self) -> None:
        if self._lost is not None:
            self._lost.cancel()
            self._lost = None

    def _count_down(self) -> None:
        if self._lost is None and not self._done.done():
            self._lost = self._loop.call_later(LOST_AFTER, self._cancel)

    # --- Under the lock ----------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Fold the events that are new since the last look."""
        new = self.log[self._taken :]
        self._taken += len(new)
        for event in new:
            if isinstance(event, Restarted | Began):
                self._builder = AnswerBuilder()
            if isinstance(event, Queued | Began | Waiting):
                self._activity = event
            elif isinstance(event, Ended):
                self._attempts.append(event.attempt)
            elif not isinstance(event, Restarted):
                self._builder.add(event)

    def _error(self) -> FallbackLabError | None:
        error = self._done.exception() if self._done.done() else None
        return error if isinstance(error, FallbackLabError) and not isinstance(error, Cancelled) else None

    def _state(self) -> State:
        if not self._done.done():
            return "running"
        error = self._done.exception()
        if error is None:
            return "answered"
        return "cut" if isinstance(error, Cancelled) else "failed"
