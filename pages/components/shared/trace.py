"""A trace: which model answered, why the earlier ones did not, and when."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from router.core.attempts import Attempt
from router.core.formatting import attempt_facts, attempt_sentence, place
from router.core.strip import Chip, strip_of

from components.shared.markdown import label

_ICONS = {
    "answered": ":green[:material/check_circle:]",
    "failed": ":red[:material/cancel:]",
    "skipped": ":gray[:material/skip_next:]",
    "cancelled": ":orange[:material/stop_circle:]",
}
_COLORS = {"answered": "green", "failed": "red", "skipped": "gray", "cancelled": "orange"}
CUT = ":orange[:material/content_cut:]"
"""The sign of an answer that ended at a token limit."""


def draw_strip(attempts: Sequence[Attempt], *, key: str) -> None:
    """A request's way through its chain in one line: each model opens its attempts; then what the user waited and paid.

    Args:
        key: of the strip's widgets.
    """
    strip = strip_of(attempts)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key=f"strip_{key}"):
        for number, chip in enumerate(strip.chips):
            if number:
                st.markdown("→", width="content")
            words = f"{label(chip.named)} :{_COLORS[chip.outcome]}[{label(chip.result)}]"
            opened = st.popover(words, wrap=True, key=f"chip_{key}_{number}", on_change="rerun")
            if opened.open:
                with opened:
                    _draw_chip(chip)
        st.markdown(f":small[{label(strip.totals)}]", width="content")


def _draw_chip(chip: Chip) -> None:
    st.markdown(f"**{label(chip.model)}** · {place(chip.attempts[0].place)}")
    for attempt in chip.attempts:
        sentence = attempt_sentence(attempt)
        st.markdown(f"{_ICONS[attempt.outcome]} {label(sentence[:1].upper() + sentence[1:])}")
        if facts := attempt_facts(attempt):
            st.caption(label(facts))


def offer_trace(attempts: Sequence[Attempt], *, key: str) -> None:
    """An expander with the trace, which is drawn when it is opened."""
    trace = st.expander("Trace", icon=":material/timeline:", type="compact", key=f"trace_{key}", on_change="rerun")
    if trace.open:
        with trace:
            draw_trace(attempts)


def draw_trace(attempts: Sequence[Attempt]) -> None:
    """Every attempt in words, and the calls on one timeline."""
    for attempt in attempts:
        st.markdown(f"{_ICONS[attempt.outcome]} **{label(attempt.model)}** {label(attempt_sentence(attempt))}")
    from components.shared.timeline import draw_timeline  # noqa: PLC0415  # altair and pandas take a second, once

    draw_timeline(attempts)
