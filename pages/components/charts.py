"""The dashboard's charts: each a function from marks to a picture, in which a row is a mark that can be clicked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from altair.utils.schemapi import debug_mode

from components.shown import Shown

# Okabe and Ito (2008), a little lighter where they must be seen on dark: told apart without full colour vision.
ENDINGS: Mapping[str, str] = {
    "primary": "#14988b",
    "fallback": "#56b4e9",
    "failed": "#d55e00",
    "stopped": "#e69f00",
    "cache": "#9aa7a5",
    "shared": "#b9c2c0",
    "stand-in": "#cc79a7",
    "no key": "#7d6b8a",
}
REASONS = ("#d55e00", "#e69f00", "#56b4e9", "#cc79a7", "#14988b", "#0072b2", "#8b9795", "#f0e442")
REASONS_OF_MODEL = 5
"""So many reasons are drawn for each model."""
_BAR = "#14988b"
_CLICKED = "mark"
_TALL = 260
"""Pixels, of charts over time."""


def spec(draw: Callable[[Shown, pd.DataFrame], Any], shown: Shown, frame: pd.DataFrame) -> dict[str, Any]:
    """A chart as Vega-Lite."""
    # Each part would be validated when it is made, and the whole again: half a second for a page.
    with debug_mode(False):
        found: dict[str, Any] = alt.layer(draw(shown, frame)).to_dict(validate=False)
    return found


def _ink() -> str:
    return "#e6eeec" if st.context.theme.type == "dark" else "#17211f"


def _click() -> alt.Parameter:
    return alt.selection_point(name=_CLICKED, fields=["row"], on="click", clear="dblclick")


def _faded() -> Any:
    return alt.condition(_CLICKED, alt.value(1.0), alt.value(0.35), empty=True)


def _colors(title: str | None, domain: Sequence[str], field: str, colors: Sequence[str] | None = None) -> alt.Color:
    scale = alt.Scale(domain=list(domain), range=list(colors)) if colors else alt.Scale(domain=list(domain))
    return alt.Color(
        f"{field}:N",
        title=title,
        scale=scale,
        legend=alt.Legend(orient="top", columns=3, labelLimit=220, symbolSize=60, offset=2),
    )


def _tips(*fields: str, **formats: str) -> list[alt.Tooltip]:
    plain = [alt.Tooltip(field) for field in fields]
    return plain + [alt.Tooltip(f"{field}:Q", format=form) for field, form in formats.items()]


_SHARE_TIPS = {"value": ".1%", "low": ".1%", "high": ".1%", "rows": ",d"}
_SECONDS_TIPS = {"value": ".3~r", "low": ".3~r", "high": ".3~r", "rows": ",d"}


def _when(shown: Shown) -> alt.X:
    """The time axis: always the whole span, so that charts stand above each other."""
    span = [shown.bucket(at - shown.width * bool(end))[bool(end)] for end, at in enumerate(shown.span)]
    return alt.X(
        "time:T", title=None, scale=alt.Scale(domain=[at.isoformat() for at in span]), axis=alt.Axis(tickCount=6)
    )


def _stacked(shown: Shown, frame: pd.DataFrame, by: str, order: Sequence[str]) -> pd.DataFrame:
    """Where each piece of a bucket's column begins and ends."""
    frame = frame.assign(order=frame[by].map({name: number for number, name in enumerate(order)})).sort_values("order")
    top = frame.groupby("time")["value"].cumsum()
    ends = [shown.bucket(at.timestamp())[1] for at in frame["time"]]
    return frame.assign(bottom=top - frame["value"], top=top, until=ends)


def _columns(shown: Shown, frame: pd.DataFrame, *, color: Any, y: str, form: str, tips: list[alt.Tooltip]) -> alt.Chart:
    return (
        alt.Chart(frame, height=_TALL)
        .mark_rect(stroke=None, cornerRadius=1, xOffset=0.5, x2Offset=-0.5)
        .encode(
            x=_when(shown),
            x2="until:T",
            y=alt.Y("bottom:Q", title=y, axis=alt.Axis(format=form, tickCount=5)),
            y2="top:Q",
            color=color,
            opacity=_faded(),
            tooltip=[alt.Tooltip("time:T", format="%d %b %H:%M"), *tips],
        )
        .add_params(_click())
    )


# --- Over time -------------------------------------------------------------------------------------


