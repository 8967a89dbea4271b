"""What the rules' figures are now: those of the registry, over the rows that the dashboard shows with the same filters.

Importing it loads numpy, so nobody does without a rule.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import NamedTuple

from router.config.alerts import DRIFT, Comparison, Condition, Unit
from router.core.attempts import Source
from router.core.formatting import counted, dollars, seconds
from router.metrics import FIGURES, Estimate, Filter, View
from router.metrics.drift import Drift
from router.metrics.drift_sentence import sentence
from router.metrics.estimates import Key

REAL: tuple[Source, ...] = ("endpoint", "library", "chat", "cli")
"""The sources of real traffic; what was compared, evaluated, checked, sent as a shadow or imported is none."""

FIGURE_OF: Mapping[str, tuple[str, Key]] = {
    "answered": ("answered_share", ()),
    "fallback rate": ("fallback_rate", ()),
    "rescued": ("rescued_share", ()),
    "failed calls": ("failed_share", ()),
    "latency p50": ("latency", (0.5,)),
    "latency p95": ("latency", (0.95,)),
    "first token p50": ("first_token", (0.5,)),
    "first token p95": ("first_token", (0.95,)),
    "cost": ("cost", ()),
    "cost per 1000": ("cost_per_thousand", ()),
    "unpriced": ("cost", ()),
    "requests": ("requests", ()),
    "breaker skips": ("breaker_skips", ()),
}
"""The registry's names and keys of `WATCHED`."""

_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip

_SHOWN = 3
"""Drifts that a message names."""


class Reading(NamedTuple):
    """A rule's figure now.

    Attributes:
        holds: whether the rule's condition does; None where too little was seen to tell.
        said: the figure in words, with its sample and its interval of 95%.
    """

    holds: bool | None
    said: str
    estimate: Estimate


def read(condition: Condition, view: View, drifts: Callable[[], Sequence[Drift]], now: float) -> Reading:
    """A condition's figure.

    Args:
        view: of all that is stored.
        drifts: those of the same view.
        now: Unix time, seconds.
    """
    if condition.figure == DRIFT:
        return _drift(condition, drifts(), now)
    name, key = FIGURE_OF[condition.figure]
    estimate = FIGURES[name].of(view.where(filter_of(condition, now)))[key]
    if condition.figure == "unpriced":
        estimate = Estimate(estimate.unknown, rows=estimate.rows + estimate.unknown)
    said = _said(condition, estimate)
    if estimate.value is None or estimate.rows < condition.at_least:
        return Reading(None, said, estimate)
    return Reading(_COMPARE[condition.comparison](estimate.value, condition.threshold), said, estimate)


def filter_of(condition: Condition, now: float) -> Filter:
    """What a condition is about, as the dashboard's filters say it."""
    return Filter(
        since=now - condition.window,
        categories=(condition.category,) if condition.category is not None else (),
        models=(condition.model,) if condition.model is not None else (),
        sources=(condition.source,) if condition.source is not None else REAL,
    )


def _drift(condition: Condition, drifts: Sequence[Drift], now: float) -> Reading:
    found = [
        drift
        for drift in drifts
        if condition.category in (None, drift.category) and condition.model in (None, drift.model)
    ]
    words = [sentence(drift, now, UTC).rstrip(".") for drift in found[:_SHOWN]]
    words += [f"and {len(found) - _SHOWN} older"] * (len(found) > _SHOWN)
    return Reading(bool(found), "; ".join(words) or "no drift", Estimate(len(found), rows=len(found)))


# --- In words --------------------------------------------------------------------------------------


def _said(condition: Condition, estimate: Estimate) -> str:
    """A figure, such as 98.2% (n = 57, 91–99.7%)."""
    watched = condition.watched
    if watched.unit == "count":
        return counted(int(estimate.value or 0), watched.of.removesuffix("s"))
    notes = [f"n = {estimate.rows:,}", *_interval(watched.unit, estimate)]
    if watched.unit == "US dollars" and estimate.unknown:
        notes.append(f"{estimate.unknown:,} unpriced")
    if estimate.rows < condition.at_least:
        notes.append(f"too few to tell, at least {condition.at_least:,} are needed")
    if estimate.value is None:
        return f"unknown ({', '.join(notes)})"
    value = _value(watched.unit, estimate.value)
    is_near = watched.unit == "share" and estimate.value != condition.threshold
    if is_near and value == _value("share", condition.threshold):
        value = f"{100 * estimate.value:.6g}%"  # rounded, it would seem to be what it is compared with
    return f"{value} ({', '.join(notes)})"


def _value(unit: Unit, value: float) -> str:
    if math.isinf(value):
        return "timed out"
    return f"{100 * value:.3g}%" if unit == "share" else seconds(value) if unit == "seconds" else dollars(value)


def _interval(unit: Unit, estimate: Estimate) -> list[str]:
    low, high = (None if end is None or math.isinf(end) else end for end in (estimate.low, estimate.high))
    if low is not None and high is not None:
        return [f"{100 * low:.3g}–{_value(unit, high)}" if unit == "share" else f"{seconds(low)}–{seconds(high)}"]
    return [f"over {seconds(low)}"] if low is not None else [f"up to {seconds(high)}"] if high is not None else []
