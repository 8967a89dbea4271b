"""Quality beside something of which less is better, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import altair as alt
import pandas as pd
import streamlit as st

from components.shared.chart_colors import axis_colors, ink

FRONT, OTHER = "#14988b", "#8b9795"


class Point(NamedTuple):
    """Something with its quality.

    Attributes:
        x: what it costs or takes; None if unknown.
        quality, low, high: 0 to 1, with the ends of the interval; None if unknown.
        is_best: whether it is on the front.
    """

    name: str
    x: float | None
    quality: float | None
    low: float | None
    high: float | None
    is_best: bool


def draw_front(points: Sequence[Point], of: str, *, unit: str, words: Callable[[float | None], str], what: str) -> None:
    """Each point with its interval; those on the front are joined.

    Args:
        of: what x is, such as `cost`.
        words: a value of x for people.
        what: what quality is called here, such as `Passed`.
    """
    known = [point for point in points if point.x is not None and point.quality is not None]
    if not known:
        st.caption(f"Quality and {of}: unknown.")
        return
    rows = pd.DataFrame([{**point._asdict(), "said": words(point.x)} for point in known])
    x = alt.X("x:Q", title=unit, scale=alt.Scale(zero=True, nice=True, padding=20), axis=alt.Axis(tickCount=5))
    y = alt.Y("quality:Q", title=None, axis=alt.Axis(format="%", tickCount=5), scale=alt.Scale(zero=False, padding=10))
    color = alt.condition("datum.is_best", alt.value(FRONT), alt.value(OTHER))
    base = alt.Chart(rows, height=280, title=f"{what}, by {of}")
    tips = [alt.Tooltip("name:N"), alt.Tooltip("quality:Q", format=".1%"), alt.Tooltip("said:N", title=unit)]
    layers = (
        base.transform_filter("datum.is_best")
        .mark_line(color=FRONT, opacity=0.5, interpolate="step-after")
        .encode(x=x, y=y)
        + base.mark_rule(opacity=0.5).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q", color=color)
        + base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, color=color, tooltip=tips)
        + base.mark_text(dy=-12, color=ink(), limit=160).encode(x=x, y=y, text="name:N")
    )
    said = "; ".join(f"{point.name}: {point.quality:.0%}, {words(point.x)}" for point in known)
    st.altair_chart(layers.configure_axis(**axis_colors()), alt=f"{what} by {of}. {said}")
