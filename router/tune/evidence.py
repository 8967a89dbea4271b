"""What is known of a category's models, each figure with where it comes from.

Figures of a model rest on calls that came to it first: as a chain's primary, alone, or as a lane of a comparison or an
evaluation. What came to it because another model had failed is shown apart and never mixed in: such requests are harder
than others, and come while something is down. Cached, shared and injected calls are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from router.core.attempts import Source, is_call
from router.core.errors import DECISIONS, ProviderError, ServerFailed
from router.core.intervals import wilson
from router.evaluate.statistics.means import effective_prompts
from router.metrics import predicates
from router.metrics.columns import AttemptLabels, RequestLabels
from router.metrics.estimates import Estimate, by_quantile, share, with_late
from router.metrics.feedback import liked
from router.metrics.view import Slice, View, speeds
from router.store import Passes
from router.tune.behavior import Behavior, Calls, Measured, Outages
from router.tune.grid import Floats
from router.tune.joint import Both, Failures
from router.tune.outages import Outage, during, outages, shared

BLOCK = 600.0
"""Seconds within which failures are one piece of evidence: they come in groups."""

Pair: TypeAlias = tuple[str, str]

ERRORS: Mapping[str, type[ProviderError]] = {kind.kind: kind for kind in DECISIONS}


class ModelEvidence(NamedTuple):
    """What is known of a model in a category.

    Attributes:
        calls: that came to it first, and were over.
        answered: share of them, 0 to 1; failures of one time count as one.
        first_token, latency: p50 and p95, seconds, timeouts as infinitely long.
        speed: output tokens per second, the median.
        cost: US dollars of a call, the mean; `unknown` counts calls whose cost is not known.
        quality: share of graded cases that pass, 0 to 1; `rows` are prompts.
        newest: Unix time of the last call; None if there is none.
        sources: calls by where they come from.
        liked: share of rated answers with a thumb up, 0 to 1; few are rated, and not by chance.
        preferred: share of blind votes won, 0 to 1; see `preferred`.
        behind: by the upstream provider behind the newest answers, as their provider says, the share of them.
        leftovers: the share answered of what came to it because another model had failed: no measure of the model.
        outages: found among all its calls.
    """

    model: str
    provider: str
    calls: int
    answered: Estimate
    first_token: tuple[Estimate, Estimate]
    latency: tuple[Estimate, Estimate]
    speed: Estimate
    cost: Estimate
    quality: Estimate
    newest: float | None
    sources: Mapping[Source, int]
    liked: Estimate
    preferred: Estimate
    behind: Mapping[str, float]
    leftovers: Estimate
    outages: tuple[Outage, ...]


def _is_over(labels: AttemptLabels) -> bool:
    return is_call(labels) and labels.outcome in ("answered", "failed")


def _is_first(labels: AttemptLabels) -> bool:
    """Whether it came to the model first, and was its first try."""
    return _is_over(labels) and labels.place == 0 and labels.number == 1


def _is_leftover(labels: AttemptLabels) -> bool:
    return _is_over(labels) and labels.place > 0 and labels.number == 1


def _is_provider_at_fault(labels: AttemptLabels) -> bool:
    """Whether the provider failed it, whatever the prompt."""
    return labels.outcome == "failed" and _is_fault(labels.reason)


class Said(NamedTuple):
    """What others than the calls themselves say of models, by their references.

    Attributes:
        quality: how often they pass.
        liked: whether an answer was liked, by the primary key of the call that gave it.
        preferred: see `ModelEvidence`.
        upstream: newest answers by the provider behind them.
    """

    quality: Mapping[str, Passes]
    liked: Mapping[int, bool]
    preferred: Mapping[str, Estimate]
    upstream: Mapping[str, Mapping[str, int]]


def model_evidence(view: View, said: Said) -> dict[str, ModelEvidence]:
    """What is known of each model that was called or graded, by its reference.

    Args:
        view: a category's requests and attempts, without injected faults.
    """
    rated = liked(view.attempts, said.liked) if said.liked else {}
    called, never = view.attempts.split_by("model"), view.attempts.take(slice(0))
    return {
        model: _evidence(model, called.get(model, never), said, rated.get(model, Estimate(None)))
        for model in (*called, *sorted(said.quality.keys() - called.keys()))
    }


def _evidence(model: str, calls: Slice[AttemptLabels], said: Said, rated: Estimate) -> ModelEvidence:
    passes, upstream = said.quality.get(model), said.upstream.get(model, {})
    first = calls.that(_is_first)
    answered = first.that(predicates.is_answered_call)
    late = first.count(predicates.is_late_call)
    provider = next((labels.provider for labels, _ in calls.labels()), "")
    tokens, latency = (
        by_quantile((), with_late(answered.values(measure), late), (0.5, 0.95)) for measure in ("ttft", "latency")
    )
    sources: Counter[Source] = Counter()
    for labels, count in first.labels():
        sources[labels.source] += count
    leftovers = calls.that(_is_leftover)
    return ModelEvidence(
        model,
        provider,
        len(first),
        _availability(first),
        (tokens[0.5,], tokens[0.95,]),
        (latency[0.5,], latency[0.95,]),
        by_quantile((), speeds(answered), (0.5,))[0.5,],
        _cost(first, answered),
        Estimate(passes.share, *wilson(passes.share, passes.cases), rows=passes.cases) if passes else Estimate(None),
        float(first.started.max()) if len(first) else None,
        sources,
        rated,
        said.preferred.get(model, Estimate(None)),
        {name: count / sum(upstream.values()) for name, count in upstream.items()},
        share(leftovers.count(predicates.is_answered_call), len(leftovers)),
        tuple(_outages(calls)),
    )


def _availability(calls: Slice[AttemptLabels]) -> Estimate:
    """The share answered, with Wilson's interval for as many calls as blocks of time are worth."""
    count = len(calls)
    if not count:
        return Estimate(None)
    answered = calls.mask(predicates.is_answered_call)[calls.label_index].astype(float)
    value = float(answered.mean())
    return Estimate(value, *wilson(value, _worth(answered, calls.started)), rows=count)


