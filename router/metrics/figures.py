"""Figures of several values: by quantile, model, category, reason or place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from router.core.attempts import is_call
from router.metrics import predicates
from router.metrics.estimates import Estimate, Key, by_quantile, lift, median, share, shares, total, with_late
from router.metrics.registry import keyed, of_attempts, of_requests
from router.metrics.view import View, speeds

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Those that a distribution is drawn from."""


def _waited(view: View, measure: str) -> Mapping[Key, Estimate]:
    """The latency of plain answers, as users saw it; that of requests that failed otherwise is not known."""
    values, late = view.requests.values(measure, predicates.is_answered), view.requests.count(predicates.is_timed_out)
    otherwise = np.full(view.requests.count(predicates.is_failed) - late, np.nan, np.float32)
    return by_quantile((), with_late(np.append(values, otherwise), late), (0.5, 0.95))


@keyed("seconds", "quantile", drilldown=of_requests(predicates.over))
def latency(view: View) -> Mapping[Key, Estimate]:
    """The time within which a share of plain requests were answered, including waits and failed attempts."""
    return _waited(view, "latency")


@keyed("seconds", "quantile", drilldown=of_requests(predicates.over))
def first_token(view: View) -> Mapping[Key, Estimate]:
    """The time within which a share of plain requests got their first token, including waits and failed attempts."""
    return _waited(view, "ttft")


@keyed("requests", "ending", drilldown=of_requests(predicates.ending))
def endings(view: View) -> Mapping[Key, Estimate]:
    """Requests by outcome: answered by the primary or a fallback, failed, or counted separately."""
    return {key: total(count) for key, count in view.requests.counted(predicates.ending).items()}


@keyed("share", "category", "model", "place", drilldown=of_requests(predicates.choice))
def chosen(view: View) -> Mapping[Key, Estimate]:
    """The share of a category's plain answers that a model gave at a place of the chain."""
    return shares(view.requests.counted(predicates.choice), within=(0,))


@keyed("share", "model", "place", drilldown=of_requests(predicates.place_of_model))
def places(view: View) -> Mapping[Key, Estimate]:
    """The share of a model's plain answers that it gave at a place of the chain."""
    return shares(view.requests.counted(predicates.place_of_model), within=(0,))


@keyed("share", "reason", drilldown=of_attempts(predicates.ended_call))
def failures(view: View) -> Mapping[Key, Estimate]:
    """The share of calls that failed, by reason, not counting stopped ones."""
    found = shares(view.attempts.counted(predicates.ended_call), within=())
    return {key: share for key, share in found.items() if key[-1] is not None}


@keyed("share", "model", "reason", drilldown=of_attempts(predicates.ended_call_of_model))
def failures_by_model(view: View) -> Mapping[Key, Estimate]:
    """The share of a model's calls that failed, by reason, not counting stopped ones."""
    found = shares(view.attempts.counted(predicates.ended_call_of_model), within=(0,))
    return {key: share for key, share in found.items() if key[-1] is not None}


@keyed("seconds", "model", "quantile", drilldown=of_attempts(predicates.timed_call))
def call_latency(view: View) -> Mapping[Key, Estimate]:
    """Quantiles of the latency of a model's calls; timeouts count as longer than any."""
    return of_calls(view, "latency", QUANTILES)


@keyed("seconds", "model", "quantile", drilldown=of_attempts(predicates.timed_call))
def call_first_token(view: View) -> Mapping[Key, Estimate]:
    """Quantiles of a model's time to first token; timeouts count as longer than any."""
    return of_calls(view, "ttft", QUANTILES)


def of_calls(view: View, measure: str, at_shares: Sequence[float]) -> Mapping[Key, Estimate]:
    """Quantiles of a measure of each model's calls; by model and share."""
    late: Counter[str] = Counter()
    for labels, count in view.attempts.labels():
        late[labels.model] += count * predicates.is_late_call(labels)
    calls = view.attempts.that(predicates.is_answered_call).split_by("model")
    found: dict[Key, Estimate] = {}
    for model in late:
        times = calls[model].values(measure) if model in calls else np.empty(0, np.float32)
        values = with_late(times, late[model])
        if len(values):
            found |= by_quantile((model,), values, at_shares)
    return found


@keyed("tokens/s", "model", drilldown=of_attempts(predicates.answered_call_of_model))
def tokens_per_second_by_model(view: View) -> Mapping[Key, Estimate]:
    """A model's median output tokens per second after the first token, over calls that answered."""
    calls = view.attempts.that(predicates.is_answered_call).split_by("model")
    return {(model,): median(speeds(part)) for model, part in calls.items()}