def endings(shown: Shown, frame: pd.DataFrame) -> alt.Chart:
    """What became of the requests, over time."""
    there = [name for name in ENDINGS if name in set(frame["ending"])]
    color = _colors(None, there, "ending", [ENDINGS[name] for name in there])
    tips = _tips("ending", value=",d")
    pieces = _stacked(shown, frame, "ending", there)
    return _columns(shown, pieces, color=color, y="requests", form="~s", tips=tips)


def failures_over_time(shown: Shown, frame: pd.DataFrame) -> alt.LayerChart:
    """The share of calls that failed, by reason; the line is the interval of all of them together."""
    split, whole = frame[frame["figure"] == "failures"], frame[frame["figure"] == "failed_share"]
    reasons = _by_weight(split, "reason")
    color = _colors(None, reasons, "reason", REASONS)
    pieces = _stacked(shown, split, "reason", reasons)
    columns = _columns(shown, pieces, color=color, y="of calls", form="~%", tips=_tips("reason", **_SHARE_TIPS))
    middle = whole.assign(middle=[at + (shown.bucket(at.timestamp())[1] - at) / 2 for at in whole["time"]])
    bounds = (
        alt.Chart(middle)
        .mark_rule(color=_ink(), opacity=0.55)
        .encode(x="middle:T", y="low:Q", y2="high:Q", tooltip=_tips(**_SHARE_TIPS))
    )
    return columns + bounds


def cost_over_time(shown: Shown, frame: pd.DataFrame) -> alt.Chart:
    """What requests cost, over time."""
    pieces = _stacked(shown, frame.assign(all="all"), "all", ["all"])
    tips = _tips(value="$.4~r", rows=",d", unknown=",d")
    return _columns(shown, pieces, color=alt.value(_BAR), y="US dollars", form="$~s", tips=tips)


def latency_over_time(shown: Shown, frame: pd.DataFrame) -> alt.LayerChart:
    """Each model's calls, over time; a triangle where they timed out."""
    base = alt.Chart(frame, height=_TALL).encode(x=_when(shown), color=_colors(None, shown.models, "model"))
    known = base.transform_filter("isValid(datum.value)")
    tips = [alt.Tooltip("time:T", format="%d %b %H:%M"), *_tips("model", **_SECONDS_TIPS)]
    y = alt.Y(
        "value:Q", title="seconds", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~r", tickCount=5)
    )
    lines = known.mark_line(strokeWidth=1.5, opacity=0.7).encode(y=y)
    points = known.mark_circle(size=36).encode(y=y, opacity=_faded(), tooltip=tips).add_params(_click())
    late = (
        base.transform_filter("datum.timed_out")
        .mark_point(shape="triangle-up", filled=True, size=60)
        .encode(y=alt.value(6), tooltip=[alt.Tooltip("model"), alt.Tooltip("timed_out", title="timed out")])
    )
    return lines + points + late


# --- By model --------------------------------------------------------------------------------------


def chosen(shown: Shown, frame: pd.DataFrame) -> alt.Chart:
    """Who answered at each place of each category's chain."""
    frame = frame.assign(line=frame["category"] + " · " + frame["place"])
    lines = frame.drop_duplicates("line").sort_values(["category", "place"], key=_placed)["line"].tolist()
    return (
        alt.Chart(frame, height=alt.Step(26))
        .mark_bar(height=16)
        .encode(
            y=alt.Y("line:N", title=None, sort=lines, axis=alt.Axis(labelLimit=170)),
            x=alt.X("value:Q", title="of the category's answers", axis=alt.Axis(format="~%", tickCount=5)),
            color=_colors(None, shown.models, "model"),
            order=alt.Order("value:Q", sort="descending"),
            opacity=_faded(),
            tooltip=_tips("category", "place", "model", **_SHARE_TIPS),
        )
        .add_params(_click())
    )


def _placed(column: pd.Series) -> pd.Series:
    return column.replace({"primary": ""}) if column.name == "place" else column


