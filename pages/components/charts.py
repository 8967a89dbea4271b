"""The dashboard's charts: each a function from rows to Vega-Lite, in which a row is a mark that can be clicked.

They are written as Vega-Lite itself: Altair makes the same, but takes 50 ms or more for each, and a page has eleven.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from components.colors import ENDINGS, REASONS, ink, model_colors
from components.shown import Shown

REASONS_OF_MODEL = 5
"""So many reasons are drawn for each model."""

_BAR = "#14988b"
_TALL = 260
"""Pixels, of charts over time."""

Spec = dict[str, Any]


class Picture(NamedTuple):
    """Rows, and the Vega-Lite that draws them.

    Attributes:
        legend: what each colour in it stands for; Vega's own legend does not flow into the width that there is.
    """

    frame: pd.DataFrame
    spec: Spec
    legend: Mapping[str, str] = MappingProxyType({})


# --- Parts -----------------------------------------------------------------------------------------

_SHARE = {"value": ("share", ".1%"), "low": ("95 % from", ".1%"), "high": ("to", ".1%"), "rows": ("of", ",d")}
_SECONDS = {"value": ("seconds", ".3~r"), "low": ("95 % from", ".3~r"), "high": ("to", ".3~r"), "rows": ("of", ",d")}
_RATE = {**_SECONDS, "value": ("tokens/s", ".3~r")}
_DOLLARS = {"value": ("US dollars", "$,.4~r"), "rows": ("of", ",d"), "unknown": ("not known of", ",d")}
_CLICK = [{"name": "mark", "select": {"type": "point", "fields": ["row"], "on": "click", "clear": "dblclick"}}]
_FADED = {"condition": {"param": "mark", "value": 1, "empty": True}, "value": 0.35}


def _number(field: str, title: str | None = None, form: str = "", ticks: int = 5, **scale: Any) -> Spec:
    axis = {"format": form, "tickCount": ticks}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}


def _name(field: str, order: Sequence[str] | None = None, limit: int = 170, **axis: Any) -> Spec:
    return {"field": field, "type": "nominal", "title": None, "sort": order, "axis": {"labelLimit": limit, **axis}}


def _colors(field: str, colors: Mapping[str, str]) -> Spec:
    scale = {"domain": list(colors), "range": list(colors.values())}
    return {"field": field, "type": "nominal", "title": None, "scale": scale, "legend": None}


def _there(colors: Mapping[str, str], column: pd.Series) -> dict[str, str]:
    """The colours of what a column holds."""
    there = set(column)
    return {name: color for name, color in colors.items() if name in there}


def _tips(*names: str, numbers: Mapping[str, tuple[str, str]]) -> list[Spec]:
    """What a mark says of itself; of each number, its title and its format."""
    when = [{"field": "time", "type": "temporal", "format": "%d %b %H:%M"}] if "time" in names else []
    said: list[Spec] = [{"field": name, "type": "nominal"} for name in names if name != "time"]
    return (
        when
        + said
        + [
            {"field": name, "type": "quantitative", "title": title, "format": form}
            for name, (title, form) in numbers.items()
        ]
    )


def _step(pixels: int, per: str = "position") -> Spec:
    return {"step": pixels, "for": per}


# --- Over time -------------------------------------------------------------------------------------


def _when(shown: Shown) -> Spec:
    """The time axis: always the whole span, so that charts stand above each other, from its first bucket on."""
    first, last = shown.span
    span = [datetime.fromtimestamp(at, UTC).isoformat() for at in (first // shown.width * shown.width, last)]
    days = (last - first) / 86_400
    axis = {"tickCount": 6, "format": "%a %H:%M" if days <= 2 else "%d %b" if days < 300 else "%b %Y"}
    return {"field": "time", "type": "temporal", "title": None, "axis": axis, "scale": {"domain": span}}


def _stacked(shown: Shown, frame: pd.DataFrame, by: str, order: Sequence[str]) -> pd.DataFrame:
    """Where each piece of a bucket's column begins and ends."""
    frame = frame.assign(order=frame[by].map({name: number for number, name in enumerate(order)})).sort_values("order")
    top = frame.groupby("time")["value"].cumsum()
    return frame.assign(bottom=top - frame["value"], top=top, until=frame["time"] + pd.Timedelta(seconds=shown.width))


