"""Every figure of what was observed, by its name: one registry for the pages, the command line and the tests.

Most figures are of *plain* requests: their answers took calls of their own, no model was passed over for a missing key,
and none stood in. What came from the cache, from another's call, or without keys is counted by figures of its own, or
a fallback rate without keys would be 100 %. A request that was stopped counts neither as answered nor as failed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from router.intervals import wilson
from router.observed.columns import AttemptKind, Floats, RequestKind
from router.observed.view import View

Key: TypeAlias = tuple[Hashable, ...]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Those that a distribution is drawn from."""

_TIMED_OUT = ("connect_timeout", "first_token_timeout", "stream_stalled", "answer_timeout", "deadline")


class Estimate(NamedTuple):
    """A figure's value with its interval of 95 %.

    Attributes:
        value: None where there is nothing to say; infinite where a quantile lies among those that timed out.
        low, high: None where there is no interval: of sums, and where too few rows bound it on that side.
        rows: how many it rests on.
        unknown: rows left out because their measure is not known.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    unknown: int = 0


class Figure(NamedTuple):
    """A named figure.

    Attributes:
        unit: requests, calls, share (0 to 1), seconds, US dollars, tokens/s.
        by: what its keys hold, one name a part; nothing for a single value, whose key is ().
        meaning: one sentence for people.
        of: its values in a view.
    """

    name: str
    unit: str
    by: tuple[str, ...]
    meaning: str
    of: Callable[[View], Mapping[Key, Estimate]]


FIGURES: dict[str, Figure] = {}


def _single(unit: str) -> Callable[[Callable[[View], Estimate]], Callable[[View], Estimate]]:
    """Registers a figure of one value; its sentence is the function's."""

    def register(of: Callable[[View], Estimate]) -> Callable[[View], Estimate]:
        FIGURES[of.__name__] = Figure(of.__name__, unit, (), of.__doc__ or "", lambda view: {(): of(view)})
        return of

    return register


def _keyed(
    unit: str, *by: str
) -> Callable[[Callable[[View], Mapping[Key, Estimate]]], Callable[[View], Mapping[Key, Estimate]]]:
    """Registers a figure of one value a key."""

    def register(of: Callable[[View], Mapping[Key, Estimate]]) -> Callable[[View], Mapping[Key, Estimate]]:
        FIGURES[of.__name__] = Figure(of.__name__, unit, by, of.__doc__ or "", of)
        return of

    return register


# --- What is asked of kinds ------------------------------------------------------------------------


_IS_CACHED, _IS_SHARED = attrgetter("cached"), attrgetter("shared")
_IS_STAND_IN, _IS_KEYLESS = attrgetter("stand_in"), attrgetter("keyless")


def _is_plain(kind: RequestKind) -> bool:
    return not (kind.cached or kind.shared or kind.stand_in or kind.keyless)


def _is_stopped(kind: RequestKind) -> bool:
    return kind.outcome == "cancelled"


def _is_over(kind: RequestKind) -> bool:
    return _is_plain(kind) and kind.outcome in ("answered", "failed")


def _is_answered(kind: RequestKind) -> bool:
    return _is_plain(kind) and kind.outcome == "answered"


def _is_rescued(kind: RequestKind) -> bool:
    return _is_answered(kind) and bool(kind.place)


def _is_in_need(kind: RequestKind) -> bool:
    """Whether its primary did not answer."""
    return _is_over(kind) and not (kind.outcome == "answered" and kind.place == 0)


def _is_timed_out(kind: RequestKind) -> bool:
    return _is_plain(kind) and kind.outcome == "failed" and bool(kind.path) and kind.path[-1].reason in _TIMED_OUT


def _is_call(kind: AttemptKind) -> bool:
    return kind.number > 0 and not (kind.cached or kind.shared)


def _is_answered_call(kind: AttemptKind) -> bool:
    return _is_call(kind) and kind.outcome == "answered"


def _is_late_call(kind: AttemptKind) -> bool:
    return _is_call(kind) and kind.outcome == "failed" and kind.reason in _TIMED_OUT


