"""A chart's values as a table: readable names, and what matters first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from router.metrics import FIGURES

from components.dashboard.view_model import Marks

_NAMES: Mapping[str, str] = {
    "time": "Time", "figure": "Figure", "category": "Category", "model": "Model", "other": "Next model",
    "place": "Place", "reason": "Reason", "ending": "Outcome", "quantile": "Quantile", "stage": "Stage",
    "source": "From", "target": "To", "stop": "Stop", "low": "95% from", "high": "95% to", "count": "Count",
    "rows": "Sample", "unknown": "Unknown", "timed_out": "Timed out",
}  # fmt: skip
_VALUES: Mapping[str, str] = {
    "share": "Share", "points": "Difference", "seconds": "Seconds", "US dollars": "US dollars", "tokens/s": "Tokens/s",
    "requests": "Requests", "calls": "Calls",
}  # fmt: skip
_MAYBE_IDLE = ("low", "high", "count", "unknown", "timed_out")
"""Columns that are left out where none of their values says anything."""


class Table(NamedTuple):
    """Values as people read them.

    Attributes:
        frame: one row per value, columns by readable names.
        marks: which mark each row is, by its number in `Marks.marks`.
        percent: the columns that hold shares.
    """

    frame: pd.DataFrame
    marks: list[int]
    percent: tuple[str, ...]


def table_of(marks: Marks, *, lowest_first: bool = False) -> Table:
    """The table of a chart: over time the newest first; else what occurred most often, or else the largest value.

    Args:
        lowest_first: whether low values are what matters.
    """
    frame = marks.frame
    if not len(frame):
        return Table(frame, [], ())
    units = {FIGURES[mark.figure].unit for mark in marks.marks}
    shares = np.array([FIGURES[mark.figure].unit == "share" for mark in marks.marks])
    frame = frame.assign(count=(frame["value"] * frame["rows"]).round().where(shares))
    frame = _sorted(frame, lowest_first=lowest_first)
    if "figure" in frame:
        frame["figure"] = frame["figure"].str.replace("_", " ")
    if "quantile" in frame:
        frame["quantile"] = frame["quantile"].map("p{:.0%}".format).str.rstrip("%")
    rows = frame.pop("row").tolist()
    idle = [name for name in _MAYBE_IDLE if not frame[name].fillna(0).any()]
    names = {**_NAMES, "value": _VALUES[units.pop()] if len(units) == 1 else "Value"}
    first = [name for name in frame if name not in ("value", "low", "high", "count", "rows", "unknown", "timed_out")]
    order = [*first, "value", "count", "low", "high", "rows", "unknown", "timed_out"]
    frame = frame[[name for name in order if name not in idle]].rename(columns=names)
    percent = ("value", "low", "high") if shares.all() else ()
    return Table(frame, rows, tuple(names[name] for name in percent if name not in idle))


def _sorted(frame: pd.DataFrame, *, lowest_first: bool) -> pd.DataFrame:
    # A timeout has no value, and is longer than any.
    by = ["value"] if lowest_first or frame["count"].isna().all() else ["count", "value"]
    frame = frame.sort_values(by, ascending=lowest_first, na_position="first" if by == ["value"] else "last")
    return frame.sort_values("time", ascending=False, kind="stable") if "time" in frame else frame