def _columns(shown: Shown, *, color: Spec, y: str, form: str, tips: list[Spec]) -> Spec:
    return {
        "params": _CLICK,
        "mark": {"type": "rect", "cornerRadius": 1, "xOffset": 0.5, "x2Offset": -0.5, "clip": True},
        "encoding": {
            "x": _when(shown),
            "x2": {"field": "until"},
            "y": _number("bottom", y, form),
            "y2": {"field": "top"},
            "color": color,
            "opacity": _FADED,
            "tooltip": tips,
        },
    }


def endings(shown: Shown, frame: pd.DataFrame) -> Picture:
    """What became of the requests, over time."""
    colors = _there(ENDINGS, frame["ending"])
    tips = _tips("time", "ending", numbers={"value": ("requests", ",d")})
    layer = [_columns(shown, color=_colors("ending", colors), y="requests", form="~s", tips=tips)]
    return Picture(_stacked(shown, frame, "ending", [*colors]), {"height": _TALL, "layer": layer}, colors)


def failures_over_time(shown: Shown, frame: pd.DataFrame) -> Picture:
    """The share of calls that failed, by reason; the line is the interval of all of them together."""
    frame = frame.assign(reason=frame.get("reason"))  # there is none where nothing failed
    split, whole = frame[frame["figure"] == "failures"], frame[frame["figure"] == "failed_share"]
    colors = _by_weight(shown, split, len(REASONS))
    tips = _tips("time", "reason", numbers=_SHARE)
    columns = _columns(shown, color=_colors("reason", colors), y="of calls", form="~%", tips=tips)
    whiskers = {
        "transform": [{"filter": "datum.figure == 'failed_share'"}],
        "mark": {"type": "rule", "color": ink(), "opacity": 0.55},
        "encoding": {
            "x": {**_when(shown), "field": "beside"},
            "y": _number("low", "of calls", "~%"),
            "y2": {"field": "high"},
            "tooltip": _tips("time", numbers=_SHARE),
        },
    }
    pieces = _stacked(shown, split[split["reason"].isin([*colors])], "reason", [*colors])
    # Near the edge: in the middle, a click on a piece would meet the line.
    beside = whole.assign(beside=whole["time"] + pd.Timedelta(seconds=shown.width * 0.88))
    columns["transform"] = [{"filter": "datum.figure == 'failures'"}]
    return Picture(pd.concat([pieces, beside]), {"height": _TALL, "layer": [columns, whiskers]}, colors)


def cost_over_time(shown: Shown, frame: pd.DataFrame) -> Picture:
    """What requests cost, over time."""
    tips = _tips("time", numbers=_DOLLARS)
    layer = [_columns(shown, color={"value": _BAR}, y="US dollars", form="$,~r", tips=tips)]
    return Picture(_stacked(shown, frame.assign(all=""), "all", [""]), {"height": _TALL, "layer": layer})


def latency_over_time(shown: Shown, frame: pd.DataFrame) -> Picture:
    """Each model's calls, over time; a triangle where they timed out."""
    known, late = [{"filter": "isValid(datum.value)"}], [{"filter": "datum.timed_out"}]
    y = _number("value", "seconds", "~r", type="log", nice=False)
    colors = model_colors(shown)
    at = {"x": _when(shown), "color": _colors("model", colors)}
    layer = [
        {"transform": known, "mark": {"type": "line", "strokeWidth": 1.5, "opacity": 0.7}, "encoding": {**at, "y": y}},
        {
            "params": _CLICK,
            "transform": known,
            "mark": {"type": "circle", "size": 36},
            "encoding": {**at, "y": y, "opacity": _FADED, "tooltip": _tips("time", "model", numbers=_SECONDS)},
        },
        {
            "transform": late,
            "mark": {"type": "point", "shape": "triangle-up", "filled": True, "size": 60},
            "encoding": {
                **at,
                "y": {"value": 6},
                "tooltip": _tips("time", "model", "timed_out", numbers={"rows": ("of", ",d")}),
            },
        },
    ]
    return Picture(frame, {"height": _TALL, "layer": layer}, _there(colors, frame["model"]))


# --- By model --------------------------------------------------------------------------------------