def _is_hit(kind: AttemptKind) -> bool:
    return kind.cached and kind.outcome == "answered"


# --- Single values ---------------------------------------------------------------------------------


@_single("requests")
def requests(view: View) -> Estimate:
    """Requests that ended, however they did."""
    return _total(len(view.requests))


@_single("requests")
def plain(view: View) -> Estimate:
    """Requests whose answers took calls of their own, with every key there: those that rates and times are of."""
    return _total(view.requests.count(_is_plain))


@_single("requests")
def cached(view: View) -> Estimate:
    """Requests answered from the response cache."""
    return _total(view.requests.count(_IS_CACHED))


@_single("requests")
def shared(view: View) -> Estimate:
    """Requests that took part in an identical call under way."""
    return _total(view.requests.count(_IS_SHARED))


@_single("requests")
def stood_in(view: View) -> Estimate:
    """Requests that the offline model answered, because no provider of their chain had a key."""
    return _total(view.requests.count(_IS_STAND_IN))


@_single("requests")
def keyless(view: View) -> Estimate:
    """Requests in whose way nothing stood but missing keys, those answered by the offline model among them."""
    return _total(view.requests.count(_IS_KEYLESS))


@_single("requests")
def stopped(view: View) -> Estimate:
    """Requests that somebody stopped."""
    return _total(view.requests.count(_is_stopped))


@_single("share")
def answered_share(view: View) -> Estimate:
    """Of the plain requests that were not stopped, those that were answered."""
    return _share(view.requests.count(_is_answered), view.requests.count(_is_over))


@_single("share")
def fallback_rate(view: View) -> Estimate:
    """Of the plain requests that were answered, those that a fallback answered."""
    return _share(view.requests.count(_is_rescued), view.requests.count(_is_answered))


@_single("share")
def rescued_share(view: View) -> Estimate:
    """Of the plain requests that their primary did not answer, those that a fallback did."""
    return _share(view.requests.count(_is_rescued), view.requests.count(_is_in_need))


@_single("US dollars")
def cost(view: View) -> Estimate:
    """What all requests cost, failed attempts included, as far as it is known."""
    return _sum(view.requests.values("cost"))


@_single("calls")
def calls_saved(view: View) -> Estimate:
    """Calls that the response cache spared."""
    return _total(view.attempts.count(_is_hit))


@_single("seconds")
def seconds_saved(view: View) -> Estimate:
    """Time that the answers from the cache had taken when they were first given."""
    return _sum(view.attempts.values("latency", _is_hit))


@_single("US dollars")
def dollars_saved(view: View) -> Estimate:
    """Money that the answers from the cache had cost when they were first given."""
    return _sum(view.attempts.values("cost", _is_hit))


@_single("tokens/s")
def tokens_per_second(view: View) -> Estimate:
    """The median, over calls that answered, of output tokens a second after the first one."""
    tokens, latency, ttft = (
        view.attempts.values(name, _is_answered_call) for name in ("completion_tokens", "latency", "ttft")
    )
    flowing = np.where(latency > ttft, latency - ttft, np.nan)
    return _by_quantile((), tokens / flowing, (0.5,))[(0.5,)]


# --- By quantile, model, category or place ---------------------------------------------------------


@_keyed("seconds", "quantile")
def latency(view: View) -> Mapping[Key, Estimate]:
    """The time within which a share of plain requests was answered, waits and failed attempts included."""
    return _waited(view, "latency")


@_keyed("seconds", "quantile")
def first_token(view: View) -> Mapping[Key, Estimate]:
    """The time within which a share of plain requests had the first token of their answer, likewise."""
    return _waited(view, "ttft")


@_keyed("share", "category", "model", "place")
def chosen(view: View) -> Mapping[Key, Estimate]:
    """Of a category's plain answers, those that a model gave at a place of the chain."""
    return _shares(_counted(view, _is_answered, lambda kind: (kind.category, kind.model, kind.place)), within=(0,))


