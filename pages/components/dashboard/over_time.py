"""Charts over time: each a function from rows to Vega-Lite; every row is a clickable mark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.dashboard import vega
from components.dashboard.colors import ENDINGS, REASONS, model_colors
from components.dashboard.view_model import ViewModel, all_when
from components.shared.chart_colors import ink

_TALL = 260
"""Height in pixels."""


def time_axis(shown: ViewModel) -> vega.Spec:
    """The time axis: always the whole span from its first bucket, so that charts align."""
    first, last = shown.span
    span = [datetime.fromtimestamp(at, UTC).isoformat() for at in (float(shown.edges[0]), last)]
    days = (last - first) / 86_400
    axis = {"tickCount": 6, "format": "%a %H:%M" if days <= 2 else "%d %b" if days < 300 else "%b %Y"}
    return {"field": "time", "type": "temporal", "title": None, "axis": axis, "scale": {"domain": span}}


def _stacked(shown: ViewModel, frame: pd.DataFrame, by: str, order: Sequence[str]) -> pd.DataFrame:
    """The start and end of each segment of a stacked column."""
    frame = frame.assign(order=frame[by].map({name: number for number, name in enumerate(order)})).sort_values("order")
    top = frame.groupby("time")["value"].cumsum()
    return frame.assign(bottom=top - frame["value"], top=top, until=_ends(shown, frame))


def _ends(shown: ViewModel, frame: pd.DataFrame) -> pd.Series:
    """The ends of the rows' buckets: a day may have 23 or 25 hours."""
    return pd.Series(all_when(shown.ends(_unix(frame["time"]))), frame.index)


def _unix(times: pd.Series) -> NDArray[np.float64]:
    """(n,) Unix times, seconds."""
    return np.asarray((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), np.float64)


def _columns(shown: ViewModel, *, color: vega.Spec, y: str, form: str, tips: list[vega.Spec]) -> vega.Spec:
    return {
        "params": [*vega.CLICK, vega.ZOOM],
        "mark": {"type": "rect", "cornerRadius": 1, "xOffset": 0.5, "x2Offset": -0.5, "clip": True},
        "encoding": {
            "x": time_axis(shown),
            "x2": {"field": "until"},
            "y": vega.quantitative("bottom", y, form),
            "y2": {"field": "top"},
            "color": color,
            "opacity": vega.FADED,
            "tooltip": tips,
        },
    }


