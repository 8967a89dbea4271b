"""The loop: cache, breaker, retry, provider, observe, next; for streams and whole answers alike."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from router.breaker import Permit
from router.cache import CachedAnswer, ResponseCache, cache_key
from router.call import Access, ModelCall
from router.config import Chain, ModelRef
from router.errors import (
    AllModelsFailed,
    AnswerTimeout,
    Cancelled,
    ContentFiltered,
    FirstTokenTimeout,
    ProviderError,
    decide,
)
from router.events import Ended, Event, Served, answer_so_far, replay
from router.facts import needs_of
from router.faults import Faults
from router.flight import Flight, Flights, Rider
from router.messages import Answer, Attempt, Completion, Frozen, Outcome, Request, Source, digest
from router.providers import Call, Problem
from router.store import Observation, RequestSummary, passed_over_for_keys_alone, path_of
from router.store.requests import Ending

CacheMode = Literal["use", "refresh", "off"]


class Options(Frozen, frozen=True, kw_only=True):
    """How a request is run, as apart from what is asked.

    Attributes:
        source: where it comes from, for the store.
        cache: "use"; "refresh" asks anew and keeps the answer; "off" neither reads nor keeps.
        stream: ask providers for a stream of tokens.
        sample: index that keeps repeats of one prompt apart.
    """

    source: Source = "chat"
    cache: CacheMode = "use"
    stream: bool = True
    sample: int = 0


class Engine(msgspec.Struct, frozen=True):
    """What all requests share.

    Attributes:
        access: finds what a model's calls go through.
        cache: None where models.yaml turns it off.
        observe: stores an attempt; never blocks.
        conclude: stores what became of a request; never blocks.
        clock: monotonic seconds, the running loop's.
    """

    access: Callable[[ModelRef], Access]
    cache: ResponseCache | None
    flights: Flights
    observe: Callable[[Observation], None]
    conclude: Callable[[RequestSummary], None]
    clock: Callable[[], float]


async def run_chain(
    engine: Engine,
    chain: Chain,
    request: Request,
    options: Options,
    *,
    offline: ModelRef | None = None,
    faults: Faults | None = None,
    events: list[Event] | None = None,
) -> Completion:
    """Ask the chain's models in order until one answers.

    Args:
        offline: answers where no provider of the chain has a key.
        faults: what befalls the models' calls; a model with one is asked anew and alone, and its breaker hears nothing.
        events: is appended every event as it comes.

    Raises:
        InvalidRequest: the request cannot be sent to any model.
        AllModelsFailed: no model answered, or a content policy ended the chain.
        Cancelled: the task was cancelled; carries what had arrived.
    """
    run = ChainRun(engine, chain, request, options, faults=faults or Faults(), events=[] if events is None else events)
    return await run.run(offline)


class _Turn(NamedTuple):
    """A model's turn in the loop: its place, and why it cannot be called at all, or not with this request, if so."""

    place: int
    access: Access
    problem: Problem | None
    unmet: Problem | None

    @property
    def can_be_called(self) -> bool:
        return (self.problem or self.unmet) is None and self.access.breaker.closes_in() is None


