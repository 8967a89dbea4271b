"""Faults on demand, drawn: which model fails, how, and how often; for this browser session alone."""

from __future__ import annotations

import streamlit as st

from router.config import Chain
from router.faults import FAULT_KINDS, Fault, Faults

from components.markdown import label

_HAVE_SECONDS = {"rate limit": "Retry-After, in seconds", "slow first token": "First token after, in seconds"}


def draw_faults(faults: Faults, chain: Chain) -> None:
    """The popover that asks for faults."""
    active = faults.view()
    with st.popover(f"Faults ({len(active)})" if active else "Faults", icon=":material/bolt:"):
        st.caption("Make a model fail and watch the chain. Breakers, statistics and other sessions hear nothing of it.")
        model = st.selectbox("Model", [ref.text for ref in chain.models], key="fault_model", width=320)
        kind = st.selectbox("What befalls it", FAULT_KINDS, key="fault_kind", format_func=str.capitalize, width=320)
        often = st.segmented_control(
            "How often", ["Next calls", "Some calls"], default="Next calls", required=True, key="fault_often"
        )
        if often == "Next calls":
            times, probability = int(st.number_input("Calls", 1, 1000, 1, key="fault_times")), 1.0
        else:
            times, probability = None, st.slider("Share of the calls", 0.05, 1.0, 0.5, 0.05, key="fault_probability")
        seconds = 3.0
        if kind in _HAVE_SECONDS:
            seconds = float(st.number_input(_HAVE_SECONDS[kind], 0.0, 600.0, 3.0, key="fault_seconds"))
        if st.button("Ask for it", icon=":material/add:", key="fault_add"):
            faults.set(model, Fault(kind=kind, times=times, probability=probability, seconds=seconds))
            st.rerun()
        for name, fault in active.items():
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{label(name)}** {_words(fault)}")
                if st.button("Take back", key=f"fault_remove_{name}", type="tertiary", icon=":material/close:"):
                    faults.set(name, None)
                    st.rerun()


def _words(fault: Fault) -> str:
    if fault.times is None:
        return f"{fault.kind}, {fault.probability:.0%} of its calls"
    return f"{fault.kind}, next {fault.times} calls" if fault.times > 1 else f"{fault.kind}, next call"