def endings(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """The requests' outcomes over time."""
    colors = vega.present(ENDINGS, frame["ending"])
    tips = vega.tips("time", "ending", numbers={"value": ("requests", ",d")})
    layer = [_columns(shown, color=vega.color_by("ending", colors), y="requests", form="~s", tips=tips)]
    behind = _columns_behind(shown, "requests", layer[0]["encoding"]["y"], ",d")
    return vega.Picture(_stacked(shown, frame, "ending", [*colors]), {"height": _TALL, "layer": layer}, colors, behind)


def failures_over_time(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """The share of failed calls by reason; the line is the interval of their total."""
    frame = frame.assign(reason=frame.get("reason"))  # the column is missing if nothing failed
    split, whole = frame[frame["figure"] == "failures"], frame[frame["figure"] == "failed_share"]
    colors = vega.by_weight(shown, split, len(REASONS))
    tips = vega.tips("time", "reason", numbers=vega.SHARE)
    columns = _columns(shown, color=vega.color_by("reason", colors), y="of calls", form="~%", tips=tips)
    whiskers = {
        "transform": [{"filter": "datum.figure == 'failed_share'"}],
        "mark": {"type": "rule", "color": ink(), "opacity": 0.55, "clip": True},
        "encoding": {
            "x": {**time_axis(shown), "field": "middle"},
            "y": vega.quantitative("low", "of calls", "~%"),
            "y2": {"field": "high"},
            "tooltip": vega.tips("time", numbers=vega.SHARE),
        },
    }
    pieces = _stacked(shown, split[split["reason"].isin([*colors])], "reason", [*colors])
    middle = whole["time"] + (_ends(shown, whole) - whole["time"]) / 2
    columns["transform"] = [{"filter": "datum.figure == 'failures'"}]
    columns["mark"] = vega.named(columns["mark"], pieces["value"])
    return vega.Picture(
        pd.concat([pieces, whole.assign(middle=middle)]),
        {"height": _TALL, "layer": [columns, whiskers]},
        colors,
        _columns_behind(shown, "failed_share", columns["encoding"]["y"], ".1%"),
    )


def cost_over_time(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """The cost of requests over time."""
    tips = vega.tips("time", numbers=vega.DOLLARS)
    layer = [_columns(shown, color={"value": vega.BAR}, y="US dollars", form="$,~r", tips=tips)]
    behind = _columns_behind(shown, "cost", layer[0]["encoding"]["y"], "$,.4~r")
    return vega.Picture(
        _stacked(shown, frame.assign(all=""), "all", [""]), {"height": _TALL, "layer": layer}, behind=behind
    )


def _columns_behind(shown: ViewModel, figure: str, y: vega.Spec, form: str) -> list[vega.Spec]:
    """A figure of the previous period as quiet columns behind this one's, their tops also where those are higher."""
    before = shown.previous(figure)
    if not len(before):
        return []
    shared = {
        "data": vega.inline(before.assign(until=_ends(shown, before), zero=0)),
        "encoding": {
            "x": time_axis(shown),
            "x2": {"field": "until"},
            "y": {**y, "field": "value"},
            "tooltip": [
                {"field": "was", "type": "temporal", "format": "%d %b %H:%M", "title": "previous period"},
                {"field": "value", "type": "quantitative", "format": form, "title": y["title"]},
            ],
        },
    }
    columns = {**shared, "encoding": {**shared["encoding"], "y2": {"field": "zero"}}}
    return [
        {**columns, "mark": {"type": "rect", "color": ink(), "opacity": 0.1, "clip": True}},
        {**shared, "mark": {"type": "rule", "color": ink(), "opacity": 0.3, "clip": True}},
    ]


def _in_pieces(shown: ViewModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Lines' points with the number of their piece: a line breaks where a bucket has nothing."""
    # In buckets that follow each other, both numbers grow by one.
    return frame.assign(
        piece=shown.buckets(_unix(frame["time"])) - frame["value"].notna().groupby(frame["model"]).cumsum()
    )


def latency_over_time(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """Each model's latency over time; a triangle marks timeouts."""
    known, late = [{"filter": "isValid(datum.value)"}], [{"filter": "datum.timed_out"}]
    values, timeouts = frame["value"].dropna(), frame[frame["timed_out"]]["value"]
    y = vega.quantitative("value", "seconds", "~r", type="log", nice=False)
    colors = model_colors(shown)
    at = {"x": time_axis(shown), "color": vega.color_by("model", colors)}
    frame = _in_pieces(shown, frame)
    before = shown.previous_latency(frame["quantile"].iloc[0])
    if len(before):
        before = _in_pieces(shown, before[before["model"].isin(set(frame["model"]))])
    pieces = {"field": "piece", "type": "nominal"}
    line = {"transform": known, "encoding": {**at, "y": y, "detail": pieces}}
    quiet = {"type": "line", "strokeWidth": 1.5, "strokeDash": [2, 3], "opacity": 0.35, "clip": True}
    behind = [{**line, "mark": quiet, "data": vega.inline(before)}] if len(before) else []
    layer = [
        {**line, "mark": vega.named({"type": "line", "strokeWidth": 1.5, "opacity": 0.7}, values)},
        {
            "params": [*vega.CLICK, vega.ZOOM],
            "transform": known,
            "mark": vega.named({"type": "circle", "size": 36}, values),
            "encoding": {
                **at,
                "y": y,
                "opacity": vega.FADED,
                "tooltip": vega.tips("time", "model", numbers=vega.SECONDS),
            },
        },
        {
            "transform": late,
            "mark": vega.named({"type": "point", "shape": "triangle-up", "filled": True, "size": 60}, timeouts),
            "encoding": {
                **at,
                "y": {"value": 6},
                "tooltip": vega.tips("time", "model", "timed_out", numbers={"rows": ("of", ",d")}),
            },
        },
    ]
    return vega.Picture(frame, {"height": _TALL, "layer": layer}, vega.present(colors, frame["model"]), behind)
