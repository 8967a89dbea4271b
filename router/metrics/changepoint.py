"""Whether an event came to happen more often than before: a test that may be looked at after every call.

Null: from a moment on, the event happens at most as often as before, in each call for itself. Only the calls before
tell how often that was: of few, little is known, and the test knows it.

A window of m calls with K events is weighed by its likelihood at a higher rate against its likelihood under the null,
whose rate is drawn from what n calls before with k events leave open, Beta(k + a, n - k + 1 - a). This Bayes factor is
a test martingale (Shafer, Shen, Vereshchagin & Vovk, "Test martingales, Bayes factors and p-values", 2011): that it
ever exceeds 1 / c has a chance of c at most, however often one looks (Ville, 1939). There are two laws:

- `WILKS`, a = 1: the event is to take longer than the (n - k)-th shortest of n calls. The law of its rate is then this
  one exactly, whatever that of times (Wilks, "Determination of sample sizes for setting tolerance limits", 1941).
- `JEFFREYS`, a = 1/2: the event has an unknown rate (Krichevsky & Trofimov, 1981). The bound holds on average over
  rates from Beta(1/2, 1/2); that it holds for each rate, `tests/metrics/test_drift.py` computes over those that matter.

Nobody knows when a change begins. So every `GRID`-th call is a start with a test of its own. Its share of the chance
that is allowed for a week is the time since the start before, as a share of the week: all shares sum to the weeks that
passed, whatever the traffic (Bonferroni; a pause counts in the week that follows, as one week at most). Shin, Ramdas &
Rinaldo, "E-detectors" (2023), sum the evidence of all starts; here the largest decides, for their events differ.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

WEEK = 7 * 86_400.0
"""Seconds that the allowed chance is of."""

GRID = 16
"""Calls from a start to the next: with fewer, the share of the chance costs as much as the nearer start gains."""

LEAST = 64
"""Calls before a start, at least."""

EVIDENCE = 1024
"""Calls before a start that are its evidence, at most; as many again where the first of them define the event."""

REACH = 1024
"""Calls after the last start that are looked at."""

_BACK = np.array([*range(8), *range(8, 16, 2), *range(16, 32, 4), *range(32, 64, 8)])
"""Starts that an event is weighed for, counted back from the newest: further back, it matters less which."""

Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]


class Law(NamedTuple):
    """How an event is tested.

    Attributes:
        prior: the parameter a above.
        odds: how many times larger the odds of the event are under the alternatives.
    """

    prior: float
    odds: tuple[float, ...]


JEFFREYS = Law(0.5, (4.0, 12.0))
"""2% becomes 7.5% or 20%."""

WILKS = Law(1.0, (2.5, 8.0))
"""33% becomes 56% or 80%."""


class Change(NamedTuple):
    """More of an event than before.

    Attributes:
        start: the call with which it probably began.
        seen: the call after which the evidence sufficed.
        gain: (calls,) how much likelier each is at the changed rate than at that before, as a logarithm.
    """

    start: int
    seen: int
    gain: Floats


class Starts(NamedTuple):
    """Calls with which a change may begin, ascending; (starts,) each.

    Attributes:
        at: which calls.
        evidence: the calls with which the evidence before them begins.
        needed: the logarithm of the evidence that they need, so that any week errs with the chance that is allowed.
    """

    at: Places
    evidence: Places
    needed: Floats

    @classmethod
    def between(cls, first: int, end: int, started: Floats, chance: float) -> Starts:
        """The starts from a call on, before another.

        Args:
            started: (calls,) Unix times, seconds; where a clock jumped, no time has passed, or a week at most.
            chance: of seeing a change in a week in which there is none.
        """
        first = max(first, LEAST)
        at = np.arange(first + -first % GRID, end, GRID)
        since = np.clip(started[at] - started[at - GRID], 1e-3, WEEK)
        return cls(at, np.maximum(0, at - EVIDENCE), np.log(WEEK / chance / since))


def first_change(before: Flags, after: Flags, starts: Starts, law: Law) -> Change | None:
    """The change that is seen first, by what the calls until then say.

    Args:
        before: (calls,) the event, as it counts in the evidence before a start.
        after: (calls,) the event, as it counts from a start on: a stricter one leaves a margin.
    """
    if not len(starts.at):
        return None
    counted, met = (np.concatenate([[0], np.cumsum(flags)]) for flags in (before, after))
    calls, known = starts.at - starts.evidence, counted[starts.at] - counted[starts.evidence]
    rate = _rate(calls, known, law)

    events = starts.at[0] + np.flatnonzero(after[starts.at[0] : starts.at[-1] + REACH])
    chosen = np.maximum(0, (np.searchsorted(starts.at, events, side="right") - 1)[:, None] - _BACK)
    lengths, hits = (events + 1)[:, None] - starts.at[chosen], met[events + 1][:, None] - met[starts.at][chosen]
    more = np.maximum(hits - lengths * rate[chosen], 0)
    # No rate makes a window likelier than by its chi-squared: most windows are spared the logarithms.
    row, column = np.nonzero(more * more > lengths * (rate * (1 - rate) * starts.needed)[chosen])
    start = chosen[row, column]
    gained = evidence(calls[start], known[start], lengths[row, column], hits[row, column], law)
    excess = gained.max(axis=0, initial=-np.inf) - starts.needed[start]
    enough = np.flatnonzero(excess >= 0)
    if not len(enough):
        return None
    first = enough[row[enough] == row[enough[0]]]
    best = first[np.argmax(excess[first])]
    old, seen = rate[start[best]], int(events[row[best]])
    new = _raised(old, law)[np.argmax(gained[:, best])]
    now = (hits[row[best], column[best]] + 0.5) / (lengths[row[best], column[best]] + 1)
    began = starts.at[start[best]] - GRID  # or up to so many calls after it
    began += np.argmin(np.append(0.0, np.cumsum(_gain(after[began:seen], old, now))))
    return Change(int(began), seen, _gain(after, old, new))


def _gain(event: Flags, old: float, new: float) -> Floats:
    """How much likelier each call is at the new rate than at the old, as a logarithm."""
    return np.where(event, math.log(new / old), math.log((1 - new) / (1 - old)))


def evidence(calls: Places, known: Places, length: Places, hits: Places, law: Law) -> Floats:
    """(alternatives, …) the logarithm of each alternative's Bayes factor, times its prior share.

    Args:
        calls, known: before the window, and how many of them had the event.
        length, hits: the window's calls, and how many of them had it.
    """
    raised = _raised(_rate(calls, known, law), law)
    null = _log_beta(known + hits, calls - known + length - hits, law.prior)
    null -= _log_beta(known, calls - known, law.prior)
    found: Floats = hits * np.log(raised) + (length - hits) * np.log1p(-raised) - null - math.log(len(law.odds))
    return found


def _rate(calls: Places, known: Places, law: Law) -> Floats:
    """What the alternatives start from; never 0 or 1."""
    found: Floats = (known + law.prior) / (calls + 1.5)
    return found


def _raised(rate: Floats, law: Law) -> Floats:
    """(alternatives, …) the rates under the alternatives."""
    odds = np.multiply.outer(np.array(law.odds), rate / (1 - rate))
    found: Floats = odds / (1 + odds)
    return found


def _log_gamma(shift: float) -> Floats:
    """The logarithm of Euler's gamma function of i + shift for each i that calls can be counted to."""
    steps = np.log(np.arange(1, 8 * EVIDENCE) + shift)
    first = [math.lgamma(shift) if shift else math.inf, math.lgamma(1 + shift)]
    return np.concatenate([first, first[1] + np.cumsum(steps)])


_LOG_GAMMA = {shift: _log_gamma(shift) for shift in (0.0, 0.5, 1.0)}


def _log_beta(a: Places, b: Places, prior: float) -> Floats:
    """The logarithm of Euler's beta function of a + prior and b + 1 - prior."""
    found: Floats = _LOG_GAMMA[prior][a] + _LOG_GAMMA[1 - prior][b] - _LOG_GAMMA[1.0][a + b]
    return found
