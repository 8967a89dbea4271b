"""What is known in a category, read from all that was observed, compared and evaluated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from router.config.chains import Chain, parse_reference
from router.config.schema import Config
from router.core.formatting import counted
from router.evaluate.evaluations import Evaluations
from router.evaluate.results import Results
from router.metrics.chains import EVALUATED_DAYS
from router.metrics.estimates import Estimate
from router.metrics.observed import Observed
from router.metrics.view import Filter, View
from router.store import Passes, Store
from router.tune.behavior import Measured
from router.tune.choice import LEAST_PROMPTS
from router.tune.evidence import ModelEvidence, Said, failures, measured, model_evidence
from router.tune.graded import Evaluated, Graded, evaluated, graded
from router.tune.joint import Failures, effective_number
from router.tune.network import with_network
from router.tune.people import preferred

DAYS = 30
"""Days of observations that evidence covers: models change."""

OFTEN = 0.2
"""The share of a model's answers from which on an upstream provider is worth naming."""


class Evidence(NamedTuple):
    """What is known in a category.

    Attributes:
        models: by reference, as models.yaml names them.
        worth: how many independent models the chain is worth; see `effective_number`.
        evaluated: the prompts that several models were graded on.
        without_network: calls that are left out, since nobody could be reached; see `with_network`.
        state: of what it was read from; another one where there is more.
    """

    category: str
    chain: tuple[str, ...]
    models: Mapping[str, ModelEvidence]
    failures: Failures
    worth: Estimate
    evaluated: Evaluated
    measured: Measured
    without_network: int
    state: Hashable

    def left_out(self) -> str | None:
        """The calls that could have been evidence and are none, one sentence; None where there are none."""
        if not self.without_network:
            return None
        calls = counted(self.without_network, "call")
        return f"Left out: {calls} made while no provider could be reached. They tell of the network, not of models."

    def shared_upstream(self) -> list[str]:
        """Models of the chain that one upstream provider stands behind: its outage takes both along."""
        said = []
        for number, first in enumerate(self.chain):
            for then in self.chain[number + 1 :]:
                one, other = (self.models[name].behind if name in self.models else {} for name in (first, then))
                for name in sorted(one.keys() & other.keys()):
                    if min(one[name], other[name]) >= OFTEN:
                        shares = f"{one[name]:.0%} of {first}'s answers and {other[name]:.0%} of {then}'s"
                        said.append(f"{name} stands behind {shares}: its outage takes both along.")
        return said

    def gap(self) -> str | None:
        """Why no chain can be proposed, one sentence; None where one can."""
        grid, missing = self.evaluated.grid, self.evaluated.missing
        if grid is not None and len(grid.prompts) >= LEAST_PROMPTS:
            return None
        if grid is None and self.evaluated.prompts and (few := [model for model in self.chain if model in missing]):
            return f"{few[0]} was graded on too few prompts of {self.category}; it takes {LEAST_PROMPTS}."
        count = len(grid.prompts) if grid is not None else 0
        were = "was" if count == 1 else "were"
        return f"{counted(count, 'prompt')} {were} graded for the models of {self.category}; it takes {LEAST_PROMPTS}."


class Gathering:
    """Puts evidence together, once, and keeps it until there is more. Safe to use from any thread.

    Args:
        observed: opens what was observed.
    """

    def __init__(
        self, observed: Callable[[], Observed], store: Store, evaluations: Evaluations, config: Callable[[], Config]
    ) -> None:
        self._observed = observed
        self._store = store
        self._evaluations = evaluations
        self._config = config
        self._lock = threading.Lock()
        self._known: dict[str, Evidence] = {}

    def evidence(self, category: str) -> Evidence:
        """What is known in a category by now.

        Raises:
            ConfigError: there is no such chain.
            StoreError: the database or a journal cannot be read.
        """
        config = self._config()
        chain = config.chain(category)
        runs = [results for run in self._evaluations.all() if (results := self._evaluations.results(run)).plan]
        rows = self._observed().rows()
        state = (
            chain.fingerprint,
            config.default_provider,
            tuple(config.providers),
            *((each.state, len(each.id)) for each in rows),
            *((run.planned.at, run.version) for run in runs),
            int(time.time() // 3600),
        )
        with self._lock:
            known = self._known.get(category)
            if known is None or known.state != state:
                known = self._known[category] = self._gather(category, chain, View.of(rows), runs, state)
            return known

    def _gather(
        self, category: str, chain: Chain, everything: View, runs: Sequence[Results], state: Hashable
    ) -> Evidence:
        now = time.time()
        view, lost = self._with_network(everything.where(Filter(since=now - DAYS * 86_400)))
        names = tuple(ref.text for ref in chain.models)
        together = failures(view)
        found = evaluated(self._graded(runs, category), names, together)
        quality = self._quality(category, now) | _quality_in(found)
        since = now - DAYS * 86_400
        votes = preferred(self._store.comparisons.votes(), category)
        own = Filter(categories=(category, None))
        within = view.where(own)
        upstream = self._store.observations.upstream({labels.model for labels, _ in within.attempts.labels()}, since)
        models = model_evidence(within, Said(quality, self._store.feedback.of_answers(), votes, upstream))
        behaviors = measured(view, category, quality)
        without_network = len(lost.where(own).attempts)
        worth = effective_number(names, together)
        return Evidence(category, names, models, together, worth, found, behaviors, without_network, state)

    def _graded(self, runs: Iterable[Results], category: str) -> Iterator[Graded]:
        """Answers that are not too old, of names that mean the same now: a provider may be gone, or no default."""
        config, since = self._config(), time.time() - EVALUATED_DAYS * 86_400
        for each in graded(runs, category):
            if each.at >= since and each.provider == identity(config, each.model)[0]:
                yield each

    def graded(self, category: str) -> Iterator[Graded]:
        """Answers of all evaluations to a category's prompts; raises `StoreError`."""
        return self._graded(map(self._evaluations.results, self._evaluations.all()), category)

    def observed(self) -> View:
        """What was observed while providers could be reached; raises `StoreError`."""
        return self._with_network(View.of(self._observed().rows()).where(Filter()))[0]

    def _with_network(self, view: View) -> tuple[View, View]:
        local = {name for name, provider in self._config().providers.items() if provider.is_local}
        return with_network(view, local)

    def _quality(self, category: str, now: float) -> dict[str, Passes]:
        passes = self._store.scores.passes(now - EVALUATED_DAYS * 86_400)
        return {model: each for (of, model), each in passes.items() if of == category}


def identity(config: Config, model: str) -> tuple[str, str]:
    """The provider of a model as it is named, and its name there."""
    ref = parse_reference(model, config.providers, config.default_provider)
    return ref.provider, ref.model


def _quality_in(found: Evaluated) -> dict[str, Passes]:
    """How often models pass on the prompts that they share."""
    grid = found.grid
    if grid is None:
        return {}
    return {
        model: Passes(float(quality[answered > 0].mean()), int((answered > 0).sum()))
        for model, quality, answered in zip(grid.models, grid.quality.T, grid.answered.T, strict=True)
        if (answered > 0).any()
    }
