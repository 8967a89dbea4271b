"""A chain's models in order, each with its breaker's state."""

from __future__ import annotations

from typing import Literal, NamedTuple

import streamlit as st

from router.config.chains import Chain, ModelRef
from router.core.formatting import counted, place, seconds
from router.engine.breaker import BreakerView
from router.engine.faults import Faults
from router.lab import Lab

from components.shared.following import dialog_is_open
from components.shared.markdown import label

FOLLOW_EVERY = 2.0
"""Seconds between looks at a breaker that is open."""

REFUSALS = {
    "authentication_failed": "key refused",
    "embedded_unavailable": "cannot start here",
    "key_refused": "key not allowed there",
    "model_not_found": "model not found",
    "payment_required": "no credit",
    "permission_denied": "access denied",
    "quota_exhausted": "quota used up",
}
"""What a lasting error of the last call says of a model."""


def draw_chain(lab: Lab, chain: Chain, faults: Faults | None = None) -> None:
    """The chain's models in a row that wraps; models with an injected fault are marked.

    While a breaker is open, they are drawn again until it is not: that may take longer than until the next click.
    """
    is_open = _is_any_open(lab, chain)
    page_is_drawn = False

    def draw() -> None:
        _draw_models(lab, chain, faults)
        # Only a run of the page ends the looks.
        if page_is_drawn and not _is_any_open(lab, chain) and not dialog_is_open():
            st.rerun()

    st.fragment(draw, run_every=FOLLOW_EVERY if is_open else None)()
    page_is_drawn = True


def _is_any_open(lab: Lab, chain: Chain) -> bool:
    return any(lab.breaker(ref).state == "open" for ref in chain.models)


def _draw_models(lab: Lab, chain: Chain, faults: Faults | None) -> None:
    injected = faults.view() if faults is not None else {}
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for number, ref in enumerate(chain.models):
            if number:
                st.markdown(":gray[:material/arrow_forward:]", width="content")
            draw_model(lab, ref, number)
            if ref.text in injected:
                st.badge("fault", icon=":material/bolt:", color="orange", help="Has an injected fault")


def draw_model(lab: Lab, ref: ModelRef, number: int | None = None) -> None:
    """A model with its breaker's state and, if given, its place in the chain."""
    breaker, problem = lab.breaker(ref), lab.problem(ref.provider)
    look = _look(breaker) if problem is None else _Look("gray", ":material/key_off:", problem.detail)
    state = label(look.state) if number is None else f"{place(number)}: {label(look.state)}"
    seen = f" {breaker.failures} of its last {counted(breaker.calls, 'call')} failed." if breaker.calls else ""
    st.badge(
        label(f"{ref.text} · {look.remark}" if look.remark else ref.text),
        icon=look.icon,
        color=look.color,
        help=f"{state[:1].upper()}{state[1:]}.{seen}",
    )


class _Look(NamedTuple):
    """How a model is drawn; `remark` stands beside its name."""

    color: Literal["gray", "green", "orange", "red"]
    icon: str
    state: str
    remark: str = ""


def _look(breaker: BreakerView) -> _Look:
    if breaker.state == "open":
        state = f"circuit breaker open for another {seconds(breaker.opens_in)} after {breaker.reason or 'failures'}"
        return _Look("red", ":material/block:", state)
    if breaker.state == "half-open":
        return _Look("orange", ":material/help:", "circuit breaker half-open: the next call tests it")
    if breaker.refusal is not None:
        remark = REFUSALS[breaker.refusal]
        state = f"its last call failed ({remark}), and so will others until that is fixed"
        return _Look("orange", ":material/lock:", state, remark)
    return _Look("green", ":material/check_circle:", "circuit breaker closed: the model is available")
