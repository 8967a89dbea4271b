"""What became worse than it was, as a quiet notice."""

from __future__ import annotations

import time

import streamlit as st

from router.observed import View
from router.observed.drift import drifts, sentence

from components.filters import zone
from components.markdown import label

_DRIFTS = "dashboard_drifts"
_SHOWN = 3
"""Drifts that stand on the page; more are counted."""


def draw_drifts(everything: View) -> None:
    """The newest drifts, whatever is filtered; nothing where there is none."""
    now = time.time()
    key = (everything.attempts.rows.state, now // 60)
    kept = st.session_state.get(_DRIFTS)
    if kept is None or kept[0] != key:
        kept = st.session_state[_DRIFTS] = (key, drifts(everything, now))
    found = kept[1]
    if not found:
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            ":material/show_chart: **Drift**",
            help="What became worse than before, tested so that noise shows here in at most 1 of 20 weeks."
            " Of all that is stored, whatever is filtered.",
        )
        for each in found[:_SHOWN]:
            st.caption(label(sentence(each, now, zone())))
        if len(found) > _SHOWN:
            st.caption(f"and {len(found) - _SHOWN} more, of older date")
