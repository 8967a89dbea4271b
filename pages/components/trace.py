"""A trace, drawn: which model answered, why not the ones before it, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd
import streamlit as st

from router.messages import Attempt
from router.words import attempt_sentence, cost, seconds, tokens_per_second

from components.legend import draw_legend
from components.markdown import label

_ICONS = {
    "answered": ":green[:material/check_circle:]",
    "failed": ":red[:material/cancel:]",
    "skipped": ":gray[:material/skip_next:]",
    "cancelled": ":orange[:material/stop_circle:]",
}
# Told apart in light and dark, and without full colour vision.
_PHASES = {
    "back-off": "#b9c2c0",
    "queue": "#8b9795",
    "to first token": "#56b4e9",
    "tokens": "#14988b",
    "no answer": "#d55e00",
}


def draw_summary(attempts: Sequence[Attempt]) -> None:
    """One line: who answered, how fast, for how much."""
    last = attempts[-1]
    if last.outcome != "answered":
        st.caption(f"{_ICONS[last.outcome]} {label(last.model)} {label(attempt_sentence(last))}")
        return
    usage = last.usage
    parts = [f"**{label(last.model)}**"]
    if last.cached:
        parts.append(":material/cached: from the cache")
    if last.shared:
        parts.append("shared with an identical request")
    parts.append(
        f"originally {seconds(last.latency)}"
        if last.cached
        else f"{seconds(last.latency)}, first token {seconds(last.ttft)}"
    )
    if usage is not None and usage.completion_tokens is not None:
        rate = tokens_per_second(last)
        parts.append(f"{usage.completion_tokens} tokens" + (f", {rate:.0f}/s" if rate and not last.cached else ""))
    parts.append("cost $0" if last.cached else f"cost {cost(last)}".replace("$", r"\$"))
    st.caption(f"{_ICONS['answered']} " + " · ".join(parts))


def draw_trace(attempts: Sequence[Attempt]) -> None:
    """Every attempt in words, and those that made a call on one time line."""
    for attempt in attempts:
        st.markdown(f"{_ICONS[attempt.outcome]} **{label(attempt.model)}** {label(attempt_sentence(attempt))}")
    rows = [row for index, attempt in enumerate(attempts) for row in _phases(index, attempt)]
    if rows:
        colors = {phase: color for phase, color in _PHASES.items() if any(row["phase"] == phase for row in rows)}
        draw_legend(colors)
        st.altair_chart(_time_line(pd.DataFrame(rows), colors), alt="Time line of the attempts")


def _phases(index: int, attempt: Attempt) -> list[dict[str, object]]:
    if attempt.latency is None or attempt.cached:
        return []
    name = f"{index + 1}. {attempt.model}" + (f" (try {attempt.number})" if attempt.number > 1 else "")
    first_token = attempt.offset + (attempt.ttft if attempt.ttft is not None else attempt.latency)
    end = attempt.offset + attempt.latency
    spans = [
        ("back-off", attempt.offset - attempt.queued - attempt.wait, attempt.offset - attempt.queued),
        ("queue", attempt.offset - attempt.queued, attempt.offset),
        ("to first token" if attempt.ttft is not None else "no answer", attempt.offset, first_token),
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
    )
    return chart
