"""The category matrix, prompts by lanes; and a word diff of two answers to one prompt."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from router.compare import lane_name
from router.compare.diff import Piece, folded, likeness, word_diff
from router.compare.matrix import order, row_of
from router.core.comparisons import Comparison, Key

from components.compare.grid import draw_grid
from components.compare.lanes import draw_cell
from components.shared.markdown import label
from components.shared.message import draw_source

ROWS = 10
"""Prompts per page."""

MAX_DRAWN = 30_000
"""Characters of a diff that are drawn."""


def draw_matrix(comparison: Comparison) -> None:
    """A page of the matrix, and the clicked cell."""
    prompts = order(comparison)
    pages = -(-len(prompts) // ROWS)
    page = st.pagination(pages, key=f"compare_matrix_page_{comparison.id}") if pages > 1 else 1
    first = (page - 1) * ROWS
    shown = prompts[first : first + ROWS]
    opened = draw_grid(
        f"Answers to prompts {first + 1} to {first + len(shown)}, one column per lane",
        [lane_name(lane) for lane in comparison.plan.lanes],
        [row_of(comparison, prompt) for prompt in shown],
        key=f"compare_matrix_{comparison.id}_{page}",
    )
    st.caption(
        "▼ marks the lowest and ▲ the highest figure of a row; the tint shows how high it is. Click an answer to"
        " open it."
    )
    if opened is not None:
        _draw_opened(comparison, *opened)


def _draw_opened(comparison: Comparison, prompt: int, lane: int) -> None:
    with st.container(border=True):
        st.caption(f"Prompt {prompt + 1}")
        draw_source(comparison.plan.prompts[prompt].text, key=f"matrix_prompt_{prompt}")
        for repeat in range(comparison.plan.repeats):
            again = f", repeat {repeat + 1}" if comparison.plan.repeats > 1 else ""
            st.markdown(f"**{label(lane_name(comparison.plan.lanes[lane]))}**{again}")
            draw_cell(comparison, Key(lane, prompt, repeat))


# --- Differences -----------------------------------------------------------------------------------


def draw_difference(comparison: Comparison, prompt: int) -> None:
    """Two answers to a prompt and their differences."""
    answers = {
        key: _title(comparison, key)
        for lane in range(len(comparison.plan.lanes))
        for repeat in range(comparison.plan.repeats)
        if (cell := comparison.cells.get(key := Key(lane, prompt, repeat))) is not None and cell.answer.text
    }
    if len(answers) < 2:
        st.caption("Fewer than two answers: nothing to compare.")
        return
    keys = list(answers)
    with st.container(horizontal=True):
        left = st.selectbox("Left", keys, 0, format_func=answers.__getitem__, key=f"compare_left_{prompt}", width=340)
        right = st.selectbox(
            "Right", keys, 1, format_func=answers.__getitem__, key=f"compare_right_{prompt}", width=340
        )
    pieces = word_diff(comparison.cells[left].answer.text, comparison.cells[right].answer.text)
    st.caption(
        f"{likeness(pieces):.0%} of the words are the same. :red-background[~~Struck out~~]: only on the left;"
        " :green-background[**bold**]: only on the right."
    )
    with st.container(border=True):
        st.markdown(difference(folded(pieces)))


def difference(pieces: Sequence[Piece]) -> str:
    """A diff as Markdown, with the texts themselves escaped."""
    drawn = "".join(_drawn(piece) for piece in pieces)
    if len(drawn) <= MAX_DRAWN:
        return drawn
    return drawn[: drawn.rfind("\n", 0, MAX_DRAWN)] + "\n\n:gray[The rest is not shown. Export the answers to see it.]"


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
        lines.append(f"{lead}{before}{text}{after}{trail}" if text else lead)
    return "  \n".join(lines)
