"""The experiments of a models.yaml while they run: who gets the candidate, and the watch that stops them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from router.config.chains import Chain
from router.config.editing import Editor
from router.config.file import ConfigFile
from router.config.schema import Config, Experiment
from router.core.errors import ConfigError, InvalidEdit
from router.core.records import RequestSummary
from router.engine.options import Options
from router.experiments.assignment import REAL, Assigned, Assignments
from router.store import Store

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds from a request's end to the look at its experiment; those that end meanwhile are looked at with it."""


class Experiments:
    """Assigns real requests, and stops an experiment that breaks a guardrail. Without experiments it has no thread.

    May be used from any thread.

    Args:
        clock: Unix time, seconds.
        every: seconds between two looks.
    """

    def __init__(
        self,
        file: ConfigFile,
        store: Store,
        editor: Editor,
        *,
        clock: Callable[[], float] = time.time,
        every: float = EVERY,
    ) -> None:
        self._file = file
        self._store = store
        self._editor = editor
        self._clock = clock
        self._every = every
        self._assignments = Assignments()
        self._stopped = dict(store.experiments.stopped())
        self._recalled: dict[str, float] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def assigned(self, config: Config, chain: Chain, options: Options) -> Assigned:
        """The chain that a request is given, and its options with what they say of it."""
        experiment = config.tried.get(chain.name) if chain.name is not None else None
        if experiment is None or options.source not in REAL or not self.is_running(experiment):
            return Assigned(chain, options)
        if self._recalled.get(experiment.name) != experiment.share:
            self._look()  # which also reads what sessions were given before
        return self._assignments.of(experiment, chain, options)

    def is_running(self, experiment: Experiment) -> bool:
        """Whether requests are given to its candidate now."""
        return experiment.is_running(self._clock()) and experiment.guarded not in self._stopped

    def note(self, ended: RequestSummary) -> None:
        """A request has ended; never blocks."""
        if ended.origin.experiment is not None:
            self._look()

    def _look(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="experiments", daemon=True)
                    self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if self._closing.wait(self._every):
                return
            self._wake.clear()
            try:
                self.check()
            except Exception:
                log.exception("Experiments could not be checked")

    def check(self) -> None:
        """Look at every running experiment, and stop those that break a guardrail.

        Raises:
            DatabaseError: the store cannot be read.
        """
        from router.experiments.guardrails import broken  # noqa: PLC0415  # numpy, which most programs do not need

        for experiment in self._file.current().tried.values():
            if not self.is_running(experiment):
                continue
            if self._recalled.get(experiment.name) != experiment.share:
                self._assignments.remember(experiment.name, self._store.experiments.sessions(experiment.name))
                self._recalled[experiment.name] = experiment.share
            requests = self._store.experiments.requests(experiment.name, experiment.start)
            if (reason := broken(experiment, requests)) is not None:
                self.stop(experiment, reason)

    def stop(self, experiment: Experiment, reason: str) -> None:
        """Give an experiment no more requests, and write that into models.yaml; its candidate is not applied.

        Args:
            reason: a sentence.
        """
        self._stopped[experiment.guarded] = reason  # holds from here on, whatever becomes of the file
        log.warning("The experiment %s is stopped: %s", experiment.name, reason)
        try:
            self._write(experiment.name, reason)
        except (ConfigError, InvalidEdit):
            self._store.experiments.stop(experiment.guarded, reason, self._clock())
        else:
            self._file.current()
            self._stopped.pop(experiment.guarded, None)  # by two threads at once, too

    def _write(self, name: str, reason: str) -> None:
        """Write a stop, unless models.yaml says it already: several processes see the same harm at the same time.

        Raises:
            ConfigError, InvalidEdit: the file cannot be changed, also when tried again.
        """
        for has_more in (True, False):
            known = self._file.current().experiments.get(name)
            if known is None or known.share == 0:
                return
            try:
                draft = self._editor.draft().with_stop(name, reason)
                self._editor.save(draft, f"stopped the experiment {name}: {reason}")
            except InvalidEdit:  # perhaps somebody saved it meanwhile
                if not has_more:
                    raise
            else:
                return

    def notices(self) -> Iterator[str]:
        """What models.yaml does not say, one sentence each."""
        for experiment in self._file.current().tried.values():
            if reason := self._stopped.get(experiment.guarded):
                yield (
                    f"The experiment `{experiment.name}` is stopped: {reason} models.yaml could not be changed: set its"
                    " share to 0 there, or give it a new start to run it again."
                )

    def close(self) -> None:
        """End the watch."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
