"""Whether something is wrong, before anything else: one colored sentence, and the figures that got worse."""

from __future__ import annotations

import time

import streamlit as st

from router.lab import Lab
from router.metrics import View
from router.metrics.drift import calls_since, drifts
from router.metrics.drift_sentence import sentence
from router.metrics.verdict import verdict

from components.dashboard.drilldown import open_rows
from components.shared.markdown import label
from components.shared.zone import zone

_KEPT = "dashboard_verdict_kept"
_SHOWN = 3
"""Drifts listed on the page; the rest are counted."""

_DRIFT = (
    "Drift: a figure that got worse. The test raises a false alarm in at most 1 of 20 weeks. It covers all stored data,"
    " independent of the filters."
)
_LOOKS = {
    "failing": ("red", ":material/error:"),
    "degraded": ("orange", ":material/warning:"),
    "good": ("green", ":material/check_circle:"),
    "unknown": ("gray", ":material/help:"),
}


def draw_verdict(lab: Lab, everything: View, firing: int) -> None:
    """The verdict and the newest drifts, independent of filters; a click opens what is behind them.

    Args:
        firing: alerts that fire now.
    """
    now = time.time()
    key = (everything.attempts.rows.state, everything.requests.rows.state, now // 60, firing)
    kept = st.session_state.get(_KEPT)
    if kept is None or kept[0] != key:
        found = drifts(everything, lab.store.scores.streams(), now)
        kept = st.session_state[_KEPT] = (key, found, verdict(everything, found, now, zone(), firing))
    _, found, said = kept
    with st.container(border=True, gap="xsmall", key=f"verdict_{said.level}"):
        color, icon = _LOOKS[said.level]
        behind = said.behind
        clicked = _draw_line(f":{color}[{icon} **{label(said.sentence)}**]", "verdict", is_open=behind is not None)
        if clicked and behind is not None:
            open_rows(lab.store, behind(everything), said.sentence, "What the verdict rests on.", "verdict")
        for number, drift in enumerate(found[:_SHOWN]):
            words = f":small[:orange[:material/show_chart:] {label(sentence(drift, now, zone()))}]"
            is_open = drift.measure != "quality"  # its answers stand on the Evaluate page
            if _draw_line(words, f"drift_{number}", is_open=is_open, help=_DRIFT):
                meaning = "The first calls since the figure got worse, without retries and injected faults."
                title = f"{drift.model} since it got worse"
                open_rows(lab.store, calls_since(drift, everything), title, meaning, "drift")
        if len(found) > _SHOWN:
            st.caption(f"and {len(found) - _SHOWN} older")


def _draw_line(words: str, key: str, *, is_open: bool = True, help: str | None = None) -> bool:  # noqa: A002  # Streamlit's name
    """A sentence; whether what is behind it was asked for."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(words, help=help, width="content")
        return is_open and st.button("Show", icon=":material/search:", type="tertiary", key=f"dashboard_{key}")
