"""Single flight: identical requests under way at once are one call, and each who waits gets the whole stream."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import NamedTuple, TypeAlias

from router.errors import ProviderError
from router.events import Began, Event, Queued, ReasoningDelta, ReasoningDetail, TextDelta, ToolCallDelta, Waiting
from router.limit import Limit
from router.messages import Answer, Attempt


class Landed(NamedTuple):
    """A call that was answered."""

    answer: Answer
    attempt: Attempt


_TOKENS = frozenset((TextDelta, ReasoningDelta, ReasoningDetail, ToolCallDelta))

Result: TypeAlias = Landed | ProviderError | None
"""How a flight ends: with an answer, an error, or None where it was cancelled."""


class Flight:
    """One call of one model, with its retries, in a task of its own.

    The first rider owns it: the call is observed as its own. Where the owner leaves early, the next one owns it. The
    last to leave does not abandon it but ends it, with the reason that the call is then observed with.
    """

    def __init__(self) -> None:
        self._riders: list[Rider] = []
        self._sinks: list[Callable[[Event], None]] = []
        self._events: list[Event] = []
        self._task: asyncio.Task[Result]
        self.abort_reason: ProviderError | None = None
        self.aborted = False

    def take_off(self, fly: Callable[[Flight], Coroutine[None, None, Result]]) -> asyncio.Task[Result]:
        """Start the call."""
        self._task = asyncio.create_task(fly(self))
        return self._task

    def board(self, rider: Rider) -> None:
        """Join; what has arrived of the try under way is replayed."""
        self._riders.append(rider)
        self._sinks.append(rider.deliver)
        for event in self._events:
            rider.deliver(event)

    @property
    def open(self) -> bool:
        """Whether it can still be joined."""
        return not (self.aborted or self._task.done())

    @property
    def owner(self) -> Rider:
        return self._riders[0]

    def emit(self, event: Event) -> None:
        """Hand an event to every rider."""
        if type(event) is Began:
            self._events.clear()
        self._events.append(event)
        for sink in self._sinks:
            sink(event)

    def divert(self, rider: Rider, sink: Callable[[Event], None]) -> None:
        """Hand a rider's events on to `sink` from now on, without asking the rider."""
        self._sinks[self._riders.index(rider)] = sink

    def ended(self, attempt: Attempt, began: float) -> None:
        """Tell every rider that a try is over."""
        for rider in self._riders:
            rider.ended(attempt, began)

    def time_left(self) -> float:
        """Seconds that the most patient rider can still wait."""
        return max(rider.time_left() for rider in self._riders)

    async def arrive(self) -> Result:
        """Wait for the call's end; being cancelled meanwhile does not end the call."""
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._task.cancelled():
                return None
            raise

    async def leave(self, rider: Rider, reason: ProviderError | None) -> Result:
        """Wait for it no longer. Returns how the call ended, where this was the last rider and so ended it."""
        if len(self._riders) > 1:
            del self._sinks[self._riders.index(rider)]
            self._riders.remove(rider)
            return None
        self.abort_reason, self.aborted = reason, True
        self._task.cancel()
        return await self.arrive()


class Rider:
    """One request that waits for a flight, with a limit of its own until the first token.

    Args:
        share: seconds of the chain's deadline that this model may use, over all its tries; queueing does not count.
        limit: seconds that one try may be silent, or take where the answer comes whole.
        silence: the error that a try ends with which is silent for longer.
        events: is appended the call's events.
        record: is handed each try's record, the loop time when it began, and whether this request owns the call.
    """

    def __init__(
        self,
        *,
        share: float,
        limit: float,
        silence: Callable[[float], ProviderError],
        clock: Callable[[], float],
        events: list[Event],
        record: Callable[[Attempt, float, bool], None],
    ) -> None:
        self._limit = limit
        self._silence = silence
        self._clock = clock
        self._events = events
        self._record = record
        self._boarded = clock()
        self._until = self._boarded + share
        self._began: float | None = None
        self._paused_at: float | None = None
        self._timer = Limit(self._until)
        self._unrecorded = True
        self.paused = 0.0
        """Seconds that do not count: waiting for a place at the provider, and tokens flowing."""

    async def ride(self, flight: Flight) -> tuple[Landed | ProviderError, bool]:
        """Wait for the flight's end. Returns how it ended, and whether that stands in a record already."""
        self._flight = flight
        try:
            async with self._timer:
                flight.board(self)
                landed = await flight.arrive()
        except TimeoutError:
            since = self._began if self._began is not None else self._boarded + self.paused
            error = self._silence(self._clock() - since)
            landed = await flight.leave(self, error) or error
        except asyncio.CancelledError:
            await flight.leave(self, None)
            raise
        if landed is None:  # the loop is closing
            raise asyncio.CancelledError
        return landed, not self._unrecorded

    def deliver(self, event: Event) -> None:
        """An event of the call under way; sets the limit that follows from it."""
        now = self._clock()
        kind = type(event)
        if kind is Queued:
            self._paused_at = now
            self._timer.at = math.inf
        elif kind is Began:
            self._resume(now)
            self._unrecorded = True
            self._began = now
            self._timer.hasten(min(now + self._limit, self._until))
        elif kind is Waiting:
            self._timer.hasten(self._until)
        elif kind in _TOKENS:
            # From the first token on there is no limit of ours, and no try after this one.
            self._paused_at = now
            self._timer.at = math.inf
            self._flight.divert(self, self._events.append)
        self._events.append(event)

    def _resume(self, now: float) -> None:
        if self._paused_at is not None:
            self.paused += now - self._paused_at
            self._until += now - self._paused_at
            self._paused_at = None

    def ended(self, attempt: Attempt, began: float) -> None:
        """A try is over; `began` is in loop seconds."""
        self._unrecorded = False
        self._resume(self._clock())
        self._record(attempt, began, self._flight.owner is self)

    def time_left(self) -> float:
        """Seconds that this request can still wait for a first token."""
        return self._until - (self._clock() if self._paused_at is None else self._paused_at)


class Flights:
    """The flights under way, by the cache's key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def get(self, key: str) -> Flight | None:
        """The flight that can be joined under `key`."""
        flight = self._flights.get(key)
        return flight if flight is not None and flight.open else None

    def open(self, key: str | None, fly: Callable[[Flight], Coroutine[None, None, Result]]) -> Flight:
        """Start a flight; with a key, identical requests can join it."""
        flight = Flight()
        task = flight.take_off(fly)
        if key is not None:
            self._flights[key] = flight
            task.add_done_callback(lambda _: self._close(key, flight))
        return flight

    def _close(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
