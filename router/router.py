"""The library: chains of models for any asynchronous program, on its own event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.config.editing import open_editor
from router.config.file import ConfigFile, default_config_path
from router.config.keys import Keys
from router.config.schema import Chain, Config, ModelRef
from router.core.attempts import Attempt, Completion
from router.core.events import Began, Ended, Event, Queued, Waiting, answer_so_far
from router.core.files import claim
from router.core.messages import Message
from router.core.pricing import price_of
from router.core.records import Observation, RequestSummary
from router.core.requests import Request
from router.core.snapshots import Snapshot
from router.engine.cache import ResponseCache
from router.engine.faults import Faults
from router.engine.live import InProgress
from router.engine.options import Options
from router.engine.runtime import Runtime
from router.engine.sessions import Sessions
from router.experiments.running import Experiments
from router.experiments.shadow import Shadows
from router.providers.catalog import Catalog
from router.providers.embedded import INFO, MODEL
from router.providers.http import new_transport
from router.store import Retention, Store
from router.telemetry import Telemetry

MOST_AT_ONCE = 1_000
"""Events; whoever has fallen behind takes them in turns with everybody else on the loop."""

_NAMED = ("tools", "tool_choice", "response_format", "temperature", "max_tokens")


class Parts:
    """What requests need besides an event loop: models.yaml, keys, the store, the cache, the catalog of models.

    Args:
        config_path: models.yaml; `.lab/` lies beside it.
        environ: the environment that keys are read from.

    Raises:
        ConfigError: models.yaml or the environment cannot be used, or `.lab/` belongs to another user.
    """

    def __init__(self, config_path: Path, environ: Mapping[str, str] | None = None) -> None:
        self.path = config_path.absolute()
        self.transport = new_transport()  # first: where it cannot be made, nothing is left open
        self.file = ConfigFile(self.path)
        self.keys = Keys(self.path.parent, environ)
        self.folder = self.path.parent / ".lab"
        self._claimed = claim(self.folder)
        self.store = Store(self.folder / "lab.sqlite")
        self.retention = Retention(self.store.database, lambda: self.file.current().policy.retention)
        self.retention.start()
        self.editor = open_editor(self.path, environ)
        self.experiments = Experiments(self.file, self.store, self.editor)
        otel = self.file.in_force.otel
        self.telemetry = Telemetry(otel, self.keys) if otel is not None else None
        self.cache = ResponseCache(self.folder / "cache", self.file.in_force.policy.cache)
        self.catalog = Catalog(self.folder / "catalog", {MODEL: INFO})

    def notices(self) -> list[str]:
        """What people should know now, one sentence each."""
        ours = (self.cache.notice, self.retention.notice)
        found = [*self.file.notices(), *self._claimed, *ours, *self.store.notices(), *self._callers_without_key()]
        found += self.experiments.notices()
        found += self.telemetry.notices() if self.telemetry is not None else ()
        return [notice for notice in found if notice]

    def _callers_without_key(self) -> Iterator[str]:
        for name, caller in self.file.in_force.server.keys.items():
            if self.keys.value(*caller.key) is None:
                yield f"{' or '.join(caller.key)} is not set: {name} cannot call the endpoint."

    def close(self) -> None:
        """Write pending rows; no request may be in progress."""
        self.cache.close()
        self.experiments.close()
        if self.telemetry is not None:
            self.telemetry.close()
        self.retention.close()
        self.store.close()


class Target(NamedTuple):
    """What a request is sent to.

    Attributes:
        offline: the model that answers where the chain has no key; None where a model was named.
    """

    chain: Chain
    offline: ModelRef | None


class Router:
    """Chains of models.yaml on the running event loop; made and used there alone, unless a method says otherwise.

    A program of its own opens one for its life: `async with Router.open("models.yaml") as router`.

    Attributes:
        parts: what it was opened with.
        runtime: connections, breakers and requests in progress.
        observers, concluders: called on the loop with each attempt and each request that is over; none may block.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        store = parts.store
        self.observers: list[Callable[[Observation], None]] = [store.observations.add]
        self._sessions = Sessions(asyncio.get_running_loop().time)
        self.concluders: list[Callable[[RequestSummary], None]] = [
            store.requests.add,
            self._sessions.conclude,
            parts.experiments.note,
        ]
        if parts.telemetry is not None:
            self.observers.append(parts.telemetry.observe)
            self.concluders.append(parts.telemetry.conclude)
        self.runtime = Runtime(
            parts.file,
            parts.keys,
            parts.cache,
            parts.catalog,
            parts.transport,
            observe=self._observe,
            conclude=self._conclude,
        )
        self._shadows = Shadows(self.runtime, store.experiments, self._has_price)

    def _observe(self, record: Observation) -> None:
        for observe in self.observers:
            observe(record)

    def _conclude(self, summary: RequestSummary) -> None:
        for conclude in self.concluders if summary.source != "shadow" else ():  # which is nobody's request
            conclude(summary)

    def _has_price(self, config: Config, ref: ModelRef) -> bool:
        """Whether a model's cost is known, or will be said by its provider; may take the loading of prices."""
        provider, cost_of = config.providers[ref.provider], self.parts.catalog.known(config, ref).cost_of
        is_said = provider.is_openrouter or provider.base_url is None
        return is_said or (cost_of is not None and price_of(cost_of) is not None)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: str | Path | None = None, *, environ: Mapping[str, str] | None = None
    ) -> AsyncIterator[Router]:
        """A router on a models.yaml, until the end of the block.

        Args:
            path: None for the file that FALLBACK_LAB_CONFIG names, or models.yaml in the current folder.
            environ: the environment that keys are read from; None for the process's own.

        Raises:
            ConfigError: models.yaml cannot be used.
        """
        parts = await asyncio.to_thread(Parts, Path(path) if path is not None else default_config_path(), environ)
        router = cls(parts)
        try:
            yield router
        finally:
            await router.runtime.close()
            await asyncio.to_thread(parts.close)

    async def ask(
        self,
        target: str,
        messages: str | Sequence[Message],
        *,
        options: Options = Options(source="library", stream=False),
        **fields: Any,
    ) -> Completion:
        """Ask a chain, or one model, and wait for the whole answer.

        Args:
            target: a category, or a model as models.yaml names it.
            messages: chat completions messages, or a prompt.
            fields: any other field of the body: tools, tool_choice, response_format, temperature, seed, …

        Raises:
            ConfigError: there is no such chain or model.
            InvalidRequest: the request cannot be sent to any model.
            AllModelsFailed: no model answered; its text is one sentence, its `attempts` tell each one's reason.
        """
        async with aclosing(self.start(_request(messages, fields), self.target(target), options)) as stream:
            return await stream.result()

    def stream(
        self,
        target: str,
        messages: str | Sequence[Message],
        *,
        options: Options = Options(source="library"),
        **fields: Any,
    ) -> Stream:
        """Ask a chain, or one model, and follow the answer as it comes; arguments and errors as of `ask`."""
        return self.start(_request(messages, fields), self.target(target), options)

    def start(self, request: Request, target: Target, options: Options = Options()) -> Stream:
        """Begin a request whose events are followed."""
        stream = Stream(lambda events: self.prepare(request, target, options, events=events))
        asked = target.chain.name or target.chain.models[0].text
        self.runtime.follow(stream.task, InProgress(asked, stream.snapshot))
        return stream

    def target(self, name: str) -> Target:
        """A category's chain, or the chain of a single model; may be called from any thread.

        Raises:
            ConfigError: the name is empty.
        """
        config = self.parts.file.current()
        return self.category(name) if name in config.chains else self.model(name)

    def category(self, name: str) -> Target:
        """A category's chain; raises `ConfigError` where there is none. May be called from any thread."""
        config = self.parts.file.current()
        return Target(config.chain(name), config.offline)

    def model(self, reference: str) -> Target:
        """A model alone, for which nothing stands in; raises `ConfigError`. May be called from any thread."""
        return Target(self.parts.file.current().single(reference), None)

    def prepare(
        self,
        request: Request,
        target: Target,
        options: Options,
        *,
        faults: Faults | None = None,
        events: list[Event] | None = None,
    ) -> Coroutine[Any, Any, Completion]:
        """A request, to be run on the loop; may be called from any thread. Raises when run, as `run_chain`.

        Args:
            faults: injected into the models' calls; see `Faults`.
            events: receives every event as it comes.
        """
        config: Config = self.parts.file.in_force
        log = [] if events is None else events
        chain, options = self.parts.experiments.assigned(config, target.chain, options)
        if options.session is not None and chain.policy.stickiness == "session":
            options = msgspec.structs.replace(options, first=self._sessions.model(chain.name, options.session))
        run = self.runtime.run(config, chain, request, options, offline=target.offline, faults=faults, events=log)
        shadow = self._shadows.wanted(config, chain, options)
        return run if shadow is None else self._shadows.behind(run, shadow, config, target.chain, request)


