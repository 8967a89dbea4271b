"""Tuning a Lab's chains: its evidence, put together once and kept until there is more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from router.config.chains import Chain, parse_reference
from router.config.schema import Config
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.formatting import counted
from router.core.runs import Planned
from router.core.suites import Case, Suite
from router.evaluate.evaluations import Evaluations
from router.evaluate.library import Library
from router.evaluate.results import Results
from router.metrics.chains import EVALUATED_DAYS
from router.metrics.estimates import Estimate
from router.metrics.observed import Observed
from router.metrics.view import Filter, View
from router.store import Passes, Store
from router.tune.behavior import Measured
from router.tune.certificate import Certificate, Certificates, FaultLine, certificate, fault_matrix
from router.tune.choice import LEAST_PROMPTS, choose
from router.tune.evidence import ModelEvidence, Said, failures, measured, model_evidence
from router.tune.experiment import next_experiment
from router.tune.goals import Goals
from router.tune.graded import Evaluated, Graded, evaluated, graded
from router.tune.held import Kept, kept
from router.tune.joint import Failures, effective_number
from router.tune.network import with_network
from router.tune.people import preferred
from router.tune.proposals import Advice, advice
from router.tune.scenarios import AS_MEASURED, Scenario
from router.tune.simulated import Simulated
from router.tune.simulation import REQUESTS, RUNS, Worlds
from router.tune.what_if import WhatIf

DAYS = 30
"""Days of observations that evidence covers: models change."""

KEPT = 20
"""Simulated chains, and pieces of advice, that are kept: going back and forth between two works out neither again."""

FRESH = 600.0
"""Seconds for which a comparison of two chains is kept though more was observed: where traffic never rests, it would
never come to its end."""

OFTEN = 0.2
"""The share of a model's answers from which on an upstream provider is worth naming."""

Source = tuple[object, ...]
"""What tells one state of the evidence from another."""


class Evidence(NamedTuple):
    """What is known in a category.

    Attributes:
        models: by reference, as models.yaml names them.
        worth: how many independent models the chain is worth; see `effective_number`.
        evaluated: the prompts that several models were graded on.
        without_network: calls that are left out, since nobody could be reached; see `with_network`.
    """

    category: str
    chain: tuple[str, ...]
    models: Mapping[str, ModelEvidence]
    failures: Failures
    worth: Estimate
    evaluated: Evaluated
    measured: Measured
    without_network: int

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


