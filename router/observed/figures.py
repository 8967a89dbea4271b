"""Every figure of what was observed, by its name: one registry for the pages, the command line and the tests.

Most figures are of *plain* requests: their answers took calls of their own, no model was passed over for a missing key,
and none stood in. What came from the cache, from another's call, or without keys is counted by figures of its own, or
a fallback rate without keys would be 100 %. A request that was stopped counts neither as answered nor as failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from router.observed import kinds
from router.observed.columns import AttemptKind, RequestKind
from router.observed.estimates import Estimate, Key, by_quantile, median, share, shares, total, total_of, with_late
from router.observed.view import Slice, View

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Those that a distribution is drawn from."""


Behind: TypeAlias = Callable[[View, Key], Slice[Any]]


class Figure(NamedTuple):
    """A named figure.

    Attributes:
        unit: requests, calls, share (0 to 1), seconds, US dollars, tokens/s.
        by: what its keys hold, one name a part; nothing for a single value, whose key is ().
        meaning: one sentence for people.
        of: its values in a view.
        behind: the rows that a key's value counts (of a quantile's key the first parts are enough); all requests where
            nothing else is said.
    """

    name: str
    unit: str
    by: tuple[str, ...]
    meaning: str
    of: Callable[[View], Mapping[Key, Estimate]]
    behind: Behind


FIGURES: dict[str, Figure] = {}


def _requests(keys: Callable[[RequestKind], Iterable[Key]]) -> Behind:
    return lambda view, key: view.requests.where(_counting(key, keys), None, None)


def _attempts(keys: Callable[[AttemptKind], Iterable[Key]]) -> Behind:
    return lambda view, key: view.attempts.where(_counting(key, keys), None, None)


def _counting(key: Key, keys: Callable[[Any], Iterable[Key]]) -> Callable[[Any], bool]:
    """Whether a row of a kind counts for a key."""
    return lambda kind: any(key[: len(found)] == found for found in keys(kind))


def _single(
    unit: str, behind: Behind = _requests(kinds.every)
) -> Callable[[Callable[[View], Estimate]], Callable[[View], Estimate]]:
    """Registers a figure of one value; its sentence is the function's."""

    def register(of: Callable[[View], Estimate]) -> Callable[[View], Estimate]:
        FIGURES[of.__name__] = Figure(of.__name__, unit, (), of.__doc__ or "", lambda view: {(): of(view)}, behind)
        return of

    return register


def _keyed(
    unit: str, *by: str, behind: Behind
) -> Callable[[Callable[[View], Mapping[Key, Estimate]]], Callable[[View], Mapping[Key, Estimate]]]:
    """Registers a figure of one value a key."""

    def register(of: Callable[[View], Mapping[Key, Estimate]]) -> Callable[[View], Mapping[Key, Estimate]]:
        FIGURES[of.__name__] = Figure(of.__name__, unit, by, of.__doc__ or "", of, behind)
        return of

    return register


# --- Single values ---------------------------------------------------------------------------------


@_single("requests")
def requests(view: View) -> Estimate:
    """Requests that ended, however they did."""
    return total(len(view.requests))


@_single("requests")
def plain(view: View) -> Estimate:
    """Requests whose answers took calls of their own, with every key there: those that rates and times are of."""
    return total(view.requests.count(kinds.is_plain))


@_single("requests")
def cached(view: View) -> Estimate:
    """Requests answered from the response cache."""
    return total(view.requests.count(kinds.is_cached))


@_single("requests")
def shared(view: View) -> Estimate:
    """Requests that took part in an identical call under way."""
    return total(view.requests.count(kinds.is_shared))


@_single("requests")
def stood_in(view: View) -> Estimate:
    """Requests that the offline model answered, because no provider of their chain had a key."""
    return total(view.requests.count(kinds.is_stand_in))


@_single("requests")
def keyless(view: View) -> Estimate:
    """Requests in whose way nothing stood but missing keys, those answered by the offline model among them."""
    return total(view.requests.count(kinds.is_keyless))


@_single("requests")
def stopped(view: View) -> Estimate:
    """Requests that somebody stopped."""
    return total(view.requests.count(kinds.is_stopped))


@_single("share")
def answered_share(view: View) -> Estimate:
    """Of the plain requests that were not stopped, those that were answered."""
    return share(view.requests.count(kinds.is_answered), view.requests.count(kinds.is_over))


