"""What is asked of labels: whether a row counts for a figure, and for which of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import attrgetter

from router.core.attempts import Outcome, is_call
from router.core.errors import TIMED_OUT
from router.core.records import FAILS_EVERYWHERE, Step
from router.metrics.columns import AttemptLabels, RequestLabels
from router.metrics.estimates import Key

# --- Requests --------------------------------------------------------------------------------------

is_cached, is_shared = attrgetter("cached"), attrgetter("shared")
is_stand_in, is_keyless = attrgetter("stand_in"), attrgetter("keyless")


def is_plain(labels: RequestLabels) -> bool:
    """Whether its answer took calls of its own, and every key was there."""
    return not (labels.cached or labels.shared or labels.stand_in or labels.keyless)


def is_stopped(labels: RequestLabels) -> bool:
    return labels.outcome == "cancelled"


def is_over(labels: RequestLabels) -> bool:
    return is_plain(labels) and labels.outcome in ("answered", "failed")


def is_answered(labels: RequestLabels) -> bool:
    return is_plain(labels) and labels.outcome == "answered"


def is_rescued(labels: RequestLabels) -> bool:
    return is_answered(labels) and bool(labels.place) and _asked_primary(labels)


def is_in_need(labels: RequestLabels) -> bool:
    """Whether its primary was asked and did not answer."""
    return is_over(labels) and not (labels.outcome == "answered" and labels.place == 0) and _asked_primary(labels)


def _asked_primary(labels: RequestLabels) -> bool:
    """A session may stay with the model that answered it last, so that its primary is not asked."""
    return not labels.path or any(step.place == 0 for step in labels.path)


def is_timed_out(labels: RequestLabels) -> bool:
    return is_plain(labels) and labels.outcome == "failed" and bool(labels.path) and labels.path[-1].reason in TIMED_OUT


def is_prompt_at_fault(labels: RequestLabels) -> bool:
    """Whether its prompt failed everywhere, while others passed."""
    return is_plain(labels) and bool(labels.path) and labels.path[-1].reason == FAILS_EVERYWHERE


def is_telling(labels: RequestLabels) -> bool:
    """Whether its end says something of the models."""
    return is_over(labels) and not is_prompt_at_fault(labels)


def is_failed(labels: RequestLabels) -> bool:
    return is_over(labels) and labels.outcome == "failed"


def is_primary_failed(labels: RequestLabels) -> bool:
    """Whether its primary was reached and did not answer."""
    return is_in_need(labels) and any(step.place == 0 and _is_reached(step) for step in labels.path)


def prompt_at_fault(labels: RequestLabels) -> Iterator[Key]:
    if is_prompt_at_fault(labels):
        yield ()


def every(_: RequestLabels) -> Iterator[Key]:
    yield ()


def over(labels: RequestLabels) -> Iterator[Key]:
    if is_over(labels):
        yield ()


def ending(labels: RequestLabels) -> Iterator[Key]:
    """What became of it: one of eight ends."""
    if labels.outcome == "cancelled":
        yield ("stopped",)
    elif labels.stand_in:
        yield ("stand-in",)
    elif labels.keyless:
        yield ("no key",)
    elif labels.outcome == "failed":
        yield ("failed",)
    elif labels.cached:
        yield ("cache",)
    elif labels.shared:
        yield ("shared",)
    else:
        yield ("fallback" if labels.place else "primary",)


def caller(labels: RequestLabels) -> Iterator[Key]:
    """Who sent it, where it came with a key."""
    if labels.caller is not None:
        yield (labels.caller,)


def outcome_of_caller(labels: RequestLabels) -> Iterator[Key]:
    if labels.caller is not None and is_over(labels):
        yield labels.caller, labels.outcome


def choice(labels: RequestLabels) -> Iterator[Key]:
    if is_answered(labels):
        yield labels.category, labels.model, labels.place


def place_of_model(labels: RequestLabels) -> Iterator[Key]:
    if is_answered(labels):
        yield labels.model, labels.place


def rescuer(labels: RequestLabels) -> Iterator[Key]:
    if is_rescued(labels):
        yield (labels.model,)


def came_to(labels: RequestLabels) -> Iterator[Key]:
    """The models that it came to; an open breaker turned it away."""
    if is_plain(labels):
        yield from ((step.model,) for step in labels.path if _is_reached(step))


def came_to_as_fallback(labels: RequestLabels) -> Iterator[Key]:
    """Those models that it reached because its primary did not answer."""
    if is_in_need(labels):
        yield from dict.fromkeys((step.model,) for step in labels.path if step.place and _is_reached(step))


def came_to_place(labels: RequestLabels) -> Iterator[tuple[str, int]]:
    """Those models, each with its place."""
    if is_in_need(labels):
        yield from ((step.model, step.place) for step in labels.path if step.place and _is_reached(step))


def _is_reached(step: Step) -> bool:
    return step.outcome in ("answered", "failed") or step.reason == "breaker_open"


def stops(labels: RequestLabels) -> Iterator[Key]:
    """Its way: the category is stage 0, the models are the next ones, and its end is stage -1."""
    if is_plain(labels):
        yield from enumerate([labels.category, *_models_of(labels)])
        yield -1, labels.outcome


def links(labels: RequestLabels) -> Iterator[Key]:
    """The links of its way; the stage is that of the source."""
    if is_plain(labels):
        for stage, link in enumerate(pairwise([labels.category, *_models_of(labels), labels.outcome])):
            yield stage, *link


def _models_of(labels: RequestLabels) -> Iterable[str]:
    return dict.fromkeys(step.model for step in labels.path)


def asked_after_failure(labels: RequestLabels) -> Iterator[Key]:
    """The pairs of a model that failed it and another that was asked later."""
    return (pair for pair, _ in _after_failure(labels))


def failed_after_failure(labels: RequestLabels) -> Iterator[Key]:
    """Those of the pairs in which the other failed too."""
    return (pair for pair, failed in _after_failure(labels) if failed)


def end_of_model(labels: RequestLabels) -> Iterator[Key]:
    """The models that it called, each with the outcome."""
    return iter(_ends(labels).items())


def _ends(labels: RequestLabels) -> dict[str, Outcome]:
    """How its calls of each model ended, in the order of the chain."""
    steps = labels.path if is_plain(labels) else ()
    return {step.model: step.outcome for step in steps if step.outcome in ("answered", "failed")}


def _after_failure(labels: RequestLabels) -> Iterator[tuple[Key, bool]]:
    ends = _ends(labels)
    models = list(ends)
    for number, model in enumerate(models):
        for other in models[number + 1 :] if ends[model] == "failed" else ():
            yield (model, other), ends[other] == "failed"


# --- Attempts --------------------------------------------------------------------------------------


def is_answered_call(labels: AttemptLabels) -> bool:
    return is_call(labels) and labels.outcome == "answered"


def is_late_call(labels: AttemptLabels) -> bool:
    return is_call(labels) and labels.outcome == "failed" and labels.reason in TIMED_OUT


def is_timed_call(labels: AttemptLabels) -> bool:
    """Whether the time of a call is known, or longer than anybody waited."""
    return is_answered_call(labels) or is_late_call(labels)


def is_hit(labels: AttemptLabels) -> bool:
    return labels.cached and labels.outcome == "answered"


def is_invalid_answer(labels: AttemptLabels) -> bool:
    return is_call(labels) and labels.validation not in (None, "valid", "unchecked")


def invalid_answer(labels: AttemptLabels) -> Iterator[Key]:
    if is_invalid_answer(labels):
        yield ()


def is_breaker_skip(labels: AttemptLabels) -> bool:
    return labels.outcome == "skipped" and labels.reason == "breaker_open"


def breaker_skip(labels: AttemptLabels) -> Iterator[Key]:
    if is_breaker_skip(labels):
        yield ()


def answered_call(labels: AttemptLabels) -> Iterator[Key]:
    if is_answered_call(labels):
        yield ()


def answered_call_of_model(labels: AttemptLabels) -> Iterator[Key]:
    if is_answered_call(labels):
        yield (labels.model,)


def is_failed_call(labels: AttemptLabels) -> bool:
    return is_call(labels) and labels.outcome == "failed"


def failed_call(labels: AttemptLabels) -> Iterator[Key]:
    if is_failed_call(labels):
        yield ()


def ended_call(labels: AttemptLabels) -> Iterator[Key]:
    """The reason that a call failed for; None where it answered."""
    if is_call(labels) and labels.outcome != "cancelled":
        yield (labels.reason,)


def ended_call_of_model(labels: AttemptLabels) -> Iterator[Key]:
    if is_call(labels) and labels.outcome != "cancelled":
        yield labels.model, labels.reason


def timed_call(labels: AttemptLabels) -> Iterator[Key]:
    if is_timed_call(labels):
        yield (labels.model,)


def paid_call(labels: AttemptLabels) -> Iterator[Key]:
    if is_call(labels):
        yield labels.category, labels.model
