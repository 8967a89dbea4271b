"""A comparison before it runs: the form with its run bar, the list of earlier ones, the leaderboard."""

from __future__ import annotations

import streamlit as st

from router.compare import calls
from router.compare.matrix import beginning
from router.core.comparisons import Comparison
from router.core.errors import FallbackLabError
from router.core.formatting import counted, moment
from router.lab import Lab

from components.compare.draft import Draft, sent
from components.compare.planner import plan_form
from components.compare.votes import draw_leaderboard
from components.shared.markdown import label
from components.shared.zone import zone

FEW = 4
"""Calls; above this number the page shows an estimate of cost and duration."""

ASK_ABOVE = 20
"""Calls; above this number the page asks for confirmation, unless the user sets another limit."""

EARLIER = 50
"""Comparisons shown in the list."""


def draw_start(lab: Lab) -> None:
    """The form for a new comparison, and the list of earlier ones."""
    tabs = ["New comparison", "Earlier comparisons", "Leaderboard"]
    new, earlier, board = st.tabs(tabs, on_change="rerun", key="compare_tabs")
    with new:
        _draw_new(lab, shown=bool(new.open))
    if earlier.open:
        with earlier:
            _draw_earlier(lab)
    if board.open:
        with board:
            draw_leaderboard(lab)


def _draw_earlier(lab: Lab) -> None:
    found = lab.comparisons.newest(EARLIER)
    if not found:
        st.caption("No comparisons yet.")
        return
    st.caption("Everyone who can open this app can see these.")
    for comparison in found:
        plan = comparison.plan
        when = moment(comparison.created, zone())
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                label(title_of(comparison)),
                key=f"compare_open_{comparison.id}",
                type="tertiary",
                icon=":material/history:",
                on_click=_open,
                args=(comparison.id,),
            )
            st.caption(f"{when}, {counted(len(plan.lanes), 'lane')}, {counted(len(plan.prompts), 'prompt')}")


def _open(comparison_id: str) -> None:
    st.query_params["comparison"] = comparison_id


def _draw_new(lab: Lab, *, shown: bool) -> None:
    """The form; what it holds is kept also where another tab is shown, the run bar is not."""
    try:
        draft = plan_form(lab)
        likely = lab.comparisons.estimate(draft.plan, draft.files) if calls(draft.plan) > FEW else None
        problem = ""
    except FallbackLabError as error:
        draft, likely, problem = None, None, str(error)
    if not shown:
        return
    with st.bottom:
        if likely is not None:
            st.caption(label(likely.sentence()))
        with st.container(horizontal=True, vertical_alignment="center"):
            wanted = st.button("Compare", type="primary", icon=":material/play_arrow:", key="compare_start")
            blind = st.toggle(
                "Vote blind",
                key="compare_blind",
                persist_state="session",
                help="Shows two answers at a time, unnamed and in random order. The names appear after you vote.",
            )
            limit = st.session_state.get("compare_limit", ASK_ABOVE)
            with st.popover(f"Confirm above {counted(limit, 'call')}", icon=":material/front_hand:", type="tertiary"):
                limit = st.number_input(
                    "Ask for confirmation above", 1, None, ASK_ABOVE, key="compare_limit", persist_state="session",
                    width=220,
                )  # fmt: skip
        if wanted and draft is not None and calls(draft.plan) > limit:
            st.session_state["compare_asked"] = draft.plan
        elif wanted and draft is not None:
            _start(lab, draft, blind=blind)
        elif wanted:
            st.error(label(problem), icon=":material/error:")
        if draft is not None and draft.plan == st.session_state.get("compare_asked"):
            _confirm(lab, draft, blind=blind)


def _confirm(lab: Lab, draft: Draft, *, blind: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Run {counted(calls(draft.plan), 'call')}?**", width="content")
        if st.button("Run", type="primary", key="compare_confirm"):
            _start(lab, draft, blind=blind)
        if st.button("Cancel", key="compare_cancel"):
            del st.session_state["compare_asked"]
            st.rerun()


def _start(lab: Lab, draft: Draft, *, blind: bool) -> None:
    """Start the comparison and open it; if that fails, show why."""
    try:
        st.query_params["comparison"] = lab.comparisons.start(draft.plan, draft.files)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
    else:
        st.session_state.pop("compare_asked", None)
        sent()
        if blind:
            set_blind(True)
        st.rerun()


def set_blind(blind: bool) -> None:
    """Hide or show lane names; the URL keeps the choice, so a reload reveals nothing."""
    if blind:
        st.query_params["blind"] = "1"
    else:
        del st.query_params["blind"]


def title_of(comparison: Comparison) -> str:
    """Its name, or the beginning of its first prompt."""
    return comparison.name or beginning(comparison.plan.prompts[0].text)