def chosen(shown: Shown, frame: pd.DataFrame) -> Picture:
    """Who answered at each place of each category's chain."""
    frame = frame.assign(line=frame["category"] + " · " + frame["place"])
    lines = frame.drop_duplicates("line").sort_values(["category", "place"], key=_placed)["line"].tolist()
    tips = _tips("category", "place", "model", numbers=_SHARE)
    x = _number("value", "of the category's answers", "~%")
    return _bars(frame, _name("line", lines), x, model_colors(shown), tips, step=26)


def _placed(column: pd.Series) -> pd.Series:
    """Places by their numbers: fallback 2 stands before fallback 10."""
    return column.str.extract(r"(\d+)")[0].astype(float).fillna(0) if column.name == "place" else column


def cost(shown: Shown, frame: pd.DataFrame) -> Picture:
    """What each category's calls cost, by model, failed ones included."""
    order = frame.groupby("category")["value"].sum().sort_values(ascending=False).index.tolist()
    tips = _tips("category", "model", numbers=_DOLLARS)
    x = _number("value", "US dollars", "$,~r")
    return _bars(frame, _name("category", order), x, model_colors(shown), tips, step=34)


def _bars(frame: pd.DataFrame, y: Spec, x: Spec, models: Mapping[str, str], tips: list[Spec], *, step: int) -> Picture:
    bar = {
        "params": _CLICK,
        "mark": {"type": "bar", "height": 16},
        "encoding": {
            "y": y,
            "x": x,
            "color": _colors("model", models),
            "order": {"field": "value", "type": "quantitative", "sort": "descending"},
            "opacity": _FADED,
            "tooltip": tips,
        },
    }
    return Picture(frame, {"height": _step(step), "layer": [bar]}, _there(models, frame["model"]))


def latency(shown: Shown, frame: pd.DataFrame) -> Picture:
    """The times of each model's calls: the box holds the middle half, the line all from p5 to p95, the dot is p99."""
    names = ["p5", "p25", "p50", "p75", "p95", "p99"]
    named = frame.assign(name=frame["quantile"].map(lambda share: f"p{share * 100:.0f}"))
    wide = named.pivot_table(index="model", columns="name", values="value", dropna=False).reindex(columns=names)
    wide = wide.join(frame[frame["quantile"] == 0.5].set_index("model")[["row", "rows"]])
    wide = wide.join(
        frame[frame["timed_out"]].groupby("model")["quantile"].min().rename("timed_out_from")
    ).reset_index()
    # What timed out has no time: it is drawn to the edge, and the tooltip and the table say so.
    edge = wide[names].max().max() * 1.3
    wide = wide.assign(**{f"to_{name}": wide[name].fillna(edge) for name in names[:-1]})
    numbers = {**{name: (f"{name}, seconds", ".3~r") for name in names}, "rows": ("of", ",d")}
    if wide["timed_out_from"].notna().any():
        numbers["timed_out_from"] = ("timed out from", ".0%")

    def at(field: str) -> Spec:
        return _number(field, "seconds", "~r", 6, type="log", nice=False)

    layer = [
        {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {"x": at("to_p5"), "x2": {"field": "to_p95"}}},
        {
            "params": _CLICK,
            "mark": {"type": "bar", "height": 14, "cornerRadius": 2},
            "encoding": {"x": at("to_p25"), "x2": {"field": "to_p75"}, "opacity": _FADED},
        },
        {
            "mark": {"type": "tick", "thickness": 2, "height": 18},
            "encoding": {"x": at("to_p50"), "color": {"value": ink()}},
        },
        {"mark": {"type": "circle", "size": 28}, "encoding": {"x": at("p99")}},
    ]
    encoding = {
        "y": _name("model", wide.sort_values("to_p50")["model"].tolist()),
        "color": _colors("model", model_colors(shown)),
        "tooltip": _tips("model", numbers=numbers),
    }
    return Picture(wide, {"height": _step(34), "encoding": encoding, "layer": layer})


