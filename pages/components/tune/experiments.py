"""The experiments of a category: a candidate that gets a share of its real requests."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from router.core.errors import FallbackLabError
from router.experiments.analysis import Analysis, Compared
from router.experiments.words import state_of, value_of
from router.lab import Lab

from components.shared import handover
from components.shared.chart_colors import axis_colors
from components.shared.markdown import label

_MEANING = (
    "Intervals are confidence sequences: they hold however often you look. Better and worse are said when 0 is outside;"
    " no worse when the loss is within the margin."
)
_ICONS = {"better": ":material/trending_up:", "worse": ":material/trending_down:", "no worse": ":material/check:"}


def draw_experiments(lab: Lab, category: str) -> None:
    """Each experiment with its figures, and its end; nothing where the category has none."""
    found = [each for each in lab.experiment_results() if each.experiment.category == category]
    if not found:
        return
    st.subheader("Experiments", help=_MEANING)
    for each in found:
        with st.container(border=True):
            _draw(lab, each)


def _draw(lab: Lab, found: Analysis) -> None:
    experiment = found.experiment
    st.markdown(f"**{label(experiment.name)}**: {label(state_of(found, time.time()))}")
    st.caption(f"Candidate: {label(' → '.join(link.ref.text for link in experiment.chain.links))}")
    success = found.compared[0]
    st.markdown(f"{_ICONS.get(success.verdict, ':material/hourglass_empty:')} Answered: **{label(success.verdict)}**")
    st.dataframe(
        pd.DataFrame([_row(figure) for figure in found.compared]),
        hide_index=True,
        height="content",
        alt=f"Figures of the experiment {experiment.name}",
    )
    if len(success.sequence.at) > 1:
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
                handover.chains(draft, f"experiment {experiment.name}: {success.verdict}")


def _row(figure: Compared) -> dict[str, str]:
    low, high = figure.bounds
    return {
        "Figure": figure.name,
        "Chain": value_of(figure, figure.current),
        "Candidate": value_of(figure, figure.candidate),
        "n": f"{figure.units[0]:,} and {figure.units[1]:,}",
        "Difference, 95 %": (
            "–" if low is None else f"{value_of(figure, low, sign=True)} to {value_of(figure, high, sign=True)}"
        ),
        "Verdict": figure.verdict,
    }


def _draw_sequence(figure: Compared) -> None:
    """The difference after each number of requests, with what it may be."""
    sequence = figure.sequence
    rows = [
        {"n": int(n), "low": 100 * float(low), "high": 100 * float(high)}
        for n, low, high in zip(sequence.at, sequence.low, sequence.high, strict=True)
        if low > -1 or high < 1
    ]
    if len(rows) < 2:
        return
    x = {"field": "n", "type": "quantitative", "title": "requests or sessions"}
    band = {
        "mark": {"type": "area", "opacity": 0.3},
        "encoding": {
            "x": x,
            "y": {"field": "low", "type": "quantitative", "title": "candidate less chain, points"},
            "y2": {"field": "high"},
        },
    }
    zero = {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"y": {"datum": 0}}}
    chart = {"data": {"values": rows}, "layer": [band, zero], "height": 160, "config": {"axis": axis_colors()}}
    st.vega_lite_chart(chart, width="stretch", alt=f"{figure.name}: the candidate less the chain, as requests came")
