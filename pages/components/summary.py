"""Lanes in figures: a table that can be sorted and downloaded, and charts of latency and cost."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from router.compare.figures import LaneSummary, summaries
from router.spreadsheet import plain
from router.store import Comparison
from router.words import dollars, seconds

from components.markdown import label

_BAR = "#14988b"


def draw_summary_table(comparison: Comparison) -> None:
    """All lanes, one row each, and what is not known of them in words."""
    lanes = summaries(comparison)
    frame = _frame(lanes)
    st.dataframe(
        frame,
        hide_index=True,
        alt="Each lane in figures",
        placeholder="unknown",
        column_config={
            "lane": st.column_config.TextColumn("Lane", pinned=True),
            "answered": st.column_config.NumberColumn("Answered", format="percent", help="Of what was not stopped"),
            "interval": st.column_config.TextColumn("95 % interval", help="Wilson's, over prompts"),
            "latency_p50": st.column_config.NumberColumn(
                "p50 latency", format="%.2f s", help="Failed attempts and waits before the answer included"
            ),
            "first_token_p50": st.column_config.NumberColumn("p50 first token", format="%.2f s"),
            "tokens_per_second": st.column_config.NumberColumn("Tokens/s", format="%.0f"),
            "tokens": st.column_config.NumberColumn(
                "Tokens", format="localized", help="Of all calls, prompts included"
            ),
            "cost": st.column_config.NumberColumn("Cost", format="$%.5f", help="Failed attempts included"),
            "cached": st.column_config.NumberColumn("Cached", help="They enter neither latency nor cost"),
            "shared": st.column_config.NumberColumn("Shared", help="Took part in an identical request under way"),
        },
    )
    for sentence in _unknowns(lanes):
        st.caption(label(sentence))
    st.download_button(
        "Download the table",
        lambda: frame.map(plain).to_csv(index=False),
        file_name=f"comparison-{comparison.id}-lanes.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def draw_charts(comparison: Comparison) -> None:
    """Latency and cost, a bar a lane with its figure beside it."""
    lanes = summaries(comparison)
    with st.grid(2, min_column_width=320):
        _draw_bars("p50 latency", "seconds", [(lane.name, lane.latency, seconds(lane.latency)) for lane in lanes])
        _draw_bars("Cost", "US dollars", [(lane.name, lane.cost, dollars(lane.cost)) for lane in lanes])


def _frame(lanes: Sequence[LaneSummary]) -> pd.DataFrame:
    rows = [
        {
            "lane": lane.name,
            "answered": lane.share,
            "interval": f"{lane.low:.0%} to {lane.high:.0%}" if lane.low is not None and lane.high is not None else "",
            "latency_p50": lane.latency,
            "first_token_p50": lane.first_token,
            "tokens_per_second": lane.rate,
            "tokens": lane.tokens,
            "cost": lane.cost,
            "cached": lane.cached,
            "shared": lane.shared,
        }
        for lane in lanes
    ]
    frame = pd.DataFrame(rows)
    # All unknown is still a column of numbers.
    numbers = ["answered", "latency_p50", "first_token_p50", "tokens_per_second", "tokens", "cost"]
    return frame.astype(dict.fromkeys(numbers, "float64"))


def _unknowns(lanes: Sequence[LaneSummary]) -> list[str]:
    found = []
    if names := [lane.name for lane in lanes if lane.over and lane.cost is None]:
        found.append(f"Cost unknown: {'; '.join(names)}. A provider does not say it, or a model has no known price.")
    if names := [lane.name for lane in lanes if lane.over and lane.latency is None]:
        found.append(f"No latency: {'; '.join(names)}. Too few answers were calls of their own, or most timed out.")
    if names := [lane.name for lane in lanes if lane.over < lane.cells]:
        found.append(f"Not whole, for it was stopped or is under way: {'; '.join(names)}.")
    return found


def _draw_bars(title: str, unit: str, bars: Sequence[tuple[str, float | None, str]]) -> None:
    rows = pd.DataFrame([{"lane": name, "value": value or 0.0, "text": text} for name, value, text in bars])
    base = alt.Chart(rows, height=alt.Step(30), title=f"{title}, {unit}").encode(
        y=alt.Y("lane:N", title=None, sort=None, axis=alt.Axis(labelLimit=150)),
        x=alt.X("value:Q", title=None, scale=alt.Scale(domainMin=0, padding=40), axis=alt.Axis(tickCount=4)),
    )
    bar = base.mark_bar(height=16, cornerRadius=2, color=_BAR)
    ink = "#e6eeec" if st.context.theme.type == "dark" else "#17211f"
    figure = base.mark_text(align="left", dx=5, color=ink).encode(text="text:N")
    said = "; ".join(f"{name}: {text}" for name, _, text in bars)
    st.altair_chart(bar + figure, alt=f"{title} of each lane. {said}")
