"""The category matrix: prompts down, lanes across; and two answers to one prompt, word by word."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from router.compare import lane_name
from router.compare.diff import Piece, folded, likeness, word_diff
from router.compare.figures import cost, latency, output_tokens
from router.store import Cell, Comparison, Key
from router.words import dollars, seconds

from components.lanes import beginning, draw_cell
from components.markdown import label

ROWS = 10
"""Prompts of one page."""

MAX_DRAWN = 30_000
"""Characters of a difference that are drawn."""

_JOINER = "\N{WORD JOINER}"


def draw_matrix(comparison: Comparison) -> None:
    """A page of the matrix, and the cell that was clicked."""
    prompts = comparison.plan.prompts
    order = sorted(range(len(prompts)), key=lambda index: (prompts[index].category or "", index))
    pages = -(-len(order) // ROWS)
    page = st.pagination(pages, key=f"compare_matrix_page_{comparison.id}") if pages > 1 else 1
    shown = order[(page - 1) * ROWS : page * ROWS]
    lanes = {f"lane{number}": lane_name(lane) for number, lane in enumerate(comparison.plan.lanes)}
    rows = [
        {"category": prompts[index].category, "prompt": beginning(prompts[index].text)}
        | {column: _in_short(comparison, Key(lane, index, 0)) for lane, column in enumerate(lanes)}
        for index in shown
    ]
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        row_height=92,
        height="content",
        on_select="rerun",
        selection_mode="single-cell",
        key=f"compare_matrix_{comparison.id}_{page}",
        placeholder="–",
        alt=f"Answers to prompts {(page - 1) * ROWS + 1} to {(page - 1) * ROWS + len(shown)}, a lane a column",
        column_config={
            "category": st.column_config.TextColumn("Category", width=90) if any(p.category for p in prompts) else None,
            "prompt": st.column_config.TextColumn("Prompt", width=180),
            **{column: st.column_config.TextColumn(name, width=230) for column, name in lanes.items()},
        },
    )
    st.caption("Click a cell, or choose it with the arrow keys, to open its answer.")
    if event.selection.cells:
        row, column = event.selection.cells[0]
        if row < len(shown):
            _draw_opened(comparison, shown[row], list(lanes).index(column) if column in lanes else None)


def _draw_opened(comparison: Comparison, prompt: int, lane: int | None) -> None:
    with st.container(border=True):
        st.caption(f"Prompt {prompt + 1}")
        st.code(comparison.plan.prompts[prompt].text, language=None, wrap_lines=True)
        if lane is None:
            return
        for repeat in range(comparison.plan.repeats):
            again = f", repeat {repeat + 1}" if comparison.plan.repeats > 1 else ""
            st.markdown(f"**{label(lane_name(comparison.plan.lanes[lane]))}**{again}")
            draw_cell(comparison, Key(lane, prompt, repeat))


def _in_short(comparison: Comparison, key: Key) -> str:
    cell = comparison.cells.get(key)
    if cell is None:
        return "not asked"
    if cell.state == "failed":
        return f"✗ {beginning(cell.error or 'failed')}"
    # Figures first: a cell shows four lines, and breaks them where it likes.
    return f"{_figures(cell)} │ {beginning(cell.answer.text) or 'no text'}"


def _figures(cell: Cell) -> str:
    if cell.state != "answered":
        return "cut off"
    last = cell.attempts[-1] if cell.attempts else None
    if last is not None and last.cached:
        return "from the cache"
    tokens = output_tokens(cell)
    return f"{seconds(latency(cell))} · {tokens if tokens is not None else '?'} tokens · {dollars(cost(cell))}"


# --- Differences -----------------------------------------------------------------------------------


def draw_difference(comparison: Comparison, prompt: int) -> None:
    """Two answers to a prompt, and what one has and the other has not."""
    answers = {
        key: _title(comparison, key)
        for lane in range(len(comparison.plan.lanes))
        for repeat in range(comparison.plan.repeats)
        if (cell := comparison.cells.get(key := Key(lane, prompt, repeat))) is not None and cell.answer.text
    }
    if len(answers) < 2:
        st.caption("There are no two answers to compare.")
        return
    keys = list(answers)
    with st.container(horizontal=True):
        left = st.selectbox("Left", keys, 0, format_func=answers.__getitem__, key=f"compare_left_{prompt}", width=340)
        right = st.selectbox(
            "Right", keys, 1, format_func=answers.__getitem__, key=f"compare_right_{prompt}", width=340
        )
    pieces = word_diff(comparison.cells[left].answer.text, comparison.cells[right].answer.text)
    st.caption(
        f"{likeness(pieces):.0%} of the words are the same. :red-background[~~Struck out~~] stands on the left alone,"
        " :green-background[**bold**] on the right alone."
    )
    with st.container(border=True):
        st.markdown(difference(folded(pieces)))


def difference(pieces: Sequence[Piece]) -> str:
    """A difference as Markdown, in which the texts themselves are no Markdown."""
    drawn = "".join(_drawn(piece) for piece in pieces)
    if len(drawn) <= MAX_DRAWN:
        return drawn
    return drawn[: drawn.rfind("\n", 0, MAX_DRAWN)] + "\n\n:gray[The rest is left out: export the answers to see it.]"


def _title(comparison: Comparison, key: Key) -> str:
    again = f", repeat {key.repeat + 1}" if comparison.plan.repeats > 1 else ""
    return f"{lane_name(comparison.plan.lanes[key.lane])}{again}"


_MARKS = {"same": ("", ""), "left": (":red-background[~~", "~~]"), "right": (":green-background[**", "**]")}


def _drawn(piece: Piece) -> str:
    if piece.kind == "gap":
        return f" :gray[… {piece.text} equal words …] "
    before, after = _MARKS[piece.kind]
    lines = []
    for line in piece.text.split("\n"):
        text = label(line)
        lead, trail = " " * line[:1].isspace(), " " * (line[-1:].isspace() and bool(text))
        # The joiner: no line of an answer begins a list, a heading or a block of code.
        lines.append(f"{lead}{_JOINER}{before}{text}{after}{trail}" if text else lead)
    return "  \n".join(lines)
