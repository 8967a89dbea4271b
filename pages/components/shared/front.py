"""Quality beside something of which less is better, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import altair as alt
import pandas as pd
import streamlit as st

from components.shared.chart_colors import axis_colors, ink

FRONT, OTHER = "#14988b", "#8b9795"

NAMED = 8
"""Points up to which each has its name in the picture; of more, those on the front."""

LINE = 0.09
"""The height of a line of names, as a share of the picture's: names on one side are at least so far apart."""

CLEAR = 0.75
"""How far the middle of a name is above or below another point's dot, in lines."""

LETTER = 0.025
"""The width of a letter in a narrow picture, as a share of the picture's."""


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


class Name(NamedTuple):
    """Where a point's name stands in the picture, which keeps it inside and off the other names.

    Attributes:
        y: of its middle, on the axis of quality.
        is_left: whether it ends at the point, instead of beginning there.
    """

    name: str
    x: float
    y: float
    is_left: bool


def names_of(points: Sequence[Point]) -> list[Name]:
    """The names' places: above and to the right of their points, or to the left in the right half.

    Args:
        points: with known x and quality.
    """
    shown = [point for point in points if point.is_best or len(points) <= NAMED]
    low, high = _ends(points)
    step, most = LINE * (high - low), max((point.x or 0.0 for point in points), default=0.0)
    dots = sorted((point.quality or 0.0, point.x or 0.0) for point in points)
    found: list[Name] = []
    for is_left in (False, True):
        free = low  # names are stacked from below, where their points are too close
        for point in sorted(shown, key=lambda each: each.quality or 0.0):
            x = point.x or 0.0
            if (x > most / 2) == is_left:
                y = max((point.quality or 0.0) + step / 2, free)
                width = LETTER * (len(point.name) + 1) * most
                for dot, across in dots:  # from below: what goes above one may lie on the next
                    if 0 < (x - across if is_left else across - x) <= width and abs(dot - y) < CLEAR * step:
                        y = dot + CLEAR * step
                found.append(Name(point.name, x, y, is_left))
                free = y + step
    return found


def _ends(points: Sequence[Point]) -> tuple[float, float]:
    """What the axis of quality shows, with room for a name above the highest point."""
    ends = [end for point in points for end in (point.low, point.quality, point.high) if end is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = max(0.1 * (high - low), 0.01)
    return low - room, high + room


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
    names = names_of(known)
    low, high = _ends(known)
    high = max(high, *(each.y + LINE * (high - low) for each in names))
    most = 1.05 * max(point.x or 0.0 for point in known) or 1.0
    x = alt.X("x:Q", title=unit, scale=alt.Scale(domain=[0, most], nice=False), axis=alt.Axis(tickCount=5))
    across = alt.Scale(domain=[low, high], nice=False)
    y = alt.Y("quality:Q", title=None, axis=alt.Axis(format="%", tickCount=5), scale=across)
    color = alt.condition("datum.is_best", alt.value(FRONT), alt.value(OTHER))
    base = alt.Chart(rows, height=280, title=f"{what}, by {of}")
    tips = [alt.Tooltip("name:N"), alt.Tooltip("quality:Q", format=".1%"), alt.Tooltip("said:N", title=unit)]
    layers = (
        base.transform_filter("datum.is_best")
        .mark_line(color=FRONT, opacity=0.5, interpolate="step-after")
        .encode(x=x, y=y)
        + base.mark_rule(opacity=0.5).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q", color=color)
        + base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, color=color, tooltip=tips)
    )
    for is_left in (False, True):
        texts = alt.Chart(pd.DataFrame([each for each in names if each.is_left == is_left], columns=Name._fields))
        text = texts.mark_text(align="right" if is_left else "left", dx=-8 if is_left else 8, color=ink(), limit=160)
        layers += text.encode(x=x, y=alt.Y("y:Q", title=None, scale=across), text="name:N")
    said = "; ".join(f"{point.name}: {point.quality:.0%}, {words(point.x)}" for point in known)
    st.altair_chart(layers.configure_axis(**axis_colors()), alt=f"{what} by {of}. {said}")