class Stream:
    """A request whose events are followed: `async for event in stream`, then its `completion`.

    Leaving the loop early, or `aclose`, stops the request; its upstream connection is closed within a second.

    Args:
        run: the request; it appends its events to the list.
    """

    def __init__(self, run: Callable[[list[Event]], Coroutine[Any, Any, Completion]]) -> None:
        self._log = _Log()
        self._started = time.monotonic()
        self.task = asyncio.create_task(run(self._log))
        self.task.add_done_callback(lambda _: self._log.wake())

    @property
    def completion(self) -> Completion:
        """The answer with its attempts, once the events have ended.

        Raises:
            AllModelsFailed, InvalidRequest, Cancelled: there is none.
        """
        return self.task.result()

    def snapshot(self) -> Snapshot:
        """The request as it stands now; may be called from any thread."""
        events = [*self._log]
        activities = [event for event in events if isinstance(event, Queued | Began | Waiting)]
        return Snapshot(
            state="running",
            answer=answer_so_far(events),
            attempts=tuple(event.attempt for event in events if isinstance(event, Ended)),
            activity=activities[-1] if activities else None,
            elapsed=time.monotonic() - self._started,
            error=None,
        )

    @property
    def attempts(self) -> list[Attempt]:
        """Those that are over."""
        return [event.attempt for event in self._log if isinstance(event, Ended)]

    async def result(self) -> Completion:
        """Wait for the answer; raises as `completion`."""
        return await asyncio.shield(self.task)  # who is canceled waiting gets that, not `Cancelled`

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Every event as it comes; raises as `completion` where no model answered."""
        try:
            async for events in self.batches():
                for event in events:
                    yield event
            self.completion  # noqa: B018  # raises
        finally:
            await self.aclose()

    async def batches(self, every: float | None = None) -> AsyncIterator[Sequence[Event]]:
        """The events that are there at once, up to `MOST_AT_ONCE`; ends with the request, however that ended.

        Args:
            every: after so many seconds without any, none are given; None to wait for some.
        """
        seen = 0
        while True:
            done = self.task.done()
            if len(self._log) > seen:
                events = self._log[seen : seen + MOST_AT_ONCE]
                seen += len(events)
                yield events
            elif done:
                return
            elif not await self._log.more(every):
                yield ()

    async def aclose(self) -> None:
        """Stop the request, unless it is over."""
        if not self.task.done():
            await asyncio.sleep(0)  # a task canceled before its first step leaves no trace
            self.task.cancel()
            await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.exception()  # looked at: whoever leaves need not


class _Log(list[Event]):
    """Events as they come, and a future that the next one wakes."""

    _waiting: asyncio.Future[bool] | None = None

    def append(self, event: Event, /) -> None:
        super().append(event)
        self.wake()

    def extend(self, events: Any, /) -> None:
        super().extend(events)
        self.wake()

    def wake(self, news: bool = True) -> None:
        """Let whoever waits go on; `news` is whether there is something for them."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(news)

    async def more(self, within: float | None) -> bool:
        """Wait for something new, or for the request's end; False where neither comes within so many seconds."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()
        self._waiting = waiting
        timer = loop.call_later(within, self.wake, False) if within is not None else None  # see `wake`
        try:
            return await waiting
        finally:
            if timer is not None:
                timer.cancel()


def _request(messages: str | Sequence[Message], fields: Mapping[str, Any]) -> Request:
    listed = ({"role": "user", "content": messages},) if isinstance(messages, str) else tuple(messages)
    named = {name: fields[name] for name in _NAMED if name in fields}
    if "tools" in named:
        named["tools"] = tuple(named["tools"] or ())
    return Request(messages=listed, params={k: v for k, v in fields.items() if k not in named}, **named)