def _worth(values: Floats, started: Floats) -> float:
    """How many independent calls or requests they are worth: those of one block of time go together.

    Args:
        values: (n,) 0 or 1.
        started: (n,) Unix time, seconds.
    """
    count, value = len(values), float(values.mean())
    blocks = np.unique(np.floor(started / BLOCK), return_inverse=True)[1]
    sums = np.bincount(blocks, values - value)
    variance = float(sums @ sums) / count**2 * len(sums) / max(len(sums) - 1, 1)
    return max(min(effective_prompts(value, variance, count), count), 1.0)


def _mean(values: Floats) -> Estimate:
    known = values[~np.isnan(values)].astype(float)
    if not len(known):
        return Estimate(None, unknown=len(values))
    error = 1.96 * float(known.std()) / np.sqrt(len(known))
    mean = float(known.mean())
    return Estimate(mean, max(mean - error, 0.0), mean + error, len(known), len(values) - len(known))


def _cost(calls: Slice[AttemptLabels], answered: Slice[AttemptLabels]) -> Estimate:
    """The mean cost of a call; unknown where no answer has one, since failures, which cost nothing, say too little."""
    if np.isnan(answered.values("cost")).all():
        return Estimate(None, unknown=len(calls))
    return _mean(calls.values("cost"))


def _outages(calls: Slice[AttemptLabels]) -> list[Outage]:
    over = calls.that(_is_over)
    order = np.argsort(over.started, kind="stable")
    return outages(over.started[order], over.mask(_is_provider_at_fault)[over.label_index][order])


# --- Failures together -----------------------------------------------------------------------------


def failures(view: View) -> Failures:
    """How often providers fail requests, alone and after one another, from the requests that came to both."""
    calls, failed, asked, both = Counter[str](), Counter[str](), Counter[Pair](), Counter[Pair]()
    firsts: dict[str, tuple[list[int], list[int]]] = {}  # by model, labels of requests that it answered and failed
    for number, count in enumerate(view.requests.counts.tolist()):
        ends = _ends(view.requests.rows.labels[number]) if count else []
        for model, place, is_failed in ends[:1]:
            if place == 0:  # else an open breaker turned it away from another one
                calls[model] += count
                failed[model] += count * is_failed
                firsts.setdefault(model, ([], []))[is_failed].append(number)
        for at, (first, _, first_failed) in enumerate(ends):
            for then, _, then_failed in ends[at + 1 :] if first_failed else ():
                asked[first, then] += count
                both[first, then] += count * then_failed
    worth = {model: _independent(view.requests, *of) for model, of in firsts.items()}
    return Failures(calls, failed, {pair: Both(count, both[pair]) for pair, count in asked.items()}, worth)


