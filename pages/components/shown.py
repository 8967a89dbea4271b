"""What the dashboard shows: figures of a view as rows that charts and tables are drawn from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import pandas as pd

from router.observed import FIGURES, Estimate, Filter, View
from router.observed.estimates import Key
from router.observed.view import Slice
from router.words import place

from components.filters import SINGLE

Split: TypeAlias = Literal["time", "model"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
WIDTHS = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY)
"""Seconds that a bucket of time can be wide."""

BUCKETS = 48
"""So many of them are drawn at the most."""


class Mark(NamedTuple):
    """What a row of a chart stands for: a figure's key, in a part of the view."""

    figure: str
    split: Split | None
    part: Hashable
    key: Key


class Marks(NamedTuple):
    """Values to draw.

    Attributes:
        frame: a row each: the split, the parts of the key, value, low, high, rows, unknown; `row` numbers them.
        marks: what each row stands for.
    """

    frame: pd.DataFrame
    marks: tuple[Mark, ...]


class Shown:
    """One filter's view, and the figures that were asked of it so far.

    Attributes:
        models: all there are, those with the most calls first: the order of their colours.
        charts: those that were made so far, as they are drawn.
    """

    def __init__(self, everything: View, chosen: Filter) -> None:
        self.view = everything.where(chosen)
        self.models = _by_calls(everything)
        before = chosen.before()
        self.before = everything.where(before) if before is not None else None
        self.span = self._span(chosen)
        self.width = next((w for w in WIDTHS if self.span[1] - self.span[0] <= w * BUCKETS), WIDTHS[-1])
        self._found: dict[tuple[str, Split | None], Marks] = {}
        self._values_of: dict[tuple[str, str], Mapping[Key, Estimate]] = {}
        self.charts: dict[Hashable, Any] = {}

    def _span(self, chosen: Filter) -> tuple[float, float]:
        if chosen.since is not None and chosen.until is not None:
            return chosen.since, chosen.until
        started = self.view.requests.started
        return (float(started.min()), float(started.max())) if len(started) else (0.0, 1.0)

    @cached_property
    def _parts(self) -> Mapping[Split, Mapping[Any, View]]:
        return {"time": self.view.over_time(self.width), "model": self.view.by("model")}

    def one(self, name: str, key: Key = ()) -> tuple[Estimate, Estimate | None]:
        """A figure's value, and the same of the period before."""
        now = self._values(name, "now", self.view).get(key, Estimate(None))
        return now, self._values(name, "before", self.before).get(key) if self.before is not None else None

    def _values(self, name: str, period: str, view: View) -> Mapping[Key, Estimate]:
        if (name, period) not in self._values_of:
            self._values_of[name, period] = FIGURES[name].of(view)
        return self._values_of[name, period]

    def marks(self, name: str, split: Split | None = None) -> Marks:
        """A figure's values, of the whole view or of each part of it."""
        if (name, split) not in self._found:
            parts: Mapping[Any, View] = self._parts[split] if split else {None: self.view}
            self._found[name, split] = _marks(
                (Mark(name, split, part, key), estimate)
                for part, view in parts.items()
                for key, estimate in FIGURES[name].of(view).items()
            )
        return self._found[name, split]

    def behind(self, mark: Mark) -> Slice[Any]:
        """The requests or attempts that a mark counts."""
        view: View | None = self._parts[mark.split].get(mark.part) if mark.split else self.view
        if view is None:  # its bucket has left the view since it was drawn
            view = self.view.where(Filter(since=math.inf))
        return FIGURES[mark.figure].behind(view, mark.key)


def _by_calls(view: View) -> list[str]:
    counts: Counter[str] = Counter()
    for kind, count in view.attempts.kinds():
        counts[kind.model] += count
    for request, _ in view.requests.kinds():
        counts.update({step.model: 0 for step in request.path})
    return sorted(counts, key=lambda model: (-counts[model], model))


def _marks(values: Iterable[tuple[Mark, Estimate]]) -> Marks:
    marks: list[Mark] = []
    rows = []
    for mark, estimate in values:
        if estimate.value is not None:
            marks.append(mark)
            rows.append({**_named(mark), **estimate._asdict(), "timed_out": math.isinf(estimate.value)})
    frame = pd.DataFrame(rows)
    if len(frame):
        frame = frame.assign(row=range(len(frame)))
        frame[["value", "low", "high"]] = frame[["value", "low", "high"]].astype("float64")
        infinite = frame[["value", "low", "high"]].isin([math.inf])
        frame[["value", "low", "high"]] = frame[["value", "low", "high"]].mask(infinite)
    return Marks(frame, tuple(marks))


def joined(*several: Marks) -> Marks:
    """Marks of several figures, one below the other; `figure` says whose each is."""
    frames = [each.frame.assign(figure=[mark.figure for mark in each.marks]) for each in several if len(each.frame)]
    marks = tuple(mark for each in several for mark in each.marks)
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return Marks(frame.assign(row=range(len(frame))) if len(frame) else frame, marks)


def _named(mark: Mark) -> dict[str, Any]:
    """The columns that say what a row stands for."""
    named: dict[str, Any] = {}
    if mark.split == "time":
        named["time"] = datetime.fromtimestamp(float(mark.part), UTC)  # type: ignore[arg-type]
    elif mark.split is not None:
        named[mark.split] = mark.part if mark.part is not None else "nobody"
    for name, value in zip(FIGURES[mark.figure].by, mark.key, strict=True):
        named[name] = SINGLE if value is None and name in ("category", "source") else value
        if name == "place":
            named["place"] = place(int(value))  # type: ignore[call-overload]
    return named
