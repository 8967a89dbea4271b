"""What a chain must keep to, and what quality is traded against."""

from __future__ import annotations

import streamlit as st

from router.lab import Lab
from router.tune.goals import Goals, Limits, Weights

from components.shared.style import TALL

WIDTH = 320


def pick_goals(lab: Lab) -> Goals:
    """The popover with limits and weights, and what they are."""
    with st.popover("Goals", icon=":material/flag:", key="tune_goals"), st.container(key=TALL, width=WIDTH):
        st.caption("A chain must keep to these limits. An empty field is no limit.")
        limits = _limits(lab)
        st.caption("What a point of quality is traded against. 0 means that only quality counts.")
        with st.container(horizontal=True):
            cost = st.number_input("Points per dollar", 0.0, 1000.0, 0.0, 0.1, key="tune_weight_cost",
                                   bind="query-params", help="And 1,000 requests", format="%g")  # fmt: skip
            seconds = st.number_input("Points per second", 0.0, 1000.0, 0.0, 0.1, key="tune_weight_seconds",
                                      format="%g", bind="query-params")  # fmt: skip
        margin = st.number_input("A chain is no worse up to a loss of (points)", 0.1, 50.0, 2.0, 0.5, key="tune_margin",
                                 format="%g", bind="query-params")  # fmt: skip
    return Goals(limits=limits, weights=Weights(cost=cost, seconds=seconds), margin=margin / 100)


def _limits(lab: Lab) -> Limits:
    with st.container(horizontal=True):
        cost = _number("Cost per 1,000, $", "cost", 1e6)
        latency = _number("p95 latency, s", "latency", 3600.0)
    with st.container(horizontal=True):
        first_token = _number("p95 first token, s", "first_token", 3600.0)
        answered = _number("Answered, %", "answered", 100.0)
    known = [ref.text for ref in lab.config().chain_models]
    must = st.multiselect("Must hold", known, key="tune_must", bind="query-params", accept_new_options=True)
    never = st.multiselect("Must not hold", known, key="tune_never", bind="query-params", accept_new_options=True)
    links = st.selectbox("Models at most", range(1, 6), 2, key="tune_links", bind="query-params")
    apart = st.toggle("Not two models of one provider in a row", key="tune_apart", bind="query-params")
    return Limits(
        cost=cost,
        latency=latency,
        first_token=first_token,
        answered=answered / 100 if answered is not None else None,
        must=tuple(must),
        never=tuple(never),
        apart=apart,
        links=links,
    )


def _number(words: str, name: str, most: float) -> float | None:
    return st.number_input(words, 0.0, most, None, key=f"tune_limit_{name}", placeholder="none",
                           bind="query-params")  # fmt: skip
