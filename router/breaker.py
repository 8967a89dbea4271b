"""A circuit breaker per model: a model that keeps failing is passed over for a while.

closed --(enough failures in the window)--> open --(time is over)--> half-open --(one probe)--> closed or open
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from router.config import BreakerPolicy
from router.errors import ProviderError, decide

State = Literal["closed", "open", "half-open"]


Probe: TypeAlias = "asyncio.Future[ProviderError | None]"


class Permit(NamedTuple):
    """Leave to make one call; give it back with `Breaker.record` or `Breaker.give_back`.

    Attributes:
        probe: where the call decides whether the breaker closes: resolved with the error it ended with, or None.
    """

    probe: Probe | None


class BreakerView(NamedTuple):
    """A breaker as people see it.

    Attributes:
        opens_in: seconds until it lets a call through again; 0 where it does now.
        cooldown: seconds of these that the provider asked for (`Retry-After`).
        calls, failures: outcomes in the window.
        reason: the kind of the last failure that counted.
    """

    model: str
    state: State
    opens_in: float
    cooldown: float
    calls: int
    failures: int
    reason: str | None


class Breaker:
    """The breaker of one model. All its methods run on the Lab's loop.

    Args:
        policy: window, rates and durations.
        clock: monotonic seconds.
    """

    def __init__(self, policy: BreakerPolicy, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._clock = clock
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._open_until: float | None = None
        self._cooldown_until = 0.0
        self._probe: Probe | None = None
        self._reason: str | None = None

    def closes_in(self) -> float | None:
        """Seconds until a call may be tried; None where one may be made now."""
        now = self._clock()
        until = max(self._open_until or 0.0, self._cooldown_until)
        if now < until:
            return until - now
        return 0.0 if self._probe is not None else None

    @property
    def state(self) -> State:
        if self._clock() < max(self._open_until or 0.0, self._cooldown_until):
            return "open"
        return "closed" if self._open_until is None and self._probe is None else "half-open"

    def acquire(self) -> Permit | None:
        """Leave for one call, or None where the model is to be passed over."""
        if self.closes_in() is not None:
            return None
        return self._permit(probe=self._open_until is not None)

    async def force(self) -> Permit | ProviderError:
        """Leave for one call although the breaker is open.

        Only one such call is under way at a time: whoever comes meanwhile waits for it, and gets either leave of its
        own, where it closed the breaker, or the error that it ended with.
        """
        while self._probe is not None:
            error = await asyncio.shield(self._probe)
            if error is not None:
                return error
        return self._permit(probe=self.closes_in() is not None or self._open_until is not None)

    def _permit(self, *, probe: bool) -> Permit:
        if not probe:
            return Permit(None)
        self._probe = asyncio.get_running_loop().create_future()
        return Permit(self._probe)

    def record(self, permit: Permit, error: ProviderError | None) -> None:
        """Give a permit back with the call's outcome: None for an answer, or the error it ended with."""
        now = self._clock()
        fault = error is not None and decide(error).fault
        if error is None or fault:
            self._outcomes.append((now, fault))
            self._forget(now)
        if error is not None and fault:
            self._reason = error.kind
            if error.retry_after:
                # The longer one holds: a second 429 must not shorten what the first one asked for.
                self._cooldown_until = max(self._cooldown_until, now + error.retry_after)
        decides = permit.probe is not None and permit.probe is self._probe
        if decides and error is None:
            self.reset()
        elif fault and (decides or (self._open_until is None and self._tripped())):
            # Jittered by a quarter, so that models that failed together are not all probed together.
            until = now + self.policy.open_for * random.uniform(0.75, 1.25)
            self._open_until = max(self._open_until or 0.0, until)
        self._end_probe(permit, error)

    def give_back(self, permit: Permit) -> None:
        """Give a permit back for a call that was cancelled: it says nothing about the model."""
        self._end_probe(permit, None)

    def _end_probe(self, permit: Permit, error: ProviderError | None) -> None:
        if permit.probe is None:
            return
        permit.probe.set_result(error)
        if permit.probe is self._probe:
            self._probe = None

    def _tripped(self) -> bool:
        failures = sum(failed for _, failed in self._outcomes)
        calls = len(self._outcomes)
        return calls >= self.policy.min_calls and failures >= self.policy.failure_rate * calls

    def _forget(self, now: float) -> None:
        while self._outcomes and (
            len(self._outcomes) > self.policy.window or self._outcomes[0][0] < now - self.policy.within
        ):
            self._outcomes.popleft()

    def reset(self) -> None:
        """Close it and forget what it has seen."""
        self._outcomes.clear()
        self._probe = None
        self._open_until = None
        self._cooldown_until = 0.0
        self._reason = None

    def view(self, model: str) -> BreakerView:
        """May be called from any thread."""
        now = self._clock()
        horizon = now - self.policy.within
        outcomes = [failed for at, failed in list(self._outcomes)[-self.policy.window :] if at >= horizon]
        return BreakerView(
            model=model,
            state=self.state,
            opens_in=self.closes_in() or 0.0,
            cooldown=max(self._cooldown_until - now, 0.0),
            calls=len(outcomes),
            failures=sum(outcomes),
            reason=self._reason,
        )


class Breakers:
    """All breakers, one per model, made when first asked for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def get(self, provider: str, model: str, policy: BreakerPolicy) -> Breaker:
        breaker = self._breakers.get((provider, model))
        if breaker is None:
            breaker = self._breakers[provider, model] = Breaker(policy, self._clock)
        breaker.policy = policy
        return breaker

    def view(self, provider: str, model: str, policy: BreakerPolicy, name: str) -> BreakerView:
        """One as it is now, of which none is made because somebody looks at it."""
        known = (provider, model) in self._breakers
        breaker = self.get(provider, model, policy) if known else Breaker(policy, self._clock)
        return breaker.view(name)

    def __iter__(self) -> Iterator[tuple[tuple[str, str], Breaker]]:
        return iter(list(self._breakers.items()))
