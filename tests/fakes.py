"""An engine on scripted providers, for loops whose clock jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any, TypeAlias

from router.config.chains import Chain, Link, ModelRef
from router.config.policy import BreakerPolicy, ChainPolicy
from router.core.attempts import Completion
from router.core.capabilities import ModelInfo
from router.core.errors import AllModelsFailed, ProviderError
from router.core.events import (
    Event,
    Finished,
    ProviderEvent,
    TextDelta,
)
from router.core.records import Observation, RequestSummary
from router.core.requests import Request
from router.engine.breaker import Breakers
from router.engine.cache import ResponseCache
from router.engine.call import ModelRoute
from router.engine.chain import Engine, run_chain
from router.engine.faults import Faults
from router.engine.options import Options
from router.engine.shared_call import SharedCalls
from router.providers import Call, Sent, Unusable
from router.providers.slots import Slots
from tests.virtual_time import run_virtual

Step: TypeAlias = ProviderEvent | ProviderError | float
"""What a call gives next: an event, its error, or seconds of silence."""

FOREVER = 1e9
HELLO = Request(messages=({"role": "user", "content": "Hello"},))


def good(text: str = "Hi", *, after: float = 0.0) -> list[Step]:
    """A whole answer, `after` seconds of silence."""
    return [after, TextDelta(text), Finished("stop")]


class AtOnce(Executor):
    """Runs what it is given at once."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **options))
        return done


class WirelessProvider:
    """What providers without a wire have in common: they can be called, and list and send nothing."""

    def problem(self) -> Unusable | None:
        return None

    async def prepare(self) -> None:
        """Always ready."""

    async def models(self, _: float) -> Mapping[str, ModelInfo]:
        return {}

    def sent(self, call: Call) -> Sent:
        raise NotImplementedError(call)


class FakeProvider(WirelessProvider):
    """Plays each model's calls, given in order; the last one repeats.

    Attributes:
        calls: the loop's time and the model of each call so far.
        open, most: how many calls are in progress, and the most that ever were.
        key: whether there is one.
    """

    def __init__(self, **models: Sequence[Sequence[Step]]) -> None:
        self._scripts = models
        self.calls: list[tuple[float, str]] = []
        self.requests: list[Call] = []
        self.open = self.most = 0
        self.key = True

    def problem(self) -> Unusable | None:
        return None if self.key else Unusable("no_key", "P_KEY is not set")

    async def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        steps = self.steps(call)
        self.calls.append((asyncio.get_running_loop().time(), call.model))
        self.requests.append(call)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            for step in steps:
                if isinstance(step, ProviderError):
                    raise step
                if isinstance(step, float | int):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.open -= 1

    def steps(self, call: Call) -> Sequence[Step]:
        """What a call gets."""
        script = self._scripts[call.model]
        return script[min(self.count(call.model), len(script) - 1)]

    def count(self, model: str) -> int:
        """Calls of a model so far."""
        return sum(name == model for _, name in self.calls)


def ref(model: str, provider: str = "p") -> ModelRef:
    return ModelRef(provider=provider, model=model, text=model)


def chain_of(*models: str | Link, params: dict[str, Any] | None = None, **policy: Any) -> Chain:
    links = tuple(model if isinstance(model, Link) else Link(ref=ref(model)) for model in models)
    return Chain(name="test", links=links, policy=ChainPolicy(**policy), params=params or {})


class Bench:
    """An engine whose models are scripted, and what it observed.

    Attributes:
        observed: every observation, in order.
        concluded: what became of every request, in order.
        events: the events of the request that was asked last, in order.
        extra: what models.yaml adds to each body.

    Args:
        facts: what is known of models, by name.
    """

    def __init__(
        self,
        *,
        cache: ResponseCache | None = None,
        slots: int = 8,
        breaker: BreakerPolicy = BreakerPolicy(),
        info: Mapping[str, ModelInfo] = {},
        **models: Sequence[Sequence[Step]],
    ) -> None:
        self.provider = FakeProvider(**models)
        self.offline = FakeProvider(**models)
        self.breakers = Breakers(self.now)
        self.observed: list[Observation] = []
        self.concluded: list[RequestSummary] = []
        self.events: list[Event] = []
        self._breaker = breaker
        self._facts = info
        self._slots = {name: Slots(lambda: slots) for name in ("p", "q", "embedded")}
        self.extra = b"{}"
        self.engine = Engine(
            route=self._route,
            cache=cache,
            calls=SharedCalls(),
            observe=self.observed.append,
            conclude=self.concluded.append,
            clock=self.now,
        )

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def _route(self, at: ModelRef) -> ModelRoute:
        provider = self.provider if at.provider == "p" else self.offline
        breaker = self.breakers.get(at.provider, at.model, self._breaker)
        info = self._facts.get(at.model, ModelInfo())
        return ModelRoute(at, provider, breaker, self._slots[at.provider], self.extra, info)

    async def ask(
        self,
        chain: Chain,
        request: Request = HELLO,
        *,
        offline: ModelRef | None = None,
        faults: Faults | None = None,
        events: list[Event] | None = None,
        **options: Any,
    ) -> Completion:
        self.events = [] if events is None else events
        return await run_chain(
            self.engine,
            chain,
            request,
            Options(**options),
            offline=offline,
            faults=faults,
            events=self.events,
        )

    def run(self, *models: str, **policy: Any) -> Completion:
        """Ask a chain of these models, from start to end."""
        return run_virtual(self.ask(chain_of(*models, **policy)))

    async def failed(self, chain: Chain, **options: Any) -> AllModelsFailed:
        """Ask a chain that fails."""
        try:
            await self.ask(chain, **options)
        except AllModelsFailed as error:
            return error
        raise AssertionError("it was answered")

    def run_failed(self, *models: str, **policy: Any) -> AllModelsFailed:
        """Ask a chain of these models that fails, from start to end."""
        return run_virtual(self.failed(chain_of(*models, **policy)))


def story(attempts: Sequence[Any]) -> list[tuple[str, int, str, str | None]]:
    """What became of each attempt: model, number, outcome, reason."""
    return [(attempt.model, attempt.number, attempt.outcome, attempt.reason) for attempt in attempts]


async def stop(*tasks: asyncio.Task[Completion]) -> list[Completion | BaseException]:
    """Cancel requests, and wait for their ends."""
    for task in tasks:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


class FakeTimers:
    """Countdowns that end when a test says so."""

    def __init__(self) -> None:
        self.started: list[FakeTimer] = []

    def later(self, seconds: float, action: Callable[[], object]) -> FakeTimer:
        self.started.append(FakeTimer(seconds, action))
        return self.started[-1]


class FakeTimer:
    def __init__(self, seconds: float, end: Callable[[], object]) -> None:
        self.seconds, self.end, self.canceled = seconds, end, False

    def cancel(self) -> None:
        self.canceled = True