def _independent(requests: Slice[RequestLabels], answered: Sequence[int], failed: Sequence[int]) -> float:
    """How many independent requests those with these labels are worth to the share of them that failed."""
    is_failed = np.full(len(requests.rows.labels), np.nan)
    is_failed[answered], is_failed[failed] = 0.0, 1.0
    values = is_failed[requests.label_index]
    known = ~np.isnan(values)
    return _worth(values[known], requests.started[known])


def _ends(labels: RequestLabels) -> list[tuple[str, int, bool]]:
    """The models that a request came to, in order, with their places, and whether their provider failed it."""
    if not predicates.is_telling(labels):
        return []
    called = (step for step in labels.path if step.outcome in ("answered", "failed"))
    return [(step.model, step.place, step.outcome == "failed" and _is_fault(step.reason)) for step in called]


def _is_fault(reason: str | None) -> bool:
    kind = ERRORS.get(reason or "")
    return kind is not None and DECISIONS[kind].fault


# --- What simulations draw from --------------------------------------------------------------------

FEW = 20
"""Calls that came first below which leftovers and other categories help out."""


def measured(view: View, category: str, quality: Mapping[str, Passes]) -> Measured:
    """The behavior of all models that were called.

    Args:
        view: all categories' requests and attempts: an outage is one in all of them.
    """
    of_models = view.attempts.split_by("model")
    found = {model: _outages(calls) for model, calls in of_models.items()}
    providers = {model: next(labels.provider for labels, _ in calls.labels()) for model, calls in of_models.items()}
    by_provider: dict[str, list[Outage]] = {}
    for provider in set(providers.values()):
        by_provider[provider] = shared({model: found[model] for model in found if providers[model] == provider})
    behaviors = {}
    for model, calls in of_models.items():
        if (behavior := _behavior(calls, category, found[model], by_provider[providers[model]])) is not None:
            passes = quality.get(model)
            known = (passes.share, passes.cases) if passes else (None, 0)
            behaviors[model] = behavior._replace(quality=known[0], graded=known[1])
    span = _span(view.attempts)
    return Measured(behaviors, {name: _rates(each, span) for name, each in by_provider.items()}, _rate(view, category))


def _behavior(
    calls: Slice[AttemptLabels], category: str, found: list[Outage], of_provider: list[Outage]
) -> Behavior | None:
    over = calls.that(_is_over)
    inside = during(over.started, found)
    labels = over.rows.labels
    firsts, own = over.mask(_is_first), np.array([each.category == category for each in labels])
    choices = [firsts & own, firsts, firsts | over.mask(_is_leftover)]
    picks = [np.flatnonzero(which[over.label_index] & ~inside) for which in choices]
    pick = next((each for each in picks if len(each) >= FEW), picks[-1])
    if not len(pick):
        return None
    at = over.take(pick.astype(np.int32))
    errors = np.array(
        [ERRORS.get(each.reason or "", ServerFailed) if each.outcome == "failed" else None for each in labels], object
    )
    error = errors[at.label_index]
    seconds = np.nan_to_num(at.values("latency").astype(float))
    first_token = at.values("ttft").astype(float)
    first_token = np.where(np.isnan(first_token), np.where(error == None, seconds, np.inf), first_token)  # noqa: E711  # elementwise
    reasons = Counter(errors[number] for number in over.label_index[inside].tolist() if errors[number] is not None)
    own_outages = [
        each for each in found if not any(each.began < end and begin < each.ended for begin, end in of_provider)
    ]
    down = over.take(np.flatnonzero(inside).astype(np.int32)).values("latency")
    return Behavior(
        next(each.provider for each, _ in calls.labels()),
        Calls(error, first_token, seconds, at.values("cost").astype(float)),
        _rates(own_outages, _span(calls)),
        down_error=reasons.most_common(1)[0][0] if reasons else ServerFailed,
        down_after=float(np.nanmedian(down)) if len(down) and not np.isnan(down).all() else 0.5,
    )


def _span(calls: Slice[AttemptLabels]) -> float:
    return float(np.ptp(calls.started)) if len(calls) else 0.0


def _rates(found: list[Outage], span: float) -> Outages:
    if not found or not span:
        return Outages()
    down = sum(each.ended - each.began for each in found)
    return Outages(max(span - down, 1.0) / len(found), down / len(found), len(found))


def _rate(view: View, category: str) -> float:
    """Requests per second in the hours that have any."""
    own: NDArray[np.float64] = view.requests.where(lambda labels: labels.category == category, None, None).started
    hours = len(np.unique(np.floor(own / 3600)))
    return max(len(own) / (3600 * hours), 1e-3) if hours else 0.01
