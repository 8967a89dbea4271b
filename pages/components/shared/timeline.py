"""A trace's timeline: when each call waited, and when its tokens came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd
import streamlit as st

from router.core.attempts import Attempt

from components.shared.chart_colors import axis_colors
from components.shared.legend import draw_legend

# Distinguishable in light and dark, and with color blindness.
_PHASES = {
    "back-off": "#b9c2c0",
    "queue": "#8b9795",
    "to first token": "#56b4e9",
    "tokens": "#14988b",
    "no response": "#d55e00",
}


def draw_timeline(attempts: Sequence[Attempt]) -> None:
    """The calls on one line of time; nothing where none was made."""
    rows = [row for index, attempt in enumerate(attempts) for row in _phases(index, attempt)]
    if rows:
        colors = {phase: color for phase, color in _PHASES.items() if any(row["phase"] == phase for row in rows)}
        draw_legend(colors)
        st.altair_chart(_time_line(pd.DataFrame(rows), colors), alt="Timeline of the attempts")


def _phases(index: int, attempt: Attempt) -> list[dict[str, object]]:
    if attempt.latency is None or attempt.cached:
        return []
    name = f"{index + 1}. {attempt.model}" + (f" (try {attempt.number})" if attempt.number > 1 else "")
    first_token = attempt.offset + (attempt.ttft if attempt.ttft is not None else attempt.latency)
    end = attempt.offset + attempt.latency
    spans = [
        ("back-off", attempt.offset - attempt.queued - attempt.wait, attempt.offset - attempt.queued),
        ("queue", attempt.offset - attempt.queued, attempt.offset),
        ("to first token" if attempt.ttft is not None else "no response", attempt.offset, first_token),
        ("tokens", first_token, end),
    ]
    return [
        {"attempt": name, "phase": phase, "from": start, "to": stop, "seconds": stop - start}
        for phase, start, stop in spans
        if stop - start > 0.0005
    ]


def _time_line(rows: pd.DataFrame, colors: Mapping[str, str]) -> alt.Chart:
    names = list(dict.fromkeys(rows["attempt"]))
    chart: alt.Chart = (
        alt.Chart(rows, height=alt.Step(26))
        .mark_bar(height=14, cornerRadius=2)
        .encode(
            x=alt.X("from:Q", title="seconds", axis=alt.Axis(grid=True, tickCount=6)),
            x2="to:Q",
            y=alt.Y("attempt:N", title=None, sort=names, axis=alt.Axis(labelLimit=160)),
            color=alt.Color(
                "phase:N",
                scale=alt.Scale(domain=list(colors), range=list(colors.values())),
                legend=None,
            ),
            tooltip=["attempt", "phase", alt.Tooltip("seconds:Q", format=".3f")],
        )
        .configure_axis(**axis_colors())
    )
    return chart