class Tuning:
    """Reads evidence, and proposes changes of chains; it never changes anything. Safe to use from any thread.

    Args:
        observed: opens what was observed.
        folder: the Lab's, where suites and certificates are.

    Attributes:
        certificates: of the chains that were proposed and applied.
    """

    def __init__(
        self,
        observed: Callable[[], Observed],
        store: Store,
        evaluations: Evaluations,
        config: Callable[[], Config],
        folder: Path,
    ) -> None:
        self.certificates = Certificates(folder / "certificates")
        self._library = Library(folder / "suites")
        self._observed = observed
        self._store = store
        self._evaluations = evaluations
        self._config = config
        self._lock = threading.Lock()
        self._evidence: dict[str, tuple[Source, Evidence]] = {}
        self._worlds: dict[tuple[str, str, Scenario], Worlds] = {}
        self._what_ifs: dict[tuple[str, str, str, Scenario], WhatIf] = {}
        self._advice: dict[tuple[str, Goals], Advice] = {}

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
            known = self._evidence.get(category)
            if known is None or known[0] != state:
                known = self._evidence[category] = state, self._gather(category, chain, View.of(rows), runs)
                self._advice, self._worlds = {}, {}  # which rest on what was known before
            return known[1]

    def _gather(self, category: str, chain: Chain, everything: View, runs: Sequence[Results]) -> Evidence:
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
        return Evidence(category, names, models, together, worth, found, behaviors, without_network)

    def _graded(self, runs: Iterable[Results], category: str) -> Iterator[Graded]:
        """Answers that are not too old, of names that mean the same now: a provider may be gone, or no default."""
        config, since = self._config(), time.time() - EVALUATED_DAYS * 86_400
        for each in graded(runs, category):
            if each.at >= since and each.provider == _identity(config, each.model)[0]:
                yield each

    def _with_network(self, view: View) -> tuple[View, View]:
        local = {name for name, provider in self._config().providers.items() if provider.is_local}
        return with_network(view, local)

    def _quality(self, category: str, now: float) -> dict[str, Passes]:
        passes = self._store.scores.passes(now - EVALUATED_DAYS * 86_400)
        return {model: each for (of, model), each in passes.items() if of == category}

    def advise(self, category: str, goals: Goals = Goals()) -> Advice:
        """What the evidence says of a category's chain.

        Raises:
            InvalidRequest: there is too little evidence to compare anything (`Evidence.gap` says why), no chain can be
                made within the limits, or they name a model that nobody knows.
            ConfigError, StoreError: see `evidence`.
        """
        evidence = self.evidence(category)
        if (gap := evidence.gap()) is not None or evidence.evaluated.grid is None:
            raise InvalidRequest(gap or "")
        with self._lock:
            known = self._advice.get((category, goals))
        if known is not None:
            return known
        chain = self._config().chain(category)
        grid = evidence.evaluated.grid.within(chain.policy.first_token)
        current = grid.numbered(evidence.chain)
        asked, goals = goals, self._with_names(category, goals)
        choice = choose(grid, goals, current)
        experiment = next_experiment(grid, goals, current) if choice.kind == "not_enough" else None
        found = advice(category, grid, goals, choice, current, experiment=experiment)
        with self._lock:
            self._advice = dict([*self._advice.items()][-KEPT:]) | {(category, asked): found}
        return found

    def _with_names(self, category: str, goals: Goals) -> Goals:
        must = tuple(self.named(category, model) or model for model in goals.limits.must)
        never = {model: self.named(category, model) for model in goals.limits.never}
        if unknown := [model for model, name in never.items() if name is None]:
            raise InvalidRequest(f"{unknown[0]} is no model of models.yaml, and none that was observed in {category}.")
        limits = msgspec.structs.replace(goals.limits, must=must, never=tuple(filter(None, never.values())))
        return msgspec.structs.replace(goals, limits=limits)

    def named(self, category: str, model: str) -> str | None:
        """A model as models.yaml or the evidence names it, with its provider or without; None for one of neither.

        Raises:
            ConfigError, StoreError: see `evidence`.
        """
        config, evidence = self._config(), self.evidence(category)
        grid = evidence.evaluated.grid
        known = [ref.text for ref in config.known_models]
        known += [*evidence.measured.models, *(grid.models if grid is not None else ())]
        if model in known:
            return model
        asked = _identity(config, model)
        return next((name for name in known if _identity(config, name) == asked), None)

    def simulate(self, category: str, chain: Chain, scenario: Scenario = AS_MEASURED) -> Simulated:
        """What a chain would do with a category's requests.

        Raises:
            InvalidRequest: nothing was observed of one of its models.
            ConfigError, StoreError: see `evidence`.
        """
        return self._worlds_of(category, chain, scenario).simulated(RUNS, REQUESTS)

    def what_if(self, category: str, chain: Chain, scenario: Scenario = AS_MEASURED) -> WhatIf:
        """A chain beside the category's own; what was compared lately is kept.

        Raises:
            InvalidRequest: nothing was observed of one of their models.
            ConfigError, StoreError: see `evidence`.
        """
        current = self._config().chain(category)
        before, after = (self._worlds_of(category, each, scenario) for each in (current, chain))
        key = category, current.fingerprint, chain.fingerprint, scenario
        with self._lock:
            known = self._what_ifs.get(key)
            if known is None or time.monotonic() - known.made > FRESH:
                known = WhatIf(before, after)
                self._what_ifs = dict([*self._what_ifs.items()][-KEPT:]) | {key: known}
            return known

    def _worlds_of(self, category: str, chain: Chain, scenario: Scenario) -> Worlds:
        """The worlds that a chain is simulated in; those of one state of the evidence are the same for all chains."""
        measured = self.evidence(category).measured
        _check(chain, measured)
        config = self._config()
        key = category, chain.fingerprint, scenario
        with self._lock:
            if (known := self._worlds.get(key)) is None:
                slots = {name: provider.max_concurrency for name, provider in config.providers.items()}
                known = Worlds(chain, config.policy, scenario.of(measured), slots=slots)
                self._worlds = dict([*self._worlds.items()][-KEPT:]) | {key: known}
            return known

    def close(self) -> None:
        """Stop what is being simulated."""
        with self._lock:
            for each in self._what_ifs.values():
                each.cancel()

    def certify(self, found: Advice, chain: Chain) -> tuple[Certificate, list[FaultLine]]:
        """Run the fault matrix on a chain, predict what it does, and keep both.

        Args:
            found: what proposed it.

        Raises:
            InvalidRequest: nothing was observed of one of its models.
            StoreError: see `evidence`; or the certificate cannot be written.
        """
        world = self.evidence(found.category).measured
        _check(chain, world)
        lines = fault_matrix(chain, self._config().policy, world)
        made = certificate(found.category, chain, found.evidence, self.simulate(found.category, chain), lines)
        self.certificates.keep(made)
        return made, lines

    def predictions(self) -> list[Kept]:
        """What became of the predictions for the chains in force.

        Raises:
            StoreError: the database cannot be read.
        """
        certificates = [self.certificates.of(chain.fingerprint) for chain in self._config().chains.values()]
        known = [each for each in certificates if each is not None]
        if not known:
            return []
        view, _ = self._with_network(View.of(self._observed().rows()).where(Filter()))
        return [kept(view, each) for each in known]

    def plan(self, category: str, models: Sequence[str], prompts: int) -> Planned:
        """An evaluation that brings evidence: models on cases of a category that one of them was not graded on yet.

        Raises:
            InvalidRequest: no suite has such a case.
        """
        answers = self._graded(map(self._evaluations.results, self._evaluations.all()), category)
        graded_on = {(each.model, each.prompt) for each in answers if not each.fault}
        seen = {prompt for _, prompt in graded_on if all((model, prompt) in graded_on for model in models)}
        known: dict[str, Case] = {}
        for name in self._library.names():
            for case in self._library.find(name).suite.cases:
                if case.category == category:
                    known.setdefault(case.key, case)
        cases = [case for case in known.values() if case.key not in seen][:prompts]
        if not cases:
            why = (
                f"All cases of {category} in your suites were graded already"
                if known
                else f"No suite has a case of {category}"
            )
            raise InvalidRequest(f"{why}. Add cases to a suite, then try again.")
        suite = Suite(name=f"{category}-evidence", description="Chosen by Tune.", cases=_distinct(cases))
        lanes = tuple(self._evaluations.lane(Settings(model=model)) for model in models)
        return Planned(at=time.time(), suite=suite, lanes=lanes)


def _identity(config: Config, model: str) -> tuple[str, str]:
    ref = parse_reference(model, config.providers, config.default_provider)
    return ref.provider, ref.model


def _check(chain: Chain, world: Measured) -> None:
    if unknown := [ref.text for ref in chain.models if ref.text not in world.models]:
        it, them = ("it", "it") if len(unknown) == 1 else ("they", "them")
        raise InvalidRequest(
            f"Nothing was observed of {', '.join(unknown)} in the last {DAYS} days, so what {it} would do is unknown. "
            f"Evaluate or compare {them} first."
        )


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


def _distinct(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Cases of several suites may have one id."""
    ids: set[str] = set()
    found = list[Case]()
    for number, case in enumerate(cases):
        name = case.id if case.id not in ids else f"{case.id}-{number}"
        ids.add(name)
        found.append(msgspec.structs.replace(case, id=name))
    return tuple(found)
