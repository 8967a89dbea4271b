"""The Lab: everything that is opened once per process, with its own event loop."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from anyio.from_thread import BlockingPortal, start_blocking_portal

from router.alerts.watcher import Alerts, Tested
from router.chat.cases import CaseFile
from router.chat.service import Chat
from router.compare import Comparisons
from router.config.chains import Chain, Link, ModelRef
from router.config.destinations import Destinations
from router.config.file import default_config_path
from router.config.schema import Config
from router.core.capabilities import ModelInfo
from router.core.conversations import Settings
from router.core.requests import Request
from router.core.runs import Planned
from router.engine.breaker import BreakerView
from router.engine.faults import Faults
from router.engine.handle import Handle
from router.engine.live import Live
from router.engine.options import Options
from router.evaluate.evaluations import Evaluations
from router.evaluate.live import LiveGrades
from router.library.parts import Parts
from router.library.router import Router
from router.providers import Sent, Unusable
from router.runs.estimate import AskedFirst

if TYPE_CHECKING:
    from router.evaluate.evaluation import GradeAll
    from router.experiments.analysis import Analysis
    from router.metrics import Observed
    from router.tune.tuning import Tuning


class Lab:
    """The engine with its configuration, clients, breakers, cache and store.

    Its methods are synchronous, may be called from any thread, and never wait for a token.

    Args:
        config_path: models.yaml; `.lab/` lies beside it.
        environ: the environment that keys are read from.

    Raises:
        ConfigError: models.yaml or the environment cannot be used, or `.lab/` belongs to another user.
    """

    def __init__(self, config_path: Path, *, environ: Mapping[str, str] | None = None) -> None:
        self._parts = parts = Parts(config_path, environ)
        self.path, self.folder = parts.path, parts.folder
        self.keys, self.store, self.retention = parts.keys, parts.store, parts.retention
        self._observing = threading.Lock()
        self._opening = threading.Lock()
        self._observed: Observed | None = None
        self._tuning: Tuning | None = None
        self.editor, self.experiments = parts.editor, parts.experiments
        self.destinations = Destinations(parts.file, self.keys, read_only=self.editor.read_only)
        self.cases = CaseFile(self.folder / "suites" / "tries.jsonl")
        self._exit = contextlib.ExitStack()
        # It ends after the loop, whose requests tell their ends through it.
        self._updates = self._exit.enter_context(ThreadPoolExecutor(1, "updates"))
        self._portal: BlockingPortal = self._exit.enter_context(start_blocking_portal("asyncio"))
        self.router: Router = self._portal.call(Router, parts)
        self._runtime = self.router.runtime
        self._grades = LiveGrades(self.router)
        self.alerts = Alerts.of(parts, lambda: self.observed)
        self._portal.call(self.alerts.start)
        self.chat = Chat(self.start, self.store.conversations, self.store.feedback.save)
        self.comparisons = Comparisons(self.start, self._asked_first, self.store.comparisons)
        self.evaluations = Evaluations(
            self.folder / "runs",
            self.start,
            self.config,
            grader=self._grader,
            asked_first=self._asked_first,
            scores=self.store.scores,
            usual=self.store.comparisons.usual,
        )

    @property
    def observed(self) -> Observed:
        """What was observed, as columns; opened on first use, since most commands never need it."""
        from router.metrics import Observed  # noqa: PLC0415  # numpy takes a sixth of a command's time

        with self._observing:
            if self._observed is None:
                self._observed = Observed(self.store.database, self.folder / "observed")
            return self._observed

    @property
    def tuning(self) -> Tuning:
        """What the evidence says of the chains; opened on first use."""
        from router.tune.tuning import Tuning  # noqa: PLC0415  # it loads numpy and scipy

        with self._opening:
            if self._tuning is None:
                parts = self.store, self.evaluations, self.config, self.folder
                self._tuning = Tuning(lambda: self.observed, *parts)
            return self._tuning

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
            faults: injected into the models' calls; see `Faults`.

        Raises:
            ConfigError: there is no such chain.
        """
        target = self.router.model(model) if model is not None else self.router.category(category or "")
        runtime = self._runtime
        handle = Handle(runtime.loop, self._updates, self.keys.scrub_sent)
        prepared = self.router.prepare(request, target, options, faults=faults, events=handle.log)
        runtime.loop.call_soon_threadsafe(runtime.launch, model or category or "", handle, prepared.run)
        return handle

    def config(self) -> Config:
        """models.yaml as it is now; after a bad edit, the last valid one, and a notice."""
        return self._parts.file.current()

    def restore_last_good(self) -> None:
        """Write the active models.yaml over a broken one, whose text stays in the history.

        Raises:
            InvalidEdit: it cannot be written.
        """
        self.editor.restore(self._parts.file.last_good, "restored the last good version")

    def problem(self, provider: str) -> Unusable | None:
        """Why a provider cannot be called at all, such as a missing key; None if it can."""
        return self._runtime.pool.get(self.config(), provider).provider.problem()

    def callable_links(self, chain: Chain) -> tuple[Link, ...]:
        """The links that a request can reach now: the chain's own, or else the offline model in their place."""
        links = tuple(link for link in chain.links if self.problem(link.ref.provider) is None)
        offline = self.config().offline if chain.name is not None else None
        if links or offline is None or self.problem(offline.provider) is not None:
            return links
        return (Link(ref=offline),)

    def context(self, reference: str) -> int | None:
        """Tokens that a model can read; None if unknown."""
        return self.model_info(self.config().single(reference).models[0]).context

    def sent(self, request: Request, reference: str, *, category: str | None = None) -> Sent:
        """What would be sent to a model for this request, with keys as the names of their variables.

        Args:
            category: whose chain the model is asked for.

        Raises:
            ConfigError: there is no such model, or its key may not go there.
        """
        config = self.config()
        single = config.single(reference)
        chain = config.chains.get(category or "", single)
        link = next((link for link in chain.links if link.ref.text == reference), single.links[0])
        return self._runtime.sent(config, link.ref, chain.request_for(link, request))

    def model_info(self, ref: ModelRef) -> ModelInfo:
        """What is known of a model."""
        return self._parts.catalog.known(self.config(), ref).info

    def named_models(self, config: Config) -> list[str]:
        """References to models: those in this models.yaml, then those that the providers in force list."""
        found = [ref.text for ref in config.known_models]
        for provider in self.config().providers:
            prefix = "" if provider == config.default_provider else f"{provider}:"
            found += [f"{prefix}{model}" for model in sorted(self.models(provider) or ())]
        return list(dict.fromkeys(found))

    def models(self, provider: str) -> Mapping[str, ModelInfo] | None:
        """The models that a provider lists, by name; None if its list was never read."""
        return self._parts.catalog.models(self.config(), provider)

    def read_lists(self, providers: Iterable[str], *, force: bool = False) -> dict[str, str]:
        """Load the providers' model lists if that is due, or if forced, and wait for them.

        Returns:
            By provider, why its list could not be read, in a sentence.
        """
        return self._portal.call(self._runtime.read_lists, self.config(), sorted(set(providers)), force)

    def breaker(self, ref: ModelRef) -> BreakerView:
        """The state of a model's breaker."""
        return self._runtime.breaker(self.config(), ref)

    def reset_breaker(self, ref: ModelRef) -> None:
        """Close a model's breaker by hand."""
        self._runtime.loop.call_soon_threadsafe(
            self._runtime.breakers.get(ref.provider, ref.model, self.config().policy.breaker).reset
        )

    def live(self) -> Live:
        """What happens in this process now."""
        return Live(
            in_flight=tuple(self._runtime.in_progress.copy().values()),
            breakers=self._runtime.breakers_of(self.config()),
            cache_bytes=self._parts.cache.size(),
            waiting=self.store.writer.state().waiting,
        )

    def experiment_results(self) -> list[Analysis]:
        """The experiments of models.yaml as they stand, in its order."""
        from router.experiments.analysis import analyze  # noqa: PLC0415  # numpy, which most commands never need

        log, now = self.store.experiments, time.time()
        tried = self.config().experiments.values()
        return [analyze(each, log.requests(each.name, each.start), now) for each in tried]

    def notices(self) -> list[str]:
        """What people should know now, one sentence each."""
        return [*self._parts.notices(), *self.alerts.notices(), *self._grades.notices()]

    def test_alerts(self) -> Tested:
        """Send a test message to where alerts go, and wait for its end."""
        return self._portal.call(self.alerts.test)

    def forget(self) -> None:
        """Delete all that is stored: conversations, comparisons, runs, observations, templates, cases, cached answers.

        Raises:
            StoreError: the database cannot be written now.
        """
        self.chat.forget()
        self.comparisons.forget()
        self.evaluations.forget()
        self.cases.clear()
        self._parts.cache.clear()
        self.alerts.forget()
        self.store.forget()
        self.observed.forget()
        self.chat.forget()  # what a tab has read again meanwhile

    def close(self) -> None:
        """Stop everything in progress, write pending rows, stop the embedded model."""
        self._portal.call(self.alerts.stop)
        self.comparisons.close()
        self.evaluations.close()
        self._portal.call(self._runtime.close)
        self._exit.close()
        if self._tuning is not None:
            self._tuning.close()
        if self._observed is not None:
            self._observed.close()
        self._parts.close()

    def _grader(self, plan: Planned) -> GradeAll:
        from router.evaluate.grading import grader  # noqa: PLC0415  # its libraries are for runs alone

        return grader(self.start, self.config, plan)

    def _asked_first(self, lane: Settings) -> AskedFirst:
        config = self.config()
        chain = config.single(lane.model) if lane.model is not None else config.chain(lane.category or "")
        link = next(iter(self.callable_links(chain)), chain.links[0])
        cost_of = self._parts.catalog.known(config, link.ref).cost_of
        return AskedFirst(link.ref.provider, link.ref.model, cost_of, functools.partial(chain.request_for, link))


_opening = threading.Lock()
_lab: Lab | None = None


def open_lab() -> Lab:
    """The Lab of this process, opened on first use.

    Raises:
        ConfigError: models.yaml cannot be used; the next call tries again.
    """
    global _lab  # noqa: PLW0603  # one Lab a process is the point
    with _opening:
        if _lab is None:
            _lab = Lab(default_config_path())
        return _lab


def close_lab() -> None:
    """Close the Lab of this process if it was opened."""
    global _lab  # one Lab a process is the point
    with _opening:
        lab, _lab = _lab, None
    if lab is not None:
        lab.close()
