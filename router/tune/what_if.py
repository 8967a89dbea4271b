"""What if: another chain in the same simulated worlds as the one in use, ever more of them while somebody looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from router.tune.simulated import Figure, Simulated, changes
from router.tune.simulation import Worlds

ROUNDS = ((8, 25), (16, 100), (32, 150), (48, 200))
"""How many worlds, and requests in each. The first round takes some 0.2 s, the last some 10 s."""

NOISE = 0.15
"""The share of an interval that simulating longer may take off it, up to which it is narrow enough."""

UNSEEN = {"answered": 0.0005, "quality": 0.0005}
"""Half an interval that is shown as none."""

UNSEEN_SHARE = 0.005
"""The same of the other figures, as a share of the value."""

UNWATCHED = 2.0
"""Seconds after the last look at which it stops: a closed tab looks no more."""

State = Literal["simulating", "narrow", "longest"]


class Seen(NamedTuple):
    """What was simulated so far.

    Attributes:
        before, after: of the chain in use, and of the other one.
        figures: of the two chains, and the change of each figure; see `changes`.
        state: whether it goes on; else whether the intervals are as narrow as the evidence allows, or simulating
            longer takes too long.
        round: of ROUNDS.
    """

    before: Simulated
    after: Simulated
    figures: tuple[Mapping[str, Figure], Mapping[str, Figure], Mapping[str, Figure]]
    state: State
    round: int


class WhatIf:
    """Two chains in the same worlds. Safe to use from any thread.

    Who asks first simulates the first round; nobody else waits. Further rounds are simulated in a thread of its
    own, for as long as somebody looks.

    Args:
        before, after: of the same evidence and seed; the same one if nothing is changed.
        clock: of seconds.

    Attributes:
        made: when, by the clock.
    """

    def __init__(self, before: Worlds, after: Worlds, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._before, self._after = before, after
        self._clock = clock
        self.made = self._looked = clock()
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def seen(self) -> Seen:
        """What was simulated so far; the first round, if nothing was."""
        with self._lock:
            if self._seen is None:
                self._seen = self._round(0)
            return self._seen

    def look(self) -> Seen:
        """The same; and it goes on if there is more to find out."""
        seen = self.seen()
        with self._lock:
            self._looked = self._clock()
            if seen.state == "simulating" and (self._thread is None or not self._thread.is_alive()):
                self._stop.clear()
                self._thread = threading.Thread(target=self._refine, name="what-if", daemon=True)
                self._thread.start()
        return seen

    def cancel(self) -> None:
        """Stop simulating after the world in progress. What was simulated is kept, and a look goes on from there."""
        self._stop.set()

    def _refine(self) -> None:
        while self._seen is not None and self._seen.state == "simulating":
            number = self._seen.round + 1
            worlds, requests = ROUNDS[number]
            for world in range(worlds):
                for chain in (self._before, self._after):
                    if self._stop.is_set() or self._clock() - self._looked > UNWATCHED:
                        return
                    chain.run(world, requests)
            self._seen = self._round(number)

    def _round(self, number: int) -> Seen:
        before, after = (chain.simulated(*ROUNDS[number]) for chain in (self._before, self._after))
        figures = before.details(), after.details(), changes(before, after)
        state: State = "longest" if number == len(ROUNDS) - 1 else "simulating"
        if all(_is_narrow(name, each) for of in figures for name, each in of.items()):
            state = "narrow"
        return Seen(before, after, figures, state, number)


def _is_narrow(name: str, figure: Figure) -> bool:
    """Whether simulating longer would not be seen in an interval."""
    value, low, high, *_ = figure.estimate
    if figure.noise <= NOISE or value is None or low is None or high is None:
        return True
    return not (high - low) / 2 > UNSEEN.get(name, UNSEEN_SHARE * abs(value))  # of what is unknown, nothing is seen
