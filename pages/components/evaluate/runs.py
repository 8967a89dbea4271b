"""The runs that were begun here, newest first."""

from __future__ import annotations

import streamlit as st

from router.core.errors import FallbackLabError
from router.core.formatting import counted, dollars, moment
from router.evaluate.results import ENDED, Results
from router.lab import Lab

from components.shared.markdown import label
from components.shared.zone import zone

SHOWN = 30
"""Runs in the list."""


def draw_runs(lab: Lab) -> None:
    """The list; each opens."""
    found = lab.evaluations.all()
    if not found:
        st.caption("No runs yet. Runs of the command line (`fallback-lab eval`) appear here, too.")
        return
    st.caption("Everyone who can open this app can see these.")
    for run in found[:SHOWN]:
        try:
            results = lab.evaluations.results(run)
            title = title_of(results)
        except FallbackLabError as error:
            st.caption(label(f"{run}: {error}"))
            continue
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(label(title), key=f"evaluate_open_{run}", type="tertiary", icon=":material/history:",
                      on_click=open_run, args=(run,))  # fmt: skip
            st.caption(label(facts(lab, run, results)))
    if len(found) > SHOWN:
        st.caption(f"and {len(found) - SHOWN} older; `fallback-lab runs` lists all.")


def open_run(run: str) -> None:
    """Show a run; its link is kept in the URL."""
    st.query_params["run"] = run


def title_of(results: Results) -> str:
    """A run's suite and lanes."""
    lanes = [lane.name for lane in results.planned.lanes]
    shown = ", ".join(lanes[:3]) + (f" and {len(lanes) - 3} more" if len(lanes) > 3 else "")
    return f"{results.planned.suite.name}: {shown}"


def facts(lab: Lab, run: str, results: Results) -> str:
    """When a run began, how far it is, and what it cost so far."""
    plan = results.planned
    if lab.evaluations.running(run) is not None:
        return f"{moment(results.began, zone())}, in progress"
    state = ENDED[results.ended]
    unknown = f" + {counted(results.unpriced, 'call')} unknown" if results.unpriced else ""
    failed = sum(asked.state == "failed" for asked in results.asked.values())
    missing = f", {failed:,} failed" if failed else ""
    return (
        f"{moment(results.began, zone())}, {results.over:,} of {counted(plan.cells, 'answer')}{missing}, {state},"
        f" {dollars(results.spent)}{unknown}"
    )
