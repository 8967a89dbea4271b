"""Lanes side by side: one prompt's answers as they come, or as they were."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.compare import Run, lane_name, request_of
from router.compare.figures import cost, first_token, latency, output_tokens, rate
from router.handle import Snapshot
from router.messages import Message
from router.store import Cell, Comparison, Key
from router.words import activity, dollars, passed_over, seconds

from components.cases import draw_case
from components.lab import lab_or_stop
from components.markdown import faithful, label
from components.trace import draw_trace

HEIGHT = 340
"""Pixels of an answer; a longer one is scrolled, so that lanes stay side by side."""

NEWEST = 6_000
"""Characters that are drawn of an answer under way: drawing all of a very long one holds up the other lanes."""

STATES = {
    "answered": ":green[:material/check_circle:]",
    "failed": ":red[:material/cancel:]",
    "cut": ":orange[:material/stop_circle:]",
}


def draw_running(comparison: Comparison, run: Run) -> None:
    """What every lane does now, each with a button that stops it."""
    handles = run.handles()
    total = len(comparison.plan.prompts) * comparison.plan.repeats
    with _grid(len(comparison.plan.lanes)):
        for lane, settings in enumerate(comparison.plan.lanes):
            current = min((key for key in handles if key.lane == lane), default=None)
            over = sum(cell.lane == lane and cell.state != "running" for cell in comparison.cells.values())
            with st.container(gap="xsmall"):
                st.markdown(f"**{label(lane_name(settings))}**")
                if current is not None:
                    _draw_live(comparison, current, handles[current].snapshot(), f" {over} of {total} over.")
                    if st.button(f"Stop lane {lane + 1}", icon=":material/stop_circle:", key=f"compare_stop_{lane}"):
                        run.stop(lane)
                else:
                    newest = max((cell.key for cell in comparison.cells.values() if cell.lane == lane), default=None)
                    draw_cell(comparison, newest)


def draw_answers(comparison: Comparison, prompt: int, repeat: int) -> None:
    """One prompt's answers in all lanes."""
    with _grid(len(comparison.plan.lanes)):
        for lane, settings in enumerate(comparison.plan.lanes):
            with st.container(gap="xsmall"):
                st.markdown(f"**{label(lane_name(settings))}**")
                draw_cell(comparison, Key(lane, prompt, repeat))


def draw_cell(comparison: Comparison, key: Key | None) -> None:
    """One answer with its figures and its trace."""
    cell = comparison.cells.get(key) if key is not None else None
    if key is None or cell is None:
        st.caption(":material/block: Not asked: it was stopped before.")
        return
    draw_text(cell, key=f"compare_text_{key.lane}")
    st.caption(f"{STATES.get(cell.state, '')} {label(figures(cell))}")
    for sentence in passed_over(cell.attempts) if cell.state == "answered" else ():
        st.caption(label(sentence))
    if cell.attempts:
        with st.expander("Trace", icon=":material/timeline:", type="compact"):
            draw_trace(cell.attempts)
    if cell.state == "answered" and cell.answer.text:
        asked = functools.partial(_messages, comparison, key)
        category = comparison.plan.prompts[key.prompt].category
        name = f"{comparison.id}_{'_'.join(map(str, key))}"
        draw_case(lab_or_stop(), asked, cell.answer, category=category, attempts=cell.attempts, key=name)


def _messages(comparison: Comparison, key: Key) -> Sequence[Message]:
    return request_of(comparison.plan, key).messages


def draw_text(cell: Cell, key: str, *, thoughts: bool = True) -> None:
    """What was answered, or why nothing was; with the thoughts before it, if they are to be seen."""
    if cell.state == "failed":
        st.error(label(cell.error or "No model answered."), icon=":material/error:")
        return
    with st.container(height=HEIGHT, border=False, key=key):
        if cell.answer.reasoning and thoughts:
            with st.expander("Reasoning", type="compact"):
                st.markdown(faithful(cell.answer.reasoning))
        st.markdown(faithful(cell.answer.text) if cell.answer.text else ":gray[No text.]")
    if cell.state == "cut":
        st.caption("This answer was cut off: it was stopped, or its session was lost.")


def figures(cell: Cell) -> str:
    """A cell's figures in a line."""
    last = cell.attempts[-1] if cell.attempts else None
    if cell.state != "answered" or last is None:
        return {"failed": "failed", "cut": "cut", "running": "under way"}.get(cell.state, "answered")
    tokens = output_tokens(cell)
    count = f"{tokens} tokens" if tokens is not None else "tokens unknown"
    if last.cached:
        return f"from the cache, originally {seconds(last.latency)} · {count} · $0"
    if last.shared:
        return f"shared with an identical request · {count}"
    speed = rate(cell)
    parts = [
        seconds(latency(cell)),
        f"first token {seconds(first_token(cell))}",
        count + (f", {speed:.0f}/s" if speed else ""),
        f"cost {dollars(cost(cell))}",
    ]
    return " · ".join(parts)


def _grid(lanes: int) -> DeltaGenerator:
    return st.grid(min(lanes, 4), min_column_width=280, border=True)


def _draw_live(comparison: Comparison, key: Key, now: Snapshot, progress: str) -> None:
    if len(comparison.plan.prompts) > 1:
        st.caption(label(beginning(comparison.plan.prompts[key.prompt].text, 90)))
    text, thoughts = now.answer.text, now.answer.reasoning
    with st.container(height=HEIGHT, border=False, autoscroll=True, key=f"compare_text_{key.lane}"):
        if thoughts and not text:
            st.caption("Reasoning")
            st.markdown(faithful(thoughts[-NEWEST:]))
        elif text:
            st.markdown(faithful(text if len(text) <= NEWEST else f"…{text[-NEWEST:]}"))
    st.caption(f"{label(activity(now))}.{progress}")
    for sentence in passed_over(now.attempts):
        st.caption(label(sentence))


def beginning(text: str, length: int = 100) -> str:
    """A text's first words on one line."""
    line = " ".join(text[: 2 * length].split())
    return line if len(line) <= length and len(text) <= 2 * length else f"{line[:length]}…"
