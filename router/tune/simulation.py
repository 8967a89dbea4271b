"""What a chain would do, by running the engine itself on models that behave as measured.

Nothing of the chain's loop is copied: `run_chain`, its breakers, slots, retries and limits run here as they do on real
requests, on a loop whose hours take a moment. Only the providers are simulated. Each run draws a world of its own:
which of the measured calls there are to draw from (a bootstrap, so that few measurements make wide intervals), when
requests come, and when models and providers are down.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import msgspec
import numpy as np

from router.config.chains import Chain
from router.config.policy import Policy
from router.core.capabilities import ModelInfo
from router.core.errors import AllModelsFailed, ProviderError
from router.core.events import Finished, ProviderEvent, TextDelta
from router.core.messages import Usage
from router.core.records import RequestSummary
from router.core.requests import Request
from router.engine.breaker import Breakers
from router.engine.call import ModelRoute
from router.engine.chain import Engine, run_chain
from router.engine.options import Options
from router.engine.shared_call import SharedCalls
from router.providers import Call, Sent, Unusable
from router.providers.slots import Slots
from router.tune.behavior import Behavior, Calls, Measured, Outages
from router.tune.simulated import Down, Run, Simulated
from router.tune.virtual_time import VirtualLoop

REQUESTS = 100
"""Of one run."""

RUNS = 40

MOST_CALLS = 20_000
"""Of a model in one world: more of them leave as little open, and take time to draw."""

AFTER = 1000.0
"""Seconds after the last request for which outages are drawn: its chain may take so long."""

_REQUEST = Request(messages=({"role": "user", "content": "simulated"},))
_OPTIONS = Options(cache="off")


class Worlds:
    """A chain's simulated worlds, each simulated once. Safe to use from any thread.

    Worlds of the same seed and number are the same for all chains: what the measured calls of each model and the
    outages of each provider are like, when requests come, and what comes of each call.

    Args:
        policy: for the breakers, which all chains share.
        measured: of every model of the chain.
        slots: calls at once by provider; 8 where nothing is said.
        exact: the measured calls are the truth and not a sample of it.
    """

    def __init__(
        self,
        chain: Chain,
        policy: Policy,
        measured: Measured,
        *,
        slots: Mapping[str, int] | None = None,
        exact: bool = False,
        seed: int = 0,
    ) -> None:
        self._parts = chain, policy, measured, slots or {}
        self._exact = exact
        self._seed = seed
        self._runs: dict[tuple[int, int], Run] = {}

    def run(self, number: int, requests: int) -> Run:
        """So many requests in the world of this number."""
        key = number, requests
        if (found := self._runs.get(key)) is None:
            world = _World(*self._parts, dice=_Dice(self._seed, number), requests=requests, exact=self._exact)
            found = self._runs[key] = world.run()
        return found

    def simulated(self, runs: int, requests: int) -> Simulated:
        """So many requests in each of the first so many worlds."""
        return Simulated(tuple(self.run(number, requests) for number in range(runs)))


def simulate(
    chain: Chain,
    policy: Policy,
    measured: Measured,
    *,
    slots: Mapping[str, int] | None = None,
    requests: int = REQUESTS,
    runs: int = RUNS,
    exact: bool = False,
    seed: int = 0,
) -> Simulated:
    """Send so many requests through a chain in each of so many worlds; see `Worlds`."""
    return Worlds(chain, policy, measured, slots=slots, exact=exact, seed=seed).simulated(runs, requests)


class _Dice:
    """A world's generators of random numbers, one for each purpose."""

    def __init__(self, seed: int, world: int) -> None:
        self._seed = seed, world

    def of(self, purpose: str) -> np.random.Generator:
        """The generator of a purpose, as it was at first."""
        return np.random.default_rng([*self._seed, *purpose.encode()])


