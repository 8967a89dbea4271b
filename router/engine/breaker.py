"""A circuit breaker per model: a model that keeps failing is skipped for a while.

A failure that may be the prompt's fault is held until the chain's next models have tried the same prompt. If one of
them answers, every failed call counts. If they fail in the same way, all calls of the prompt together count as one sign
of trouble, cleared by the model's next answer to any prompt. If another of the failed models answers other prompts, a
model without recent answers of its own is not blamed at all.

closed --(enough failures in the window)--> open --(time has passed)--> half-open --(one probe)--> closed or open
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from router.core.errors import ProviderError, decide
from router.providers.slots import Turn

if TYPE_CHECKING:
    from router.config.policy import BreakerPolicy

State = Literal["closed", "open", "half-open"]


class BreakerOpen(Exception):
    """The model is skipped.

    Args:
        closes_in: seconds until it may be called.
    """

    def __init__(self, closes_in: float) -> None:
        self.closes_in = closes_in
        super().__init__(f"its circuit breaker is open for another {closes_in:.0f} s")


Blame: TypeAlias = Literal["model", "prompt", "either"]
"""Whose fault a failure is: the model's, if another answered the prompt; the prompt's, if others failed in the same way
and one of them answers other prompts; either's, if none does.
"""

Probe: TypeAlias = "asyncio.Future[ProviderError | None]"


class Permit(msgspec.Struct):
    """Permission to make one call.

    Attributes:
        probe: set if the call decides whether the breaker closes; resolved with the error that ended the call, or None.
        counts: whether the call's outcome says something about the model.
        cooldown_cap: the longest cooldown in seconds, whatever `Retry-After` says; then one call probes.
        prompt: the hash of the request if other models' answers tell whose fault a failure is; see `settle`.
    """

    probe: Probe | None = None
    counts: bool = False
    cooldown_cap: float = math.inf
    prompt: str | None = None


class BreakerView(NamedTuple):
    """A breaker as people see it.

    Attributes:
        opens_in: seconds until it lets a call through again; 0 if it does now.
        cooldown: seconds left of what the provider asked for (`Retry-After`).
        calls, failures: outcomes in the window.
        reason: the kind of the last failure that counted.
        refusal: the kind of the last call's error, if it is one that lasts; see `Decision.lasting`.
    """

    model: str
    state: State
    opens_in: float
    cooldown: float
    calls: int
    failures: int
    reason: str | None
    refusal: str | None


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
        self._held: dict[str, list[float]] = {}
        self._signs: dict[str, float] = {}
        self._open_until: float | None = None
        self._cooldown_until = 0.0
        self._probe: Probe | None = None
        self._reason: str | None = None
        self._refusal: str | None = None
        self._queued: dict[Turn, None] = {}

    def closes_in(self) -> float | None:
        """Seconds until a call may be made; None if one may be made now."""
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

    @asynccontextmanager
    async def permit(
        self, cooldown_cap: float = math.inf, prompt: str | None = None, *, force: bool = False
    ) -> AsyncIterator[Permit]:
        """A permit for the call in the body, whose outcome is recorded if the permit counts.

        Args:
            cooldown_cap, prompt: see `Permit`.
            force: call even if the breaker is open; see `force`.

        Raises:
            BreakerOpen: the model is skipped.
            ProviderError: another request's forced call ended with it.
        """
        permit = await self.force() if force else self.acquire(prompt)
        permit.cooldown_cap, permit.prompt = cooldown_cap, prompt
        try:
            yield permit
        except ProviderError as error:
            self._end(permit, error)
            raise
        except BaseException:
            self.give_back(permit)
            raise
        else:
            self._end(permit, None)

    def acquire(self, prompt: str | None = None) -> Permit:
        """A permit for one call, unless the prompt's own held failures would have opened the breaker.

        Raises:
            BreakerOpen: the model is skipped.
        """
        closes_in = self.closes_in()
        if closes_in is not None:
            raise BreakerOpen(closes_in)
        if prompt in self._held and self._tripped(len(self._held) + len(self._held[prompt]) - 1):
            raise BreakerOpen(0.0)
        return self._permit(probe=self._open_until is not None)

    async def force(self) -> Permit:
        """A permit for one call even if the breaker is open.

        Only one such call is in progress at a time: others wait for it, and get permits of their own if it closed the
        breaker.

        Raises:
            ProviderError: the call in progress ended with it.
        """
        while self._probe is not None:
            error = await asyncio.shield(self._probe)
            if error is not None:
                raise error
        return self._permit(probe=self.closes_in() is not None or self._open_until is not None)

    async def queue(self, turn: Turn, permit: Permit) -> None:
        """Wait for a turn at the provider.

        Raises:
            BreakerOpen: other calls have opened the breaker in the meantime.
        """
        if permit.probe is None:
            self._queued[turn] = None
        try:
            await turn
        finally:
            self._queued.pop(turn, None)

    def confirm(self, permit: Permit) -> None:
        """Check again, right before a call that has waited is sent.

        Raises:
            BreakerOpen: other calls have opened the breaker in the meantime.
        """
        closes_in = self.closes_in()
        if closes_in is not None and (permit.probe is None or permit.probe is not self._probe):
            raise BreakerOpen(closes_in)

    def _permit(self, *, probe: bool) -> Permit:
        if not probe:
            return Permit()
        self._probe = asyncio.get_running_loop().create_future()
        return Permit(self._probe)

    def record(self, permit: Permit, error: ProviderError | None) -> None:
        """Return a permit with the call's outcome: None for an answer, or the error that ended it."""
        now = self._clock()
        fault = error is not None and decide(error).fault
        self._refusal = error.kind if error is not None and decide(error).lasting else None
        decides = permit.probe is not None and permit.probe is self._probe
        if error is None:
            self._signs.clear()
        if fault and error is not None and decide(error).prompt and permit.prompt is not None and not decides:
            self._held.setdefault(permit.prompt, []).append(now)
        elif error is None or fault:
            self._outcomes.append((now, fault))
        self._forget(now)
        if error is not None and fault:
            self._reason = error.kind
            if error.retry_after:
                # The longer one holds: a second 429 must not shorten what the first one asked for.
                until = now + min(error.retry_after, permit.cooldown_cap)
                self._cooldown_until = max(self._cooldown_until, until)
                if error.retry_after > permit.cooldown_cap:
                    self._open_until = max(self._open_until or 0.0, until)
        if decides and error is None:
            self.reset()
        elif fault and (decides or (self._open_until is None and self._tripped(len(self._held)))):
            self._open()
        self._end_probe(permit, error)
        self._turn_away()

    def settle(self, prompt: str, blame: Blame) -> None:
        """Decide whether a prompt's held failures count."""
        calls = self._held.pop(prompt, None)
        if calls is None:
            return
        if blame == "model" or (blame == "either" and len(self._signs) >= self.policy.min_calls):
            self._outcomes.extend((at, True) for at in calls)
        elif blame == "either" or self.answers:
            self._signs[prompt] = calls[-1]
        self._forget(self._clock())
        if blame != "prompt" and self._open_until is None and self._tripped(len(self._signs)):
            self._open()
        self._turn_away()

    @property
    def answers(self) -> bool:
        """Whether it answers other prompts: the last call that counts was answered, and few prompts failed since."""
        return bool(self._outcomes) and not self._outcomes[-1][1] and len(self._signs) < self.policy.min_calls

    def _open(self) -> None:
        # Jittered, so that models that failed together are not probed together; only downward, so that a model that has
        # recovered is called again within `open_for`.
        until = self._clock() + self.policy.open_for * random.uniform(0.75, 1)
        self._open_until = max(self._open_until or 0.0, until)

    def give_back(self, permit: Permit) -> None:
        """Return a permit for a call that says nothing about the model."""
        self._end_probe(permit, None)

    def _end(self, permit: Permit, error: ProviderError | None) -> None:
        if permit.counts:
            self.record(permit, error)
        else:
            self.give_back(permit)

    def _turn_away(self) -> None:
        """If the breaker is open now, calls stop queuing for the model."""
        closes_in = self.closes_in()
        if closes_in is None:
            return
        for turn in self._queued:
            if not turn.done():
                turn.set_exception(BreakerOpen(closes_in))

    def _end_probe(self, permit: Permit, error: ProviderError | None) -> None:
        if permit.probe is None:
            return
        permit.probe.set_result(error)
        if permit.probe is self._probe:
            self._probe = None

    def _tripped(self, signs: int) -> bool:
        """Whether enough of the last calls failed, so many signs of trouble included."""
        failures = sum(failed for _, failed in self._outcomes) + signs
        calls = len(self._outcomes) + signs
        return calls >= self.policy.min_calls and failures >= self.policy.failure_rate * calls

    def _forget(self, now: float) -> None:
        while self._outcomes and (
            len(self._outcomes) > self.policy.window or self._outcomes[0][0] < now - self.policy.within
        ):
            self._outcomes.popleft()
        self._signs = {prompt: at for prompt, at in self._signs.items() if at >= now - self.policy.within}

    def reset(self) -> None:
        """Close the breaker and forget all outcomes."""
        self._outcomes.clear()
        self._held.clear()
        self._signs.clear()
        self._probe = None
        self._open_until = None
        self._cooldown_until = 0.0
        self._reason = self._refusal = None

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
            refusal=self._refusal,
        )


class Breakers:
    """All breakers, one per model, created on first use."""

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
        """A breaker as it is now; looking at one does not create it."""
        known = (provider, model) in self._breakers
        breaker = self.get(provider, model, policy) if known else Breaker(policy, self._clock)
        return breaker.view(name)

    def __iter__(self) -> Iterator[tuple[tuple[str, str], Breaker]]:
        return iter(list(self._breakers.items()))
