"""What a conversation took so far, in one line."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from router.core.conversations import Turn
from router.core.totals import Fill, fill_of, totals
from router.lab import Lab

from components.shared.markdown import label


def draw_totals(lab: Lab, turns: Sequence[Turn]) -> None:
    """Cost and tokens of all branches, and how full the context is after the last answer that is shown.

    Args:
        turns: those that are shown, at least one.
    """
    attempts = lab.chat.attempts(turns[-1].conversation)
    if not attempts:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="chat_totals"):
        st.caption(
            label(f"Conversation: {totals(attempts).text}"),
            width="content",
            help="All calls of all branches, failed ones included; answers from the cache cost nothing.",
        )
        answered = next((turn for turn in reversed(turns) if turn.state == "answered" and turn.attempts), None)
        fill = fill_of(answered.attempts, lab.context(answered.attempts[-1].model)) if answered is not None else None
        if fill is not None:
            _draw_meter(fill)


def _draw_meter(fill: Fill) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.progress(fill.share, width=72)
        st.caption(
            f"{fill.share:.0%} of the context",
            width="content",
            help=label(f"{fill.tokens:,} of the {fill.context:,} tokens that {fill.model} can read"),
        )