@_keyed("share", "model", "place")
def places(view: View) -> Mapping[Key, Estimate]:
    """Of a model's plain answers, those that it gave at a place of the chain."""
    return _shares(_counted(view, _is_answered, lambda kind: (kind.model, kind.place)), within=(0,))


@_keyed("share", "model", "reason")
def failures(view: View) -> Mapping[Key, Estimate]:
    """Of a model's calls that were not stopped, those that failed for a reason."""
    calls: Counter[Key] = Counter()
    for kind, count in view.attempts.kinds():
        if _is_call(kind) and kind.outcome != "cancelled":
            calls[kind.model, kind.reason] += count
    shares = _shares(calls, within=(0,))
    return {key: share for key, share in shares.items() if key[1] is not None}


@_keyed("seconds", "model", "quantile")
def call_latency(view: View) -> Mapping[Key, Estimate]:
    """Quantiles of the time that a model's calls took; those that timed out took longer than any."""
    late: Counter[str] = Counter()
    for kind, count in view.attempts.kinds():
        late[kind.model] += count * _is_late_call(kind)
    times = view.attempts.values_by("model", "latency", _is_answered_call)
    found: dict[Key, Estimate] = {}
    for model in late:
        values = _with_late(times.get(model, np.empty(0, np.float32)), late[model])
        if len(values):
            found |= _by_quantile((model,), values, QUANTILES)
    return found


@_keyed("share", "model")
def availability(view: View) -> Mapping[Key, Estimate]:
    """Of the plain requests that came to a model, those that it answered; an open breaker is a failure."""
    came: Counter[Key] = Counter()
    answered: Counter[Key] = Counter()
    for kind, count in view.requests.kinds():
        if _is_plain(kind):
            for step in kind.path:
                if step.outcome in ("answered", "failed") or step.reason == "breaker_open":
                    came[(step.model,)] += count
                    answered[(step.model,)] += count * (step.outcome == "answered")
    return {key: _share(answered[key], total) for key, total in came.items()}


@_keyed("share", "model")
def rescues(view: View) -> Mapping[Key, Estimate]:
    """Of the plain requests that their primary did not answer, those that a model answered as a fallback."""
    need = view.requests.count(_is_in_need)
    by_model = _counted(view, _is_rescued, lambda kind: (kind.model,))
    return {key: _share(count, need) for key, count in by_model.items()}


@_keyed("US dollars", "category", "model")
def cost_of_calls(view: View) -> Mapping[Key, Estimate]:
    """What a model's calls cost in a category, failed ones included, as far as it is known."""
    sums, known = view.attempts.sums("cost")
    dollars: Counter[Key] = Counter()
    rows: Counter[Key] = Counter()
    unknown: Counter[Key] = Counter()
    for number in np.flatnonzero(view.attempts.counts * view.attempts.mask(_is_call)).tolist():
        key = view.attempts.rows.kinds[number].category, view.attempts.rows.kinds[number].model
        dollars[key] += sums[number]
        rows[key] += known[number]
        unknown[key] += view.attempts.counts[number] - known[number]
    return {
        key: Estimate(float(dollars[key]) if rows[key] else None, rows=int(rows[key]), unknown=int(unknown[key]))
        for key in rows
    }


@_keyed("requests", "stage", "source", "target")
def flow(view: View) -> Mapping[Key, Estimate]:
    """Plain requests on their way from the category over the chain's places to their ends: the links of a Sankey."""
    links: Counter[Key] = Counter()
    for kind, count in view.requests.kinds():
        if _is_plain(kind):
            stops = [kind.category, *dict.fromkeys(step.model for step in kind.path), kind.outcome]
            links.update({(stage, *link): count for stage, link in enumerate(pairwise(stops))})
    return {key: _total(count) for key, count in links.items()}


@_keyed("share", "model", "other")
def failing_together(view: View) -> Mapping[Key, Estimate]:
    """Of the plain requests that a model failed and another was asked next, those that the other failed too."""
    asked: Counter[Key] = Counter()
    failed: Counter[Key] = Counter()
    for kind, count in view.requests.kinds():
        if _is_plain(kind):
            ends = {step.model: step.outcome for step in kind.path if step.outcome in ("answered", "failed")}
            models = list(ends)
            for number, model in enumerate(models):
                for other in models[number + 1 :] if ends[model] == "failed" else ():
                    asked[model, other] += count
                    failed[model, other] += count * (ends[other] == "failed")
    return {key: _share(failed[key], total) for key, total in asked.items()}


