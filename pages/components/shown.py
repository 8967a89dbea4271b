"""What the dashboard shows: figures of a view as rows that charts and tables are drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from router.observed import FIGURES, Estimate, Filter, View
from router.observed.estimates import Key
from router.observed.view import Slice
from router.words import place

from components.filters import SINGLE, when

Found = TypeVar("Found")

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
WIDTHS = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY)
"""Seconds that a bucket of time can be wide."""

BUCKETS = 48
"""So many of them are drawn at the most."""


class Mark(NamedTuple):
    """What a row of a chart stands for: a figure's key, in the whole view or in the bucket of time from `start` on."""

    figure: str
    start: float | None
    key: Key


class Marks(NamedTuple):
    """Values to draw.

    Attributes:
        frame: a row each: the time if there are buckets, the parts of the key, value, low, high, rows, unknown, and
            whether it timed out; `row` numbers them.
        marks: what each row stands for.
    """

    frame: pd.DataFrame
    marks: tuple[Mark, ...]


class Shown:
    """One filter's view, and what was asked of it so far.

    Args:
        found: where that is kept. It holds no rows, so a session can keep it from run to run.
    """

    def __init__(self, everything: View, chosen: Filter, found: dict[Hashable, Any] | None = None) -> None:
        self._everything = everything
        self._chosen = chosen
        self._found = found if found is not None else {}

    @cached_property
    def view(self) -> View:
        """What the filter leaves."""
        return self._everything.where(self._chosen)

    @cached_property
    def before(self) -> View | None:
        """Likewise, of the period before; None where there is none."""
        before = self._chosen.before()
        return self._everything.where(before) if before is not None else None

    def once(self, what: Hashable, find: Callable[[], Found]) -> Found:
        """What was found before under this name, or is found now."""
        if what not in self._found:
            self._found[what] = find()
        found: Found = self._found[what]
        return found

    @property
    def anything(self) -> bool:
        """Whether the filter leaves anything."""
        return self.once("anything", lambda: bool(len(self.view.requests) or len(self.view.attempts)))

    @property
    def models(self) -> list[str]:
        """All there are, those with the most calls first: the order of their colours."""
        return self.once("models", lambda: _by_calls(self._everything))

    @property
    def reasons(self) -> list[str]:
        """Why calls failed, the most frequent first, in words: the order of their colours."""
        return self.once("reasons", lambda: _by_failures(self._everything))

    @property
    def span(self) -> tuple[float, float]:
        """Unix times, seconds, between which all lies."""
        return self.once("span", self._span)

    def _span(self) -> tuple[float, float]:
        if self._chosen.since is not None and self._chosen.until is not None:
            return self._chosen.since, self._chosen.until
        started = [each.started for each in (self.view.requests, self.view.attempts) if len(each)]
        return min(float(each.min()) for each in started), max(float(each.max()) for each in started)

    @property
    def width(self) -> int:
        """Seconds that a bucket of time is wide."""
        length = self.span[1] - self.span[0]
        return next((width for width in WIDTHS if length <= width * BUCKETS), WIDTHS[-1])

    def one(self, name: str, key: Key = ()) -> tuple[Estimate, Estimate | None]:
        """A figure's value, and the same of the period before; None where there is none."""
        now = self.once(("now", name), lambda: FIGURES[name].of(self.view))
        before = self.once(("before", name), lambda: FIGURES[name].of(self.before) if self.before is not None else {})
        return now.get(key, Estimate(None)), before.get(key)

    def marks(self, name: str, *, over_time: bool) -> Marks:
        """A figure's values, in the whole view or in each bucket of time."""
        return self.once(
            ("marks", name, over_time), lambda: _marks(name, self._buckets if over_time else {None: self.view})
        )

    @cached_property
    def _buckets(self) -> Mapping[float, View]:
        return self.view.over_time(self.width)

    def behind(self, mark: Mark) -> Slice[Any]:
        """The requests or attempts that a mark counts."""
        view = self.view
        if mark.start is not None:
            view = view.where(Filter(since=mark.start, until=mark.start + self.width, injected=True))
        return FIGURES[mark.figure].behind(view, mark.key)


def _by_calls(view: View) -> list[str]:
    counts: Counter[str] = Counter()
    for kind, count in view.attempts.kinds():
        counts[kind.model] += count
    for request, _ in view.requests.kinds():
        counts.update({step.model: 0 for step in request.path})
    return sorted(counts, key=lambda model: (-counts[model], model))


def _by_failures(view: View) -> list[str]:
    counts: Counter[str] = Counter()
    for kind, count in view.attempts.kinds():
        if kind.outcome == "failed":
            counts[in_words("reason", kind.reason)] += count
    return sorted(counts, key=lambda reason: (-counts[reason], reason))


def _marks(name: str, views: Mapping[Any, View]) -> Marks:
    found = [
        (Mark(name, start, key), estimate)
        for start, view in views.items()
        for key, estimate in FIGURES[name].of(view).items()
        if estimate.value is not None
    ]
    if not found:
        return Marks(pd.DataFrame(), ())
    marks, estimates = zip(*found, strict=True)
    columns: dict[str, Any] = {}
    if marks[0].start is not None:
        columns["time"] = [when(mark.start) for mark in marks]
    for part, by in enumerate(FIGURES[name].by):
        columns[by] = [in_words(by, mark.key[part]) for mark in marks]
    values = np.array([each[:3] for each in estimates], float)  # (marks, 3)
    columns |= dict(zip(("value", "low", "high"), np.where(np.isinf(values), np.nan, values).T, strict=True))
    columns |= {"rows": [each.rows for each in estimates], "unknown": [each.unknown for each in estimates]}
    columns |= {"timed_out": np.isinf(values[:, 0]), "row": range(len(marks))}
    return Marks(pd.DataFrame(columns), marks)


def joined(*several: Marks) -> Marks:
    """Marks of several figures, one below the other; `figure` says whose each is."""
    frames = [each.frame.assign(figure=[mark.figure for mark in each.marks]) for each in several if len(each.frame)]
    marks = tuple(mark for each in several for mark in each.marks)
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return Marks(frame.assign(row=range(len(frame))) if len(frame) else frame, marks)


def in_words(by: str, value: Any) -> Any:
    """A part of a key, as it is shown."""
    if by == "place":
        return place(value)
    if by == "reason" and value is not None:
        return value.replace("_", " ")
    if by in ("category", "source", "target", "stop", "outcome"):
        return {None: SINGLE, "cancelled": "stopped"}.get(value, value)
    return value
