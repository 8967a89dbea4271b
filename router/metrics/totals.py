"""Figures of one value: counts, shares, sums, medians.

Most figures are of *plain* requests: their answers took calls of their own, no model was skipped for a missing key,
and none stood in. What came from the cache, from another's call, or without keys is counted by figures of its own, or
a fallback rate without keys would be 100%. A request that was stopped counts neither as answered nor as failed.
"""

from __future__ import annotations

from router.metrics import predicates
from router.metrics.estimates import Estimate, median, share, total, total_of
from router.metrics.registry import of_attempts, of_requests, single
from router.metrics.view import View, speeds


@single("requests")
def requests(view: View) -> Estimate:
    """All finished requests."""
    return total(len(view.requests))


@single("requests")
def plain(view: View) -> Estimate:
    """Plain requests: answered by their own calls, with no key missing. Rates and latency are based on these."""
    return total(view.requests.count(predicates.is_plain))


@single("requests")
def cached(view: View) -> Estimate:
    """Requests answered from the response cache."""
    return total(view.requests.count(predicates.is_cached))


@single("requests")
def shared(view: View) -> Estimate:
    """Requests that shared an identical call in progress."""
    return total(view.requests.count(predicates.is_shared))


@single("requests")
def stood_in(view: View) -> Estimate:
    """Requests that the offline model answered, because no provider of their chain had a key."""
    return total(view.requests.count(predicates.is_stand_in))


@single("requests")
def keyless(view: View) -> Estimate:
    """Requests that only missing keys prevented, including those answered by the offline model."""
    return total(view.requests.count(predicates.is_keyless))


@single("requests")
def stopped(view: View) -> Estimate:
    """Requests that were stopped."""
    return total(view.requests.count(predicates.is_stopped))


@single("requests", drilldown=of_requests(predicates.prompt_at_fault))
def failing_everywhere(view: View) -> Estimate:
    """Requests whose prompt every model failed alike while others passed: the prompt is at fault, and no provider."""
    return total(view.requests.count(predicates.is_prompt_at_fault))


@single("calls", drilldown=of_attempts(predicates.invalid_answer))
def invalid_answers(view: View) -> Estimate:
    """Whole answers with an unknown tool, arguments that do not fit, or invalid JSON, accepted or not."""
    return total(view.attempts.count(predicates.is_invalid_answer))


@single("calls", drilldown=of_attempts(predicates.breaker_skip))
def breaker_skips(view: View) -> Estimate:
    """Calls that were not made because the model's breaker was open."""
    return total(view.attempts.count(predicates.is_breaker_skip))


@single("share")
def answered_share(view: View) -> Estimate:
    """The share of plain requests that were answered, not counting stopped ones."""
    return share(view.requests.count(predicates.is_answered), view.requests.count(predicates.is_over))


@single("share", drilldown=of_attempts(predicates.failed_call))
def failed_share(view: View) -> Estimate:
    """The share of calls that failed, not counting stopped ones."""
    ended = view.attempts.counted(predicates.ended_call)
    return share(sum(count for (reason,), count in ended.items() if reason is not None), ended.total())


@single("share")
def fallback_rate(view: View) -> Estimate:
    """The share of answered plain requests that a fallback answered."""
    return share(view.requests.count(predicates.is_rescued), view.requests.count(predicates.is_answered))


@single("share")
def rescued_share(view: View) -> Estimate:
    """The share of plain requests not answered by their primary that a fallback answered."""
    return share(view.requests.count(predicates.is_rescued), view.requests.count(predicates.is_in_need))


@single("US dollars", drilldown=of_requests(predicates.every))
def cost(view: View) -> Estimate:
    """The known cost of all requests, including failed attempts."""
    return total_of(view.requests.values("cost"))


@single("US dollars", drilldown=of_requests(predicates.every))
def cost_per_thousand(view: View) -> Estimate:
    """The known cost of a thousand requests, including failed attempts, on average."""
    whole = total_of(view.requests.values("cost"))
    return whole if whole.value is None else whole._replace(value=1000 * whole.value / whole.rows)


@single("US dollars", drilldown=of_attempts(predicates.failed_call))
def cost_of_failures(view: View) -> Estimate:
    """The known cost of failed calls."""
    return total_of(view.attempts.values("cost", predicates.is_failed_call))


@single("calls")
def calls_saved(view: View) -> Estimate:
    """Calls saved by the response cache."""
    return total(view.attempts.count(predicates.is_hit))


@single("seconds")
def seconds_saved(view: View) -> Estimate:
    """The original latency of answers from the cache."""
    return total_of(view.attempts.values("latency", predicates.is_hit))


@single("US dollars")
def dollars_saved(view: View) -> Estimate:
    """The original cost of answers from the cache."""
    return total_of(view.attempts.values("cost", predicates.is_hit))


@single("tokens/s", drilldown=of_attempts(predicates.answered_call))
def tokens_per_second(view: View) -> Estimate:
    """Median output tokens per second after the first token, over calls that answered."""
    return median(speeds(view.attempts.that(predicates.is_answered_call)))
