"""Drift: where a model came to fail more often, to answer more slowly, or worse, than before, as a quiet notice.

Three measures of each category's model are tested, as `router.metrics.changepoint` says:

- failures. Null: from a moment on, at most the share of calls fails that failed before.
- latency. Null: from a moment on, calls take at most a quarter longer than before. The event is to take longer than
  two in three of the calls before, and a quarter more; what timed out took longer than any.
- quality. Null: from a moment on, at most the share of a suite's cases is wrong that was wrong before, in each answer
  for itself. A suite is compared with itself alone, and only where the model was asked first.

`CHANCE` is that of any false notice in a week, over all models and categories, however often one looks. Only what
became worse is told: what became better asks nothing of anybody.

A change that is over, and one that has been the rule for a week, are no drift: the calls of the one are taken out of
the evidence, the other starts it again. All is computed from the rows, so a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.core.attempts import is_call
from router.core.errors import TIMED_OUT
from router.metrics.changepoint import (
    EVIDENCE,
    JEFFREYS,
    LEAST,
    WEEK,
    WILKS,
    Change,
    Places,
    Starts,
    first_change,
)
from router.metrics.columns import AttemptLabels
from router.metrics.estimates import Estimate, by_quantile, share
from router.metrics.predicates import is_timed_call
from router.metrics.view import Slice, View
from router.store.scores import Passed, Suite

CHANCE = {"failures": 0.034, "latency": 0.011, "quality": 0.005}
"""The chance of a false notice in a week: 5% together; the larger part where fewer calls tell more."""

MARGIN = 1.25
"""How much slower is no news: a day's rhythm passes under it."""

QUANTILE = 2 / 3
"""The share of calls before that a slow one takes longer than."""

INCIDENT = 30.0
"""Seconds after a failure whose calls tell of the same fault and do not count: bursts are the breaker's business."""

RELIEF = 6.0
"""A change is over once the calls after its height are e^6 times likelier at the rate before."""

RECENT = 2048
"""Calls after which a change is the rule, where they come sooner than the end of its week."""

_KEPT = 1024
"""A model's newest calls are looked at from a multiple of this on, so that starts stay where they are."""

_LONGEST = RECENT + EVIDENCE

_CUTS = (LEAST, 256, *range(_KEPT, _LONGEST + 2 * _KEPT, _KEPT))
"""Calls after which the threshold for slow is set again."""

_DAY = 86_400.0


class Drift(NamedTuple):
    """A model that became worse in a category, and still is.

    Attributes:
        category: None for single models.
        measure: what became worse: the share of its calls that failed, the share of its answers that are wrong, or the
            time in seconds that one in three takes longer than, infinite where so many time out.
        before, after: the measure over the evidence, and since; their `rows` are calls. The intervals are those of
            any such rows: that the moment was chosen because of them is not in there.
        failed: calls that failed since, or answers that are wrong.
        since: Unix time when it probably began, seconds.
        suite: of the answers; empty where it is about calls.
    """

    category: str | None
    model: str
    measure: Literal["failures", "latency", "quality"]
    before: Estimate
    after: Estimate
    failed: int
    since: float
    suite: str = ""


class Calls(NamedTuple):
    """The calls of one model in one category, in the order in which they were stored; (n,) each.

    Attributes:
        started: Unix times, seconds.
        failed: whether each failed.
        latency: seconds; infinite where it timed out, NaN where its time says nothing.
    """

    started: NDArray[np.float64]
    failed: NDArray[np.bool_]
    latency: NDArray[np.float32]

    def take(self, which: Places | slice) -> Calls:
        return Calls(self.started[which], self.failed[which], self.latency[which])


