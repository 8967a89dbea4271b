"""The Lab: everything that is opened once a process, with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
from anyio.from_thread import BlockingPortal, start_blocking_portal

from router.breaker import Breakers, BreakerView
from router.cache import ResponseCache
from router.call import Access
from router.cases import CaseFile
from router.catalogue import Catalogue
from router.chain import Engine, Options, run_chain
from router.chat import Chat
from router.compare import AskedFirst, Comparisons
from router.config import Chain, Config, ModelRef, ProviderConfig, load_config
from router.editing import Editor
from router.errors import ConfigError, ProviderError, StoreError
from router.events import Event
from router.facts import ModelFacts
from router.faults import Faults
from router.flight import Flights
from router.handle import Handle
from router.keys import Keys, scrubbed
from router.live import Live, UnderWay
from router.messages import Completion, Request
from router.observed import Observed
from router.providers import Call, Problem, Provider, Sent
from router.providers.anthropic import AnthropicProvider
from router.providers.embedded import FACTS, MODEL, EmbeddedProvider
from router.providers.http import new_transport
from router.providers.openai import OpenAIProvider
from router.store import Observation, RequestSummary, Retention, Settings, Store

COLLECT_AFTER = 10_000
"""Containers made before the collector looks at the youngest."""


class _ProviderEntry(NamedTuple):
    settings: ProviderConfig
    provider: Provider
    places: asyncio.Semaphore
    extra: bytes


class Lab:
    """The engine with its configuration, clients, breakers, cache and store.

    Its methods are synchronous, may be called from any thread, and never wait for a token.

    Args:
        config_path: models.yaml; `.lab/` lies beside it.
        environ: the environment that keys are read from.

    Raises:
        ConfigError: models.yaml cannot be used.
    """

    def __init__(self, config_path: Path, *, environ: Mapping[str, str] | None = None) -> None:
        self.path = config_path.absolute()
        self._stamp = _stamp(self.path)
        self._config = load_config(self.path)
        self._config_problem: str | None = None
        self.keys = Keys(self.path.parent, environ)
        self.folder = self.path.parent / ".lab"
        self._notice: str | None = None
        self.store = self._open_store()
        self.observed = Observed(self.store.database, self.folder / "observed") if self.store is not None else None
        self.retention = self._open_retention()
        self._cache = ResponseCache(self.folder / "cache", self._config.policy.cache)
        self.editor = Editor(self.path, self.folder / "history")
        self.cases = CaseFile(self.folder / "suites" / "tries.jsonl")
        self._catalogue = Catalogue(self.folder / "catalogue", {MODEL: FACTS})
        self._exit = contextlib.ExitStack()
        self._portal: BlockingPortal = self._exit.enter_context(start_blocking_portal("asyncio"))
        self._portal.call(self._open)
        self.chat = Chat(self.start, self.store.conversations if self.store is not None else None)
        comparisons = self.store.comparisons if self.store is not None else None
        self.comparisons = Comparisons(self.start, self._asked_first, comparisons)

    # --- What pages and the command line use -------------------------------------------------------

    def start(
        self,
        request: Request,
        *,
        category: str | None = None,
        model: str | None = None,
        options: Options = Options(),
        faults: Faults | None = None,
    ) -> Handle:
        """Send a request through a category's chain, or to a single model; returns at once.

        Args:
            faults: what befalls the models' calls; see `Faults`.

        Raises:
            ConfigError: there is no such chain.
        """
        config = self.config()
        chain = config.single(model) if model is not None else config.chain(category or "")
        # Who names a model wants that model: nothing stands in for it.
        offline = config.offline if model is None else None
        handle = Handle(self._loop, self.keys.scrub_sent)
        run = self._run(config, chain, request, options, offline=offline, faults=faults, events=handle.log)
        self._loop.call_soon_threadsafe(self._launch, UnderWay(model or category or "", handle), run)
        return handle

    def config(self) -> Config:
        """models.yaml as it is now; a bad edit leaves the last good one in force, and is among the notices."""
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._config = load_config(self.path)
                self._config_problem = None
            except ConfigError as error:
                self._config_problem = f"{error} Until it is mended, the last good version stays in force."
        return self._config

    def problem(self, ref: ModelRef) -> Problem | None:
        """Why a model cannot be called at all, such as a missing key; None where it can."""
        return self._provider(self._config, ref.provider).provider.problem()

    def context(self, reference: str) -> int | None:
        """Tokens that a model can read; None where it is not known."""
        return self.facts(self._config.single(reference).models[0]).context

    def sent(self, request: Request, reference: str) -> Sent:
        """What goes on the wire where a request is asked of a model; the key stands as its variable's name.

        Raises:
            ConfigError: there is no such model.
        """
        ref = self._config.single(reference).models[0]
        at = self._provider(self._config, ref.provider)
        key = f"${at.settings.api_key[0]}" if at.settings.api_key else None
        return at.provider.sent(Call(ref.model, request, stream=True, connect=self._config.policy.connect), key)

    def facts(self, ref: ModelRef) -> ModelFacts:
        """What is known of a model."""
        return self._catalogue.known(self._config, ref).facts

    def models(self, provider: str) -> Mapping[str, ModelFacts] | None:
        """The models that a provider lists, by name; None where its list was never read."""
        return self._catalogue.models(self._config, provider)

    def read_lists(self, providers: Iterable[str], *, anyway: bool = False) -> dict[str, str]:
        """Read the providers' lists of models where that is due, or anyway, and wait for it.

        Returns:
            By provider, why its list could not be read, in a sentence.
        """
        return self._portal.call(self._read_lists, self._config, sorted(set(providers)), anyway)

    def breaker(self, ref: ModelRef) -> BreakerView:
        """The state of a model's breaker."""
        return self._breakers.view(ref.provider, ref.model, self._config.policy.breaker, ref.text)

    def reset_breaker(self, ref: ModelRef) -> None:
        """Close a model's breaker by hand."""
        self._loop.call_soon_threadsafe(self._breakers.get(ref.provider, ref.model, self._config.policy.breaker).reset)

    def live(self) -> Live:
        """What goes on in this process now."""
        config = self.config()
        refs = {(ref.provider, ref.model): ref for chain in config.chains.values() for ref in chain.models}
        for (provider, model), _ in self._breakers:
            if (provider, model) not in refs and provider in config.providers:
                refs[provider, model] = ModelRef(provider=provider, model=model, text=f"{provider}:{model}")
        return Live(
            in_flight=tuple(self._tasks.copy().values()),
            breakers=tuple((ref, self.breaker(ref)) for ref in refs.values()),
            cache_bytes=self._cache.size(),
            waiting=self.store.writer.state().waiting if self.store is not None else 0,
        )

    def notices(self) -> list[str]:
        """What people should know now, one sentence each."""
        self.config()
        store = self.store.notices() if self.store is not None else []
        pruning = self.retention.notice if self.retention is not None else None
        found = [self._config_problem, self._notice, self._cache.notice, pruning, *store, *self._config.warnings]
        return [notice for notice in found if notice]

    def forget(self) -> None:
        """Delete all that is stored: conversations, comparisons, observations, templates, cases, cached answers.

        Raises:
            StoreError: the database cannot be written now.
        """
        self.chat.forget()
        self.comparisons.forget()
        self.cases.clear()
        self._cache.clear()
        if self.store is not None:
            self.store.forget()
        if self.observed is not None:
            self.observed.forget()
        self.chat.forget()  # what a tab has read again meanwhile

    def close(self) -> None:
        """Stop what is under way, write what waits, end the embedded model."""
        self.comparisons.close()
        self._portal.call(self._shut)
        self._exit.close()
        self._cache.close()
        if self.retention is not None:
            self.retention.close()
        if self.observed is not None:
            self.observed.close()
        if self.store is not None:
            self.store.close()

    # --- On the loop -------------------------------------------------------------------------------

    async def _open(self) -> None:
        # Answers make many short-lived containers; at Python's own 700 the collector takes up to a third of the
        # throughput with 64 at once (docs/benchmarks.md).
        gc.set_threshold(max(COLLECT_AFTER, gc.get_threshold()[0]), *gc.get_threshold()[1:])
        self._loop = asyncio.get_running_loop()
        self._transport: httpx.AsyncBaseTransport = new_transport()
        self._breakers = Breakers(self._loop.time)
        self._flights = Flights()
        self._tasks: dict[asyncio.Task[Completion], UnderWay] = {}
        self._learning: set[asyncio.Task[Any]] = set()
        self._embedded = EmbeddedProvider(self.keys, self._transport)
        self._providers: dict[str, _ProviderEntry] = {}

    async def _shut(self) -> None:
        under_way: list[asyncio.Task[Any]] = [*self._tasks, *self._learning]
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=5)
        await self._embedded.close()
        await self._transport.aclose()

    def _launch(self, under_way: UnderWay, run: Coroutine[Any, Any, Completion]) -> None:
        task = under_way.handle.launch(run)
        self._tasks[task] = under_way
        task.add_done_callback(self._tasks.pop)

    async def _run(
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
        self._cache.policy = config.policy.cache
        engine = Engine(
            access=functools.partial(self._access, config),
            cache=self._cache if config.policy.cache.enabled else None,
            flights=self._flights,
            observe=self._observe,
            conclude=self._conclude,
            clock=self._loop.time,
        )
        self._learn(config, chain)
        return await run_chain(engine, chain, request, options, offline=offline, faults=faults, events=events)

    def _access(self, config: Config, ref: ModelRef) -> Access:
        at = self._provider(config, ref.provider)
        breaker = self._breakers.get(ref.provider, ref.model, config.policy.breaker)
        known = self._catalogue.known(config, ref)
        return Access(
            ref,
            at.provider,
            breaker,
            at.places,
            at.extra,
            facts=known.facts,
            bill=known.bill,
            insured=at.settings.is_openrouter,
            scrub=self.keys.scrub_sent,
        )

    def _learn(self, config: Config, chain: Chain) -> None:
        """See to it that what is known of a chain's models is at hand for the next request; holds up none."""
        for name in {ref.provider for ref in chain.models}:
            at = self._provider(config, name)
            if at.settings.is_openrouter:
                if self._catalogue.is_due(config, name) and not at.provider.problem():
                    self._in_background(self._read_lists(config, [name]))
            elif at.settings.api_key and not self._catalogue.has_prices and not at.provider.problem():
                self._in_background(self._catalogue.load_prices())

    async def _read_lists(self, config: Config, providers: Sequence[str], anyway: bool = False) -> dict[str, str]:
        async def fetch(provider: Provider) -> dict[str, ModelFacts]:
            models = dict(await provider.models(config.policy.connect))
            return scrubbed(models, dict[str, ModelFacts], self.keys.scrub_sent)

        async def read(name: str) -> str | None:
            provider = self._provider(config, name).provider
            try:
                await self._catalogue.read(config, name, functools.partial(fetch, provider), anyway=anyway)
            except ProviderError as error:
                return str(error)
            return None

        problems = await asyncio.gather(*(read(name) for name in providers))
        return {name: problem for name, problem in zip(providers, problems, strict=True) if problem}

    def _in_background(self, work: Coroutine[Any, Any, object]) -> None:
        task = self._loop.create_task(work)
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)

    def _provider(self, config: Config, name: str) -> _ProviderEntry:
        # A provider is as good as its configuration: one that changed is made anew, and calls under way keep theirs.
        settings = config.providers[name]
        entry = self._providers.get(name)
        if entry is None or entry.settings != settings:
            places = asyncio.Semaphore(settings.max_concurrency)
            extra = msgspec.json.encode(settings.body, order="sorted")
            entry = self._providers[name] = _ProviderEntry(settings, self._new_provider(settings), places, extra)
        return entry

    def _new_provider(self, config: ProviderConfig) -> Provider:
        if config.protocol == "embedded":
            return self._embedded
        speaks = AnthropicProvider if config.protocol == "anthropic" else OpenAIProvider
        return speaks(config, self.keys, self._transport)

    def _asked_first(self, lane: Settings) -> AskedFirst:
        config = self.config()
        chain = config.single(lane.model) if lane.model is not None else config.chain(lane.category or "")
        usable = [ref for ref in chain.models if self.problem(ref) is None]
        stand_in = config.offline if lane.model is None and config.offline is not None else chain.models[0]
        ref = usable[0] if usable else stand_in
        return AskedFirst(ref.text, self._catalogue.known(config, ref).bill)

    def _observe(self, observation: Observation) -> None:
        if self.store is not None:
            self.store.observations.add(observation)

    def _conclude(self, summary: RequestSummary) -> None:
        if self.store is not None:
            self.store.requests.add(summary)

    def _open_store(self) -> Store | None:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            return Store(self.folder / "lab.sqlite")
        except OSError as error:
            self._notice = f"Nothing is stored: {self.folder} cannot be made ({error.strerror})."
        except StoreError as error:
            self._notice = f"Nothing is stored: {error}"
        return None

    def _open_retention(self) -> Retention | None:
        if self.store is None:
            return None
        retention = Retention(self.store.database, lambda: self.config().policy.retention)
        retention.start()
        return retention


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def default_config_path() -> Path:
    """The file that FALLBACK_LAB_CONFIG names, or models.yaml in the current folder."""
    return Path(os.environ.get("FALLBACK_LAB_CONFIG", "models.yaml"))


_opening = threading.Lock()
_lab: Lab | None = None


def open_lab() -> Lab:
    """The Lab of this process, opened when first asked for.

    Raises:
        ConfigError: models.yaml cannot be used; the next call tries again.
    """
    global _lab  # noqa: PLW0603  # one Lab a process is the point
    with _opening:
        if _lab is None:
            _lab = Lab(default_config_path())
        return _lab


def close_lab() -> None:
    """Close the Lab of this process, where it was opened."""
    global _lab  # one Lab a process is the point
    with _opening:
        lab, _lab = _lab, None
    if lab is not None:
        lab.close()
