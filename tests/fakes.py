"""An engine on scripted providers, for loops whose clock jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeAlias

from router.breaker import Breakers
from router.cache import ResponseCache
from router.call import Access
from router.chain import Engine, Options, run_chain
from router.config import BreakerPolicy, Chain, ChainPolicy, ModelRef
from router.errors import AllModelsFailed, ProviderError
from router.events import Event, Finished, ProviderEvent, TextDelta
from router.facts import ModelFacts
from router.faults import Faults
from router.flight import Flights
from router.messages import Completion, Request
from router.providers import Call, Problem
from router.store import Observation, RequestSummary
from tests.virtual_time import run_virtual

Step: TypeAlias = ProviderEvent | ProviderError | float
"""What a call gives next: an event, its error, or seconds of silence."""

FOREVER = 1e9
HELLO = Request(messages=({"role": "user", "content": "Hello"},))


def good(text: str = "Hi", *, after: float = 0.0) -> list[Step]:
    """A whole answer, `after` seconds of silence."""
    return [after, TextDelta(text), Finished("stop")]


class FakeProvider:
    """Plays each model's calls, given in order; the last one repeats.

    Attributes:
        calls: the loop's time and the model of each call so far.
        open, most: how many calls are under way, and the most that ever were.
        key: whether there is one.
    """

    def __init__(self, **models: Sequence[Sequence[Step]]) -> None:
        self.models = models
        self.calls: list[tuple[float, str]] = []
        self.requests: list[Call] = []
        self.open = self.most = 0
        self.key = True

    def problem(self) -> Problem | None:
        return None if self.key else Problem("no_key", "P_KEY is not set")

    async def prepare(self) -> None:
        pass

    async def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        script = self.models[call.model]
        steps = script[min(self.count(call.model), len(script) - 1)]
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

    def count(self, model: str) -> int:
        """Calls of a model so far."""
        return sum(name == model for _, name in self.calls)


def ref(model: str, provider: str = "p") -> ModelRef:
    return ModelRef(provider=provider, model=model, text=model)


def chain_of(*models: str, params: dict[str, Any] | None = None, **policy: Any) -> Chain:
    refs = tuple(ref(model) for model in models)
    return Chain(name="test", models=refs, policy=ChainPolicy(**policy), params=params or {})


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
        places: int = 8,
        breaker: BreakerPolicy = BreakerPolicy(),
        facts: Mapping[str, ModelFacts] = {},
        **models: Sequence[Sequence[Step]],
    ) -> None:
        self.provider = FakeProvider(**models)
        self.offline = FakeProvider(**models)
        self.breakers = Breakers(self.now)
        self.observed: list[Observation] = []
        self.concluded: list[RequestSummary] = []
        self.events: list[Event] = []
        self._breaker = breaker
        self._facts = facts
        self._places = asyncio.Semaphore(places)
        self.extra = b"{}"
        self.engine = Engine(
            access=self._access,
            cache=cache,
            flights=Flights(),
            observe=self.observed.append,
            conclude=self.concluded.append,
            clock=self.now,
        )

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def _access(self, at: ModelRef) -> Access:
        provider = self.provider if at.provider == "p" else self.offline
        breaker = self.breakers.get(at.provider, at.model, self._breaker)
        facts = self._facts.get(at.model, ModelFacts())
        return Access(at, provider, breaker, self._places, self.extra, facts)

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
