"""Charts by model and by category: each a function from rows to Vega-Lite; every row is a clickable mark."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from components.dashboard import vega
from components.dashboard.colors import diverging, model_colors
from components.dashboard.view_model import ViewModel
from components.shared.chart_colors import ink

REASONS_OF_MODEL = 5
"""The number of reasons drawn for each model."""


def chosen(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """Which model answered at each place of each category's chain."""
    frame = frame.assign(line=frame["category"] + " · " + frame["place"])
    lines = frame.drop_duplicates("line").sort_values(["category", "place"], key=_placed)["line"].tolist()
    tips = vega.tips("category", "place", "model", numbers=vega.SHARE)
    x = vega.quantitative("value", "of the category's answers", "~%")
    return _bars(frame, vega.nominal("line", lines), x, model_colors(shown), tips, step=26)


def _placed(column: pd.Series) -> pd.Series:
    """Places in numeric order: fallback 2 before fallback 10."""
    return column.str.extract(r"(\d+)")[0].astype(float).fillna(0) if column.name == "place" else column


def cost(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """The cost of each category's calls by model, including failed ones."""
    order = frame.groupby("category")["value"].sum().sort_values(ascending=False).index.tolist()
    tips = vega.tips("category", "model", numbers=vega.DOLLARS)
    x = vega.quantitative("value", "US dollars", "$,~r")
    return _bars(frame, vega.nominal("category", order), x, model_colors(shown), tips, step=34)


def _bars(
    frame: pd.DataFrame, y: vega.Spec, x: vega.Spec, models: Mapping[str, str], tips: list[vega.Spec], *, step: int
) -> vega.Picture:
    bar = {
        "params": vega.CLICK,
        "mark": {"type": "bar", "height": 16},
        "encoding": {
            "y": y,
            "x": x,
            "color": vega.color_by("model", models),
            "order": {"field": "value", "type": "quantitative", "sort": "descending"},
            "opacity": vega.FADED,
            "tooltip": tips,
        },
    }
    return vega.Picture(frame, {"height": vega.step(step), "layer": [bar]}, vega.present(models, frame["model"]))


def latency(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """Each model's latency: box for the middle half, line from p5 to p95, dot at p99."""
    names = ["p5", "p25", "p50", "p75", "p95", "p99"]
    named = frame.assign(name=frame["quantile"].map(lambda share: f"p{share * 100:.0f}"))
    wide = named.pivot_table(index="model", columns="name", values="value", dropna=False).reindex(columns=names)
    wide = wide.join(frame[frame["quantile"] == 0.5].set_index("model")[["row", "rows"]])
    wide = wide.join(
        frame[frame["timed_out"]].groupby("model")["quantile"].min().rename("timed_out_from")
    ).reset_index()
    # Timeouts have no latency: they are drawn to the edge; tooltip and table say so.
    edge = wide[names].max().max() * 1.3
    wide = wide.assign(**{f"to_{name}": wide[name].fillna(edge) for name in names[:-1]})
    numbers = {**{name: (f"{name}, seconds", ".3~r") for name in names}, "rows": ("of", ",d")}
    if wide["timed_out_from"].notna().any():
        numbers["timed_out_from"] = ("timed out from", ".0%")

    def at(field: str) -> vega.Spec:
        return vega.quantitative(field, "seconds", "~r", 6, type="log", nice=False)

    layer = [
        {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {"x": at("to_p5"), "x2": {"field": "to_p95"}}},
        {
            "params": vega.CLICK,
            "mark": {"type": "bar", "height": 14, "cornerRadius": 2},
            "encoding": {"x": at("to_p25"), "x2": {"field": "to_p75"}, "opacity": vega.FADED},
        },
        {
            "mark": {"type": "tick", "thickness": 2, "height": 18},
            "encoding": {"x": at("to_p50"), "color": {"value": ink()}},
        },
        {"mark": {"type": "circle", "size": 28}, "encoding": {"x": at("p99")}},
    ]
    encoding = {
        "y": vega.nominal("model", wide.sort_values("to_p50")["model"].tolist()),
        "color": vega.color_by("model", model_colors(shown)),
        "tooltip": vega.tips("model", numbers=numbers),
    }
    return vega.Picture(wide, {"height": vega.step(34), "encoding": encoding, "layer": layer})


def speed(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """Each model's median output tokens per second, with its interval."""
    layer = [
        {
            "params": vega.CLICK,
            "mark": {"type": "bar", "height": 14, "cornerRadius": 2},
            "encoding": {
                "x": vega.quantitative("value", "tokens/s", "~s", domainMin=0),
                "color": vega.color_by("model", model_colors(shown)),
                "opacity": vega.FADED,
            },
        },
        {
            "mark": vega.named({"type": "rule", "color": ink()}, frame["low"].dropna()),
            "encoding": {"x": vega.quantitative("low", "tokens/s", "~s"), "x2": {"field": "high"}},
        },
    ]
    order = frame.sort_values("value", ascending=False)["model"].tolist()
    encoding = {"y": vega.nominal("model", order), "tooltip": vega.tips("model", numbers=vega.RATE)}
    return vega.Picture(frame, {"height": vega.step(26), "encoding": encoding, "layer": layer})


def failures(shown: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """Each model's failure rate by reason, with intervals."""
    colors = vega.by_weight(shown, frame, REASONS_OF_MODEL)
    frame = frame[frame["reason"].isin([*colors])]
    order = frame.groupby("model")["value"].sum().sort_values(ascending=False).index.tolist()
    y = vega.nominal("model", order, grid=True, tickBand="extent")
    x = vega.quantitative("low", "of the model's calls", "~%")
    return _dots(frame, y=y, x=x, by="reason", colors=colors)


def availability(_: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """How often each model answered, of all its requests and of those that reached it as a fallback."""
    words = {"availability": "answered, of its requests", "rescues": "rescued, of those that reached it as a fallback"}
    frame = frame.assign(figure=frame["figure"].map(words))
    models = frame[frame["figure"] == words["availability"]].sort_values("value")["model"].tolist()
    x = vega.quantitative("low", "share of requests", "~%", domain=[0, 1])
    colors = dict(zip(words.values(), (vega.BAR, "#56b4e9"), strict=True))
    return _dots(frame, y=vega.nominal("model", models), x=x, by="figure", colors=colors)


def _dots(frame: pd.DataFrame, *, y: vega.Spec, x: vega.Spec, by: str, colors: Mapping[str, str]) -> vega.Picture:
    """A value and its interval per line, grouped by model."""
    layer = [
        {"mark": {"type": "rule", "opacity": 0.8}, "encoding": {"x": x, "x2": {"field": "high"}}},
        {
            "params": vega.CLICK,
            "mark": {"type": "circle", "size": 56, "opacity": 1},
            "encoding": {"x": {**x, "field": "value"}, "opacity": vega.FADED},
        },
    ]
    encoding = {
        "y": y,
        "yOffset": {"field": by, "type": "nominal", "sort": [*colors]},
        "color": vega.color_by(by, colors),
        "tooltip": vega.tips("model", by, numbers=vega.SHARE),
    }
    return vega.Picture(frame, {"height": vega.step(10, "offset"), "encoding": encoding, "layer": layer}, colors)


def together(_: ViewModel, frame: pd.DataFrame) -> vega.Picture:
    """When a model failed, how much more often than otherwise the next model failed too."""
    pair = ["model", "other"]
    lifts = frame[frame["figure"] == "failing_lift"].set_index(pair)[["value", "low", "high"]].add_prefix("lift_")
    frame = frame[frame["figure"] == "failing_together"].join(lifts, on=pair)
    lift = frame["lift_value"]
    words = lift.map(lambda value: "no baseline" if pd.isna(value) else f"{100 * value:+.1f}")
    frame = frame.assign(
        otherwise=frame["value"] - lift,
        words=words + frame["rows"].map("\nn = {:,}".format),
        # Without a number, Vega-Lite leaves the whole mark out.
        tint=lift.where((frame["lift_low"] > 0) | (frame["lift_high"] < 0), 0.0),
    )
    most = max(0.1, lift.abs().max()) if lift.notna().any() else 0.1
    scale = {"domain": [-most, 0, most], "range": [*diverging()]}
    color = {"field": "tint", "type": "quantitative", "scale": scale, "legend": None}
    layer = [
        {
            "params": vega.CLICK,
            "mark": {"type": "rect", "cornerRadius": 2},
            "encoding": {"color": color, "opacity": vega.FADED},
        },
        {
            "mark": {"type": "text", "fontSize": 11, "lineBreak": "\n", "baseline": "middle", "dy": -6},
            "encoding": {"text": {"field": "words", "type": "nominal"}, "color": {"value": ink()}},
        },
    ]
    numbers = {
        "value": ("failed too", ".1%"),
        "rows": ("of", ",d"),
        "otherwise": ("fails otherwise", ".1%"),
        "lift_value": ("difference", "+.1%"),
        "lift_low": ("95% from", "+.1%"),
        "lift_high": ("to", "+.1%"),
    }
    encoding = {
        "y": {**vega.nominal("model", limit=150), "title": "failed"},
        "x": {**vega.nominal("other", labelAngle=-30, labelOverlap=False), "title": "next model"},
        "tooltip": vega.tips(*pair, numbers=numbers),
    }
    return vega.Picture(frame, {"height": vega.step(38), "encoding": encoding, "layer": layer})
