"""Statistics of the lanes: a sortable table with a download, and charts of latency and cost."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from router.compare.figures import LaneSummary, summaries
from router.core.comparisons import Comparison
from router.core.formatting import expense, interval, seconds
from router.core.spreadsheet import table_csv

from components.shared.chart_colors import axis_colors, ink
from components.shared.markdown import label

_BAR = "#14988b"


def draw_summary_table(comparison: Comparison) -> None:
    """All lanes, one row each, with notes on unknown values."""
    lanes = summaries(comparison)
    frame = _frame(lanes)
    st.dataframe(
        frame,
        hide_index=True,
        alt="Statistics by lane",
        placeholder="unknown",
        column_config={
            "lane": st.column_config.TextColumn("Lane", pinned=True),
            "answered": st.column_config.NumberColumn(
                "Answered", format="percent", help="Share of the answers that were not stopped"
            ),
            "interval": st.column_config.TextColumn("95% interval", help="Wilson interval over prompts"),
            "latency_p50": st.column_config.NumberColumn(
                "p50 latency", format="%.2f s", help="Includes failed attempts and waits before the answer"
            ),
            "first_token_p50": st.column_config.NumberColumn("p50 first token", format="%.2f s"),
            "tokens_per_second": st.column_config.NumberColumn("Tokens/s", format="%.0f"),
            "tokens": st.column_config.NumberColumn(
                "Tokens", format="localized", help="Of all calls, including prompts"
            ),
            "cost": st.column_config.NumberColumn("Cost", format="$%.5f", help="Includes failed attempts"),
            "unpriced": st.column_config.NumberColumn("+ calls unknown", help="Calls of unknown cost, not in the cost")
            if frame["unpriced"].any()
            else None,
            "cached": st.column_config.NumberColumn("Cached", help="Not counted in latency and cost"),
            "shared": st.column_config.NumberColumn("Shared", help="Shared an identical request in progress"),
        },
    )
    for sentence in _unknowns(lanes):
        st.caption(label(sentence))
    st.download_button(
        "Download as CSV",
        lambda: table_csv(frame),
        file_name=f"comparison-{comparison.id}-lanes.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def draw_charts(comparison: Comparison) -> None:
    """Latency and cost: one bar per lane, labeled with its value."""
    lanes = summaries(comparison)
    with st.grid(2, min_column_width=320):
        _draw_bars("p50 latency", "seconds", [(lane.name, lane.latency, seconds(lane.latency)) for lane in lanes])
        _draw_bars("Cost", "US dollars", [(lane.name, lane.spent.cost, expense(lane.spent)) for lane in lanes])


def _frame(lanes: Sequence[LaneSummary]) -> pd.DataFrame:
    rows = [
        {
            "lane": lane.name,
            "answered": lane.share,
            "interval": interval(lane.low, lane.high),
            "latency_p50": lane.latency,
            "first_token_p50": lane.first_token,
            "tokens_per_second": lane.rate,
            "tokens": lane.tokens,
            "cost": lane.spent.cost,
            "unpriced": lane.spent.unpriced,
            "cached": lane.cached,
            "shared": lane.shared,
        }
        for lane in lanes
    ]
    frame = pd.DataFrame(rows)
    # A column with only unknown values is still numeric.
    numbers = ["answered", "latency_p50", "first_token_p50", "tokens_per_second", "tokens", "cost"]
    return frame.astype(dict.fromkeys(numbers, "float64"))


def _unknowns(lanes: Sequence[LaneSummary]) -> list[str]:
    found = []
    if names := [lane.name for lane in lanes if lane.over and lane.spent.cost is None]:
        found.append(
            f"Cost unknown: {'; '.join(names)}. The provider does not report it, or the model's price is unknown."
        )
    found += [
        f"Cost: {lane.name}: {expense(lane.spent)}."
        for lane in lanes
        if lane.spent.unpriced and lane.spent.cost is not None
    ]
    if names := [lane.name for lane in lanes if lane.over and lane.latency is None]:
        found.append(
            f"No latency: {'; '.join(names)}. Too few answers came from separate calls, or most calls timed out."
        )
    if names := [lane.name for lane in lanes if lane.over < lane.cells]:
        found.append(f"Incomplete (stopped or in progress): {'; '.join(names)}.")
    return found


def _draw_bars(title: str, unit: str, bars: Sequence[tuple[str, float | None, str]]) -> None:
    rows = pd.DataFrame([{"lane": name, "value": value or 0.0, "text": text} for name, value, text in bars])
    axis = alt.Axis(tickCount=4) if rows["value"].any() else None  # where all is 0, its one tick would say 0.000000
    base = alt.Chart(rows, height=alt.Step(30), title=f"{title}, {unit}").encode(
        y=alt.Y("lane:N", title=None, sort=None, axis=alt.Axis(labelLimit=150)),
        x=alt.X("value:Q", title=None, scale=alt.Scale(domainMin=0, padding=40), axis=axis),
    )
    bar = base.mark_bar(height=16, cornerRadius=2, color=_BAR)
    figure = base.mark_text(align="left", dx=5, color=ink()).encode(text="text:N")
    said = "; ".join(f"{name}: {text}" for name, _, text in bars)
    chart = (bar + figure).configure_axis(**axis_colors())
    st.altair_chart(chart, alt=f"{title} by lane. {said}")