class _World:
    """One run of the engine."""

    def __init__(
        self,
        chain: Chain,
        policy: Policy,
        measured: Measured,
        slots: Mapping[str, int],
        *,
        dice: _Dice,
        requests: int,
        exact: bool,
    ) -> None:
        # How fast answers flow was not measured, so nothing can be too slow for `min_tokens_per_s`.
        self._chain = msgspec.structs.replace(chain, policy=chain.policy.model_copy(update={"min_tokens_per_s": 0.0}))
        self._measured = measured
        self._dice = dice
        self._at = np.cumsum(dice.of("arrivals").exponential(1 / measured.rate, requests))
        self._loop = VirtualLoop()
        self._exact = exact
        self._down: dict[str, Down] = {}
        names = sorted({ref.provider for ref in chain.models})
        down = {name: self._times(f"provider {name}", measured.providers.get(name, Outages())) for name in names}
        turns = {name: Slots(functools.partial(int, slots.get(name, 8))) for name in names}
        breakers = Breakers(self._loop.time)
        self._routes = {
            ref.text: ModelRoute(
                ref,
                self._provider(ref.text, measured.models[ref.text], down[ref.provider]),
                breakers.get(ref.provider, ref.model, policy.breaker),
                turns[ref.provider],
            )
            for ref in chain.models
        }
        self._ended: dict[int, RequestSummary] = {}

    def _times(self, name: str, outages: Outages) -> list[tuple[float, float]]:
        """When something is down; a world may begin in the middle of an outage."""
        found: list[tuple[float, float]] = []
        dice, end = self._dice.of(f"outages of {name}"), 0.0
        measured = outages.share
        outages = outages if self._exact else outages.drawn(dice)
        if not outages.share:
            return found
        if outages.share == 1:
            return [(0.0, np.inf)]
        at = 0.0 if dice.random() < outages.share else dice.exponential(outages.every)
        while at < self._at[-1] + AFTER:
            end = at + dice.exponential(outages.last)
            found.append((at, end))
            at = end + dice.exponential(outages.every)
        inside = [(self._at >= start) & (self._at < end) for start, end in found]
        self._down[name] = Down(np.any(inside, axis=0) if inside else np.zeros(len(self._at)), outages.share, measured)
        return found

    def _provider(self, name: str, behavior: Behavior, down: list[tuple[float, float]]) -> _Provider:
        count, dice = behavior.calls.seen, self._dice.of(f"calls of {name}")
        pool = np.arange(count) if self._exact else dice.integers(count, size=min(count, MOST_CALLS))
        drawn = pool[dice.integers(len(pool), size=len(self._at) * 4 + 16)]
        when = [*down, *self._times(f"model {name}", behavior.outages)]
        pause = self._chain.policy.stall / 2
        return _Provider(behavior, behavior.calls.at(drawn), when, pause=pause, clock=self._loop.time)

    def _quality(self, name: str) -> float:
        """What a model's answers are worth in this world: as likely as its grades make it (Beta, Jeffreys' prior)."""
        behavior = self._measured.models[name]
        mean, count = behavior.quality, behavior.graded
        if mean is None or self._exact or not count:
            return _known(mean)
        return float(self._dice.of(f"quality of {name}").beta(mean * count + 0.5, (1 - mean) * count + 0.5))

    def run(self) -> Run:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._arrivals())
        quality = {ref.text: self._quality(ref.text) for ref in self._chain.models}
        ended = [self._ended[number] for number in range(len(self._at))]
        return Run(
            np.array([each.outcome == "answered" for each in ended]),
            np.array([-1 if each.place is None else each.place for each in ended]),
            np.array([0.0 if each.model is None else quality[each.model] for each in ended]),
            np.array([each.latency if each.outcome == "answered" else np.inf for each in ended]),
            np.array([np.inf if each.ttft is None else each.ttft for each in ended]),
            np.array([_known(each.cost) for each in ended]),
            self._down,
        )

    async def _arrivals(self) -> None:
        tasks = []
        for number, at in enumerate(self._at.tolist()):
            await asyncio.sleep(at - self._loop.time())
            tasks.append(self._loop.create_task(self._one(number)))
        await asyncio.gather(*tasks)

    async def _one(self, number: int) -> None:
        engine = Engine(
            route=lambda ref: self._routes[ref.text],
            cache=None,
            calls=SharedCalls(),
            observe=lambda _: None,
            conclude=functools.partial(self._ended.__setitem__, number),
            clock=self._loop.time,
        )
        with contextlib.suppress(AllModelsFailed):  # its end is noted as every other
            await run_chain(engine, self._chain, _REQUEST, _OPTIONS)


def _known(value: float | None) -> float:
    return np.nan if value is None else value


class _Provider:
    """Answers and fails as a model did; see `Provider`.

    Args:
        down: when it is, seconds from and to.
        pause: seconds between tokens, at most: answers flow, and how they did was not measured.
    """

    def __init__(
        self,
        behavior: Behavior,
        drawn: Calls,
        down: Sequence[tuple[float, float]],
        *,
        pause: float,
        clock: Callable[[], float],
    ) -> None:
        self._behavior = behavior
        self._pause = pause
        # Many retries use up what was drawn: then from the first one on.
        self._calls = itertools.cycle(zip(*(column.tolist() for column in drawn), strict=True))
        self._down = down
        self._clock = clock

    def problem(self) -> Unusable | None:
        return None

    async def prepare(self) -> None:
        pass

    async def models(self, connect: float) -> Mapping[str, ModelInfo]:
        raise NotImplementedError

    def sent(self, call: Call) -> Sent:
        raise NotImplementedError

    async def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        del call
        now = self._clock()
        error, first_token, seconds, cost = next(self._calls)
        if any(start <= now < end for start, end in self._down):
            error, first_token, seconds, cost = self._behavior.down_error, np.inf, self._behavior.down_after, 0.0
        if error is not None and np.isnan(cost):
            cost = 0.0  # what a failed call costs is seldom said, and seldom anything
        if not np.isnan(cost):
            yield Usage(cost=cost)  # first, so that it counts however the call ends
        if error is None or first_token < seconds:
            await asyncio.sleep(first_token)
            yield TextDelta("…")
        while (left := seconds - (self._clock() - now)) > self._pause:
            await asyncio.sleep(self._pause)
            if error is None or first_token < seconds:
                yield TextDelta("…")
        await asyncio.sleep(max(left, 0.0))
        if error is not None:
            raise _failure(error)
        yield Finished("stop")


def _failure(kind: type[ProviderError]) -> ProviderError:
    return kind("It failed as measured.")
