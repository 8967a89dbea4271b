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
import math
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from router.config.policy import Policy
from router.config.schema import Chain
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
from router.metrics.estimates import Estimate
from router.providers import Call, Sent, Unusable
from router.providers.slots import Slots
from router.tune.behavior import Behavior, Calls, Measured, Outages
from router.tune.grid import Floats
from router.tune.virtual_time import VirtualLoop

REQUESTS = 100
"""Of one run."""

RUNS = 40
FEWEST_RUNS = 8
"""Also where there is no time for more: fewer give no interval."""

RESAMPLES = 20

_REQUEST = Request(messages=({"role": "user", "content": "simulated"},))
_OPTIONS = Options(cache="off")


class Run(NamedTuple):
    """One world's requests.

    Attributes:
        answered: (requests,) whether a model answered.
        place: (requests,) of the model that answered; -1 for none.
        quality: (requests,) expected score, 0 where none answered; NaN where it is unknown.
        latency, first_token: (requests,) seconds that the user waited; infinite without an answer.
        cost: (requests,) US dollars, failed calls included; NaN where any part is unknown.
    """

    answered: NDArray[np.bool_]
    place: NDArray[np.int64]
    quality: Floats
    latency: Floats
    first_token: Floats
    cost: Floats

    def at(self, which: NDArray[np.intp]) -> Run:
        """Some of the requests, any of them several times."""
        return Run(
            self.answered[which],
            self.place[which],
            self.quality[which],
            self.latency[which],
            self.first_token[which],
            self.cost[which],
        )

    def figures(self) -> Mapping[str, float]:
        """By name: shares and scores 0 to 1, seconds, US dollars per 1,000 requests."""
        latencies, tokens = np.sort(self.latency), np.sort(self.first_token)
        middle, end = ((len(latencies) - 1) // 2, int(np.ceil(0.95 * len(latencies))) - 1)
        return {
            "answered": float(self.answered.mean()),
            "quality": float(self.quality.mean()),
            "cost": 1000 * float(self.cost.mean()),
            "latency_p50": float(latencies[middle]),
            "latency_p95": float(latencies[end]),
            "first_token_p50": float(tokens[middle]),
            "first_token_p95": float(tokens[end]),
        }


class Simulated(NamedTuple):
    """What a chain does in simulated worlds."""

    runs: tuple[Run, ...]

    @property
    def requests(self) -> int:
        return sum(len(run.answered) for run in self.runs)

    def figures(self) -> dict[str, Estimate]:
        """Over all runs, with the interval of 95 % for a long time in one world; see `Run.figures`.

        Worlds differ since few measurements leave open what the truth is, and since a run is short. Only the first is
        uncertainty about a long time: the variance between runs less that within them, which resampled requests tell
        (Efron's bootstrap), and on top the error of having simulated few runs.
        """
        rng = np.random.default_rng(0)
        whole = _joined(self.runs).figures()
        found = [run.figures() for run in self.runs]
        again = [[run.at(rng.integers(len(run.place), size=len(run.place))).figures() for _ in range(RESAMPLES)]
                 for run in self.runs]  # fmt: skip
        return {
            name: _long_run(
                value,
                np.array([each[name] for each in found]),
                np.array([[each[name] for each in of_run] for of_run in again]),
                1.0 if name in ("answered", "quality") else math.inf,
            )._replace(rows=self.requests)
            for name, value in whole.items()
        }

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Between which values each figure of a single run lies in 95 of 100 worlds."""
        found = [run.figures() for run in self.runs]
        return {name: _ends([each[name] for each in found]) for name in found[0]}

    def places(self) -> list[float]:
        """The share of requests that each place of the chain answers."""
        place = _joined(self.runs).place
        shares: list[float] = (np.bincount(place[place >= 0]) / len(place)).tolist()
        return shares


def _long_run(value: float, found: Floats, again: Floats, most: float) -> Estimate:
    """A figure with its interval.

    Args:
        found: (runs,) of each run.
        again: (runs, resamples) of each run's resampled requests.
        most: what it can be at most.
    """
    if not (np.isfinite(found).all() and np.isfinite(again).all()):  # some runs end without an answer, or costs unknown
        return Estimate(value, *_ends(found.tolist()))
    between, within = float(found.var(ddof=1)), float(again.var(axis=1, ddof=1).mean())
    error = math.sqrt(max(between - within, 0.0) + between / len(found))
    reach = float(stdtrit(len(found) - 1, 0.975)) * error
    return Estimate(value, max(value - reach, 0.0), min(value + reach, most))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _joined(runs: Sequence[Run]) -> Run:
    return Run(*(np.concatenate(parts) for parts in zip(*runs, strict=True)))


def simulate(
    chain: Chain,
    policy: Policy,
    measured: Measured,
    *,
    slots: Mapping[str, int] | None = None,
    requests: int = REQUESTS,
    runs: int = RUNS,
    at_most: float | None = None,
    exact: bool = False,
    seed: int = 0,
) -> Simulated:
    """Send requests through a chain in worlds that behave as measured.

    Args:
        policy: for the breakers, which all chains share.
        measured: of every model of the chain.
        slots: calls at once by provider; 8 where nothing is said.
        requests: of one run.
        runs: how many worlds.
        at_most: seconds after which no further run begins, once there are FEWEST_RUNS.
        exact: the measured calls are the truth and not a sample of it.
    """
    began, rng, found = time.perf_counter(), np.random.default_rng(seed), list[Run]()
    for number in range(runs):
        if at_most is not None and number >= FEWEST_RUNS and time.perf_counter() - began > at_most:
            break
        found.append(_World(chain, policy, measured, slots or {}, rng=rng, requests=requests, exact=exact).run())
    return Simulated(tuple(found))


class _World:
    """One run of the engine."""

    def __init__(
        self,
        chain: Chain,
        policy: Policy,
        measured: Measured,
        slots: Mapping[str, int],
        *,
        rng: np.random.Generator,
        requests: int,
        exact: bool,
    ) -> None:
        # How fast answers flow was not measured, so nothing can be too slow for `min_tokens_per_s`.
        self._chain = chain.changed(policy=chain.policy.model_copy(update={"min_tokens_per_s": 0.0}))
        self._measured = measured
        self._rng = rng
        self._requests = requests
        self._loop = VirtualLoop()
        self._horizon = 2 * requests / measured.rate + 1000
        names = {ref.provider for ref in chain.models}
        self._exact = exact
        down = {name: self._times(measured.providers.get(name, Outages())) for name in names}
        turns = {name: Slots(functools.partial(int, slots.get(name, 8))) for name in names}
        breakers = Breakers(self._loop.time)
        self._routes = {
            ref.text: ModelRoute(
                ref,
                self._provider(measured.models[ref.text], down[ref.provider]),
                breakers.get(ref.provider, ref.model, policy.breaker),
                turns[ref.provider],
            )
            for ref in chain.models
        }
        self._ended: list[RequestSummary] = []

    def _times(self, outages: Outages) -> list[tuple[float, float]]:
        """When something is down; a world may begin in the middle of an outage."""
        found: list[tuple[float, float]] = []
        outages = outages if self._exact else outages.drawn(self._rng)
        if not outages.share:
            return found
        if outages.share == 1:
            return [(0.0, np.inf)]
        at = 0.0 if self._rng.random() < outages.share else self._rng.exponential(outages.every)
        while at < self._horizon:
            end = at + self._rng.exponential(outages.last)
            found.append((at, end))
            at = end + self._rng.exponential(outages.every)
        return found

    def _provider(self, behavior: Behavior, down: list[tuple[float, float]]) -> _Provider:
        count = behavior.calls.seen
        pool = np.arange(count) if self._exact else self._rng.integers(count, size=count)
        drawn = pool[self._rng.integers(count, size=self._requests * 4 + 16)]
        when = [*down, *self._times(behavior.outages)]
        pause = self._chain.policy.stall / 2
        return _Provider(behavior, behavior.calls.at(drawn), when, pause=pause, clock=self._loop.time)

    def _quality(self, behavior: Behavior) -> float:
        """What a model's answers are worth in this world: as likely as its grades make it (Beta, Jeffreys' prior)."""
        mean, count = behavior.quality, behavior.graded
        if mean is None or self._exact or not count:
            return _known(mean)
        return float(self._rng.beta(mean * count + 0.5, (1 - mean) * count + 0.5))

    def run(self) -> Run:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._arrivals())
        quality = {ref.text: self._quality(self._measured.models[ref.text]) for ref in self._chain.models}
        qualities = [0.0 if each.model is None else quality[each.model] for each in self._ended]
        return Run(
            np.array([each.outcome == "answered" for each in self._ended]),
            np.array([-1 if each.place is None else each.place for each in self._ended]),
            np.array(qualities),
            np.array([each.latency if each.outcome == "answered" else np.inf for each in self._ended]),
            np.array([np.inf if each.ttft is None else each.ttft for each in self._ended]),
            np.array([_known(each.cost) for each in self._ended]),
        )

    async def _arrivals(self) -> None:
        tasks = []
        for wait in self._rng.exponential(1 / self._measured.rate, self._requests).tolist():
            await asyncio.sleep(wait)
            tasks.append(self._loop.create_task(self._one()))
        await asyncio.gather(*tasks)

    async def _one(self) -> None:
        engine = Engine(
            route=lambda ref: self._routes[ref.text],
            cache=None,
            calls=SharedCalls(),
            observe=lambda _: None,
            conclude=self._ended.append,
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