# --- Statistics ------------------------------------------------------------------------------------


def _counted(view: View, holds: Callable[[RequestKind], bool], key: Callable[[RequestKind], Key]) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for kind, count in view.requests.kinds():
        if holds(kind):
            found[key(kind)] += count
    return found


def _waited(view: View, measure: str) -> Mapping[Key, Estimate]:
    """What plain answers took, as their users saw it."""
    values = _with_late(view.requests.values(measure, _is_answered), view.requests.count(_is_timed_out))
    return _by_quantile((), values, (0.5, 0.95))


def _with_late(values: Floats, late: int) -> Floats:
    """What timed out took longer than anybody waited: it counts as infinite, and is not dropped."""
    return np.append(values, np.full(late, np.inf, np.float32))


def _total(count: int) -> Estimate:
    return Estimate(count, rows=count)


def _share(part: int, whole: int) -> Estimate:
    return Estimate(part / whole, *wilson(part / whole, whole), rows=whole) if whole else Estimate(None)


def _shares(counts: Mapping[Key, int], within: tuple[int, ...]) -> dict[Key, Estimate]:
    """Each count's share of those that agree with it in the parts `within` of their keys."""
    wholes: defaultdict[Key, int] = defaultdict(int)
    for key, count in counts.items():
        wholes[tuple(key[part] for part in within)] += count
    return {key: _share(count, wholes[tuple(key[part] for part in within)]) for key, count in counts.items()}


def _sum(values: Floats) -> Estimate:
    unknown = int(np.isnan(values).sum())
    known = len(values) - unknown
    return Estimate(float(np.nansum(values, dtype=np.float64)) if known else None, rows=known, unknown=unknown)


def _by_quantile(key: Key, values: NDArray[np.floating[Any]], shares: Sequence[float]) -> dict[Key, Estimate]:
    """For each share, the smallest value that at least so many do not exceed, between two order statistics."""
    known = values[~np.isnan(values)]
    count, unknown = len(known), len(values) - len(known)
    if not count:
        return {(*key, share): Estimate(None, unknown=unknown) for share in shares}
    ranks = {share: _ranks(count, share) for share in shares}
    wanted = {min(max(rank, 1), count) - 1 for three in ranks.values() for rank in three}
    ordered = np.partition(known, sorted(wanted))

    def at(rank: int) -> float | None:
        return float(ordered[rank - 1]) if 1 <= rank <= count else None

    return {
        (*key, share): Estimate(at(rank), at(low), at(high), count, unknown)
        for share, (low, rank, high) in ranks.items()
    }


def _ranks(count: int, share: float) -> tuple[int, int, int]:
    """The rank, from 1, of a quantile, between those that hold it in 95 of 100 samples; 0 and count + 1 are none.

    So many of a sample lie below its quantile as heads fall in `count` throws of a coin (Conover, "Practical
    Nonparametric Statistics", 3.2): no shape is assumed. Throws further than ten deviations out do not happen.
    """
    reach = 10 * math.sqrt(count * share * (1 - share)) + 10
    first, last = max(0, math.floor(count * share - reach)), min(count, math.ceil(count * share + reach))
    heads = np.arange(first + 1, last + 1)
    odds = np.log((count - heads + 1) / heads * (share / (1 - share)))
    logs = np.concatenate([[0.0], np.cumsum(odds)])
    chances = np.cumsum(np.exp(logs - logs.max()))
    chances /= chances[-1]  # (last - first + 1,) the chance of at most so many heads
    low = first + int(np.searchsorted(chances, 0.025, side="right"))
    high = first + int(np.searchsorted(chances, 0.975, side="left")) + 1
    rank = math.ceil(round(count * share, 9))  # 0.95 * 20 is a little more than 19
    return low, rank, high
