"""A chain, drawn: its models in order, each with the state of its breaker."""

from __future__ import annotations

import streamlit as st

from router.config import Chain, ModelRef
from router.faults import Faults
from router.lab import Lab
from router.words import place, seconds

from components.markdown import label


def draw_chain(lab: Lab, chain: Chain, faults: Faults | None = None) -> None:
    """The chain's models in a row that wraps; those that a fault on demand will befall are marked."""
    befallen = faults.view() if faults is not None else {}
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for number, ref in enumerate(chain.models):
            if number:
                st.markdown(":gray[:material/arrow_forward:]", width="content")
            draw_model(lab, ref, number)
            if ref.text in befallen:
                st.badge("fault", icon=":material/bolt:", color="orange", help="A fault on demand befalls it")


def draw_model(lab: Lab, ref: ModelRef, number: int | None = None) -> None:
    """A model with the state of its breaker, and its place in the chain that it is drawn in."""
    breaker = lab.breaker(ref)
    if problem := lab.problem(ref):
        color, icon, state = "gray", ":material/key_off:", problem.detail
    elif breaker.state == "closed":
        color, icon, state = "green", ":material/check_circle:", "circuit breaker closed: it is asked"
    elif breaker.state == "half-open":
        color, icon, state = "orange", ":material/help:", "circuit breaker half-open: one call tries it"
    else:
        color, icon = "red", ":material/block:"
        state = f"circuit breaker open for another {seconds(breaker.opens_in)} after {breaker.reason or 'failures'}"
    state = label(state) if number is None else f"{place(number)}: {label(state)}"
    seen = f" {breaker.failures} of its last {breaker.calls} calls failed." if breaker.calls else ""
    st.badge(
        label(ref.text),
        icon=icon,
        color=color,  # type: ignore[arg-type]  # a union of literals, chosen above
        help=f"{state[:1].upper()}{state[1:]}.{seen}",
    )
