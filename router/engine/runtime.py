"""What lives on the Lab's event loop: connections, breakers, providers, and all requests in progress."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from router.config.chains import Chain, ModelRef
from router.config.keys import Keys, scrubbed
from router.core.attempts import Completion
from router.core.capabilities import ModelInfo
from router.core.errors import ConfigError, ProviderError
from router.core.events import Event
from router.core.records import Observation, RequestSummary
from router.core.requests import Request
from router.engine.breaker import Breakers, BreakerView
from router.engine.cache import ResponseCache
from router.engine.call import ModelRoute
from router.engine.chain import Engine, run_chain
from router.engine.faults import Faults
from router.engine.handle import Handle
from router.engine.live import InProgress
from router.engine.options import Options
from router.engine.shared_call import SharedCalls
from router.providers import Call, Provider, Sent
from router.providers.catalog import Catalog
from router.providers.pool import ProviderPool

if TYPE_CHECKING:
    from router.config.file import ConfigFile
    from router.config.schema import Config, ProviderConfig

if TYPE_CHECKING:
    import httpx  # takes half of the engine's import, and the Lab has loaded it

COLLECT_AFTER = 10_000
"""Objects allocated before a collection of the youngest generation."""


class Runtime:
    """Created on the loop, and used only there unless a method says otherwise.

    Args:
        transport: used only on the loop, and closed with the runtime.
        observe, conclude: store an attempt and a request's outcome; neither blocks.

    Attributes:
        in_progress: requests that have not ended, oldest first.
        pool: may be used from any thread.
    """

    def __init__(
        self,
        file: ConfigFile,
        keys: Keys,
        cache: ResponseCache,
        catalog: Catalog,
        transport: httpx.AsyncBaseTransport,
        *,
        observe: Callable[[Observation], None],
        conclude: Callable[[RequestSummary], None],
    ) -> None:
        from router.providers.embedded import EmbeddedProvider  # noqa: PLC0415  # HTTP takes half of the engine's import

        # Answers make many short-lived containers; at Python's own 700 the collector takes up to a third of the
        # throughput with 64 at once (docs/benchmarks.md).
        gc.set_threshold(max(COLLECT_AFTER, gc.get_threshold()[0]), *gc.get_threshold()[1:])
        self.loop = asyncio.get_running_loop()
        self._keys = keys
        self._cache = cache
        self._catalog = catalog
        self._observe = observe
        self._conclude = conclude
        self.transport = transport
        self.embedded = EmbeddedProvider(keys)
        self.pool = ProviderPool(lambda: file.in_force, self._new_provider)
        self.breakers = Breakers(self.loop.time)
        self._calls = SharedCalls()
        self.in_progress: dict[asyncio.Task[Completion], InProgress] = {}
        self._background: set[asyncio.Task[Any]] = set()

    def _new_provider(self, settings: ProviderConfig) -> Provider:
        if settings.protocol == "embedded":
            return self.embedded
        from router.providers.anthropic import AnthropicProvider  # noqa: PLC0415  # see `__init__`
        from router.providers.openai import OpenAIProvider  # noqa: PLC0415  # see `__init__`

        speaks = AnthropicProvider if settings.protocol == "anthropic" else OpenAIProvider
        return speaks(settings, self._keys, self.transport)

    def launch(self, asked: str, handle: Handle, run: Coroutine[Any, Any, Completion]) -> None:
        """Start a request that other threads look at."""
        self.follow(handle.launch(run), InProgress(asked, handle.snapshot))

    def follow(self, task: asyncio.Task[Completion], in_progress: InProgress) -> None:
        """Know of a request until it ends."""
        self.in_progress[task] = in_progress
        task.add_done_callback(self.in_progress.pop)

    async def run(
        self,
        config: Config,
        chain: Chain,
        request: Request,
        options: Options,
        *,
        offline: ModelRef | None,
        faults: Faults | None,
        events: list[Event],
    ) -> Completion:
        """One request from start to end; see `run_chain`."""
        self._cache.policy = config.policy.cache
        engine = Engine(
            route=functools.partial(self._route, config),
            cache=self._cache if config.policy.cache.enabled else None,
            calls=self._calls,
            observe=self._observe,
            conclude=self._conclude,
            clock=self.loop.time,
        )
        self._learn(config, chain)
        return await run_chain(engine, chain, request, options, offline=offline, faults=faults, events=events)

    def _route(self, config: Config, ref: ModelRef) -> ModelRoute:
        at = self.pool.get(config, ref.provider)
        known = self._catalog.known(config, ref)
        return ModelRoute(
            ref,
            at.provider,
            self.breakers.get(ref.provider, ref.model, config.policy.breaker),
            at.slots,
            at.extra,
            info=known.info,
            cost_of=known.cost_of,
            insured=at.settings.is_openrouter,
            scrub=self._keys.scrub_sent,
        )

    def breakers_of(self, config: Config) -> tuple[tuple[ModelRef, BreakerView], ...]:
        """The breakers of the chains' models in the file's order, then of other models called; from any thread."""
        refs = {(ref.provider, ref.model): ref for ref in config.chain_models}
        for (provider, model), _ in self.breakers:
            if (provider, model) not in refs and provider in config.providers:
                refs[provider, model] = ModelRef(provider=provider, model=model, text=f"{provider}:{model}")
        return tuple((ref, self.breaker(config, ref)) for ref in refs.values())

    def breaker(self, config: Config, ref: ModelRef) -> BreakerView:
        """The state of a model's breaker; from any thread."""
        return self.breakers.view(ref.provider, ref.model, config.policy.breaker, ref.text)

    def sent(self, config: Config, ref: ModelRef, request: Request) -> Sent:
        """What would be sent on the wire to ask a model this request; from any thread.

        Raises:
            ConfigError: its key may not go there.
        """
        at = self.pool.get(config, ref.provider)
        for names in at.settings.variables:
            if problem := self._keys.refused(at.settings.base_url or "", *names):
                raise ConfigError(f"{problem}.")
        return at.provider.sent(Call(ref.model, request, stream=True, connect=config.policy.connect))

    def _learn(self, config: Config, chain: Chain) -> None:
        """Load what is known of a chain's models for the next request, in the background."""
        for name in {ref.provider for ref in chain.models}:
            at = self.pool.get(config, name)
            if at.settings.is_openrouter:
                if self._catalog.is_due(config, name) and not at.provider.problem():
                    self.in_background(self.read_lists(config, [name]))
            elif at.settings.variables and not self._catalog.has_prices and not at.provider.problem():
                self.in_background(self._catalog.load_prices())

    async def read_lists(self, config: Config, providers: Sequence[str], force: bool = False) -> dict[str, str]:
        """Read the providers' model lists if that is due, or if forced.

        Returns:
            By provider, why its list could not be read, in a sentence.
        """

        async def fetch(provider: Provider) -> dict[str, ModelInfo]:
            models = dict(await provider.models(config.policy.connect))
            return scrubbed(models, dict[str, ModelInfo], self._keys.scrub_sent)

        async def read(name: str) -> str | None:
            provider = self.pool.get(config, name).provider
            try:
                await self._catalog.read(config, name, functools.partial(fetch, provider), force=force)
            except ProviderError as error:
                return str(error)
            return None

        problems = await asyncio.gather(*(read(name) for name in providers))
        return {name: problem for name, problem in zip(providers, problems, strict=True) if problem}

    def in_background(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something that no request waits for, until it is done or the runtime is closed."""
        task = self.loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        """Stop all requests in progress and the embedded model."""
        in_progress: list[asyncio.Task[Any]] = [*self.in_progress, *self._background]
        await asyncio.sleep(0)  # a task canceled before its first step leaves no trace
        for task in in_progress:
            task.cancel()
        if in_progress:
            await asyncio.wait(in_progress, timeout=5)
        await self.embedded.close()
        await self.transport.aclose()
