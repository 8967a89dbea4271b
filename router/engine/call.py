"""One call of one model: its slot at the provider, its limits, and its retries."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from router.config.chains import ModelRef
from router.config.keys import scrubbed
from router.core.attempts import Attempt, CostSource, Outcome, Routing, UpstreamAttempt
from router.core.capabilities import ModelInfo
from router.core.errors import AnswerTimeout, ProviderError, StreamCut, StreamStalled, decide
from router.core.events import AnswerBuilder, Began, Finished, ProviderEvent, Queued, Restarted, Served, Waiting
from router.core.faults import Fault
from router.core.messages import Answer, Usage
from router.core.pricing import CostFunction, is_unbilled
from router.core.untrusted import MAX_MESSAGE, MAX_NAME, cut
from router.engine.breaker import Breaker, BreakerOpen, Permit
from router.engine.faults import Faults, inject
from router.engine.limit import Limit
from router.engine.pace import paced
from router.engine.retry import wait_before_retry
from router.engine.shared_call import Failure, Result, SharedCall, Skipped, Success
from router.engine.validation import Found, check_whole, validate
from router.providers import Call, Provider, Unusable
from router.providers.slots import Slots

if TYPE_CHECKING:
    from router.config.policy import ChainPolicy

AFTER_FINISH = 2.0
"""Seconds that usage may come after the finish reason; then the answer is whole without it."""


class ModelRoute(msgspec.Struct, frozen=True):
    """What the calls of one model go through.

    Attributes:
        slots: as many as the provider's max_concurrency.
        extra: the body fields that models.yaml adds for the provider, as canonical JSON.
        info: what is known of the model.
        cost_of: what its tokens cost if the provider does not say.
        insured: see `is_unbilled`.
        scrub: removes keys from what its server says.
    """

    ref: ModelRef
    provider: Provider
    breaker: Breaker
    slots: Slots
    extra: bytes = b"{}"
    info: ModelInfo = ModelInfo()
    cost_of: CostFunction | None = None
    insured: bool = False
    scrub: Callable[[str], str] = str


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """Calls one model until it answers or must not be tried again.

    Attributes:
        force: call it once even if its breaker is open.
        prompt: see `Permit`.
        last: whether no other model of the chain could answer, so that even a long Retry-After is waited for.
        problem: why nothing can be sent; then its tries are injected faults that need no call, or none.
        faults: injected into its tries.
        clock: monotonic seconds, the running loop's.
    """

    route: ModelRoute
    call: Call
    policy: ChainPolicy
    force: bool
    prompt: str | None
    last: bool
    problem: Unusable | None
    faults: Faults
    clock: Callable[[], float]

    async def run(self, shared: SharedCall) -> Result:
        """Make all tries; every subscriber is told of each."""
        error: ProviderError | None = None
        number, wait = 1, 0.0
        while True:
            asked = self.clock()
            try:
                async with self.route.breaker.permit(self.policy.cooldown_cap, self.prompt, force=self.force) as permit:
                    return await _Try(self, shared, permit, number, wait).run()
            except (BreakerOpen, _NotSent) as skipped:
                why = skipped.problem if isinstance(skipped, _NotSent) else Unusable("breaker_open", str(skipped))
                # A breaker that opened in the meantime ends the retries too.
                return Failure(error) if error is not None else Skipped(*why, self.clock() - asked)
            except ProviderError as failed:
                error = failed
            next_wait = self._wait_before_retry(error, number, shared)
            if self.force or permit.probe is not None or shared.abandoned or next_wait is None:
                return Failure(error)
            shared.emit(Waiting(self.route.ref.text, next_wait))
            await asyncio.sleep(next_wait)
            number, wait = number + 1, next_wait

    def _wait_before_retry(self, error: ProviderError, tries: int, shared: SharedCall) -> float | None:
        if self.problem is not None and not self.faults.replaces_call(self.route.ref.text):
            return None
        return wait_before_retry(
            error,
            tries=tries,
            retries=self.policy.retries,
            backoff=self.policy.backoff,
            time_left=shared.time_left(),
            at_most=math.inf if self.last else self.policy.retry_after_at_most,
        )


class _NotSent(Exception):
    """Nothing can be sent to the model, and no fault was injected instead."""

    def __init__(self, problem: Unusable) -> None:
        self.problem = problem


class _Try:
    """One call on the wire, and its record."""

    def __init__(self, call: ModelCall, shared: SharedCall, permit: Permit, number: int, wait: float) -> None:
        self._of = call
        self._route = call.route
        self._shared = shared
        self._permit = permit
        self._number = number
        self._wait = wait
        self._asked = call.clock()
        self._began: float | None = None
        self._first_token: float | None = None
        self._ended: float | None = None
        self._builder = AnswerBuilder()
        self._fault: Fault | None = None
        self._answer = Answer()
        self._found = Found()

    async def run(self) -> Success:
        """Make the call and record it.

        Raises:
            ProviderError: it failed, or the last subscriber left for this reason.
            BreakerOpen, _NotSent: it was not called.
        """
        error: ProviderError | None = None
        try:
            await self._send()
            await self._validate()
        except ProviderError as failed:
            error = failed
        except asyncio.CancelledError:
            error = self._shared.reason
            if error is None:
                self._record("cancelled", None)
                raise
        if error is None:
            attempt = self._record("answered", None)
            return Success(self._answer, attempt)
        _scrub(error, self._route.scrub)
        if self._first_token is not None and decide(error).retry:
            # Tokens have flowed: whatever broke the stream, this model is not asked for the same again.
            error = StreamCut(f"The answer broke off: {error}", status=error.status, code=error.code)
        self._record("failed", error)
        if self._first_token is not None:
            self._shared.emit(Restarted())
        raise error

    async def _send(self) -> None:
        route = self._route
        self._shared.emit(Queued(route.ref.text))
        turn = route.slots.ask()
        try:
            await route.breaker.queue(turn, self._permit)
            if self._of.problem is None:
                await route.provider.prepare()
            route.breaker.confirm(self._permit)
            self._fault = self._of.faults.take(route.ref.text)
            if self._of.problem is not None and (self._fault is None or self._fault.is_sent):
                raise _NotSent(self._of.problem)
            self._permit.counts = self._fault is None
            self._began = self._of.clock()
            self._shared.emit(Began(route.ref.text, self._number))
            try:
                async with Limit(math.inf) as limit:
                    await self._read(limit)
            except TimeoutError:
                self._timed_out(limit)
        finally:
            route.slots.give_back(turn)

    async def _validate(self) -> None:
        self._ended = self._ended or self._of.clock()
        answer = self._builder.answer()
        check_whole(answer)
        self._answer = scrubbed(answer, Answer, self._route.scrub)
        self._found = await validate(self._answer, self._of.call.request)

    async def _read(self, limit: Limit) -> None:
        # Written out for speed: this body runs once a token.
        clock, emit, add = self._of.clock, self._shared.emit, self._builder.add
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
                            limit.tighten(min(now + stall, last))
                    at = now + stall
                    limit.at = min(last, at)
                elif streamed and isinstance(event, Finished):
                    limit.tighten(clock() + AFTER_FINISH)

    def _stream(self) -> AsyncGenerator[ProviderEvent, None]:
        stream = functools.partial(self._route.provider.stream, self._of.call)
        events = stream() if self._fault is None else inject(self._fault, stream)
        policy = self._of.policy
        if self._of.call.stream and policy.min_tokens_per_s:
            events = paced(events, rate=policy.min_tokens_per_s, slack=policy.stall, clock=self._of.clock)
        return events

    def _timed_out(self, limit: Limit) -> None:
        if self._builder.finish_reason is not None:
            # Only usage or the end of the body was still to come.
            self._ended = limit.at - AFTER_FINISH
            return
        policy = self._of.policy
        if self._first_token is not None and self._of.clock() - self._first_token >= policy.max_answer:
            raise AnswerTimeout(f"The answer took longer than {policy.max_answer:g} s (max_answer).")
        raise StreamStalled(f"No token for {policy.stall:g} s in the middle of the answer (stall).")

    def _record(self, outcome: Outcome, error: ProviderError | None) -> Attempt:
        attempt = self._attempt(outcome, error)
        self._shared.ended(attempt, self._began or self._of.clock())
        return attempt

    def _attempt(self, outcome: Outcome, error: ProviderError | None) -> Attempt:
        now = self._of.clock()
        began = self._began
        usage = self._builder.usage
        said = self._builder.served, self._builder.notes
        served, notes = scrubbed(said, tuple[Served, tuple[str, ...]], self._route.scrub)
        cost, source = self._cost(usage, error)
        return Attempt(
            model=self._route.ref.text,
            provider=self._route.ref.provider,
            place=0,
            number=self._number if began is not None else 0,
            outcome=outcome,
            reason=error.kind if error is not None else None,
            detail=str(error) if error is not None else None,
            started=time.time() - (now - (began or now)),
            offset=0.0,
            wait=self._wait,
            queued=(began or now) - self._asked,
            latency=(self._ended or now) - began if began is not None else None,
            ttft=self._first_token - began if began is not None and self._first_token is not None else None,
            status=200 if outcome == "answered" else error.status if error is not None else None,
            served_model=_short(served.model),
            served_by=_short(served.provider),
            generation_id=_short(served.id),
            routing=self._routing(),
            usage=usage,
            cost=cost,
            cost_source=source,
            injected=self._fault is not None,
            validation=self._found.validation,
            mismatch=self._found.mismatch,
            notes=tuple(cut(note, MAX_MESSAGE) for note in notes),
        )

    def _routing(self) -> Routing | None:
        if self._builder.routing is None:
            return None
        routing = scrubbed(self._builder.routing, Routing, self._route.scrub)
        named = (UpstreamAttempt(_short(one.provider), _short(one.model), one.status) for one in routing.upstream)
        return msgspec.structs.replace(routing, upstream=tuple(named))

    def _cost(self, usage: Usage | None, error: ProviderError | None) -> tuple[float | None, CostSource | None]:
        if self._fault is not None and not self._fault.is_sent:
            return 0.0, "computed"
        if usage is not None and usage.cost is not None:
            return usage.cost, "provider"
        if usage is not None and self._route.cost_of is not None:
            cost = self._route.cost_of(usage)
        else:
            is_free = (
                error is not None and self._first_token is None and is_unbilled(error, insured=self._route.insured)
            )
            cost = 0.0 if is_free else None
        return cost, "computed" if cost is not None else None


def _scrub(error: ProviderError, scrub: Callable[[str], str]) -> None:
    """Remove keys from an error, and drop what caused it: a transport quotes what it could not read."""
    error.args = (cut(scrub(str(error)), MAX_MESSAGE),)
    error.code = _short(scrub(error.code)) if error.code is not None else None
    error.__cause__ = error.__context__ = error.__traceback__ = None


def _short(name: str | None) -> str | None:
    return cut(name, MAX_NAME) if name is not None else None
