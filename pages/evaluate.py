"""Evaluate: suites of cases through chains and models, graded, with a verdict."""

from __future__ import annotations

import functools

import streamlit as st

from router.core.errors import FallbackLabError
from router.lab import Lab

from components.evaluate.baseline import draw_baseline
from components.evaluate.head import draw_head
from components.evaluate.live import looks
from components.evaluate.matrix import draw_matrix
from components.evaluate.opened import Opened
from components.evaluate.runs import draw_runs
from components.evaluate.start import draw_new
from components.evaluate.suites import draw_suites, keep_suite
from components.evaluate.verdict import draw_verdict
from components.shared.following import follow
from components.shared.lab import lab_or_stop
from components.shared.markdown import label
from components.shared.suites import library_of

VERDICT, MATRIX, CHANGES = "Verdict", "Cases", "Since an earlier run"


def main(lab: Lab) -> None:
    """The run named in the URL, or the form for a new one."""
    run = st.query_params.get("run")
    opened = _opened(lab, run) if run else None
    if opened is None:
        _draw_start(lab)
    else:
        _draw_run(opened)


def _opened(lab: Lab, run: str) -> Opened | None:
    try:
        return Opened.of(lab, run)
    except FallbackLabError as error:
        st.warning(f"{label(str(error))} Start a new one below.", icon=":material/link_off:")
        return None


def _draw_start(lab: Lab) -> None:
    library = library_of(lab)
    keep_suite(lab)
    new, earlier, suites = st.tabs(["New run", "Earlier runs", "Suites"], on_change="rerun", key="evaluate_tabs")
    with new:
        draw_new(lab, library, shown=bool(new.open))
    if earlier.open:
        with earlier:
            draw_runs(lab)
    if suites.open:
        with suites:
            draw_suites(library)


def _draw_run(opened: Opened) -> None:
    draw_head(opened)
    bar = st.empty()
    view = st.segmented_control("View", [VERDICT, MATRIX, CHANGES], default=VERDICT, required=True, key="evaluate_view",
                                label_visibility="collapsed")  # fmt: skip
    live = st.empty() if opened.running is not None and view == VERDICT else None
    if view == VERDICT and live is None:
        draw_verdict(opened)
    elif view == MATRIX:
        draw_matrix(opened)
    elif view == CHANGES:
        draw_baseline(opened)
    if opened.running is not None:
        follow(functools.partial(looks, opened.running, bar, live))


main(lab_or_stop())