def speed(shown: Shown, frame: pd.DataFrame) -> Picture:
    """Output tokens a second of each model, the median with its interval."""
    layer = [
        {
            "params": _CLICK,
            "mark": {"type": "bar", "height": 14, "cornerRadius": 2},
            "encoding": {
                "x": _number("value", "tokens/s", "~s", domainMin=0),
                "color": _colors("model", model_colors(shown)),
                "opacity": _FADED,
            },
        },
        {
            "mark": {"type": "rule", "color": ink()},
            "encoding": {"x": _number("low", "tokens/s", "~s"), "x2": {"field": "high"}},
        },
    ]
    order = frame.sort_values("value", ascending=False)["model"].tolist()
    encoding = {"y": _name("model", order), "tooltip": _tips("model", numbers=_RATE)}
    return Picture(frame, {"height": _step(26), "encoding": encoding, "layer": layer})


def failures(shown: Shown, frame: pd.DataFrame) -> Picture:
    """How often each model's calls failed, by reason, with intervals."""
    colors = _by_weight(shown, frame, REASONS_OF_MODEL)
    frame = frame[frame["reason"].isin([*colors])]
    order = frame.groupby("model")["value"].sum().sort_values(ascending=False).index.tolist()
    y = _name("model", order, grid=True, tickBand="extent")
    x = _number("low", "of the model's calls", "~%")
    return _dots(frame, y=y, x=x, by="reason", colors=colors)


def availability(_: Shown, frame: pd.DataFrame) -> Picture:
    """How often each model answered what came to it, and what share of the failed primaries it rescued."""
    words = {"availability": "answered what came to it", "rescues": "rescued of what primaries failed"}
    frame = frame.assign(figure=frame["figure"].map(words))
    models = frame[frame["figure"] == words["availability"]].sort_values("value")["model"].tolist()
    x = _number("low", "share of requests", "~%", domain=[0, 1])
    colors = dict(zip(words.values(), (_BAR, "#56b4e9"), strict=True))
    return _dots(frame, y=_name("model", models), x=x, by="figure", colors=colors)


def _dots(frame: pd.DataFrame, *, y: Spec, x: Spec, by: str, colors: Mapping[str, str]) -> Picture:
    """A value and its interval a line, the lines of one model together."""
    layer = [
        {"mark": {"type": "rule", "opacity": 0.8}, "encoding": {"x": x, "x2": {"field": "high"}}},
        {
            "params": _CLICK,
            "mark": {"type": "circle", "size": 56, "opacity": 1},
            "encoding": {"x": {**x, "field": "value"}, "opacity": _FADED},
        },
    ]
    encoding = {
        "y": y,
        "yOffset": {"field": by, "type": "nominal", "sort": [*colors]},
        "color": _colors(by, colors),
        "tooltip": _tips("model", by, numbers=_SHARE),
    }
    return Picture(frame, {"height": _step(10, "offset"), "encoding": encoding, "layer": layer}, colors)


def together(_: Shown, frame: pd.DataFrame) -> Picture:
    """Where a model failed, how often the one that was asked next failed too."""
    most = max(0.2, frame["value"].max())
    color = {
        "field": "value",
        "type": "quantitative",
        "scale": {"scheme": "oranges", "domain": [0, most]},
        "legend": None,
    }
    ink = {"condition": {"test": f"datum.value > {most * 0.6}", "value": "#ffffff"}, "value": "#17211f"}
    layer = [
        {
            "params": _CLICK,
            "mark": {"type": "rect", "cornerRadius": 2},
            "encoding": {"color": color, "opacity": _FADED},
        },
        {
            "mark": {"type": "text", "fontSize": 11},
            "encoding": {"text": {"field": "value", "type": "quantitative", "format": ".1~%"}, "color": ink},
        },
    ]
    encoding = {
        "y": {**_name("model", limit=150), "title": "failed"},
        "x": {**_name("other", labelAngle=-30, labelOverlap=False), "title": "asked next"},
        "tooltip": _tips("model", "other", numbers=_SHARE),
    }
    return Picture(frame, {"height": _step(34), "encoding": encoding, "layer": layer})


def _by_weight(shown: Shown, frame: pd.DataFrame, most: int) -> dict[str, str]:
    """The most frequent reasons first, each with its colour on all charts."""
    colors = dict(zip(shown.reasons, itertools.cycle(REASONS), strict=False))
    weight = (frame["value"] * frame["rows"]).groupby(frame["reason"]).sum()
    return {reason: colors[reason] for reason in weight.sort_values(ascending=False).index[:most]}
