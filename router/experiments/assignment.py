"""Which chain a request is given: the category's own, or an experiment's candidate."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from router.config.chains import Chain
from router.config.schema import Experiment
from router.core.attempts import Source
from router.engine.options import Options
from router.store.experiments import SESSIONS, Drawn

REAL: frozenset[Source] = frozenset({"endpoint", "library"})
"""Where real traffic comes from: what somebody tries on a page is none."""


class Assigned(NamedTuple):
    """A request's chain, and its options with what they say of it."""

    chain: Chain
    options: Options


class Assignments:
    """Draws arms. A session keeps the arm that it was given first, also when the share changes meanwhile.

    May be used from any thread, and never waits for the store.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, Drawn]] = {}

    def of(self, experiment: Experiment, chain: Chain, options: Options) -> Assigned:
        """What a real request of an experiment's category is given.

        Args:
            chain: the category's own.
        """
        if options.session is None:
            options = replace(options, request_id=options.request_id or uuid.uuid4().hex)
            drawn = draw(experiment, options.request_id or "")
        else:
            drawn = self._of_session(experiment, options.session)
        origin = replace(options.origin, experiment=experiment.name, arm=drawn.arm)
        options = replace(options, origin=origin, probability=drawn.probability)
        return Assigned(experiment.chain if drawn.arm == "candidate" else chain, options)

    def _of_session(self, experiment: Experiment, session: str) -> Drawn:
        with self._lock:
            kept = self._kept.setdefault(experiment.name, {})
            if session not in kept:
                if len(kept) >= SESSIONS:
                    del kept[next(iter(kept))]
                kept[session] = draw(experiment, session)
            return kept[session]

    def remember(self, experiment: str, given: Mapping[str, Drawn]) -> None:
        """What sessions were given by this process before, or by another one; that counts."""
        with self._lock:
            self._kept[experiment] = {**self._kept.get(experiment, {}), **given}


def draw(experiment: Experiment, unit: str) -> Drawn:
    """The arm of a session or a request, by its name: the same in every process, and each time."""
    parts = "\0".join((experiment.name, experiment.seed or experiment.name, unit))
    number = int.from_bytes(hashlib.sha256(parts.encode()).digest()[:8])
    if number < experiment.share * 2**64:
        return Drawn("candidate", experiment.share)
    return Drawn("current", 1 - experiment.share)
