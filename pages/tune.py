"""Tune: from evidence to a better chain, as a change of models.yaml for review."""

from __future__ import annotations

import streamlit as st

from router.core.errors import FallbackLabError
from router.lab import Lab

from components.shared.lab import lab_or_stop
from components.shared.markdown import label
from components.shared.predictions import draw_predictions
from components.tune.evidence import draw_evidence
from components.tune.experiments import draw_experiments
from components.tune.goals import pick_goals
from components.tune.proposals import draw_advice, draw_gap
from components.tune.what_if import draw_what_if


def main(lab: Lab) -> None:
    """A category at a time: what the evidence says, what else could be tried, and what it rests on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        category = _pick_category(lab)
        goals = pick_goals(lab)
    try:
        with st.spinner("Reading the evidence …", show_time=True):
            evidence = lab.tuning.evidence(category)
        if (gap := evidence.gap()) is not None:
            draw_gap(lab, evidence, gap)
        else:
            with st.spinner("Comparing chains …", show_time=True):
                found = lab.tuning.advise(category, goals)
            draw_advice(lab, found)
        draw_predictions(lab, category)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    draw_experiments(lab, category)
    draw_what_if(lab, evidence)
    draw_evidence(evidence)


def _pick_category(lab: Lab) -> str:
    names = [*lab.config().chains]
    first = st.query_params.get("category", lab.config().default_category)
    chosen = st.segmented_control(
        "Category",
        names,
        default=first if first in names else names[0],
        required=True,
        key="tune_category",
        label_visibility="collapsed",
    )
    st.query_params["category"] = chosen
    return chosen


main(lab_or_stop())
