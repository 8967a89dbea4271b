"""What the dashboard shows: a view's figures as rows for charts and tables."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from router.config.editing import Change
from router.metrics import (
    FIGURES,
    Estimate,
    Filter,
    View,
)
from router.metrics.buckets import edges
from router.metrics.estimates import Key
from router.metrics.figures import of_calls
from router.metrics.view import Slice

from components.dashboard.words import in_words
from components.shared.zone import zone

Found = TypeVar("Found")

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
WIDTHS = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY)
"""Possible widths of a time bucket, seconds."""

BUCKETS = 48
"""The largest number of buckets drawn."""


class Mark(NamedTuple):
    """What a row of a chart stands for: a figure's key, in the whole view or in the time bucket from `start`."""

    figure: str
    start: float | None
    key: Key


class Marks(NamedTuple):
    """Values to draw.

    Attributes:
        frame: one row per value: the time if bucketed, the parts of the key, value, low, high, rows, unknown, and
            whether it timed out; `row` numbers them.
        marks: what each row stands for.
    """

    frame: pd.DataFrame
    marks: tuple[Mark, ...]


def all_when(unix: Iterable[float]) -> pd.DatetimeIndex:
    """Unix times in the browser's time zone."""
    return pd.to_datetime(list(unix), unit="s", utc=True).tz_convert(zone())


class ViewModel:
    """One filter's view, with its computed figures.

    Args:
        found: the store of computed figures. It holds no rows, so a session can keep it between runs.
        changes: all saved changes of models.yaml.
    """

    def __init__(
        self,
        everything: View,
        chosen: Filter,
        found: dict[Hashable, Any] | None = None,
        changes: Sequence[Change] = (),
    ) -> None:
        self._everything = everything
        self._chosen = chosen
        self._found = found if found is not None else {}
        self._changes = changes
        self._split: dict[View, Mapping[float, View]] = {}

    @cached_property
    def view(self) -> View:
        """The rows that pass the filter."""
        return self._everything.where(self._chosen)

    @cached_property
    def _of_all_outcomes(self) -> View:
        chosen = self._chosen.of_all_outcomes()
        return self._everything.where(chosen) if self.by_outcome else self.view

    def view_for(self, name: str) -> View:
        """The view that a figure is of: shares are of all outcomes."""
        return self._of_all_outcomes if FIGURES[name].unit in ("share", "points") else self.view

    @property
    def by_outcome(self) -> bool:
        """Whether the filter leaves certain outcomes alone."""
        return self._chosen.of_all_outcomes() != self._chosen

    @property
    def partly_recorded(self) -> bool:
        """Whether recording began after the previous period."""
        before, began = self._chosen.before(), self.began
        return before is not None and began is not None and (before.since or 0) < began

    @property
    def began(self) -> float | None:
        """The Unix time at which recording began, seconds."""
        return self._everything.began

    @cached_property
    def _before(self) -> ViewModel | None:
        """The previous period; None if there is none that was recorded as a whole."""
        before = self._chosen.before()
        return ViewModel(self._everything, before) if before is not None and not self.partly_recorded else None

    def once(self, what: Hashable, find: Callable[[], Found]) -> Found:
        """The value computed earlier under this name, or computed now."""
        if what not in self._found:
            self._found[what] = find()
        found: Found = self._found[what]
        return found

    @property
    def anything(self) -> bool:
        """Whether any rows pass the filter."""
        return self.once("anything", lambda: bool(len(self.view.requests) or len(self.view.attempts)))

    @property
    def models(self) -> list[str]:
        """All models in the order in which they were first seen, whatever the filter."""
        return self.once("models", lambda: _first_seen(self._everything))

    @property
    def reasons(self) -> list[str]:
        """Failure reasons in words, most frequent first: the order of their colors."""
        return self.once("reasons", lambda: _by_failures(self._everything))

    @property
    def span(self) -> tuple[float, float]:
        """The first and last Unix time, seconds."""
        return self.once("span", self._span)

    def _span(self) -> tuple[float, float]:
        if self._chosen.since is not None and self._chosen.until is not None:
            return self._chosen.since, self._chosen.until
        started = [each.started for each in (self.view.requests, self.view.attempts) if len(each)]
        return min(float(each.min()) for each in started), max(float(each.max()) for each in started)

    @cached_property
    def changes(self) -> list[Change]:
        """The changes of models.yaml in the time shown."""
        first, last = self.span
        return [change for change in self._changes if first <= change.at < last]

    @property
    def width(self) -> int:
        """Width of a time bucket, seconds."""
        length = self.span[1] - self.span[0]
        return next((width for width in WIDTHS if length <= width * BUCKETS), WIDTHS[-1])

    @property
    def edges(self) -> NDArray[np.float64]:
        """(buckets + 1,) the Unix times between the buckets, in the browser's zone."""
        return self.once("edges", lambda: edges(*self.span, self.width, zone()))

    def buckets(self, starts: ArrayLike) -> NDArray[np.intp]:
        """(n,) the numbers of the buckets that begin then; Unix times, seconds."""
        return np.searchsorted(self.edges, starts, side="right") - 1

    def ends(self, starts: ArrayLike) -> NDArray[np.float64]:
        """(n,) the ends of the buckets that begin then; Unix times, seconds."""
        return self.edges[np.minimum(self.buckets(starts) + 1, len(self.edges) - 1)]

    def end(self, start: float) -> float:
        """The end of the bucket that begins then; Unix times, seconds."""
        return float(self.ends([start])[0])

    def one(self, name: str, key: Key = ()) -> tuple[Estimate, Estimate | None]:
        """A figure's value, and that of the previous period; None if there is none."""
        now = self.once(("now", name), lambda: FIGURES[name].of(self.view_for(name)))
        past = self._before
        before = self.once(("before", name), lambda: FIGURES[name].of(past.view_for(name)) if past else {})
        return now.get(key, Estimate(None)), before.get(key)

    def marks(self, name: str, *, over_time: bool) -> Marks:
        """A figure's values, in the whole view or in each time bucket."""
        return self.once(
            ("marks", name, over_time),
            lambda: _marks(
                name, self._split_by_time(self.view_for(name)) if over_time else {None: self.view_for(name)}
            ),
        )

    def previous_latency(self, quantile: float) -> pd.DataFrame:
        """The same of one quantile of each model's latency alone: all of them take a fifth of the page's time."""
        name = "call_latency"
        of = functools.partial(of_calls, measure="latency", at_shares=(quantile,))
        return self.once(("previous", name, quantile), lambda: self._previous(name, of))

    def previous(self, name: str) -> pd.DataFrame:
        """A figure's values over the previous period, one bucket each; empty if it was not recorded as a whole.

        The columns are those of `Marks`, less `row`; `time` is where it stands in this period, `was` when it was.
        """
        return self.once(("previous", name), lambda: self._previous(name))

    def _previous(self, name: str, of: Callable[[View], Mapping[Key, Estimate]] | None = None) -> pd.DataFrame:
        if self._before is None:
            return pd.DataFrame()
        length = self.span[1] - self.span[0]
        marks = _marks(name, self._before.view_for(name).over_time(self.edges - length), of)
        times = all_when(mark.start + length for mark in marks.marks if mark.start is not None)
        return marks.frame.rename(columns={"time": "was"}).drop(columns="row", errors="ignore").assign(time=times)

    def _split_by_time(self, view: View) -> Mapping[float, View]:
        """A view in buckets of time, split once for all figures of it."""
        if view not in self._split:
            self._split[view] = view.over_time(self.edges)
        return self._split[view]

    def drilldown(self, mark: Mark) -> Slice[Any]:
        """The requests or attempts that a mark counts."""
        view = self.view_for(mark.figure)
        if mark.start is not None:
            view = view.where(Filter(since=mark.start, until=self.end(mark.start), injected=True))
        return FIGURES[mark.figure].drilldown(view, mark.key)


