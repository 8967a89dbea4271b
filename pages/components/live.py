"""What goes on now: requests in flight, breakers, the cache, the writer."""

from __future__ import annotations

import streamlit as st

from router.lab import Lab
from router.words import activity, seconds

from components.chain import draw_model
from components.markdown import label

EVERY = 2
"""Seconds until it is drawn again."""

_SHOWN = 3
"""Requests in flight that are named."""


@st.fragment(run_every=EVERY)
def draw_live(lab: Lab) -> None:
    """The panel; of a fixed height, so that the page below it does not move."""
    live = lab.live()
    off = [(ref, breaker) for ref, breaker in live.breakers if breaker.state != "closed"]
    with st.container(border=True, height=120, gap="xsmall"):
        facts = [
            f"**{len(live.in_flight)}** in flight",
            f"**{len(off)}** of {len(live.breakers)} breakers open" if off else "all breakers closed",
            f"cache **{_size(live.cache_bytes)}**",
            f"**{live.waiting:,}** rows wait to be written" if live.waiting else "all rows written",
        ]
        st.markdown(":material/sensors: Now · " + " · ".join(facts), help="This process alone; anew every 2 seconds")
        for ref, breaker in off:
            why = (
                f"asked for by the provider, {seconds(breaker.cooldown)} more" if breaker.cooldown else "after failures"
            )
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.caption(f"{label(ref.text)}: {breaker.state}, {why}")
                st.button("Reset", key=f"reset_{ref.text}", type="tertiary", on_click=lab.reset_breaker, args=(ref,))
        for each in live.in_flight[:_SHOWN]:
            st.caption(f"{label(each.asked)}: {label(activity(each.handle.snapshot()))}")
        if len(live.in_flight) > _SHOWN:
            st.caption(f"and {len(live.in_flight) - _SHOWN} more")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            for ref, _ in live.breakers:
                draw_model(lab, ref)


def _size(count: int | None) -> str:
    if count is None:
        return "off"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