def drifts(view: View, scores: Mapping[Suite, Sequence[Passed]], now: float) -> tuple[Drift, ...]:
    """What became worse and still is, newest first.

    Args:
        view: of all that is stored; what a filter leaves is tested by itself, with its own chance of a false notice.
        scores: of answers in the order of time; see `ScoreLog.streams`.
        now: Unix time, seconds.
    """
    streams = _streams(view.attempts)
    found = [
        drift
        for (category, model), calls in streams.items()
        for drift in (
            _failures(category, model, calls, CHANCE["failures"] / len(streams), now),
            _latency(category, model, calls, CHANCE["latency"] / len(streams), now),
        )
        if drift is not None
    ]
    found += [
        drift
        for asked, answers in scores.items()
        if (drift := _quality(asked, answers, CHANCE["quality"] / len(scores), now)) is not None
    ]
    return tuple(sorted(found, key=lambda drift: -drift.since))


def calls_since(drift: Drift, view: View) -> Slice[AttemptLabels]:
    """The calls since a drift began that it is about: those that failed, or all whose time counts."""

    def is_meant(labels: AttemptLabels) -> bool:
        counts = labels.outcome == "failed" if drift.measure == "failures" else is_timed_call(labels)
        return counts and _tells(labels) and (labels.category, labels.model) == (drift.category, drift.model)

    return view.attempts.where(is_meant, drift.since, None)


# --- From rows to calls ----------------------------------------------------------------------------


def _tells(labels: AttemptLabels) -> bool:
    """Whether it was a call that says something of the model now: a retry says the same as the try before it.

    Imported logs are stored out of the order of time, and may be old.
    """
    is_seen = is_call(labels) and labels.number == 1 and not labels.injected and labels.source != "import"
    return is_seen and labels.outcome in ("answered", "failed")


