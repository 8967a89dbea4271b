"""Injected faults: which model fails, how, and how often."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from router.core.faults import FAULT_KINDS, Fault
from router.core.formatting import counted
from router.engine.faults import Faults

from components.shared.markdown import label

_HAVE_SECONDS = {"rate limit": "Retry-After, in seconds", "slow first token": "First token after, in seconds"}


def draw_faults(faults: Faults, models: Sequence[str], *, affects: str = "your session") -> None:
    """The popover that adds injected faults to these models.

    Args:
        affects: what they are limited to.
    """
    active = faults.view()
    with st.popover(f"Faults ({len(active)})" if active else "Faults", icon=":material/bolt:"):
        st.caption(f"Make a model fail and watch the chain. Affects only {label(affects)}; not counted in statistics.")
        model = st.selectbox("Model", models, key="fault_model", width=320)
        kind = st.selectbox("Failure", FAULT_KINDS, key="fault_kind", format_func=str.capitalize, width=320)
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
        if st.button("Add fault", icon=":material/add:", key="fault_add"):
            faults.set(model, Fault(kind=kind, times=times, probability=probability, seconds=seconds))
            st.rerun()


def draw_active(faults: Faults) -> None:
    """The injected faults, each with a click to remove it."""
    for name, fault in faults.view().items():
        st.button(f":material/bolt: {label(name)}: {label(fault_words(fault))}", icon=":material/close:",
                  icon_position="right", key=f"fault_remove_{name}", help="Remove this fault",
                  on_click=faults.set, args=(name, None))  # fmt: skip


def fault_words(fault: Fault) -> str:
    """A fault in words of ours."""
    if fault.times is None:
        return f"{fault.kind}, {fault.probability:.0%} of its calls"
    return f"{fault.kind}, next {'call' if fault.times == 1 else counted(fault.times, 'call')}"