@_single("share", behind=_attempts(kinds.failed_call))
def failed_share(view: View) -> Estimate:
    """Of all calls that were not stopped, those that failed."""
    ended = view.attempts.counted(kinds.ended_call)
    return share(sum(count for (reason,), count in ended.items() if reason is not None), ended.total())


@_single("share")
def fallback_rate(view: View) -> Estimate:
    """Of the plain requests that were answered, those that a fallback answered."""
    return share(view.requests.count(kinds.is_rescued), view.requests.count(kinds.is_answered))


@_single("share")
def rescued_share(view: View) -> Estimate:
    """Of the plain requests that their primary did not answer, those that a fallback did."""
    return share(view.requests.count(kinds.is_rescued), view.requests.count(kinds.is_in_need))


@_single("US dollars", behind=_requests(kinds.every))
def cost(view: View) -> Estimate:
    """What all requests cost, failed attempts included, as far as it is known."""
    return total_of(view.requests.values("cost"))


@_single("calls")
def calls_saved(view: View) -> Estimate:
    """Calls that the response cache spared."""
    return total(view.attempts.count(kinds.is_hit))


@_single("seconds")
def seconds_saved(view: View) -> Estimate:
    """Time that the answers from the cache had taken when they were first given."""
    return total_of(view.attempts.values("latency", kinds.is_hit))


@_single("US dollars")
def dollars_saved(view: View) -> Estimate:
    """Money that the answers from the cache had cost when they were first given."""
    return total_of(view.attempts.values("cost", kinds.is_hit))


@_single("tokens/s", behind=_attempts(kinds.answered_call))
def tokens_per_second(view: View) -> Estimate:
    """The median, over calls that answered, of output tokens a second after the first one."""
    return median(_speeds(view.attempts.that(kinds.is_answered_call)))


def _speeds(calls: Slice[AttemptKind]) -> NDArray[np.floating[Any]]:
    flowing = calls.values("latency") - calls.values("ttft")
    return calls.values("completion_tokens") / np.where(flowing > 0, flowing, np.nan)


# --- By quantile, model, category or place ---------------------------------------------------------


def _waited(view: View, measure: str) -> Mapping[Key, Estimate]:
    """What plain answers took, as their users saw it."""
    values = view.requests.values(measure, kinds.is_answered)
    return by_quantile((), with_late(values, view.requests.count(kinds.is_timed_out)), (0.5, 0.95))


@_keyed("seconds", "quantile", behind=_requests(kinds.timed))
def latency(view: View) -> Mapping[Key, Estimate]:
    """The time within which a share of the plain requests were answered, waits and failed attempts included."""
    return _waited(view, "latency")


@_keyed("seconds", "quantile", behind=_requests(kinds.timed))
def first_token(view: View) -> Mapping[Key, Estimate]:
    """The time within which a share of the plain requests had the first token of their answer, likewise."""
    return _waited(view, "ttft")


@_keyed("requests", "ending", behind=_requests(kinds.ending))
def endings(view: View) -> Mapping[Key, Estimate]:
    """Requests by what became of them: answered by the primary or a fallback, failed, or counted apart."""
    return {key: total(count) for key, count in view.requests.counted(kinds.ending).items()}


@_keyed("share", "category", "model", "place", behind=_requests(kinds.choice))
def chosen(view: View) -> Mapping[Key, Estimate]:
    """Of a category's plain answers, those that a model gave at a place of the chain."""
    return shares(view.requests.counted(kinds.choice), within=(0,))


@_keyed("share", "model", "place", behind=_requests(kinds.place_of_model))
def places(view: View) -> Mapping[Key, Estimate]:
    """Of a model's plain answers, those that it gave at a place of the chain."""
    return shares(view.requests.counted(kinds.place_of_model), within=(0,))


@_keyed("share", "reason", behind=_attempts(kinds.ended_call))
def failures(view: View) -> Mapping[Key, Estimate]:
    """Of all calls that were not stopped, those that failed for a reason."""
    found = shares(view.attempts.counted(kinds.ended_call), within=())
    return {key: share for key, share in found.items() if key[-1] is not None}


@_keyed("share", "model", "reason", behind=_attempts(kinds.ended_call_of_model))
def failures_by_model(view: View) -> Mapping[Key, Estimate]:
    """Of a model's calls that were not stopped, those that failed for a reason."""
    found = shares(view.attempts.counted(kinds.ended_call_of_model), within=(0,))
    return {key: share for key, share in found.items() if key[-1] is not None}