class ChainRun:
    """One request on its way through a chain."""

    def __init__(
        self,
        engine: Engine,
        chain: Chain,
        request: Request,
        options: Options,
        *,
        faults: Faults,
        events: list[Event],
    ) -> None:
        self._engine = engine
        self._chain = chain
        self._request = request.with_defaults(chain.params)
        self._canonical = self._request.canonical()
        self._needs = needs_of(self._request)
        self._options = options
        self._faults = faults
        self._events = events
        self._id = uuid.uuid4().hex
        self._prompt_hash = digest(self._canonical)
        self._started = engine.clock()
        self._started_at = time.time()
        self._deadline = self._started + chain.policy.deadline
        self._attempts: list[Attempt] = []
        self._current: tuple[int, ModelRef] = (0, chain.models[0])

    async def run(self, offline: ModelRef | None) -> Completion:
        """The loop; see `run_chain`."""
        outcome: Ending = "failed"
        try:
            answer = await self._first_answer(offline)
            outcome = "answered"
        except asyncio.CancelledError:
            outcome = "cancelled"
            if not self._attempts or self._attempts[-1].outcome != "cancelled":
                self._note("cancelled", "stopped", None)
            raise Cancelled(self._completion(answer_so_far(self._events), cut=True)) from None
        finally:
            self._engine.conclude(self._summary(outcome))
        return self._completion(answer, cut=False)

    async def _first_answer(self, offline: ModelRef | None) -> Answer:
        turns = self._turns(offline)
        last_error: ProviderError | None = None
        waiting: list[tuple[float, _Turn]] = []
        for turn in turns:
            self._current = turn.place, turn.access.ref
            landed = await self._try_model(turn, turns, waiting)
            if isinstance(landed, Answer):
                return landed
            if landed is not None:
                last_error = landed
                self._stop_at_policy(landed)
        if last_error is None and waiting:
            # Only open breakers stood in the way: the one that closes first is tried once.
            _, turn = min(waiting, key=lambda entry: entry[0])
            self._current = turn.place, turn.access.ref
            landed = await self._ride(turn.access, None, share=self._time_left())
            if isinstance(landed, Answer):
                return landed
            last_error = landed
        raise AllModelsFailed(self._attempts, last_error)

    def _turns(self, offline: ModelRef | None) -> list[_Turn]:
        """The chain's models in order; the stand-in behind them where none can be called."""
        turns = [self._turn(place, ref) for place, ref in enumerate(self._chain.models)]
        if offline is not None and offline not in self._chain.models and all(turn.problem for turn in turns):
            turns.append(self._turn(len(turns), offline))
        return turns

    def _turn(self, place: int, ref: ModelRef) -> _Turn:
        access = self._engine.access(ref)
        unmet = self._needs.unmet_by(access.facts)
        return _Turn(place, access, access.provider.problem(), Problem(*unmet) if unmet else None)

    async def _try_model(
        self, turn: _Turn, turns: list[_Turn], waiting: list[tuple[float, _Turn]]
    ) -> Answer | ProviderError | None:
        """One turn of the loop: an answer, the error it failed with, or None where it was skipped."""
        engine, access = self._engine, turn.access
        key, mode = self._key(access), self._cache_mode(access)
        if engine.cache is not None and mode == "use" and (hit := engine.cache.get(key)):
            return self._replay(hit)
        if problem := turn.problem or turn.unmet:
            self._note("skipped", problem.reason, problem.detail)
            return None
        if self._time_left() <= 0:
            limit = f"the chain's deadline of {self._chain.policy.deadline:g} s was over"
            self._note("skipped", "deadline", limit)
            return None
        permit: Permit | None = None
        if self._joinable(key, mode) is None:
            closes_in = access.breaker.closes_in()
            permit = access.breaker.acquire()
            if permit is None:
                waiting.append((closes_in or 0.0, turn))
                detail = f"its circuit breaker is open for another {closes_in or 0:.0f} s"
                self._note("skipped", "breaker_open", detail)
                return None
        # Those that can be called share what is left of the deadline, so that the last one gets its part.
        later = sum(other.can_be_called for other in turns[turn.place + 1 :])
        return await self._ride(access, permit, share=self._time_left() / (1 + later))

    def _key(self, access: Access) -> str:
        return cache_key(access.ref, self._canonical, access.extra, self._options.sample)

    def _cache_mode(self, access: Access) -> CacheMode:
        return "off" if access.ref.text in self._faults else self._options.cache

    async def _ride(self, access: Access, permit: Permit | None, *, share: float) -> Answer | ProviderError:
        """Join the identical call under way, or make it, and wait for its end or our own limit."""
        key, mode = self._key(access), self._cache_mode(access)
        flight = self._joinable(key, mode)
        if flight is None:
            call = Call(access.ref.model, self._request, self._options.stream, self._chain.policy.connect)
            fly = ModelCall(access, call, self._chain.policy, permit, clock=self._engine.clock, faults=self._faults).fly
            flight = self._engine.flights.open(key if mode == "use" else None, fly)
        stream, policy = self._options.stream, self._chain.policy
        rider = Rider(
            share=share,
            limit=policy.first_token if stream else policy.answer,
            silence=_silent if stream else _too_slow,
            clock=self._engine.clock,
            events=self._events,
            record=self._record_try,
        )
        landed, recorded = await rider.ride(flight)
        self._deadline += rider.paused
        if isinstance(landed, ProviderError):
            if not recorded:
                self._note("failed", landed.kind, str(landed), shared=True)
            return landed
        attempt = self._attempts[-1]
        if self._engine.cache is not None and mode != "off" and not attempt.shared:
            self._engine.cache.put(key, CachedAnswer(answer=landed.answer, attempt=attempt))
        return landed.answer

    def _joinable(self, key: str, mode: CacheMode) -> Flight | None:
        return self._engine.flights.get(key) if mode == "use" else None

    def _stop_at_policy(self, error: ProviderError) -> None:
        if decide(error).next:
            return
        if isinstance(error, ContentFiltered) and self._chain.policy.on_content_filter == "next":
            return
        raise AllModelsFailed(self._attempts, error)

    def _replay(self, hit: CachedAnswer) -> Answer:
        answer, original = hit.answer, hit.attempt
        self._events.append(Served(original.served_model, original.served_by, original.generation_id))
        self._events.extend(replay(answer))
        place, ref = self._current
        self._record(
            msgspec.structs.replace(
                original,
                model=ref.text,
                place=place,
                started=time.time(),
                offset=self._engine.clock() - self._started,
                wait=0.0,
                queued=0.0,
                cached=True,
            )
        )
        return answer

    def _note(self, outcome: Outcome, reason: str, detail: str | None, *, shared: bool = False) -> None:
        """Record an attempt that made no call of its own."""
        place, ref = self._current
        self._record(
            Attempt(
                model=ref.text,
                provider=ref.provider,
                place=place,
                number=0,
                outcome=outcome,
                reason=reason,
                detail=detail,
                started=time.time(),
                offset=self._engine.clock() - self._started,
                shared=shared,
            )
        )

    def _record_try(self, attempt: Attempt, began: float, owner: bool) -> None:
        """Record a try of a flight as this request saw it; one that joined is not charged for it."""
        own = {} if owner else {"shared": True, "cost": None, "cost_source": None}
        self._record(msgspec.structs.replace(attempt, place=self._current[0], offset=began - self._started, **own))

    def _record(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)
        self._events.append(Ended(attempt))
        self._engine.observe(
            Observation(
                request_id=self._id,
                prompt_hash=self._prompt_hash,
                category=self._chain.name,
                chain=self._chain.fingerprint,
                source=self._options.source,
                sample=self._options.sample,
                attempt=attempt,
            )
        )

    def _summary(self, outcome: Ending) -> RequestSummary:
        path = path_of(self._attempts)
        completion = self._completion(Answer(), cut=False)
        last = completion.attempt if outcome == "answered" else None
        ttft: float | None = None
        if last is not None and (last.cached or last.ttft is not None):
            # A cached answer once took longer; who joins a call late may find its first token there.
            ttft = last.offset if last.cached else max(0.0, last.offset + (last.ttft or 0.0))
        return RequestSummary(
            request_id=self._id,
            started=self._started_at,
            category=self._chain.name,
            chain=self._chain.fingerprint,
            source=self._options.source,
            outcome=outcome,
            path=path,
            model=last.model if last is not None else None,
            place=last.place if last is not None else None,
            latency=self._engine.clock() - self._started,
            ttft=ttft,
            cost=completion.cost,
            cached=last is not None and last.cached,
            shared=last is not None and last.shared,
            injected=any(attempt.injected for attempt in self._attempts),
            stand_in=last is not None and last.place >= len(self._chain.models),
            keyless=passed_over_for_keys_alone(path),
        )

    def _time_left(self) -> float:
        return self._deadline - self._engine.clock()

    def _completion(self, answer: Answer, *, cut: bool) -> Completion:
        return Completion(
            request_id=self._id,
            category=self._chain.name,
            answer=answer,
            attempts=tuple(self._attempts),
            cut=cut,
        )


def _silent(seconds: float) -> ProviderError:
    return FirstTokenTimeout(f"No first token within {seconds:.3g} s.")


def _too_slow(seconds: float) -> ProviderError:
    return AnswerTimeout(f"No whole answer within {seconds:.3g} s.")
