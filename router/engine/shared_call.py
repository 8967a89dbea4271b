"""Single flight: identical requests in progress at the same time share one call, and each gets the whole stream."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable, Coroutine
from typing import NamedTuple, TypeAlias

import msgspec

from router.core.attempts import Attempt
from router.core.errors import ProviderError
from router.core.events import TOKENS, Began, Event, Queued, Waiting
from router.core.messages import Answer
from router.engine.limit import Limit


class Success(NamedTuple):
    """A model answered."""

    answer: Answer
    attempt: Attempt


class Failure(NamedTuple):
    """A model was called and did not answer."""

    error: ProviderError


class Skipped(NamedTuple):
    """A model was not called.

    Attributes:
        reason: "breaker_open", or the provider's problem.
        detail: the reason in words.
        queued: seconds that the call had waited for a slot.
    """

    reason: str
    detail: str
    queued: float


Result: TypeAlias = Success | Failure | Skipped


class Waiter:
    """How long one request waits for a call's first token.

    Args:
        share: seconds of the chain's deadline that this model may use for all its tries.
        limit: seconds to the first token of a try, or to the end of an answer that is not streamed.

    Attributes:
        timer: ends the wait.
    """

    def __init__(self, *, share: float, limit: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._joined = clock()
        self._until = self._joined + share
        self._began: float | None = None
        self._paused = 0.0
        self._paused_at: float | None = None
        self.timer = Limit(self._until)

    def hear(self, event: Event) -> None:
        """Set the limit that follows from an event."""
        kind = type(event)
        if kind is Queued or kind in TOKENS:
            # After the first token this limit no longer applies, and no try follows.
            self._paused_at = self._clock()
            self.timer.at = math.inf
        elif kind is Began:
            self.resume()
            self._began = self._clock()
            self.timer.tighten(min(self._began + self._limit, self._until))
        elif kind is Waiting:
            self.timer.tighten(self._until)

    def resume(self) -> None:
        """Neither queued nor receiving tokens: time counts again."""
        if self._paused_at is not None:
            seconds = self._clock() - self._paused_at
            self._paused += seconds
            self._until += seconds
            self._paused_at = None

    def paused(self) -> float:
        """Seconds that do not count: waiting for a slot at the provider, and receiving tokens."""
        return self._paused + (self._clock() - self._paused_at if self._paused_at is not None else 0.0)

    def waited(self) -> float:
        """Seconds without a response: since the current try began, or since joining if none has."""
        return self._clock() - (self._began if self._began is not None else self._joined + self._paused)

    def time_left(self) -> float:
        """Seconds that this request can still wait."""
        return self._until - (self._clock() if self._paused_at is None else self._paused_at)


class Subscriber:
    """One request that shares a call.

    Args:
        waiter: how long it waits.
        model: as this request names it; who began the call may name it otherwise, with its provider or without.
        silence: makes the error for a call that has not responded for so many seconds.
        events: receives the call's events.
        record: called with each try's record, the loop time when it began, and whether this request owns the call.

    Attributes:
        recorded: whether the last try that began has been recorded.
    """

    def __init__(
        self,
        waiter: Waiter,
        *,
        model: str,
        silence: Callable[[float], ProviderError],
        events: list[Event],
        record: Callable[[Attempt, float, bool], None],
    ) -> None:
        self.waiter = waiter
        self._model = model
        self.silence = silence
        self.events = events
        self._record = record
        self.recorded = False

    def hear(self, event: Event) -> None:
        """Take in an event of the call."""
        if isinstance(event, Queued | Began | Waiting) and event.model != self._model:
            event = msgspec.structs.replace(event, model=self._model)
        if type(event) is Began:
            self.recorded = False
        self.waiter.hear(event)
        self.events.append(event)

    def ended(self, attempt: Attempt, began: float, owner: bool) -> None:
        """A try has ended."""
        self.recorded = True
        self.waiter.resume()
        self._record(attempt, began, owner)


class SharedCall:
    """One call of one model, with its retries, in a task of its own.

    The first subscriber owns it: the call is observed as its own. If the owner leaves early, the next one owns it. The
    last to leave ends the call, which is then recorded with the reason for leaving.

    Attributes:
        abandoned: whether the last subscriber has left.
        reason: why the last one left; None if it was stopped.
    """

    def __init__(self, run: Run) -> None:
        self._sinks: dict[Subscriber, Callable[[Event], None]] = {}
        self._results: dict[Subscriber, asyncio.Future[Result]] = {}
        self._events: list[Event] = []
        self.abandoned = False
        self.reason: ProviderError | None = None
        self._task = asyncio.create_task(self._run(run))

    @property
    def open(self) -> bool:
        """Whether it can still be joined."""
        return not (self.abandoned or self._task.done())

    async def result(self, subscriber: Subscriber) -> Result:
        """Join, and wait for the call's end or the subscriber's limit; the call goes on for the others."""
        try:
            async with subscriber.waiter.timer:
                self._join(subscriber)
                return await self._results[subscriber]
        except TimeoutError:
            error = subscriber.silence(subscriber.waiter.waited())
            return await self._leave(subscriber, error) or Failure(error)
        except asyncio.CancelledError:
            await self._leave(subscriber, None)
            raise

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back when the call has ended."""
        self._task.add_done_callback(lambda _: callback())

    async def _run(self, run: Run) -> Result:
        # Each subscriber is told by the call itself: `asyncio.shield` would take two more rounds of the loop.
        try:
            result = await run(self)
        except BaseException as error:
            for waiting in self._waiting():
                waiting.set_exception(error)
            raise
        for waiting in self._waiting():
            waiting.set_result(result)
        return result

    def _waiting(self) -> list[asyncio.Future[Result]]:
        return [result for result in self._results.values() if not result.done()]

    def _join(self, subscriber: Subscriber) -> None:
        """Replay what has arrived in the current try."""
        self._results[subscriber] = asyncio.get_running_loop().create_future()
        self._sinks[subscriber] = functools.partial(self._tell, subscriber)
        for event in self._events:
            self._sinks[subscriber](event)

    def _tell(self, subscriber: Subscriber, event: Event) -> None:
        subscriber.hear(event)
        if type(event) in TOKENS:
            # Its limit no longer runs: further tokens need no check.
            self._sinks[subscriber] = subscriber.events.append

    async def _leave(self, subscriber: Subscriber, reason: ProviderError | None) -> Result | None:
        """Leave the call; returns its result if this was the last subscriber, which ends it."""
        if len(self._sinks) > 1:
            del self._sinks[subscriber], self._results[subscriber]
            return None
        self.abandoned, self.reason = True, reason
        self._task.cancel()
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._task.cancelled():
                return None
            raise

    # --- For the call itself -----------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Pass an event to every subscriber."""
        if type(event) is Began:
            self._events.clear()
        self._events.append(event)
        for sink in self._sinks.values():
            sink(event)

    def ended(self, attempt: Attempt, began: float) -> None:
        """Tell every subscriber that a try has ended; `began` is in loop seconds."""
        owner = next(iter(self._sinks))
        for subscriber in self._sinks:
            subscriber.ended(attempt, began, subscriber is owner)

    def time_left(self) -> float:
        """Seconds that the most patient subscriber can still wait."""
        return max(subscriber.waiter.time_left() for subscriber in self._sinks)


Run: TypeAlias = Callable[[SharedCall], Coroutine[None, None, Result]]
"""Makes a call and informs its subscribers."""


class SharedCalls:
    """The calls in progress, by cache key."""

    def __init__(self) -> None:
        self._calls: dict[str, SharedCall] = {}

    def get(self, key: str | None, run: Run) -> SharedCall:
        """The call in progress under `key`, or a new one; without a key it cannot be joined."""
        known = self._calls.get(key) if key is not None else None
        if known is not None and known.open:
            return known
        call = SharedCall(run)
        if key is not None:
            self._calls[key] = call
            call.when_done(functools.partial(self._forget, key, call))
        return call

    def _forget(self, key: str, call: SharedCall) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]