def _first_seen(view: View) -> list[str]:
    called = (labels.model for labels in view.attempts.rows.labels)
    reached = (step.model for labels in view.requests.rows.labels for step in labels.path)
    return list(dict.fromkeys((*called, *reached)))


def _by_failures(view: View) -> list[str]:
    counts: Counter[str] = Counter()
    for labels, count in view.attempts.labels():
        if labels.outcome == "failed":
            counts[in_words("reason", labels.reason)] += count
    return sorted(counts, key=lambda reason: (-counts[reason], reason))


def _marks(name: str, views: Mapping[Any, View], of: Callable[[View], Mapping[Key, Estimate]] | None = None) -> Marks:
    """A figure's values in some views, or those that `of` finds in its place."""
    found = [
        (Mark(name, start, key), estimate)
        for start, view in views.items()
        for key, estimate in (of or FIGURES[name].of)(view).items()
        if estimate.value is not None
    ]
    if not found:
        return Marks(pd.DataFrame(), ())
    marks, estimates = zip(*found, strict=True)
    columns: dict[str, Any] = {}
    if marks[0].start is not None:
        columns["time"] = all_when(mark.start for mark in marks)
    for part, by in enumerate(FIGURES[name].by):
        columns[by] = [in_words(by, mark.key[part]) for mark in marks]
    values = np.array([each[:3] for each in estimates], float)  # (marks, 3)
    columns |= dict(zip(("value", "low", "high"), np.where(np.isinf(values), np.nan, values).T, strict=True))
    columns |= {"rows": [each.rows for each in estimates], "unknown": [each.unknown for each in estimates]}
    columns |= {"timed_out": np.isinf(values[:, 0]), "row": range(len(marks))}
    return Marks(pd.DataFrame(columns), marks)


def joined(*several: Marks) -> Marks:
    """Marks of several figures in one frame, with the column `figure`."""
    frames = [each.frame.assign(figure=[mark.figure for mark in each.marks]) for each in several if len(each.frame)]
    marks = tuple(mark for each in several for mark in each.marks)
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return Marks(frame.assign(row=range(len(frame))) if len(frame) else frame, marks)
