"""What is asked of kinds: whether a row counts for a figure, and for which of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import attrgetter

from router.observed.columns import AttemptKind, RequestKind
from router.observed.estimates import Key
from router.store.requests import Step

TIMED_OUT = ("connect_timeout", "first_token_timeout", "stream_stalled", "answer_timeout", "deadline")

# --- Requests --------------------------------------------------------------------------------------

is_cached, is_shared = attrgetter("cached"), attrgetter("shared")
is_stand_in, is_keyless = attrgetter("stand_in"), attrgetter("keyless")


def is_plain(kind: RequestKind) -> bool:
    """Whether its answer took calls of its own, and every key was there."""
    return not (kind.cached or kind.shared or kind.stand_in or kind.keyless)


def is_stopped(kind: RequestKind) -> bool:
    return kind.outcome == "cancelled"


def is_over(kind: RequestKind) -> bool:
    return is_plain(kind) and kind.outcome in ("answered", "failed")


def is_answered(kind: RequestKind) -> bool:
    return is_plain(kind) and kind.outcome == "answered"


def is_rescued(kind: RequestKind) -> bool:
    return is_answered(kind) and bool(kind.place)


def is_in_need(kind: RequestKind) -> bool:
    """Whether its primary did not answer."""
    return is_over(kind) and not (kind.outcome == "answered" and kind.place == 0)


def is_timed_out(kind: RequestKind) -> bool:
    return is_plain(kind) and kind.outcome == "failed" and bool(kind.path) and kind.path[-1].reason in TIMED_OUT


def every(_: RequestKind) -> Iterator[Key]:
    yield ()


def timed(kind: RequestKind) -> Iterator[Key]:
    """Whether its time is known, or longer than anybody waited."""
    if is_answered(kind) or is_timed_out(kind):
        yield ()


def ending(kind: RequestKind) -> Iterator[Key]:
    """What became of it: one of eight ends."""
    if kind.outcome == "cancelled":
        yield ("stopped",)
    elif kind.stand_in:
        yield ("stand-in",)
    elif kind.keyless:
        yield ("no key",)
    elif kind.outcome == "failed":
        yield ("failed",)
    elif kind.cached:
        yield ("cache",)
    elif kind.shared:
        yield ("shared",)
    else:
        yield ("fallback" if kind.place else "primary",)


def choice(kind: RequestKind) -> Iterator[Key]:
    if is_answered(kind):
        yield kind.category, kind.model, kind.place


def place_of_model(kind: RequestKind) -> Iterator[Key]:
    if is_answered(kind):
        yield kind.model, kind.place


def rescuer(kind: RequestKind) -> Iterator[Key]:
    if is_rescued(kind):
        yield (kind.model,)


def came_to(kind: RequestKind) -> Iterator[Key]:
    """The models that it came to; an open breaker turned it away."""
    if is_plain(kind):
        yield from ((step.model,) for step in kind.path if _is_reached(step))


def came_to_as_fallback(kind: RequestKind) -> Iterator[Key]:
    """Likewise, those that it came to because its primary did not answer."""
    if is_in_need(kind):
        yield from ((step.model,) for step in kind.path if step.place and _is_reached(step))


def _is_reached(step: Step) -> bool:
    return step.outcome in ("answered", "failed") or step.reason == "breaker_open"


def stops(kind: RequestKind) -> Iterator[Key]:
    """Its way: the category is stage 0, the models are the next ones, and its end is stage -1."""
    if is_plain(kind):
        yield from enumerate([kind.category, *_models_of(kind)])
        yield -1, kind.outcome


def links(kind: RequestKind) -> Iterator[Key]:
    """The links of its way; the stage is that of the source."""
    if is_plain(kind):
        for stage, link in enumerate(pairwise([kind.category, *_models_of(kind), kind.outcome])):
            yield stage, *link


def _models_of(kind: RequestKind) -> Iterable[str]:
    return dict.fromkeys(step.model for step in kind.path)


def asked_after_failure(kind: RequestKind) -> Iterator[Key]:
    """The pairs of a model that failed it and another that was asked later."""
    return (pair for pair, _ in _after_failure(kind))


def failed_after_failure(kind: RequestKind) -> Iterator[Key]:
    """Those of the pairs in which the other failed too."""
    return (pair for pair, failed in _after_failure(kind) if failed)


def _after_failure(kind: RequestKind) -> Iterator[tuple[Key, bool]]:
    ends = {step.model: step.outcome for step in kind.path if step.outcome in ("answered", "failed")}
    models = list(ends) if is_plain(kind) else []
    for number, model in enumerate(models):
        for other in models[number + 1 :] if ends[model] == "failed" else ():
            yield (model, other), ends[other] == "failed"


# --- Attempts --------------------------------------------------------------------------------------


def is_call(kind: AttemptKind) -> bool:
    """Whether it was a call on the wire of its own."""
    return kind.number > 0 and not (kind.cached or kind.shared)


def is_answered_call(kind: AttemptKind) -> bool:
    return is_call(kind) and kind.outcome == "answered"


def is_late_call(kind: AttemptKind) -> bool:
    return is_call(kind) and kind.outcome == "failed" and kind.reason in TIMED_OUT


def is_hit(kind: AttemptKind) -> bool:
    return kind.cached and kind.outcome == "answered"


def answered_call(kind: AttemptKind) -> Iterator[Key]:
    if is_answered_call(kind):
        yield ()


def answered_call_of_model(kind: AttemptKind) -> Iterator[Key]:
    if is_answered_call(kind):
        yield (kind.model,)


def failed_call(kind: AttemptKind) -> Iterator[Key]:
    if is_call(kind) and kind.outcome == "failed":
        yield ()


def ended_call(kind: AttemptKind) -> Iterator[Key]:
    """The reason that a call failed for; None where it answered."""
    if is_call(kind) and kind.outcome != "cancelled":
        yield (kind.reason,)


def ended_call_of_model(kind: AttemptKind) -> Iterator[Key]:
    if is_call(kind) and kind.outcome != "cancelled":
        yield kind.model, kind.reason


def timed_call(kind: AttemptKind) -> Iterator[Key]:
    """The model of a call whose time is known, or longer than anybody waited."""
    if is_answered_call(kind) or is_late_call(kind):
        yield (kind.model,)


def paid_call(kind: AttemptKind) -> Iterator[Key]:
    if is_call(kind):
        yield kind.category, kind.model
