"""Tuning a Lab's chains: what is proposed, simulated and certified on its evidence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import msgspec

from router.config.chains import Chain
from router.config.schema import Config
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.runs import Planned
from router.core.suites import Case, Suite
from router.evaluate.evaluations import Evaluations
from router.evaluate.library import Library
from router.metrics.observed import Observed
from router.store import Store
from router.tune.behavior import Measured
from router.tune.certificate import Certificate, Certificates, FaultLine, certificate, fault_matrix
from router.tune.choice import choose
from router.tune.experiment import next_experiment
from router.tune.gathering import DAYS, Evidence, Gathering, identity
from router.tune.goals import Goals
from router.tune.held import Kept, kept
from router.tune.proposals import Advice, advice
from router.tune.scenarios import AS_MEASURED, Scenario
from router.tune.simulated import Simulated
from router.tune.simulation import REQUESTS, RUNS, Worlds
from router.tune.what_if import WhatIf

KEPT = 20
"""Simulated chains, and pieces of advice, that are kept: going back and forth between two works out neither again."""

FRESH = 600.0
"""Seconds for which a comparison of two chains is kept though more was observed: where traffic never rests, it would
never come to its end."""


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
        self._gathering = Gathering(observed, store, evaluations, config)
        self._evaluations = evaluations
        self._config = config
        self._lock = threading.Lock()
        self._worlds: dict[tuple[str, Hashable, str, Scenario], Worlds] = {}
        self._what_ifs: dict[tuple[str, str, str, Scenario], WhatIf] = {}
        self._advice: dict[tuple[Hashable, str, Goals], Advice] = {}

    def evidence(self, category: str) -> Evidence:
        """See `Gathering`."""
        return self._gathering.evidence(category)

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
        key = evidence.state, category, goals
        with self._lock:
            known = self._advice.get(key)
        if known is not None:
            return known
        chain = self._config().chain(category)
        grid = evidence.evaluated.grid.within(chain.policy.first_token)
        current = grid.numbered(evidence.chain)
        goals = self._with_names(category, goals)
        choice = choose(grid, goals, current)
        experiment = next_experiment(grid, goals, current) if choice.kind == "not_enough" else None
        found = advice(category, grid, goals, choice, current, experiment=experiment)
        with self._lock:
            self._advice = dict([*self._advice.items()][-KEPT:]) | {key: found}
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
        asked = identity(config, model)
        return next((name for name in known if identity(config, name) == asked), None)

    def simulate(self, category: str, chain: Chain, scenario: Scenario = AS_MEASURED) -> Simulated:
        """What a chain would do with a category's requests.

        Raises:
            InvalidRequest: nothing was observed of one of its models.
            ConfigError, StoreError: see `evidence`.
        """
        return self._worlds_of(self.evidence(category), chain, scenario).simulated(RUNS, REQUESTS)

    def what_if(self, category: str, chain: Chain, scenario: Scenario = AS_MEASURED) -> WhatIf:
        """A chain beside the category's own; what was compared lately is kept.

        Raises:
            InvalidRequest: nothing was observed of one of their models.
            ConfigError, StoreError: see `evidence`.
        """
        current = self._config().chain(category)
        evidence = self.evidence(category)
        before, after = (self._worlds_of(evidence, each, scenario) for each in (current, chain))
        key = category, current.fingerprint, chain.fingerprint, scenario
        with self._lock:
            known = self._what_ifs.get(key)
            if known is None or time.monotonic() - known.made > FRESH:
                known = WhatIf(before, after)
                self._what_ifs = dict([*self._what_ifs.items()][-KEPT:]) | {key: known}
            return known

    def _worlds_of(self, evidence: Evidence, chain: Chain, scenario: Scenario) -> Worlds:
        """The worlds that a chain is simulated in; those of one state of the evidence are the same for all chains."""
        _check(chain, evidence.measured)
        config, category = self._config(), evidence.category
        key = category, evidence.state, chain.fingerprint, scenario
        with self._lock:
            if (known := self._worlds.get(key)) is None:
                slots = {name: provider.max_concurrency for name, provider in config.providers.items()}
                known = Worlds(chain, config.policy, scenario.of(evidence.measured), slots=slots)
                # What was measured takes megabytes: nothing keeps what it was before.
                current = [
                    each for each in self._worlds.items() if each[0][0] != category or each[0][1] == evidence.state
                ]
                self._worlds = dict(current[-KEPT:]) | {key: known}
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
        view = self._gathering.observed()
        return [kept(view, each) for each in known]

    def plan(self, category: str, models: Sequence[str], prompts: int) -> Planned:
        """An evaluation that brings evidence: models on cases of a category that one of them was not graded on yet.

        Raises:
            InvalidRequest: no suite has such a case.
        """
        graded_on = {(each.model, each.prompt) for each in self._gathering.graded(category) if not each.fault}
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


def _check(chain: Chain, world: Measured) -> None:
    if unknown := [ref.text for ref in chain.models if ref.text not in world.models]:
        it, them = ("it", "it") if len(unknown) == 1 else ("they", "them")
        raise InvalidRequest(
            f"Nothing was observed of {', '.join(unknown)} in the last {DAYS} days, so what {it} would do is unknown. "
            f"Evaluate or compare {them} first."
        )


def _distinct(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Cases of several suites may have one id."""
    ids: set[str] = set()
    found = list[Case]()
    for number, case in enumerate(cases):
        name = case.id if case.id not in ids else f"{case.id}-{number}"
        ids.add(name)
        found.append(msgspec.structs.replace(case, id=name))
    return tuple(found)
