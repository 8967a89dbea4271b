"""The library: chains of models for any asynchronous program, on its own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec

from router.config.chains import Chain, ModelRef
from router.config.file import default_config_path
from router.config.schema import Config
from router.core.attempts import Completion
from router.core.errors import AllModelsFailed
from router.core.events import Event
from router.core.messages import Message
from router.core.pricing import price_of
from router.core.records import Observation, RequestSummary
from router.core.requests import NAMED, Request
from router.engine.faults import Faults
from router.engine.live import InProgress
from router.engine.options import Options
from router.engine.runtime import Runtime
from router.engine.sessions import Sessions
from router.experiments.shadow import Shadows
from router.library.parts import Parts
from router.library.stream import Prepared, Stream

Then: TypeAlias = Callable[[Completion | None], None]
"""Called on the loop once a request is over, with its answer, or None where no model gave one; it may not block."""

Follower: TypeAlias = Callable[[Config, Chain, Request, Options], Then | None]
"""What is to follow a request, asked before it is sent, from any thread; None where nothing is."""


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
        followers: asked with each request what is to follow it.
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
        self.followers: list[Follower] = [self._shadows.follow]

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
    ) -> Prepared:
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
        following = [then for follow in self.followers if (then := follow(config, target.chain, request, options))]
        return Prepared(chain, _followed(run, following) if following else run)


async def _followed(run: Coroutine[Any, Any, Completion], following: Sequence[Then]) -> Completion:
    """A request, and what begins once it is over; nothing does where it is stopped, or could not be sent."""
    try:
        found = await run
    except AllModelsFailed:
        for then in following:
            then(None)
        raise
    for then in following:
        then(found)
    return found


def _request(messages: str | Sequence[Message], fields: Mapping[str, Any]) -> Request:
    listed = ({"role": "user", "content": messages},) if isinstance(messages, str) else tuple(messages)
    named = {name: fields[name] for name in NAMED if name in fields}
    if "tools" in named:
        named["tools"] = tuple(named["tools"] or ())
    return Request(messages=listed, params={k: v for k, v in fields.items() if k not in named}, **named)