def latency(shown: Shown, frame: pd.DataFrame) -> alt.LayerChart:
    """The times of each model's calls: the box holds the middle half, the line all from p5 to p95, the dot is p99."""
    names = frame["quantile"].map(lambda share: f"p{share * 100:.0f}")
    wide = frame.assign(name=names).pivot_table(index="model", columns="name", values="value", dropna=False)
    late = frame[frame["timed_out"]].groupby("model")["quantile"].min()
    middle = frame[frame["quantile"] == 0.5].set_index("model")
    wide = wide.join(middle[["row", "low", "high", "rows"]]).join(late.rename("late")).reset_index()
    # What timed out has no time: it is drawn to the edge, and the table says so.
    edge = wide[["p5", "p25", "p50", "p75", "p95", "p99"]].max().max() * 1.3
    wide = wide.fillna(dict.fromkeys(("p5", "p25", "p50", "p75", "p95"), edge))
    order = wide.sort_values("p50")["model"].tolist()
    base = alt.Chart(wide, height=alt.Step(34)).encode(
        y=alt.Y("model:N", title=None, sort=order, axis=alt.Axis(labelLimit=170)),
        color=alt.Color("model:N", scale=alt.Scale(domain=shown.models), legend=None),
        tooltip=[
            alt.Tooltip("model"),
            *_tips(**dict.fromkeys(("p5", "p25", "p50", "p75", "p95", "p99"), ".3~r"), rows=",d"),
            alt.Tooltip("late:Q", title="timed out from share"),
        ],
    )
    x = alt.X("p5:Q", title="seconds", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~r", tickCount=6))
    line = base.mark_rule(strokeWidth=1.5).encode(x=x, x2="p95:Q")
    box = base.mark_bar(height=14, cornerRadius=2).encode(x="p25:Q", x2="p75:Q", opacity=_faded()).add_params(_click())
    tick = base.mark_tick(color=_ink(), thickness=2, height=18).encode(x="p50:Q", color=alt.value(_ink()))
    tail = base.mark_circle(size=28).encode(x="p99:Q")
    return line + box + tick + tail


def speed(shown: Shown, frame: pd.DataFrame) -> alt.LayerChart:
    """Output tokens a second of each model, the median with its interval."""
    return _whiskers(frame, "model", shown, title="tokens/s", form="~s", tips={**_SHARE_TIPS, **_SECONDS_TIPS})


def failures(_: Shown, frame: pd.DataFrame) -> alt.LayerChart:
    """How often each model's calls failed, by reason, with intervals."""
    reasons = _by_weight(frame, "reason", REASONS_OF_MODEL)
    frame = frame[frame["reason"].isin(reasons)]
    order = frame.groupby("model")["value"].sum().sort_values(ascending=False).index.tolist()
    base = alt.Chart(frame, height=alt.Step(9)).encode(
        y=alt.Y("model:N", title=None, sort=order, axis=alt.Axis(labelLimit=170, grid=True, tickBand="extent")),
        yOffset=alt.YOffset("reason:N", sort=reasons),
        color=_colors(None, reasons, "reason", REASONS),
        tooltip=_tips("model", "reason", **_SHARE_TIPS),
    )
    x = alt.X("low:Q", title="of the model's calls", axis=alt.Axis(format="~%", tickCount=5))
    return base.mark_rule(opacity=0.8).encode(x=x, x2="high:Q") + base.mark_circle(size=50).encode(
        x="value:Q", opacity=_faded()
    ).add_params(_click())


def availability(_: Shown, frame: pd.DataFrame) -> alt.LayerChart:
    """How often each model answered what came to it, and what share of the failed primaries it rescued."""
    words = {"availability": "answered what came to it", "rescues": "rescued of what the primaries failed"}
    frame = frame.assign(figure=frame["figure"].map(words))
    order = frame[frame["figure"] == words["availability"]].sort_values("value")["model"].tolist()
    base = alt.Chart(frame, height=alt.Step(13)).encode(
        y=alt.Y("model:N", title=None, sort=order, axis=alt.Axis(labelLimit=170)),
        yOffset=alt.YOffset("figure:N", sort=list(words.values())),
        color=_colors(None, list(words.values()), "figure", [_BAR, "#56b4e9"]),
        tooltip=_tips("model", "figure", **_SHARE_TIPS),
    )
    x = alt.X(
        "low:Q", title="share of requests", axis=alt.Axis(format="~%", tickCount=5), scale=alt.Scale(domain=[0, 1])
    )
    return base.mark_rule(opacity=0.8).encode(x=x, x2="high:Q") + base.mark_circle(size=60).encode(
        x="value:Q", opacity=_faded()
    ).add_params(_click())


def together(_: Shown, frame: pd.DataFrame) -> alt.LayerChart:
    """Where a model failed, how often the one that was asked next failed too."""
    base = alt.Chart(frame, height=alt.Step(34)).encode(
        y=alt.Y("model:N", title="failed", axis=alt.Axis(labelLimit=150)),
        x=alt.X("other:N", title="asked next", axis=alt.Axis(labelLimit=110, labelAngle=-30, labelOverlap=False)),
        tooltip=_tips("model", "other", **_SHARE_TIPS),
    )
    heat = base.mark_rect(cornerRadius=2).encode(
        color=alt.Color(
            "value:Q", scale=alt.Scale(scheme="oranges", domain=[0, max(0.2, frame["value"].max())]), legend=None
        ),
        opacity=_faded(),
    )
    dark = alt.condition(
        f"datum.value > {max(0.2, frame['value'].max()) * 0.6}", alt.value("#ffffff"), alt.value("#17211f")
    )
    return heat.add_params(_click()) + base.mark_text(fontSize=11).encode(
        text=alt.Text("value:Q", format=".0%"), color=dark
    )


def cost(shown: Shown, frame: pd.DataFrame) -> alt.Chart:
    """What each category's calls cost, by model, failed ones included."""
    order = frame.groupby("category")["value"].sum().sort_values(ascending=False).index.tolist()
    return (
        alt.Chart(frame, height=alt.Step(34))
        .mark_bar(height=18)
        .encode(
            y=alt.Y("category:N", title=None, sort=order),
            x=alt.X("value:Q", title="US dollars", axis=alt.Axis(format="$~s", tickCount=5)),
            color=_colors(None, shown.models, "model"),
            order=alt.Order("value:Q", sort="descending"),
            opacity=_faded(),
            tooltip=_tips("category", "model", value="$.4~r", rows=",d", unknown=",d"),
        )
        .add_params(_click())
    )


def _whiskers(
    frame: pd.DataFrame, by: str, shown: Shown, *, title: str, form: str, tips: Mapping[str, str]
) -> alt.LayerChart:
    order = frame.sort_values("value", ascending=False)[by].tolist()
    base = alt.Chart(frame, height=alt.Step(26)).encode(
        y=alt.Y(f"{by}:N", title=None, sort=order, axis=alt.Axis(labelLimit=170)),
        tooltip=_tips(by, **tips),
    )
    x = alt.X("value:Q", title=title, axis=alt.Axis(format=form, tickCount=5), scale=alt.Scale(domainMin=0))
    color = alt.Color("model:N", scale=alt.Scale(domain=shown.models), legend=None)
    bars = base.mark_bar(height=14, cornerRadius=2).encode(x=x, color=color, opacity=_faded()).add_params(_click())
    return bars + base.mark_rule(color=_ink()).encode(x="low:Q", x2="high:Q")


def _by_weight(frame: pd.DataFrame, by: str, most: int = len(REASONS)) -> list[str]:
    """The most frequent first, as many as there are colours."""
    weight = (frame["value"] * frame["rows"]).groupby(frame[by]).sum()
    return [str(name) for name in weight.sort_values(ascending=False).index[:most]]


# --- The flow --------------------------------------------------------------------------------------


def sankey(shown: Shown, frame: pd.DataFrame) -> dict[str, Any]:
    """The way of the requests, as ECharts draws it; a model has a node at each stage it was asked in."""
    ends = {"answered": ENDINGS["primary"], "failed": ENDINGS["failed"], "cancelled": ENDINGS["stopped"]}
    palette = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or REASONS
    colors = {model: palette[number % len(palette)] for number, model in enumerate(shown.models)} | ends
    nodes: dict[str, dict[str, Any]] = {}
    links = []
    for stage, source, target, value in frame[["stage", "source", "target", "value"]].itertuples(index=False):
        at = f"{stage} {source}", target if target in ends else f"{stage + 1} {target}"
        for node, text in zip(at, (source, target), strict=True):
            words = "stopped" if text == "cancelled" else text
            look = {"itemStyle": {"color": colors.get(text, "#9aa7a5")}, "label": {"formatter": words}}
            nodes.setdefault(node, {"name": node, **look})
        links.append({"source": at[0], "target": at[1], "value": value})
    return {
        "tooltip": {"trigger": "item"},
        "series": [
            {
                "type": "sankey",
                "data": list(nodes.values()),
                "links": links,
                "selectedMode": "single",
                "nodeAlign": "justify",
                "nodeGap": 10,
                "nodeWidth": 12,
                "left": 4,
                "right": 90,
                "top": 8,
                "bottom": 8,
                "label": {"fontSize": 11, "width": 130, "overflow": "truncate"},
                "lineStyle": {"color": "gradient", "opacity": 0.35},
                "emphasis": {"focus": "adjacency"},
            }
        ],
    }
