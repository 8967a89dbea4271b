"""The experiments of a category: a candidate that gets a share of its real requests."""

from __future__ import annotations

import time

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from router.core.errors import FallbackLabError
from router.experiments.analysis import Analysis, Compared
from router.experiments.words import difference_of, left_out_of_cost, state_of, value_of, verdict_of
from router.lab import Lab

from components.shared import handover
from components.shared.chart_colors import axis_colors, ink
from components.shared.front import FRONT
from components.shared.markdown import label

BEGINNING = 4
"""How many times as wide as the last interval the picture is; the first ones are far wider."""

_MEANING = (
    "Intervals are confidence sequences: they hold however often you look. Better and worse are said when 0 is outside;"
    " no worse when the loss is within the margin."
)
WAITING = ":material/hourglass_empty:"
_ICONS = {"better": ":material/trending_up:", "worse": ":material/trending_down:", "no worse": ":material/check:"}


def draw_experiments(lab: Lab, category: str) -> None:
    """Each experiment with its figures, and its end; nothing where the category has none."""
    found = [each for each in lab.experiment_results() if each.experiment.category == category]
    if not found:
        return
    st.subheader("Experiments", help=_MEANING)
    for number, each in enumerate(found):
        with st.container(border=True, key=f"experiment_{number}"):
            _draw(lab, each)


def _draw(lab: Lab, found: Analysis) -> None:
    experiment = found.experiment
    st.markdown(f"**{label(experiment.name)}**: {label(state_of(found, time.time()))}")
    st.caption(f"Candidate: {label(' → '.join(link.ref.text for link in experiment.chain.links))}")
    success = found.compared[0]
    icon = _ICONS.get(success.verdict, WAITING)
    st.markdown(f"{icon} Answered: **{label(verdict_of(success))}**, {label(difference_of(success))}")
    st.dataframe(
        pd.DataFrame([_row(figure) for figure in found.compared]),
        hide_index=True,
        height="content",
        alt=f"Figures of the experiment {experiment.name}",
    )
    if left_out := left_out_of_cost(found):
        st.caption(label(left_out))
    _draw_sequence(success)
    running = experiment.is_running(time.time())
    with st.container(horizontal=True, gap="small"):
        if st.button(
            "Stop", key=f"stop_{experiment.name}", icon=":material/stop_circle:", disabled=not running,
            help="Sets its share to 0 in models.yaml. The candidate is not applied.",
        ):  # fmt: skip
            lab.experiments.stop(experiment, "Stopped by hand.")
            st.rerun()
        if st.button("Review the candidate in Chains", key=f"take_{experiment.name}", icon=":material/edit_note:"):
            models = [link.ref.text for link in experiment.chain.links]
            try:
                draft = lab.editor.draft().with_models(experiment.category, models)
            except FallbackLabError as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                handover.chains(draft, f"experiment {experiment.name}: {verdict_of(success)}")


def _row(figure: Compared) -> dict[str, str]:
    return {
        "Figure": figure.name[:1].upper() + figure.name[1:],
        "Chain": value_of(figure, figure.current),
        "Candidate": value_of(figure, figure.candidate),
        "n": f"{figure.units[0]:,} and {figure.units[1]:,}",
        "Difference, 95%": difference_of(figure),
        "Verdict": verdict_of(figure),
    }


def _draw_sequence(figure: Compared) -> None:
    """What the difference may be, after each number of requests; the wide beginning runs out of the picture."""
    sequence = figure.sequence
    low, high = figure.bounds
    if low is None or high is None:
        return
    middle, most = 50 * (low + high), BEGINNING * 50 * (high - low)
    rows = [
        {"n": int(n), "low": 100 * float(low), "high": 100 * float(high), "value": 100 * float(value)}
        for n, low, high, value in zip(sequence.at, sequence.low, sequence.high, sequence.value, strict=True)
        if np.isfinite([low, high, value]).all()
    ]
    domain = [min(middle - most, 0), max(middle + most, 0)]
    x = alt.X("n:Q", title="requests, sessions as one", axis=alt.Axis(tickCount=6))
    scale = alt.Scale(domain=domain, nice=False)
    base = alt.Chart(pd.DataFrame(rows), height=180)
    layers = (
        base.mark_area(color=FRONT, opacity=0.25, clip=True).encode(
            x=x, y=alt.Y("low:Q", title="points", scale=scale), y2="high:Q"
        )
        + base.mark_line(color=FRONT, clip=True).encode(x=x, y=alt.Y("value:Q", scale=scale))
        + alt.Chart().mark_rule(strokeDash=[4, 4], color=ink()).encode(y=alt.datum(0))
    )
    said = f"{figure.name}: the candidate less the chain, {difference_of(figure)}"
    st.caption("Answered: the candidate less the chain, and what that may be (95%)")
    st.altair_chart(layers.configure_axis(**axis_colors()), alt=said)
