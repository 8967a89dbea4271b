"""A trace: which model answered, why the earlier ones did not, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd
import streamlit as st

from router.core.attempts import Attempt
from router.core.formatting import attempt_facts, attempt_sentence, place
from router.core.strip import Chip, strip_of

from components.shared.chart_colors import axis_colors
from components.shared.legend import draw_legend
from components.shared.markdown import label

_ICONS = {
    "answered": ":green[:material/check_circle:]",
    "failed": ":red[:material/cancel:]",
    "skipped": ":gray[:material/skip_next:]",
    "cancelled": ":orange[:material/stop_circle:]",
}
_COLORS = {"answered": "green", "failed": "red", "skipped": "gray", "cancelled": "orange"}
CUT = ":orange[:material/content_cut:]"
"""The sign of an answer that ended at a token limit."""

# Distinguishable in light and dark, and with color blindness.
_PHASES = {
    "back-off": "#b9c2c0",
    "queue": "#8b9795",
    "to first token": "#56b4e9",
    "tokens": "#14988b",
    "no response": "#d55e00",
}


def draw_strip(attempts: Sequence[Attempt], *, key: str) -> None:
    """A request's way through its chain in one line: each model opens its attempts; then what the user waited and paid.

    Args:
        key: of the strip's widgets.
    """
    strip = strip_of(attempts)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key=f"strip_{key}"):
        for number, chip in enumerate(strip.chips):
            if number:
                st.markdown("→", width="content")
            words = f"{label(chip.named)} :{_COLORS[chip.outcome]}[{label(chip.result)}]"
            opened = st.popover(words, wrap=True, key=f"chip_{key}_{number}", on_change="rerun")
            if opened.open:
                with opened:
                    _draw_chip(chip)
        st.markdown(f":small[{label(strip.totals)}]", width="content")


def _draw_chip(chip: Chip) -> None:
    st.markdown(f"**{label(chip.model)}** · {place(chip.attempts[0].place)}")
    for attempt in chip.attempts:
        sentence = attempt_sentence(attempt)
        st.markdown(f"{_ICONS[attempt.outcome]} {label(sentence[:1].upper() + sentence[1:])}")
        if facts := attempt_facts(attempt):
            st.caption(label(facts))


def offer_trace(attempts: Sequence[Attempt], *, key: str) -> None:
    """An expander with the trace, which is drawn when it is opened."""
    trace = st.expander("Trace", icon=":material/timeline:", type="compact", key=f"trace_{key}", on_change="rerun")
    if trace.open:
        with trace:
            draw_trace(attempts)


def draw_trace(attempts: Sequence[Attempt]) -> None:
    """Every attempt in words, and the calls on one timeline."""
    for attempt in attempts:
        st.markdown(f"{_ICONS[attempt.outcome]} **{label(attempt.model)}** {label(attempt_sentence(attempt))}")
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
