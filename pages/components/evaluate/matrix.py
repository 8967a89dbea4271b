"""The cases by the lanes, filtered; and the answers behind a cell."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from router.compare.matrix import beginning
from router.core.runs import Planned
from router.evaluate.matrix import Row, Show, chosen, prompt_of, table

from components.evaluate.answer import draw_answers
from components.evaluate.opened import Opened
from components.evaluate.verdict import pick_category

_SHOWS: dict[Show, str] = {
    "all": "All",
    "wrong": "Wrong",
    "differs": "Lanes differ",
    "flaky": "Flaky",
    "errors": "Errors",
    "waiting": "Not asked yet",
}

_COLORS = {
    "passed": "green",
    "wrong": "red",
    "flaky": "orange",
    "not graded": "violet",
    "no answer": "violet",
    "no checks": "gray",
    "waiting": "gray",
}
_HEIGHT = 460


def draw_matrix(opened: Opened) -> None:
    """The table with its filters, and the cell that was clicked."""
    results, plan = opened.results, opened.plan
    rows = results.once(plan, "table", lambda: table(results, plan))
    shown = _filtered(rows, plan)
    if not shown:
        st.caption("No case is like this.")
        return
    clicked = _draw_table(shown, plan)
    if clicked is None:
        st.caption("Click a lane's cell to see its answers and grades.")
        return
    row, lane = clicked
    draw_answers(opened, plan.lanes[lane], shown[row].case)


def _filtered(rows: Sequence[Row], plan: Planned) -> list[Row]:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        counts = {show: len(chosen(rows, show)) for show in _SHOWS}
        names = {show: f"{words} {counts[show]:,}" for show, words in _SHOWS.items() if counts[show] or show == "all"}
        show = st.segmented_control("Show", list(names), default="all", required=True, key="evaluate_show",
                                    format_func=names.__getitem__, label_visibility="collapsed")  # fmt: skip
        category = pick_category(plan, "evaluate_matrix_category")
        text = st.text_input("Search", key="evaluate_search", placeholder="Search cases", icon=":material/search:",
                             label_visibility="collapsed", width=220)  # fmt: skip
    return chosen(rows, show if show in names else "all", category=category, text=text or "")


def _draw_table(rows: Sequence[Row], plan: Planned) -> tuple[int, int] | None:
    """The table; returns the clicked cell's row and lane, counted from 0."""
    names = [f"lane_{number}" for number in range(len(plan.lanes))]
    cells = {name: [[row.cells[number].text] for row in rows] for number, name in enumerate(names)}
    frame = pd.DataFrame(
        {"case": [row.case.id for row in rows], "prompt": [beginning(prompt_of(row.case)) for row in rows], **cells}
    )
    looks = {cell.text: _COLORS[cell.outcome] for row in rows for cell in row.cells}
    column = st.column_config
    found = st.dataframe(
        frame,
        hide_index=True,
        height=min(_HEIGHT, 38 + 35 * len(rows)),
        alt=f"{len(rows):,} cases by {len(names)} lanes",
        key="evaluate_matrix",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "case": column.TextColumn("Case", pinned=True, width=150),
            "prompt": column.TextColumn("Prompt", width=320),
            **{
                name: column.MultiselectColumn(lane.name, options=list(looks), color=list(looks.values()))
                for name, lane in zip(names, plan.lanes, strict=True)
            },
        },
    )
    selected = found["selection"]["cells"]
    if not selected:
        return None
    row, name = selected[0]
    if name not in names or row >= len(rows):
        return None
    return row, names.index(name)