@keyed("share", "model", drilldown=of_requests(predicates.came_to))
def availability(view: View) -> Mapping[Key, Estimate]:
    """The share of plain requests that reached a model and were answered; an open breaker counts as a failure."""
    answered: Counter[Key] = Counter()
    for (model, _), count in view.requests.counted(predicates.place_of_model).items():
        answered[(model,)] += count
    return {key: share(answered[key], count) for key, count in view.requests.counted(predicates.came_to).items()}


@keyed("share", "model", drilldown=of_requests(predicates.rescuer))
def rescues(view: View) -> Mapping[Key, Estimate]:
    """The share of plain requests that reached a model as a fallback that it answered."""
    rescued = view.requests.counted(predicates.rescuer)
    return {
        key: share(rescued[key], count) for key, count in view.requests.counted(predicates.came_to_as_fallback).items()
    }


@keyed("US dollars", "category", "model", drilldown=of_attempts(predicates.paid_call))
def cost_of_calls(view: View) -> Mapping[Key, Estimate]:
    """The known cost of a model's calls in a category, including failed ones."""
    sums, known = view.attempts.sums("cost")
    dollars: Counter[Key] = Counter()
    rows: Counter[Key] = Counter()
    unknown: Counter[Key] = Counter()
    for number in np.flatnonzero(view.attempts.counts * view.attempts.mask(is_call)).tolist():
        labels = view.attempts.rows.labels[number]
        key = labels.category, labels.model
        dollars[key] += sums[number]
        rows[key] += known[number]
        unknown[key] += view.attempts.counts[number] - known[number]
    return {
        key: Estimate(float(dollars[key]) if rows[key] else None, rows=int(rows[key]), unknown=int(unknown[key]))
        for key in rows
    }


@keyed("requests", "caller", drilldown=of_requests(predicates.caller))
def requests_by_caller(view: View) -> Mapping[Key, Estimate]:
    """Requests that came with a caller's key."""
    return {key: total(count) for key, count in view.requests.counted(predicates.caller).items()}


@keyed("share", "caller", "outcome", drilldown=of_requests(predicates.outcome_of_caller))
def outcomes_by_caller(view: View) -> Mapping[Key, Estimate]:
    """The share of a caller's plain requests that were answered, or failed."""
    return shares(view.requests.counted(predicates.outcome_of_caller), within=(0,))


@keyed("US dollars", "caller", drilldown=of_requests(predicates.caller))
def cost_by_caller(view: View) -> Mapping[Key, Estimate]:
    """The known cost of a caller's requests."""
    sums, known = view.requests.sums("cost")
    found: dict[Key, Estimate] = {}
    for number in np.flatnonzero(view.requests.counts).tolist():
        for key in predicates.caller(view.requests.rows.labels[number]):
            before = found.get(key, Estimate(None, rows=0, unknown=0))
            dollars = float(sums[number]) + (before.value or 0.0) if known[number] else before.value
            rows, unknown = int(known[number]), int(view.requests.counts[number] - known[number])
            found[key] = Estimate(dollars, rows=before.rows + rows, unknown=before.unknown + unknown)
    return found


@keyed("requests", "stage", "source", "target", drilldown=of_requests(predicates.links))
def flow(view: View) -> Mapping[Key, Estimate]:
    """Plain requests from their category through the chain's models to their outcomes."""
    return {key: total(count) for key, count in view.requests.counted(predicates.links).items()}


@keyed("requests", "stage", "stop", drilldown=of_requests(predicates.stops))
def stops(view: View) -> Mapping[Key, Estimate]:
    """Plain requests by the category, models and outcomes that they reached."""
    return {key: total(count) for key, count in view.requests.counted(predicates.stops).items()}


@keyed("share", "model", "other", drilldown=of_requests(predicates.asked_after_failure))
def failing_together(view: View) -> Mapping[Key, Estimate]:
    """When a model failed a plain request and another was called next, the share that the other failed too."""
    failed = view.requests.counted(predicates.failed_after_failure)
    asked = view.requests.counted(predicates.asked_after_failure)
    return {key: share(failed[key], count) for key, count in asked.items()}


@keyed("points", "model", "other", drilldown=of_requests(predicates.asked_after_failure))
def failing_lift(view: View) -> Mapping[Key, Estimate]:
    """How much more often the other failed then than in all other plain requests that called it."""
    ended = view.requests.counted(predicates.end_of_model)
    failed = view.requests.counted(predicates.failed_after_failure)
    asked = view.requests.counted(predicates.asked_after_failure)
    return {
        (model, other): lift(
            failed[model, other],
            count,
            ended[other, "failed"] - failed[model, other],
            ended[other, "failed"] + ended[other, "answered"] - count,
        )
        for (model, other), count in asked.items()
    }
