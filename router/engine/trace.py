"""The attempts of one request on one time line: kept, sent as events, and stored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from router.config.chains import Chain, ModelRef
from router.core.attempts import (
    Attempt,
    Completion,
    Outcome,
)
from router.core.events import (
    Ended,
    Event,
    Served,
    replay,
)
from router.core.messages import Answer
from router.core.records import (
    Observation,
    RequestOutcome,
    RequestSummary,
    path_of,
    skipped_for_keys_alone,
)
from router.engine.cache import CachedAnswer
from router.engine.options import Options


class Trace:
    """What one request does and has done so far.

    Args:
        prompt_hash: hash of the request, for the store.
        events: receives every event as it comes.
        observe: stores an attempt.
        clock: monotonic seconds, the running loop's.

    Attributes:
        attempts: those that have ended, in order.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        prompt_hash: str,
        options: Options,
        events: list[Event],
        observe: Callable[[Observation], None],
        clock: Callable[[], float],
    ) -> None:
        self._chain = chain
        self._prompt_hash = prompt_hash
        self._options = options
        self.events = events
        self._observe = observe
        self._clock = clock
        self._id = options.request_id or os.urandom(16).hex()
        self.started = clock()
        self._started_at = time.time()
        self.attempts: list[Attempt] = []

    def note(
        self,
        place: int,
        ref: ModelRef,
        outcome: Outcome,
        reason: str,
        detail: str | None = None,
        *,
        queued: float = 0.0,
        shared: bool = False,
    ) -> None:
        """Record an attempt that made no call of its own."""
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
                offset=self._clock() - self.started,
                queued=queued,
                shared=shared,
            )
        )

    def stopped(self, place: int, ref: ModelRef) -> None:
        """Record that the request was stopped at this model, unless a call of its own has."""
        if not self.attempts or self.attempts[-1].outcome != "cancelled":
            self.note(place, ref, "cancelled", "stopped")

    def tried(self, place: int, ref: ModelRef, attempt: Attempt, began: float, owner: bool) -> None:
        """Record a try as this request saw it; only the owner of a shared call is charged for it.

        Args:
            began: loop seconds.
        """
        joined = {} if owner else {"shared": True, "cost": None, "cost_source": None}
        offset, own = began - self.started, self._own(place)
        self._record(msgspec.structs.replace(attempt, model=ref.text, place=place, offset=offset, own=own, **joined))

    def replayed(self, place: int, ref: ModelRef, hit: CachedAnswer) -> None:
        """Record an answer from the cache, and replay its events."""
        original = hit.attempt
        self.events.append(Served(original.served_model, original.served_by, original.generation_id))
        self.events.extend(replay(hit.answer))
        self._record(
            msgspec.structs.replace(
                original,
                model=ref.text,
                place=place,
                started=time.time(),
                offset=self._clock() - self.started,
                wait=0.0,
                queued=0.0,
                cached=True,
                own=self._own(place),
            )
        )

    def _own(self, place: int) -> tuple[str, ...]:
        """What the chain sets only for the model in this place; nothing for the offline model after the last one."""
        links = self._chain.links
        return links[place].own if place < len(links) else ()

    def _record(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.events.append(Ended(attempt))
        self._observe(
            Observation(
                request_id=self._id,
                prompt_hash=self._prompt_hash,
                category=self._chain.name,
                chain=self._chain.fingerprint,
                source=self._options.source,
                sample=self._options.sample,
                attempt=attempt,
                origin=self._options.origin,
            )
        )

    def completion(self, answer: Answer, *, cut: bool) -> Completion:
        """The answer with its attempts."""
        return Completion(
            request_id=self._id,
            category=self._chain.name,
            answer=answer,
            attempts=tuple(self.attempts),
            cut=cut,
        )

    def summary(self, outcome: RequestOutcome, *, by_prompt: bool) -> RequestSummary:
        """The request's outcome.

        Args:
            by_prompt: whether the prompt was at fault.
        """
        path = path_of(self.attempts)
        if by_prompt and outcome == "failed":
            path = (*path[:-1], path[-1].of_prompt())
        completion = self.completion(Answer(), cut=False)
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
            latency=self._clock() - self.started,
            ttft=ttft,
            cost=completion.cost,
            cached=last is not None and last.cached,
            shared=last is not None and last.shared,
            injected=any(attempt.injected for attempt in self.attempts),
            stand_in=last is not None and last.place >= len(self._chain.links),
            keyless=skipped_for_keys_alone(path),
            origin=self._options.origin,
            session=self._options.session,
            probability=self._options.probability,
        )