@_keyed("seconds", "model", "quantile", behind=_attempts(kinds.timed_call))
def call_latency(view: View) -> Mapping[Key, Estimate]:
    """Quantiles of the time that a model's calls took; those that timed out took longer than any."""
    return _called(view, "latency")


@_keyed("seconds", "model", "quantile", behind=_attempts(kinds.timed_call))
def call_first_token(view: View) -> Mapping[Key, Estimate]:
    """Quantiles of the time to the first token of a model's calls, likewise."""
    return _called(view, "ttft")


def _called(view: View, measure: str) -> Mapping[Key, Estimate]:
    late: Counter[str] = Counter()
    for kind, count in view.attempts.kinds():
        late[kind.model] += count * kinds.is_late_call(kind)
    calls = view.attempts.that(kinds.is_answered_call).split_by("model")
    found: dict[Key, Estimate] = {}
    for model in late:
        times = calls[model].values(measure) if model in calls else np.empty(0, np.float32)
        values = with_late(times, late[model])
        if len(values):
            found |= by_quantile((model,), values, QUANTILES)
    return found


@_keyed("tokens/s", "model", behind=_attempts(kinds.answered_call_of_model))
def tokens_per_second_by_model(view: View) -> Mapping[Key, Estimate]:
    """The median, over a model's calls that answered, of output tokens a second after the first one."""
    calls = view.attempts.that(kinds.is_answered_call).split_by("model")
    return {(model,): median(_speeds(part)) for model, part in calls.items()}


@_keyed("share", "model", behind=_requests(kinds.came_to))
def availability(view: View) -> Mapping[Key, Estimate]:
    """Of the plain requests that came to a model, those that it answered; an open breaker is a failure."""
    answered: Counter[Key] = Counter()
    for (model, _), count in view.requests.counted(kinds.place_of_model).items():
        answered[(model,)] += count
    return {key: share(answered[key], count) for key, count in view.requests.counted(kinds.came_to).items()}


@_keyed("share", "model", behind=_requests(kinds.rescuer))
def rescues(view: View) -> Mapping[Key, Estimate]:
    """Of the plain requests that their primary did not answer, those that a model answered as a fallback."""
    need, rescued = view.requests.count(kinds.is_in_need), view.requests.counted(kinds.rescuer)
    return {key: share(rescued[key], need) for key in view.requests.counted(kinds.came_to_as_fallback)}


@_keyed("US dollars", "category", "model", behind=_attempts(kinds.paid_call))
def cost_of_calls(view: View) -> Mapping[Key, Estimate]:
    """What a model's calls cost in a category, failed ones included, as far as it is known."""
    sums, known = view.attempts.sums("cost")
    dollars: Counter[Key] = Counter()
    rows: Counter[Key] = Counter()
    unknown: Counter[Key] = Counter()
    for number in np.flatnonzero(view.attempts.counts * view.attempts.mask(kinds.is_call)).tolist():
        key = view.attempts.rows.kinds[number].category, view.attempts.rows.kinds[number].model
        dollars[key] += sums[number]
        rows[key] += known[number]
        unknown[key] += view.attempts.counts[number] - known[number]
    return {
        key: Estimate(float(dollars[key]) if rows[key] else None, rows=int(rows[key]), unknown=int(unknown[key]))
        for key in rows
    }


@_keyed("requests", "stage", "source", "target", behind=_requests(kinds.links))
def flow(view: View) -> Mapping[Key, Estimate]:
    """Plain requests on their way from the category over the chain's models to their ends."""
    return {key: total(count) for key, count in view.requests.counted(kinds.links).items()}


@_keyed("requests", "stage", "stop", behind=_requests(kinds.stops))
def stops(view: View) -> Mapping[Key, Estimate]:
    """Plain requests by the category, the models and the ends that they came to."""
    return {key: total(count) for key, count in view.requests.counted(kinds.stops).items()}


@_keyed("share", "model", "other", behind=_requests(kinds.asked_after_failure))
def failing_together(view: View) -> Mapping[Key, Estimate]:
    """Of the plain requests that a model failed and another was asked next, those that the other failed too."""
    failed = view.requests.counted(kinds.failed_after_failure)
    asked = view.requests.counted(kinds.asked_after_failure)
    return {key: share(failed[key], count) for key, count in asked.items()}
