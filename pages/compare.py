"""Compare: the same prompts through several chains and models, side by side."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable

import streamlit as st

from router.compare import calls
from router.compare.comparisons import MAX_NAME
from router.compare.export import to_csv, to_jsonl, to_markdown
from router.errors import FallbackLabError, StoreError
from router.lab import Lab
from router.store import Comparison, Plan

from components.lab import lab_or_stop, this_viewer
from components.lanes import beginning, draw_answers, draw_running
from components.markdown import label
from components.matrix import draw_difference, draw_matrix
from components.planner import draft, forget, plan_form
from components.summary import draw_charts, draw_summary_table
from components.votes import draw_leaderboard, draw_vote

POLL, POLL_PER_LANE = 0.15, 0.02
"""Seconds between two looks at lanes under way: a browser needs longer to draw more of them."""

FEW = 4
"""Calls; of more than these it is said beforehand what they will likely cost and take."""

ASK_ABOVE = 20
"""Calls; before more than these people are asked, unless they set another limit."""

EARLIER = 50
"""Comparisons that are listed."""

MATRIX, ANSWERS, DIFFERENCE, SUMMARY = "Matrix", "Answers", "Differences", "Summary"


def main(lab: Lab) -> None:
    """A comparison that the link names, or the form of a new one."""
    # Looked at first: of what is over by now, all is in what is read next.
    running = lab.comparisons.run(st.query_params.get("comparison", "")) is not None
    comparison = _comparison(lab)
    if comparison is None:
        _draw_start(lab)
        return
    _draw_head(lab, comparison)
    blind = "blind" in st.query_params
    if running:
        # While answers come, this part alone is drawn again and again; a click elsewhere does not touch the requests.
        every = POLL + POLL_PER_LANE * len(comparison.plan.lanes)
        st.fragment(_draw_running, run_every=every)(lab, comparison.id, blind)
    elif blind:
        st.button("Show whose answers they are", icon=":material/visibility:", on_click=_set_blind, args=(False,))
        draw_vote(lab, comparison)
    else:
        _draw_over(comparison)


def _comparison(lab: Lab) -> Comparison | None:
    named = st.query_params.get("comparison")
    if named is None:
        return None
    found = lab.comparisons.get(named) if re.fullmatch(r"[0-9a-f]{12}", named) else None
    if found is None:
        st.warning(
            "The link names a comparison that is not stored here. This is a new one.", icon=":material/link_off:"
        )
    return found


# --- A new one -------------------------------------------------------------------------------------


def _draw_start(lab: Lab) -> None:
    """The form of a new comparison, and the way back to earlier ones."""
    tabs = ["New comparison", "Earlier ones", "Leaderboard"]
    new, earlier, board = st.tabs(tabs, on_change="rerun", key="compare_tabs")
    with new:
        _draw_new(lab)  # also where it is hidden: what was typed stays
    if earlier.open:
        with earlier:
            _draw_earlier(lab)
    if board.open:
        with board:
            draw_leaderboard(lab)


def _draw_earlier(lab: Lab) -> None:
    found = lab.comparisons.newest(EARLIER)
    if not found:
        st.caption("There is none yet.")
        return
    st.caption("All who can open this app see them.")
    for comparison in found:
        plan = comparison.plan
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(comparison.created))
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                label(_title(comparison)),
                key=f"compare_open_{comparison.id}",
                type="tertiary",
                icon=":material/history:",
                on_click=_open,
                args=(comparison.id,),
            )
            prompts = "1 prompt" if len(plan.prompts) == 1 else f"{len(plan.prompts)} prompts"
            st.caption(f"{when}, {len(plan.lanes)} lanes, {prompts}")


def _open(comparison_id: str) -> None:
    st.query_params["comparison"] = comparison_id


def _draw_new(lab: Lab) -> None:
    try:
        plan = plan_form(lab)
        likely = lab.comparisons.estimate(plan) if calls(plan) > FEW else None
        problem = ""
    except FallbackLabError as error:
        plan, likely, problem = None, None, str(error)
    if likely is not None:
        st.caption(label(likely.sentence()))
    with st.container(horizontal=True, vertical_alignment="center"):
        wanted = st.button("Compare", type="primary", icon=":material/play_arrow:", key="compare_start")
        blind = st.toggle(
            "Vote blind",
            key="compare_blind",
            help="Two answers at a time, without names and in random order; whose they are is shown after your vote.",
        )
        limit = st.session_state.get("compare_limit", ASK_ABOVE)
        with st.popover(f"Asks above {limit} calls", icon=":material/front_hand:", type="tertiary"):
            limit = st.number_input("Ask before more calls than", 1, None, ASK_ABOVE, key="compare_limit", width=220)
    if wanted and plan is not None and calls(plan) > limit:
        st.session_state["compare_asked"] = plan
    elif wanted and plan is not None:
        _start(lab, plan, blind=blind)
    elif wanted:
        st.error(label(problem), icon=":material/error:")
    if plan is not None and plan == st.session_state.get("compare_asked"):
        _confirm(lab, plan, blind=blind)


def _confirm(lab: Lab, plan: Plan, *, blind: bool) -> None:
    with st.container(border=True):
        st.markdown(f"**Run {calls(plan):,} calls?**")
        with st.container(horizontal=True):
            if st.button("Run them", type="primary", key="compare_confirm"):
                _start(lab, plan, blind=blind)
            if st.button("Not now", key="compare_cancel"):
                del st.session_state["compare_asked"]
                st.rerun()


def _start(lab: Lab, plan: Plan, *, blind: bool) -> None:
    """Run it, and go there; why not, where it cannot be."""
    try:
        st.query_params["comparison"] = lab.comparisons.start(plan)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
    else:
        st.session_state.pop("compare_asked", None)
        if blind:
            _set_blind(True)
        st.rerun()


def _start_new() -> None:
    """Leave this comparison; its link brings it back."""
    st.query_params.clear()
    forget()


def _set_blind(blind: bool) -> None:
    """Hide or show names; the link says it, so that a reload shows no more than before."""
    if blind:
        st.query_params["blind"] = "1"
    else:
        del st.query_params["blind"]


def _use_again(comparison: Comparison) -> None:
    _start_new()
    draft(comparison.plan)


# --- One under way ---------------------------------------------------------------------------------


def _draw_running(lab: Lab, comparison_id: str, blind: bool) -> None:
    run = lab.comparisons.run(comparison_id)
    comparison = lab.comparisons.get(comparison_id)
    if run is None or comparison is None:
        st.rerun()
    this_viewer().look_at(run)
    over = sum(cell.state != "running" for cell in comparison.cells.values())
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Stop all", icon=":material/stop_circle:", key="compare_stop", shortcut="esc"):
            run.stop()
        st.caption(f"{over} of {_cells(comparison)} answers are over.")
    if blind:
        st.caption("How fast an answer comes tells whose it is: they are shown once all are over.")
    else:
        draw_running(comparison, run)


def _cells(comparison: Comparison) -> int:
    return len(comparison.plan.lanes) * len(comparison.plan.prompts) * comparison.plan.repeats


# --- One that is over ------------------------------------------------------------------------------


def _draw_head(lab: Lab, comparison: Comparison) -> None:
    st.markdown(f"#### {label(_title(comparison))}", anchors=False)
    with st.container(horizontal=True):
        st.button("New", icon=":material/add:", on_click=_start_new, help="Begin a new comparison")
        st.button(
            "Use again",
            icon=":material/edit:",
            on_click=_use_again,
            args=(comparison,),
            help="Change this comparison's lanes and prompts, and run it anew",
        )
        if "blind" not in st.query_params:
            st.button(
                "Vote blind",
                icon=":material/visibility_off:",
                on_click=_set_blind,
                args=(True,),
                help="Two answers at a time, without names and in random order",
            )
        with st.popover("Save", icon=":material/bookmark:", help="Give it a name, and share its link"):
            _draw_save(lab, comparison)
        with st.popover("Export", icon=":material/download:"):
            for kind, mime, write in _EXPORTS:
                st.download_button(
                    kind,
                    functools.partial(write, comparison),
                    file_name=f"comparison-{comparison.id}.{kind.lower().replace('markdown', 'md')}",
                    mime=mime,
                    on_click="ignore",
                    width="stretch",
                )


_EXPORTS: list[tuple[str, str, Callable[[Comparison], str]]] = [
    ("CSV", "text/csv", to_csv),
    ("JSONL", "application/jsonl", to_jsonl),
    ("Markdown", "text/markdown", to_markdown),
]


def _draw_save(lab: Lab, comparison: Comparison) -> None:
    with st.form("compare_save", border=False):
        name = st.text_input("Name", comparison.name, max_chars=MAX_NAME, width=320)
        if st.form_submit_button("Save"):
            lab.comparisons.rename(comparison.id, name)
            st.rerun()
    st.caption("It is stored as it comes. Whoever can open this app finds it among the earlier ones, or by this link:")
    st.code(f"{(st.context.url or '').partition('?')[0]}?comparison={comparison.id}", language=None, wrap_lines=True)


def _title(comparison: Comparison) -> str:
    return comparison.name or beginning(comparison.plan.prompts[0].text)


def _draw_over(comparison: Comparison) -> None:
    several = len(comparison.plan.prompts) > 1
    views = [*([MATRIX] if several else []), ANSWERS, DIFFERENCE, SUMMARY]
    # One view is drawn, not all.
    view = st.segmented_control(
        "View", views, default=views[0], required=True, key="compare_view", label_visibility="collapsed"
    )
    if view == MATRIX:
        draw_matrix(comparison)
    elif view == ANSWERS:
        prompt = _pick_prompt(comparison)
        draw_answers(comparison, prompt, _pick_repeat(comparison))
        if not several:
            draw_charts(comparison)
    elif view == DIFFERENCE:
        draw_difference(comparison, _pick_prompt(comparison))
    else:
        draw_summary_table(comparison)
        draw_charts(comparison)


def _pick_prompt(comparison: Comparison) -> int:
    """Which prompt, counted from 0; one is chosen for all views."""
    prompts = comparison.plan.prompts
    number = st.pagination(len(prompts), key=f"compare_page_{comparison.id}") if len(prompts) > 1 else 1
    of = f" {number} of {len(prompts)}" if len(prompts) > 1 else ""
    with st.expander(f"Prompt{of}", icon=":material/person:", type="compact", expanded=len(prompts) > 1):
        st.code(prompts[number - 1].text, language=None, wrap_lines=True, height="content")
    return number - 1


def _pick_repeat(comparison: Comparison) -> int:
    if comparison.plan.repeats == 1:
        return 0
    st.caption(f"Each prompt was asked {comparison.plan.repeats} times.")
    return st.pagination(comparison.plan.repeats, key=f"compare_repeat_{comparison.id}") - 1


try:
    main(lab_or_stop())
except StoreError as error:
    st.error(label(str(error)), icon=":material/error:")
