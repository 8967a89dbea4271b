"""A request in progress as other threads see it: they can look at it and stop it, but never wait on it by accident."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from router.config.keys import scrubbed
from router.core.attempts import Attempt, Completion, State
from router.core.errors import Cancelled, FallbackLabError
from router.core.events import (
    AnswerBuilder,
    Began,
    Ended,
    Event,
    Queued,
    Restarted,
    Waiting,
)
from router.core.messages import Answer
from router.core.snapshots import Snapshot
from router.engine.viewers import Viewers

log = logging.getLogger(__name__)


class Handle:
    """A request in progress. All methods may be called from any thread; all but `result` return at once.

    Args:
        updates: runs the watchers' callbacks, one after the other.
        scrub: removes keys from the answer that is shown and stored.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        updates: concurrent.futures.Executor,
        scrub: Callable[[str], str] = str,
    ) -> None:
        self._loop = loop
        self._updates = updates
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
        self._viewers = Viewers(self._cancel, loop.call_later)

    def snapshot(self) -> Snapshot:
        """The request as it stands now."""
        with self._lock:
            # The state first: the request goes on in the meantime, and a finished one must include its last events.
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
        """Stop the request: the upstream connection is closed, and nothing is retried."""
        self._loop.call_soon_threadsafe(self._cancel)

    def result(self, timeout: float | None = None) -> Completion:
        """Wait for the answer.

        Raises:
            AllModelsFailed, InvalidRequest, Cancelled: there is none.
            TimeoutError: not within `timeout` seconds.
        """
        return self._done.result(timeout)

    def attach(self, viewer: str) -> None:
        """A browser session, named by its id, looks at the request."""
        self._loop.call_soon_threadsafe(self._viewers.attach, viewer)

    def detach(self, viewer: str) -> None:
        """A session is gone; without any viewer for LOST_AFTER seconds, the request is stopped."""
        self._loop.call_soon_threadsafe(self._viewers.detach, viewer)

    def watch(self, callback: Callable[[Snapshot], None], *, every: float) -> None:
        """Call back every `every` seconds while the request runs, and at least once when it has ended.

        Never on the Lab's loop: a callback may wait for a lock or the disk, and streams must not wait with it.
        """

        def tell() -> None:
            # Taken now, not when this was queued: no callback gets an earlier state than the one before.
            try:
                callback(self.snapshot())
            except Exception:
                log.exception("A watcher of a request failed")

        def tick(last: concurrent.futures.Future[None] | None = None) -> None:
            if not self._done.done():
                waits = last is not None and not last.done()
                self._loop.call_later(every, tick, last if waits else self._updates.submit(tell))

        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(every, tick))
        self._done.add_done_callback(lambda _: self._updates.submit(tell))

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
                log.error("A request failed because of an internal error", exc_info=error)
                error = FallbackLabError(
                    f"Internal error ({type(error).__name__}). The log has details; please report it."
                )
            self._done.set_exception(error)
        else:
            self._done.set_result(task.result())
        self._viewers.close()

    def _cancel(self) -> None:
        if self._task is not None:
            # After its first step, which may still be pending: a task canceled before it leaves no trace.
            self._loop.call_soon(self._task.cancel)

    # --- Under the lock ----------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Add the events since the last snapshot."""
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
