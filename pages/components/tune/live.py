"""On real traffic: a chain as an experiment, or models as a shadow. Either is a change of models.yaml for review."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from router.config.draft import Draft
from router.config.experiments import NAME
from router.core.errors import FallbackLabError
from router.core.formatting import counted
from router.lab import Lab

from components.shared import handover
from components.shared.following import dialog
from components.shared.markdown import label

_WHOSE = "Of the requests at the endpoint and in the library; requests from these pages take no part."


def trial_button(lab: Lab, category: str, key: str) -> bool:
    """Whether an experiment with a chain is asked for."""
    running = lab.config().tried.get(category)
    return st.button(
        "Try on real traffic",
        icon=":material/science:",
        key=key,
        disabled=running is not None or lab.editor.read_only,
        help="Gives it a share of real requests, and compares it with the current chain."
        if running is None
        else f"The experiment {label(running.name)} runs in {label(category)}. Stop it first.",
    )


@dialog("Try on real traffic", icon=":material/science:")
def open_trial(lab: Lab, category: str, edited: Draft, models: Sequence[str]) -> None:
    """The form of an experiment.

    Args:
        edited: models.yaml with the candidate as the category's chain.
        models: the candidate's.
    """
    st.markdown(f"Candidate: **{label(' → '.join(models))}**")
    name = st.text_input("Name", _free_name(lab, category), max_chars=64, key="tune_trial_name")
    share = st.number_input("Share, %", 1, 100, 10, key="tune_trial_share", help=_WHOSE)
    st.markdown("**Guardrails**", help="Each stops the experiment by itself once it is broken beyond chance.")
    first, second, third = st.columns(3)
    fewer = first.number_input("Answered, points", 0.5, 100.0, 5.0, 1.0, key="tune_trial_answered", format="%g",
                               help="At most so many points fewer than by the current chain")  # fmt: skip
    slower = second.number_input("p95 latency, ×", 1.0, 100.0, None, 0.5, key="tune_trial_latency",
                                 placeholder="no limit", help="Times the current chain's", format="%g")  # fmt: skip
    dearer = third.number_input("Cost, ×", 1.0, 100.0, None, 0.5, key="tune_trial_cost",
                                placeholder="no limit", help="Times the current chain's", format="%g")  # fmt: skip
    st.caption("A session keeps its chain. The candidate is never applied by itself.")
    if not st.button("Review the change", type="primary", icon=":material/difference:", key="tune_trial_review"):
        return
    if not NAME.fullmatch(name) or name in lab.config().experiments:
        st.error(f"{label(name)} is taken, or no name: up to 64 letters, digits and `_.-`.", icon=":material/error:")
        return
    limits = {"latency_p95": slower, "cost": dearer}
    guardrails = {"answered": f"{fewer:g} points"}
    guardrails |= {key: f"{value:g}x" for key, value in limits.items() if value is not None}
    settings = {"share": share / 100, "guardrails": guardrails}
    try:
        draft = edited.as_experiment(name, category, settings)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    handover.chains(draft, f"experiment {name}: {share}% of {category} to {' → '.join(models)}")


def _free_name(lab: Lab, category: str) -> str:
    first = f"{category}-{time.strftime('%Y-%m-%d')}"
    names = [first, *(f"{first}-{number}" for number in range(2, len(lab.config().experiments) + 2))]
    return next(name for name in names if name not in lab.config().experiments)


@dialog("Ask on real traffic", icon=":material/visibility:")
def open_shadow(lab: Lab, category: str, models: Sequence[str]) -> None:
    """The form of a shadow.

    Args:
        models: that are asked what the category's requests ask.
    """
    st.markdown(f"Asked too, in the background: **{label(', '.join(models))}**")
    with st.container(horizontal=True):
        share = st.number_input("Share, %", 1, 100, 5, key="tune_shadow_share", width=160, help=_WHOSE)
        budget = st.number_input("Budget a day, $", 0.01, 10_000.0, 1.0, 0.5, key="tune_shadow_budget", width=160)
    st.caption("Nobody waits for these answers or sees them. They say how often a model fails and how fast it is.")
    if category in lab.config().shadow:
        st.caption(f"It replaces the current shadow of {label(category)}.")
    if not st.button("Review the change", type="primary", icon=":material/difference:", key="tune_shadow_review"):
        return
    settings = {"models": [*models], "share": share / 100, "dollars_per_day": budget}
    try:
        draft = lab.editor.draft().with_shadow(category, settings)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    handover.chains(draft, f"shadow of {category}: {share}% to {counted(len(models), 'model')}")
