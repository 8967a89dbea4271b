"""One call of one model: its place at the provider, its limits, and its retries."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from router.breaker import Breaker, Permit
from router.config import ChainPolicy, ModelRef
from router.errors import (
    AnswerTimeout,
    InvalidAnswer,
    ProviderError,
    StreamCut,
    StreamStalled,
    decide,
)
from router.events import AnswerBuilder, Began, Finished, ProviderEvent, Queued, Restarted, Served, Waiting
from router.facts import ModelFacts
from router.faults import Faults, befallen
from router.flight import Flight, Landed, Result
from router.keys import scrubbed
from router.limit import Limit
from router.messages import Answer, Attempt, CostSource, Outcome, Usage
from router.pricing import Bill, is_unbilled
from router.providers import Call, Provider
from router.providers.untrusted import NO_JSON
from router.retry import wait_before_retry

AFTER_FINISH = 2.0
"""Seconds that usage may come after the finish reason; then the answer is whole without it."""

EMPTY = "The answer is empty."
"""What is said of a whole answer with nothing in it."""


class Access(msgspec.Struct, frozen=True):
    """What the calls of one model go through.

    Attributes:
        places: as many as the provider's max_concurrency.
        extra: the body fields that models.yaml adds for the provider, as canonical JSON.
        facts: what is known of the model.
        bill: what its tokens cost where the provider does not say.
        insured: see `is_unbilled`.
        scrub: takes the keys out of what its server says.
    """

    ref: ModelRef
    provider: Provider
    breaker: Breaker
    places: asyncio.Semaphore
    extra: bytes = b"{}"
    facts: ModelFacts = ModelFacts()
    bill: Bill | None = None
    insured: bool = False
    scrub: Callable[[str], str] = str


class ModelCall:
    """Calls one model until it answers or may not be tried again.

    Args:
        permit: the breaker's leave for the first try; None to ask for it although the breaker is open.
        clock: monotonic seconds, the running loop's.
        faults: what befalls its tries.
    """

    def __init__(
        self,
        access: Access,
        call: Call,
        policy: ChainPolicy,
        permit: Permit | None,
        *,
        clock: Callable[[], float],
        faults: Faults | None = None,
    ) -> None:
        self.access = access
        self.call = call
        self.policy = policy
        self._permit = permit
        self.clock = clock
        self.faults = faults

    async def fly(self, flight: Flight) -> Result:
        """Make all tries; see `Flight.take_off`."""
        breaker = self.access.breaker
        permit = self._permit or await breaker.force()
        wait = 0.0
        number = 1
        while isinstance(permit, Permit):
            attempt = _Try(self, flight, number, wait)
            try:
                error = await attempt.run()
            except BaseException:
                breaker.give_back(permit)
                raise
            if attempt.outcome == "cancelled":
                breaker.give_back(permit)
                return None
            if attempt.sent and attempt.fault is None:
                breaker.record(permit, error)
            else:
                breaker.give_back(permit)
            if error is None:
                answer = scrubbed(attempt.builder.answer(), Answer, self.access.scrub)
                return Landed(answer, attempt.record)
            next_wait = self._wait_before_retry(error, number, flight)
            if permit.probe or flight.aborted or next_wait is None:
                return error
            flight.emit(Waiting(self.access.ref.text, next_wait))
            try:
                await asyncio.sleep(next_wait)
            except asyncio.CancelledError:
                return flight.abort_reason
            wait = next_wait
            number += 1
            # What opened the breaker meanwhile ends the retries too.
            permit = breaker.acquire() or error
        return permit

    def _wait_before_retry(self, error: ProviderError, tries: int, flight: Flight) -> float | None:
        return wait_before_retry(
            error,
            tries=tries,
            retries=self.policy.retries,
            backoff=self.policy.backoff,
            time_left=flight.time_left(),
        )


class _Try:
    """One call on the wire, and its record."""

    record: Attempt

    def __init__(self, call: ModelCall, flight: Flight, number: int, wait: float) -> None:
        self._of = call
        self._flight = flight
        self._number = number
        self._wait = wait
        self._queued_at = call.clock()
        self._began: float | None = None
        self._first_token: float | None = None
        self._ended: float | None = None
        self.builder = AnswerBuilder()
        self.outcome: Outcome = "answered"
        self.fault = call.faults.take(call.access.ref.text) if call.faults is not None else None

    @property
    def sent(self) -> bool:
        """Whether it went on the wire: what was not sent says nothing about the model."""
        return self._began is not None

    async def run(self) -> ProviderError | None:
        """Make the call and record it. Returns what it failed with."""
        error: ProviderError | None = None
        try:
            await self._send()
        except ProviderError as failed:
            error = failed
        except asyncio.CancelledError:
            # Only the flight cancels this task, when its last rider has left; it knows why.
            error = self._flight.abort_reason
            if error is None:
                self.outcome = "cancelled"
        if error is not None:
            self.outcome = "failed"
            _scrub(error, self._of.access.scrub)
            if self._first_token is not None and decide(error).retry:
                # Tokens have flowed: whatever broke the stream, this model is not asked for the same again.
                error = StreamCut(f"The answer broke off: {error}", status=error.status, code=error.code)
        self.record = self._recorded(error)
        self._flight.ended(self.record, self._began or self._of.clock())
        if error is not None and self._first_token is not None:
            self._flight.emit(Restarted())
        return error

    async def _send(self) -> None:
        access = self._of.access
        self._flight.emit(Queued(access.ref.text))
        async with access.places:
            await access.provider.prepare()
            self._began = self._of.clock()
            self._flight.emit(Began(access.ref.text, self._number))
            try:
                async with Limit(math.inf) as limit:
                    await self._read(limit)
            except TimeoutError:
                self._timed_out(limit)
        _check_whole(self.builder)

    async def _read(self, limit: Limit) -> None:
        # Written out for speed: this body runs once a token.
        clock, emit, add = self._of.clock, self._flight.emit, self.builder.add
        stall, last = self._of.policy.stall, math.inf
        streamed = self._of.call.stream  # the pieces of a whole answer come all at once
        async with aclosing(self._stream()) as events:
            async for event in events:
                emit(event)
                if add(event):
                    now = clock()
                    if self._first_token is None:
                        self._first_token = now
                        last = now + self._of.policy.max_answer
                        if streamed:
                            limit.hasten(min(now + stall, last))
                    at = now + stall
                    limit.at = min(last, at)
                elif streamed and isinstance(event, Finished):
                    limit.hasten(clock() + AFTER_FINISH)

    def _stream(self) -> AsyncGenerator[ProviderEvent, None]:
        stream = functools.partial(self._of.access.provider.stream, self._of.call)
        return stream() if self.fault is None else befallen(self.fault, stream)

    def _timed_out(self, limit: Limit) -> None:
        if self.builder.finish_reason is not None:
            # Only usage or the end of the body was still to come.
            self._ended = limit.at - AFTER_FINISH
            return
        policy = self._of.policy
        if self._first_token is not None and self._of.clock() - self._first_token >= policy.max_answer:
            raise AnswerTimeout(f"The answer took longer than {policy.max_answer:g} s (max_answer).")
        raise StreamStalled(f"No token for {policy.stall:g} s in the middle of the answer (stall).")

    def _recorded(self, error: ProviderError | None) -> Attempt:
        now = self._of.clock()
        began = self._began
        usage = self.builder.usage
        served = scrubbed(self.builder.served, Served, self._of.access.scrub)
        cost, source = self._cost(usage, error)
        return Attempt(
            model=self._of.access.ref.text,
            provider=self._of.access.ref.provider,
            place=0,
            number=self._number if began is not None else 0,
            outcome=self.outcome,
            reason=error.kind if error is not None else None,
            detail=str(error) if error is not None else None,
            started=time.time() - (now - (began or now)),
            offset=0.0,
            wait=self._wait,
            queued=(began or now) - self._queued_at,
            latency=(self._ended or now) - began if began is not None else None,
            ttft=self._first_token - began if began is not None and self._first_token is not None else None,
            status=200 if self.outcome == "answered" else error.status if error is not None else None,
            served_model=served.model,
            served_by=served.provider,
            generation_id=served.id,
            usage=usage,
            cost=cost,
            cost_source=source,
            injected=self.fault is not None,
        )

    def _cost(self, usage: Usage | None, error: ProviderError | None) -> tuple[float | None, CostSource | None]:
        access = self._of.access
        cost: float | None = None
        if self.fault is not None and not self.fault.is_sent:
            return 0.0, "computed"
        if usage is not None and usage.cost is not None:
            return usage.cost, "provider"
        if usage is not None and access.bill is not None:
            cost = access.bill(usage)
        elif error is not None and self._first_token is None and is_unbilled(error, insured=access.insured):
            cost = 0.0
        return cost, "computed" if cost is not None else None


def _scrub(error: ProviderError, scrub: Callable[[str], str]) -> None:
    """Take the keys out of an error, and all that led to it: a transport quotes what it could not read."""
    error.args = (scrub(str(error)),)
    error.code = scrub(error.code) if error.code is not None else None
    error.__cause__ = error.__context__ = error.__traceback__ = None


def _check_whole(builder: AnswerBuilder) -> None:
    """An answer that cannot be used is a failure.

    Raises:
        ProviderError: no finish reason, nothing in it, or tool calls whose arguments are not JSON.
    """
    if builder.finish_reason is None:
        raise StreamCut("The stream ended without a finish reason.")
    answer = builder.answer()
    if not answer.text.strip() and not answer.tool_calls:
        raise InvalidAnswer(EMPTY, status=200)
    for call in answer.tool_calls:
        try:
            arguments = msgspec.json.decode(call.arguments or "{}")
        except NO_JSON:
            arguments = None
        if not isinstance(arguments, dict) or not call.name:
            raise InvalidAnswer(f"The tool call {call.name or call.id} has arguments that are not JSON.", status=200)