def _streams(attempts: Slice[AttemptLabels]) -> dict[tuple[str | None, str], Calls]:
    """The newest calls of each category's model, where there are enough."""
    # Hourly summaries have lost the order within the hour, so they cannot tell when a change began.
    attempts = attempts.take(slice(int(np.searchsorted(attempts.id, 0)), None))
    combinations = attempts.rows.labels
    pairs = list(dict.fromkeys((labels.category, labels.model) for labels in combinations if _tells(labels)))
    numbers = {pair: number for number, pair in enumerate(pairs)}
    # Small whole numbers are sorted by radix, many times faster than others.
    small = np.int8 if len(pairs) < 127 else np.int16
    of_labels = np.array(
        [numbers[labels.category, labels.model] if _tells(labels) else len(pairs) for labels in combinations], small
    )
    failed = np.array([labels.outcome == "failed" for labels in combinations], bool)
    late = np.array([labels.reason in TIMED_OUT for labels in combinations], bool)
    order = np.argsort(of_labels[attempts.label_index], kind="stable")
    ends = np.cumsum(np.bincount(of_labels, attempts.counts, len(pairs))).astype(int).tolist()
    found = {}
    for pair, first, end in zip(pairs, [0, *ends], ends, strict=False):
        if end - first > LEAST:
            newest = attempts.take(
                order[first + max(0, (end - first - _LONGEST) // _KEPT * _KEPT) : end].astype(np.int32)
            )
            index = newest.label_index
            times = np.where(failed[index], np.nan, newest.values("latency"))
            latency = np.where(late[index], np.float32(np.inf), times)
            found[pair] = Calls(newest.started, failed[index], latency)
    return found


# --- From calls to drifts --------------------------------------------------------------------------


def _failures(category: str | None, model: str, calls: Calls, chance: float, now: float) -> Drift | None:
    found = _lasting(calls, _distinct(calls), lambda part: more_failures(part, chance), now)
    if found is None:
        return None
    before, start = found
    was, failed = int(calls.failed[before].sum()), int(calls.failed[start:].sum())
    after = share(failed, len(calls.failed) - start)
    return Drift(category, model, "failures", share(was, len(before)), after, failed, float(calls.started[start]))


def _latency(category: str | None, model: str, calls: Calls, chance: float, now: float) -> Drift | None:
    timed = np.flatnonzero(~np.isnan(calls.latency))
    found = _lasting(calls, timed, lambda part: slower(part, chance), now)
    if found is None:
        return None
    before, start = found
    was, now_is = (
        by_quantile((), part, (QUANTILE,))[(QUANTILE,)] for part in (calls.latency[before], calls.latency[start:])
    )
    return Drift(category, model, "latency", was, now_is, int(calls.failed[start:].sum()), float(calls.started[start]))


def _quality(asked: Suite, answers: Sequence[Passed], chance: float, now: float) -> Drift | None:
    wrong = Calls(
        started=np.array([answer.at for answer in answers]),
        failed=np.array([not answer.passed for answer in answers], bool),
        latency=np.full(len(answers), np.nan, np.float32),
    )
    if len(answers) <= LEAST:
        return None
    found = _lasting(wrong, np.arange(len(answers)), lambda part: more_failures(part, chance), now)
    if found is None:
        return None
    before, start = found
    was, now_wrong = int(wrong.failed[before].sum()), int(wrong.failed[start:].sum())
    after = share(now_wrong, len(answers) - start)
    began = float(wrong.started[start])
    return Drift(asked.category, asked.model, "quality", share(was, len(before)), after, now_wrong, began, asked.suite)


def _distinct(calls: Calls) -> Places:
    """The calls without those that tell of a fault again."""
    kept = np.ones(len(calls.failed), bool)
    again = np.abs(np.diff(calls.started)) < INCIDENT
    step = 0
    for failure in np.flatnonzero(calls.failed[:-1] & again).tolist():
        if failure >= step:
            step = failure + 1
            while step < len(kept) and abs(calls.started[step] - calls.started[failure]) < INCIDENT:
                kept[step] = False
                step += 1
    return np.flatnonzero(kept)


def _lasting(
    calls: Calls, places: Places, find: Callable[[Calls], Change | None], now: float
) -> tuple[Places, int] | None:
    """The places of the evidence, and the call with which a change began that neither is over nor has become the rule.

    Args:
        places: of the calls that count.
    """
    while (change := find(calls.take(places))) is not None:
        height = _height_of_what_is_over(change)
        start = int(places[change.start])
        if height is not None:
            places = np.delete(places, slice(change.start, height + 1))
        elif now - calls.started[start] > WEEK or len(places) - change.start > RECENT:
            places = places[change.start :]
        else:
            return places[max(0, change.start - EVIDENCE) : change.start], start
    return None


def _height_of_what_is_over(change: Change) -> int | None:
    """The last call of a change that is over."""
    sums = np.cumsum(change.gain[change.start :])
    fallen = np.maximum.accumulate(sums) - sums
    over = np.flatnonzero(fallen[change.seen - change.start :] >= RELIEF)
    return change.start + int(np.argmax(sums[: change.seen - change.start + over[0]])) if len(over) else None


def more_failures(calls: Calls, chance: float) -> Change | None:
    """The first change to more failures.

    Args:
        chance: of seeing one in a week in which there is none.
    """
    starts = Starts.between(0, len(calls.failed), calls.started, chance)
    return first_change(calls.failed, calls.failed, starts, JEFFREYS)


def slower(calls: Calls, chance: float) -> Change | None:
    """The first change to slower calls, after a day's evidence at least.

    Args:
        chance: of seeing one in a week in which there is none.
    """
    found: Change | None = None
    for cut, end in pairwise(_CUTS):
        if cut >= len(calls.latency) or (found is not None and found.seen < cut):
            break
        begin = max(0, cut - EVIDENCE)
        earlier = calls.latency[begin:cut]
        rank = int(np.ceil(QUANTILE * len(earlier))) - 1
        slow = np.partition(earlier, rank)[rank]
        starts = Starts.between(cut, min(end, len(calls.latency)), calls.started, chance)
        starts.evidence[:] = begin
        starts.needed[calls.started[starts.at] - calls.started[begin] < _DAY] = np.inf
        change = first_change(calls.latency > slow, calls.latency > slow * MARGIN, starts, WILKS)
        if change is not None and (found is None or change.seen < found.seen):
            found = change
    return found
