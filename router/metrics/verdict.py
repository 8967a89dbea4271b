"""Whether something is wrong now, in one sentence with the requests or calls behind it.

Each category is judged by the newest `RECENT` of its requests of the last day, and by its drifts. A share counts as
bad where even the low end of its interval is, and `LEAST` failures are there: one failure proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any, Literal, NamedTuple

from router.core.formatting import clock, counted
from router.metrics import predicates
from router.metrics.columns import RequestLabels
from router.metrics.drift import Drift, calls_since
from router.metrics.drift_sentence import percent
from router.metrics.estimates import share
from router.metrics.registry import FIGURES
from router.metrics.view import Filter, Slice, View

DAY = 86_400.0
RECENT = 50
"""Requests of a category that tell how it does now, at most."""

LEAST = 3
"""Failures, at least, that are a finding."""

UNANSWERED, PRIMARY_FAILED = 0.05, 0.2
"""Shares of requests above which something is wrong: those without an answer, those whose primary failed."""

Level = Literal["failing", "degraded", "good", "unknown"]
"""failing: requests stay without an answer; degraded: fallbacks hold, a model became slower, or an alert fires."""

Newest = dict[str | None, Slice[RequestLabels]]


class Verdict(NamedTuple):
    """What is to be said first; it holds no rows, so a session can keep it.

    Attributes:
        behind: finds the requests or calls that it rests on; None where there are none to open.
    """

    level: Level
    sentence: str
    behind: Callable[[View], Slice[Any]] | None = None


def verdict(view: View, drifts: Sequence[Drift], now: float, zone: tzinfo | None = None, firing: int = 0) -> Verdict:
    """The worst of what is wrong; else that nothing is, or that nothing is known.

    Args:
        view: of all that is stored.
        drifts: those of the same view.
        now: Unix time, seconds.
        zone: of the times in it; None is this machine's.
        firing: alerts that fire now.
    """
    newest = _newest(view, now)
    if not newest:
        return Verdict("unknown", _nothing_known(view, now, zone))
    # A drift of failures also says since when; slowness is the least of all.
    found = [_of_drift(each, newest, view, now, zone) for each in drifts if each.measure == "failures"]
    found += [one for category in newest for one in _of_requests(category, newest[category], now, zone)]
    found += [_of_drift(each, newest, view, now, zone) for each in drifts if each.measure == "latency"]
    return min(found, key=lambda each: each.level == "degraded", default=_good(view, now, firing))


def _told(view: View, now: float) -> Slice[RequestLabels]:
    """The requests of the last day that tell how the models do."""
    return view.where(Filter(since=now - DAY)).requests.that(predicates.is_telling)


def _newest(view: View, now: float) -> Newest:
    parts = _told(view, now).split_by("category")
    return {category: part.take(slice(-RECENT, None)) for category, part in parts.items()}


def _of_requests(
    category: str | None, part: Slice[RequestLabels], now: float, zone: tzinfo | None
) -> Iterator[Verdict]:
    """What a category's newest requests say."""
    last = f"of the last {counted(len(part), 'request')}"

    def bad(holds: Callable[[RequestLabels], bool], above: float) -> Slice[RequestLabels] | None:
        rows = part.that(holds)
        return rows if len(rows) >= LEAST and (share(len(rows), len(part)).low or 0) > above else None

    def behind(view: View, holds: Callable[[RequestLabels], bool]) -> Slice[Any]:
        return _told(view.where(Filter(categories=(category,))), now).take(slice(-RECENT, None)).that(holds)

    def latest(rows: Slice[RequestLabels]) -> str:
        return f"(the latest at {clock(float(rows.started[-1]), now, zone)})"

    if rows := bad(predicates.is_failed, UNANSWERED):
        sentence = f"{_who(category)}: {len(rows)} {last} got no answer {latest(rows)}."
        yield Verdict("failing", sentence, partial(behind, holds=predicates.is_failed))
    if rows := bad(predicates.is_primary_failed, PRIMARY_FAILED):
        answered = share(part.count(predicates.is_answered), len(part)).value
        sentence = f"{_who(category)}: the primary failed {len(rows)} {last} {latest(rows)}"
        yield _held(sentence, answered, partial(behind, holds=predicates.is_primary_failed))


def _of_drift(drift: Drift, newest: Newest, view: View, now: float, zone: tzinfo | None) -> Verdict:
    """What a drift says, and whether requests are answered all the same."""
    who = f"{_who(drift.category)}: {'the primary' if _is_primary(drift, newest) else drift.model}"
    since, behind = clock(drift.since, now, zone), partial(calls_since, drift)
    if drift.measure == "latency":
        return Verdict("degraded", f"{who} has become slower since {since}.", behind)
    since_then = view.where(Filter(since=drift.since, categories=(drift.category,)))
    answered = FIGURES["answered_share"].of(since_then)[()].value
    words = f"{who} has failed {percent(drift.after.value)} of calls since {since}"
    return _held(words, answered, behind)


def _is_primary(drift: Drift, newest: Newest) -> bool:
    """Whether the newest requests of the chain began with the model."""
    if drift.category is None or drift.category not in newest:
        return False
    steps = (step for labels, _ in newest[drift.category].labels() for step in labels.path)
    return any(step.place == 0 and step.model == drift.model for step in steps)


def _held(words: str, answered: float | None, behind: Callable[[View], Slice[Any]]) -> Verdict:
    """A model's failures, with what became of the requests."""
    if answered is not None and answered >= 1 - UNANSWERED:
        return Verdict("degraded", f"{words}; its fallbacks hold, {_percent(answered)} answered.", behind)
    return Verdict("failing", f"{words}; only {_percent(answered)} of requests are answered.", behind)


def _good(view: View, now: float, firing: int) -> Verdict:
    told = _told(view, now)
    answered, rescued = (
        _percent(share(told.count(holds), len(told)).value) for holds in (predicates.is_answered, predicates.is_rescued)
    )
    words = (
        f"Of {counted(len(told), 'request')} in the last 24 hours, {answered} were answered, {rescued} by a fallback."
    )
    if firing:
        alerts = f"{counted(firing, 'alert')} {'is' if firing == 1 else 'are'} firing"
        return Verdict("degraded", f"{alerts}; nothing else is wrong now. {words}", partial(_told, now=now))
    return Verdict("good", f"Nothing is wrong now. {words}", partial(_told, now=now))


def _nothing_known(view: View, now: float, zone: tzinfo | None) -> str:
    words = "No model was called in the last 24 hours, so nothing is known about now."
    started = view.requests.started
    return f"{words} The newest request is from {clock(float(started.max()), now, zone)}." if len(started) else words


def _who(category: str | None) -> str:
    return category if category is not None else "Single models"


def _percent(value: float | None) -> str:
    return f"{100 * (value or 0):.1f}%".replace(".0%", "%")
