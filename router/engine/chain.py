"""The loop: cache, breaker, retry, provider, observe, next; for streams and whole answers alike."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence

import msgspec

from router.config.chains import Chain, Link, ModelRef
from router.core.attempts import Attempt, Completion
from router.core.errors import (
    AllModelsFailed,
    AnswerTimeout,
    Cancelled,
    ContentFiltered,
    FirstTokenTimeout,
    ProviderError,
    decide,
)
from router.core.events import Event, Restarted, answer_so_far, replay
from router.core.messages import Answer
from router.core.records import Observation, RequestOutcome, RequestSummary
from router.core.requests import Request
from router.engine.breaker import Blame, Breaker
from router.engine.cache import CachedAnswer, ResponseCache
from router.engine.call import ModelCall, ModelRoute
from router.engine.candidates import Asked, Candidate
from router.engine.faults import Faults
from router.engine.options import CacheMode, Options
from router.engine.shared_call import (
    Failure,
    Result,
    SharedCall,
    SharedCalls,
    Skipped,
    Subscriber,
    Success,
    Waiter,
)
from router.engine.trace import Trace
from router.engine.validation import refusal
from router.providers import Call, Provider, Unusable


class Engine(msgspec.Struct, frozen=True):
    """What all requests share.

    Attributes:
        route: finds what a model's calls go through.
        cache: None if models.yaml turns it off.
        observe: stores an attempt; never blocks.
        conclude: stores a request's outcome; never blocks.
        clock: monotonic seconds, the running loop's.
    """

    route: Callable[[ModelRef], ModelRoute]
    cache: ResponseCache | None
    calls: SharedCalls
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
        offline: answers if no provider of the chain has a key.
        faults: injected into the models' calls; a model with a fault is called without cache or sharing, and its
            breaker is not affected.
        events: receives every event as it comes.

    Raises:
        InvalidRequest: the request cannot be sent to any model.
        AllModelsFailed: no model answered, or a content policy ended the chain. It holds the last answer that the
            chain's policy did not accept, if any, which is also at the end of the events.
        Cancelled: the task was canceled; holds what had arrived.
    """
    run = ChainRun(engine, chain, request, options, faults=faults or Faults(), events=[] if events is None else events)
    return await run.run(offline)


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
        self._request = request
        self._asked = Asked(request.with_defaults(chain.params))
        self._options = options
        self._faults = faults
        self._hash = self._asked.hash
        self._problems: dict[Provider, Unusable | None] = {}
        self._trace = Trace(
            chain,
            prompt_hash=self._hash,
            options=options,
            events=events,
            observe=engine.observe,
            clock=engine.clock,
        )
        self._deadline = self._trace.started + chain.policy.deadline
        self._called: list[Breaker] = []
        self._failed_alike: list[Breaker] = []
        self._refused: Answer | None = None

    async def run(self, offline: ModelRef | None) -> Completion:
        """The loop; see `run_chain`."""
        candidates = self._candidates(offline)
        outcome: RequestOutcome = "failed"
        try:
            answer = await self._first_answer(candidates)
            outcome = "answered"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise Cancelled(self._trace.completion(answer_so_far(self._trace.events), cut=True)) from None
        finally:
            blame: Blame = "model" if outcome == "answered" else self._blame()
            self._engine.conclude(self._trace.summary(outcome, by_prompt=blame == "prompt"))
            for breaker in self._called:
                breaker.settle(self._hash, blame)
        return self._trace.completion(answer, cut=False)

    def _candidates(self, offline: ModelRef | None) -> list[Candidate]:
        """The chain's links, the preferred one first; then the offline model if none of them can be called at all."""
        candidates = [self._candidate(place, link) for place, link in enumerate(self._chain.links)]
        if offline is not None and offline not in self._chain.models and all(each.problem for each in candidates):
            candidates.append(self._candidate(len(candidates), Link(ref=offline)))
        first = self._options.first
        preferred = next((each for each in candidates if each.route.ref.text == first and each.can_be_called), None)
        return candidates if preferred is None else [preferred, *(each for each in candidates if each is not preferred)]

    def _candidate(self, place: int, link: Link) -> Candidate:
        asked = self._asked
        if link.params or link.system:
            asked = Asked(self._chain.request_for(link, self._request))
        first_token = self._chain.first_token(link)
        route = self._engine.route(link.ref)
        return Candidate(
            place, route, asked, first_token=first_token, sample=self._options.sample, problem_of=self._problem_of
        )

    def _problem_of(self, provider: Provider) -> Unusable | None:
        """Its problem, looked for once: a key's reads the state of three files, and a provider may have many models."""
        if provider not in self._problems:
            self._problems[provider] = provider.problem()
        return self._problems[provider]

    async def _first_answer(self, candidates: Sequence[Candidate]) -> Answer:
        error: ProviderError | None = None
        skipped: list[Candidate] = []
        for index, candidate in enumerate(candidates):
            match await self._try(candidate, candidates[index + 1 :]):
                case Success(answer):
                    return answer
                case Failure(error):
                    self._stop_at_policy(error)
                    if decide(error).prompt and not self._trace.attempts[-1].injected:
                        self._failed_alike.append(candidate.route.breaker)
                case Skipped() if candidate.problem is None:
                    skipped.append(candidate)
        while error is None and skipped:
            # Only open breakers stood in the way: the one that closes first is tried once.
            first = min(skipped, key=lambda candidate: candidate.route.breaker.closes_in() or 0.0)
            match await self._call(first, later=0, force=True):
                case Success(answer):
                    return answer
                case Failure(error):
                    pass
        raise self._all_failed(error)

    def _all_failed(self, error: ProviderError | None, *, by_policy: bool = False) -> AllModelsFailed:
        by_prompt, refused = self._blame() == "prompt", self._refused
        if refused is not None:
            self._trace.events.extend(replay(refused))
        return AllModelsFailed(self._trace.attempts, error, by_prompt=by_prompt, by_policy=by_policy, answer=refused)

    def _blame(self) -> Blame:
        """Whose fault it is that no model has answered."""
        if len(self._failed_alike) < 2:
            return "model"
        return "prompt" if any(breaker.answers for breaker in self._failed_alike) else "either"

    async def _try(self, candidate: Candidate, rest: Sequence[Candidate]) -> Result | None:
        """One step of the loop; None if the model is skipped whatever the state of its breaker.

        Args:
            rest: the models that follow.
        """
        place, ref = candidate.place, candidate.route.ref
        cache = self._engine.cache
        hit = cache.get(candidate.key) if cache is not None and self._cache_mode(ref) == "use" else None
        if hit is not None and refusal(hit.attempt, self._chain.policy) is None:
            self._trace.replayed(place, ref, hit)
            return Success(hit.answer, hit.attempt)
        problem = None if self._faults.replaces_call(ref.text) else candidate.problem
        if problem := problem or candidate.unmet:
            self._trace.note(place, ref, "skipped", problem.reason, problem.detail)
            return None
        if self._time_left() <= 0:
            limit = f"the chain's deadline of {self._chain.policy.deadline:g} s was over"
            self._trace.note(place, ref, "skipped", "deadline", limit)
            return None
        # Those that can be called share what is left of the deadline, so that the last one gets its part.
        later = sum(other.can_be_called for other in rest)
        result = await self._call(candidate, later=later, force=False)
        if isinstance(result, Skipped):
            self._trace.note(place, ref, "skipped", result.reason, result.detail, queued=result.queued)
        return result

    async def _call(self, candidate: Candidate, *, later: int, force: bool) -> Result:
        """Join the identical call in progress, or make it, and wait for its end or this request's limit.

        Args:
            later: how many models of the chain can be called after it.
        """
        place, ref = candidate.place, candidate.route.ref
        stream, policy = self._options.stream, self._chain.policy
        share, limit = self._time_left() / (1 + later), candidate.first_token if stream else policy.answer
        self._called.append(candidate.route.breaker)
        waiter = Waiter(share=share, limit=limit, clock=self._engine.clock)
        subscriber = Subscriber(
            waiter,
            model=ref.text,
            silence=_silent if stream else _too_slow,
            events=self._trace.events,
            record=functools.partial(self._tried, place, ref),
        )
        try:
            result = await self._shared_call(candidate, later=later, force=force).result(subscriber)
        except asyncio.CancelledError:
            self._trace.stopped(place, ref)
            raise
        finally:
            self._deadline += waiter.paused()
        if isinstance(result, Failure) and not subscriber.recorded:
            self._trace.note(place, ref, "failed", result.error.kind, str(result.error), shared=True)
        if isinstance(result, Success):
            if error := refusal(result.attempt, policy):
                self._refused = result.answer
                self._trace.events.append(Restarted())
                return Failure(error)
            self._keep(candidate.key, result.answer)
        return result

    def _tried(self, place: int, ref: ModelRef, attempt: Attempt, began: float, owner: bool) -> None:
        """Record a try as this chain's policy judges it; another chain may accept the same answer."""
        if error := refusal(attempt, self._chain.policy):
            attempt = msgspec.structs.replace(attempt, outcome="failed", reason=error.kind, detail=str(error))
        self._trace.tried(place, ref, attempt, began, owner)

    def _shared_call(self, candidate: Candidate, *, later: int, force: bool) -> SharedCall:
        route = candidate.route
        key = candidate.key if self._cache_mode(route.ref) == "use" else None
        call = ModelCall(
            route=route,
            call=Call(route.ref.model, candidate.request, self._options.stream, self._chain.policy.connect),
            policy=self._chain.policy,
            force=force,
            prompt=self._hash if later or self._failed_alike else None,
            last=later == 0,
            problem=candidate.problem,
            faults=self._faults,
            clock=self._engine.clock,
        )
        return self._engine.calls.get(key, call.run)

    def _keep(self, key: str, answer: Answer) -> None:
        cache, attempt = self._engine.cache, self._trace.attempts[-1]
        if cache is not None and self._options.cache != "off" and not (attempt.shared or attempt.injected):
            cache.put(key, CachedAnswer(answer=answer, attempt=attempt))

    def _cache_mode(self, ref: ModelRef) -> CacheMode:
        return "off" if ref.text in self._faults else self._options.cache

    def _stop_at_policy(self, error: ProviderError) -> None:
        if decide(error).next:
            return
        if isinstance(error, ContentFiltered) and self._chain.policy.on_content_filter == "next":
            return
        raise self._all_failed(error, by_policy=True)

    def _time_left(self) -> float:
        return self._deadline - self._engine.clock()


def _silent(seconds: float) -> ProviderError:
    return FirstTokenTimeout(f"No first token within {seconds:.3g} s.")


def _too_slow(seconds: float) -> ProviderError:
    return AnswerTimeout(f"No whole answer within {seconds:.3g} s.")
