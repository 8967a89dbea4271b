"""Live state: requests in progress, breakers, the cache, the writer; and what redraws the page by itself."""

from __future__ import annotations

import time
from typing import Literal

import streamlit as st

from router.core.formatting import activity, counted, seconds, size
from router.lab import Lab

from components.shared.chain import draw_model
from components.shared.following import dialog_is_open
from components.shared.markdown import label
from components.shared.style import LIVE
from components.shared.zone import when

EVERY = 2
"""Seconds between updates."""

IDLE = 300
"""Seconds without a click after which updates end, where the page is not to redraw itself: such a tab costs nothing."""

_PAUSED = "dashboard_paused"

_HELP = "Only this process. Updates every 2 seconds; paused after 5 minutes without a click, unless auto-refresh is on."

_SHOWN = 3
"""Requests in progress that are listed."""


def draw_live(lab: Lab, refresh: int | None) -> None:
    """The panel; it also redraws the page every so many seconds, but not behind an open dialog, which would close."""
    drawn = time.monotonic()
    paused = st.session_state.pop(_PAUSED, False)

    def look() -> None:
        _draw_panel(lab, paused=paused)
        due = None if paused or dialog_is_open() else what_is_due(time.monotonic() - drawn, refresh)
        if due is not None:
            st.session_state[_PAUSED] = due == "pause"
            st.rerun()

    st.fragment(look, run_every=None if paused else EVERY)()


def what_is_due(waited: float, refresh: int | None) -> Literal["refresh", "pause"] | None:
    """What is due so many seconds after the page was drawn."""
    if refresh is None:
        return "pause" if waited >= IDLE else None
    return "refresh" if waited >= refresh - EVERY / 2 else None


def _draw_panel(lab: Lab, *, paused: bool) -> None:
    """The panel, with a fixed height so that the page below does not move; on a phone, it is as high as it needs."""
    live = lab.live()
    off = [(ref, breaker) for ref, breaker in live.breakers if breaker.state != "closed"]
    with st.container(border=True, height=120, gap="xsmall", key=LIVE):
        parts = [
            f"**{len(live.in_flight)}** in progress",
            f"**{len(off)}** of {counted(len(live.breakers), 'breaker')} open" if off else "all breakers closed",
            f"cache **{'off' if live.cache_bytes is None else size(live.cache_bytes)}**",
            f"**{counted(live.waiting, 'row')}** to be written" if live.waiting else "all rows written",
        ]
        now = f"At {when(time.time()):%H:%M:%S}, paused" if paused else "Now"
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":material/sensors: {now} · " + " · ".join(parts), help=_HELP, width="content")
            if paused and st.button("Resume", icon=":material/play_arrow:", type="tertiary", key="dashboard_resume"):
                st.rerun()
        for ref, breaker in off:
            why = (
                f"requested by the provider, {seconds(breaker.cooldown)} left" if breaker.cooldown else "after failures"
            )
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.caption(f"{label(ref.text)}: {label(breaker.state)}, {label(why)}")
                st.button("Reset", key=f"reset_{ref.text}", type="tertiary", on_click=lab.reset_breaker, args=(ref,))
        for each in live.in_flight[:_SHOWN]:
            st.caption(f"{label(each.asked)}: {label(activity(each.snapshot()))}")
        if len(live.in_flight) > _SHOWN:
            st.caption(f"and {len(live.in_flight) - _SHOWN} more")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            for ref, _ in live.breakers:
                draw_model(lab, ref)
