"""What came of an experiment: each figure of both chains, with its confidence sequence and a verdict in words.

The unit is what was drawn: a request, or a session with its requests of the first `SESSION` seconds, as their mean. A
session counts when these are over, whatever its requests did: that it were over sooner where answers fail would spoil
the comparison. Requests whose answer came from the cache or from an identical request count in no figure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from router.config.schema import Experiment
from router.core.errors import TIMED_OUT
from router.core.records import Arm
from router.experiments import sequences
from router.experiments.sequences import Looks, Units
from router.experiments.sequences import Sequence as Bounds
from router.store.experiments import Given

SESSION = 1_800.0
"""Seconds from a session's first request for which its requests count."""

LOOKS = 60
"""Points of a sequence that are drawn."""

Verdict = Literal["better", "worse", "no worse", "not separable yet", "nothing to compare yet"]
Figure: TypeAlias = Callable[[Given], float | None]


class Drawing(NamedTuple):
    """A unit: what was given to whom.

    Attributes:
        probability: that it is given the candidate.
        ended: Unix time from which on it counts, seconds.
    """

    candidate: bool
    probability: float
    ended: float
    requests: Sequence[Given]


class Compared(NamedTuple):
    """One figure of both chains.

    Attributes:
        name: of the figure; `in_dollars` where its values are, else shares.
        current, candidate: means over units; None where there are none.
        units: of the current chain, and of the candidate, that have it.
        requests: of each, in units that are over; `unknown` are those that do not have it.
        sequence: of the candidate's mean less the current's.
        verdict: what it says now.
    """

    name: str
    in_dollars: bool
    current: float | None
    candidate: float | None
    units: tuple[int, int]
    requests: tuple[int, int]
    unknown: tuple[int, int]
    sequence: Bounds
    verdict: Verdict

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Between what the difference lies, after the last look; None where nothing is known of it."""
        if not len(self.sequence.at):
            return None, None
        low, high = float(self.sequence.low[-1]), float(self.sequence.high[-1])
        return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


class Analysis(NamedTuple):
    """An experiment as it stands.

    Attributes:
        requests: of the current chain, and of the candidate.
        since, until: Unix times of its first and last request; None where there is none.
        open: sessions that do not count yet.
        left_out: requests that count in no figure: cached, shared, stopped, or of a session that moved.
        compared: its figures, success first.
    """

    experiment: Experiment
    requests: tuple[int, int]
    since: float | None
    until: float | None
    open: int
    left_out: int
    compared: tuple[Compared, ...]


def answered(request: Given) -> float | None:
    """1 where a model answered."""
    return float(request.outcome == "answered")


def in_time(limit: float) -> Figure:
    """1 where an answer was whole in time; None for failures that are no matter of time."""

    def figure(request: Given) -> float | None:
        if request.outcome == "answered":
            return float(request.latency <= limit)
        return 0.0 if request.reason in TIMED_OUT else None

    return figure


def cost(request: Given) -> float | None:
    """US dollars of all attempts."""
    return request.cost


def score(request: Given) -> float | None:
    """What people think of it."""
    return request.score


def grade(request: Given) -> float | None:
    """What graders say of its answer."""
    return request.grade


def analyze(experiment: Experiment, requests: Sequence[Given], now: float) -> Analysis:
    """What an experiment's requests say.

    Args:
        now: Unix time, seconds.
    """
    drawings = [*drawn(requests)]
    over = [each for each in drawings if each.ended <= now]
    figures: list[tuple[str, Figure]] = [("answered", answered)]
    if experiment.latency is not None:
        figures.append((f"in {experiment.latency:g} s", in_time(experiment.latency)))
    figures += [("cost", cost), ("feedback", score)]
    if experiment.grades is not None:
        figures.append(("grade", grade))
    arms = [request.arm for request in requests]
    return Analysis(
        experiment,
        (arms.count("current"), arms.count("candidate")),
        requests[0].started if requests else None,
        requests[-1].started if requests else None,
        len(drawings) - len(over),
        len(requests) - sum(len(each.requests) for each in drawings),
        tuple(_compared(name, over, figure, experiment.margin) for name, figure in figures),
    )


def drawn(requests: Iterable[Given]) -> Iterable[Drawing]:
    """The units of plain requests that are over, in the order in which they count."""
    sessions: dict[str, list[Given]] = {}
    found: list[Drawing] = []
    for each in requests:
        if not 0 < each.probability < 1:
            continue  # where all get the same chain, nothing is compared
        if each.session is not None:
            sessions.setdefault(each.session, []).append(each)
        elif _counts(each):
            found.append(_drawing(each, each.started, (each,)))
    for session in sessions.values():
        first = min(session, key=lambda each: each.started)
        end = first.started + SESSION
        own = [each for each in session if each.started < end and each.arm == first.arm and _counts(each)]
        found.append(_drawing(first, end, own))
    return sorted(found, key=lambda each: each.ended)


def _counts(request: Given) -> bool:
    return request.plain and request.outcome != "cancelled"


def _drawing(first: Given, ended: float, requests: Sequence[Given]) -> Drawing:
    is_candidate = first.arm == "candidate"
    return Drawing(is_candidate, first.probability if is_candidate else 1 - first.probability, ended, requests)


def units_of(drawings: Iterable[Drawing], figure: Figure) -> Units:
    """A figure's means over the requests of each unit that has it."""
    rows = []
    for each in drawings:
        values = [value for value in map(figure, each.requests) if value is not None]
        if values:
            rows.append((each.candidate, each.probability, sum(values) / len(values)))
    candidate, probability, value = zip(*rows, strict=True) if rows else ((), (), ())
    return Units(np.array(candidate, bool), np.array(probability, float), np.array(value, float))


def looks(count: int) -> Looks:
    """Units after which a sequence is looked at: the last one, and some before it."""
    return np.unique(np.linspace(min(count, 1), count, LOOKS).astype(np.intp)) if count else np.empty(0, np.intp)


def _compared(name: str, over: Sequence[Drawing], figure: Figure, margin: float) -> Compared:
    units, in_dollars = units_of(over, figure), name == "cost"
    at = looks(len(units.value))
    found = sequences.unbounded(units, at) if in_dollars else sequences.bounded(units, at)
    of_arms = units.value[~units.candidate], units.value[units.candidate]
    current, candidate = (float(values.mean()) if len(values) else None for values in of_arms)
    has_it = Counter((each.candidate, figure(request) is not None) for each in over for request in each.requests)
    return Compared(
        name,
        in_dollars,
        current,
        candidate,
        units=(len(of_arms[0]), len(of_arms[1])),
        requests=(has_it[False, True] + has_it[False, False], has_it[True, True] + has_it[True, False]),
        unknown=(has_it[False, False], has_it[True, False]),
        sequence=found,
        verdict=verdict(found, margin, in_dollars) if all(map(len, of_arms)) else "nothing to compare yet",
    )


def verdict(found: Bounds, margin: float, in_dollars: bool) -> Verdict:
    """What a sequence says after its last look.

    Args:
        margin: the loss that still counts as none; not of costs, for which less is better.
    """
    low, high = float(found.low[-1]), float(found.high[-1])
    if in_dollars:
        return "better" if high < 0 else "worse" if low > 0 else "not separable yet"
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "no worse" if low >= -margin else "not separable yet"


def count_of(requests: Iterable[Given], arm: Arm) -> int:
    """How many requests an arm has."""
    return sum(each.arm == arm for each in requests)
