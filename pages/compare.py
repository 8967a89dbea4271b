"""Compare: the same prompts through several chains and models, side by side."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.compare import Run, files_of, unanswered
from router.compare.comparisons import MAX_NAME
from router.compare.export import to_csv, to_jsonl, to_markdown
from router.core.comparisons import Comparison
from router.core.errors import InvalidRequest
from router.core.formatting import counted
from router.lab import Lab

from components.compare.common import draw_setup
from components.compare.draft import begin, draft_of, keep_over_reload, leave, set_aside, take_given
from components.compare.lanes import LiveLane, draw_answers, draw_running
from components.compare.matrix import draw_difference, draw_matrix
from components.compare.start import draw_start, set_blind, title_of
from components.compare.summary import draw_charts, draw_summary_table
from components.compare.votes import draw_vote
from components.shared.following import follow
from components.shared.lab import lab_or_stop, this_viewer
from components.shared.markdown import label
from components.shared.message import draw_source

_PROBLEM = "compare_problem"
"""The session's key for why something could not be done."""

MATRIX, ANSWERS, DIFFERENCE, SUMMARY = "Matrix", "Answers", "Differences", "Summary"


def main(lab: Lab) -> None:
    """The comparison named in the URL, or the form for a new one."""
    # Checked first: whatever is finished by now is complete in what is read next.
    run = lab.comparisons.run(st.query_params.get("comparison", ""))
    given = take_given()
    comparison = _comparison(lab)
    if comparison is not None or (st.session_state["arrived"] and not given):
        leave()
    if comparison is None:
        draw_start(lab)
        keep_over_reload(lab)
        return
    keep_over_reload(lab)
    _draw_head(lab, comparison)
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(label(problem), icon=":material/error:")
    blind = "blind" in st.query_params
    if run is not None:
        _draw_running(comparison, run, lab, blind=blind)
    elif blind:
        draw_vote(lab, comparison)
    else:
        _draw_over(comparison)


def _comparison(lab: Lab) -> Comparison | None:
    named = st.query_params.get("comparison")
    if named is None:
        return None
    found = lab.comparisons.get(named) if re.fullmatch(r"[0-9a-f]{12}", named) else None
    if found is None:
        st.warning("The comparison in this link is not stored here. Start a new one below.", icon=":material/link_off:")
    return found


# --- Another one -----------------------------------------------------------------------------------


def _start_new() -> None:
    """Close this comparison; its URL opens it again."""
    st.query_params.clear()
    set_aside()
    begin(None)


def _use_again(lab: Lab, comparison: Comparison) -> None:
    plan = comparison.plan
    try:
        files = {file.id: lab.comparisons.file(comparison.id, file.id) for file in files_of(plan)}
    except InvalidRequest as error:
        st.session_state[_PROBLEM] = str(error)
        return
    _start_new()
    begin(draft_of(plan, files))


# --- In progress -----------------------------------------------------------------------------------


def _draw_running(comparison: Comparison, run: Run, lab: Lab, *, blind: bool) -> None:
    this_viewer().look_at(run)
    if blind:
        st.caption("Answers are hidden until all have finished: their speed would give the models away.")
    places = draw_running(comparison, run) if not blind else {}
    with st.bottom.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop all", icon=":material/stop_circle:", key="compare_stop", shortcut="esc", on_click=run.stop)
        progress = st.container()
    follow(functools.partial(_looks, lab, comparison, run, progress, places))


def _looks(
    lab: Lab, comparison: Comparison, run: Run, progress: DeltaGenerator, places: Mapping[int, DeltaGenerator]
) -> Iterator[None]:
    """Draws what is new in the lanes, each time, until one of them has finished."""
    lanes = {lane: LiveLane(lane, place, comparison.plan) for lane, place in places.items()}
    with progress:
        line = st.empty()
    shown = -1
    while lab.comparisons.run(comparison.id) is run and (now := lab.comparisons.get(comparison.id)):
        current = {key.lane: (key, handle) for key, handle in sorted(run.handles().items(), reverse=True)}
        if lanes and current.keys() != lanes.keys():
            return
        finished = Counter(cell.lane for cell in now.cells.values() if cell.state != "running")
        if finished.total() != shown:
            shown = finished.total()
            line.caption(f"{shown:d} of {counted(_cells(comparison), 'answer')} finished.")
        for lane, live in lanes.items():
            key, handle = current[lane]
            live.draw(key, handle.snapshot(), finished[lane])
        yield


def _cells(comparison: Comparison) -> int:
    return len(comparison.plan.lanes) * len(comparison.plan.prompts) * comparison.plan.repeats


# --- Finished --------------------------------------------------------------------------------------


def _go_on(lab: Lab, comparison_id: str) -> None:
    try:
        lab.comparisons.go_on(comparison_id)
    except InvalidRequest as error:
        st.session_state[_PROBLEM] = str(error)


def _draw_head(lab: Lab, comparison: Comparison) -> None:
    st.markdown(f"## {label(title_of(comparison))}", anchors=False)
    left = unanswered(comparison) if lab.comparisons.run(comparison.id) is None else []
    with st.container(horizontal=True):
        if left:
            st.button(
                f"Ask {len(left):,} unanswered",
                icon=":material/replay:",
                key="compare_again",
                on_click=_go_on,
                args=(lab, comparison.id),
                help="Ask again what was stopped, lost or failed; existing answers are kept",
            )
        st.button("New", icon=":material/add:", on_click=_start_new, help="Start a new comparison")
        st.button(
            "Use again",
            icon=":material/edit:",
            on_click=_use_again,
            args=(lab, comparison),
            help="Start a new comparison with these lanes, prompts and settings",
        )
        if "blind" in st.query_params:
            st.button("Show lane names", icon=":material/visibility:", on_click=set_blind, args=(False,))
        else:
            st.button(
                "Vote blind",
                icon=":material/visibility_off:",
                on_click=set_blind,
                args=(True,),
                help="Shows two answers at a time, unnamed and in random order",
            )
        with st.popover("Save", icon=":material/bookmark:", help="Name this comparison and share its link"):
            _draw_save(lab, comparison)
        if st.button(
            "Make a suite",
            icon=":material/fact_check:",
            key="compare_suite",
            help="Make a suite of the prompts whose answers people voted for",
        ):
            from components.shared.suites import of_comparison  # noqa: PLC0415  # loads what evaluations need

            of_comparison(lab, comparison)
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
    draw_setup(comparison.plan)


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
    st.caption(
        "Answers are stored as they arrive. Anyone who can open this app can find them in the list or by this link:"
    )
    st.code(f"{(st.context.url or '').partition('?')[0]}?comparison={comparison.id}", language=None, wrap_lines=True)


def _draw_over(comparison: Comparison) -> None:
    several = len(comparison.plan.prompts) > 1
    views = [*([MATRIX] if several else []), ANSWERS, DIFFERENCE, SUMMARY]
    # Only the selected view is drawn.
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
    """The selected prompt, counted from 0; all views share it."""
    prompts = comparison.plan.prompts
    number = st.pagination(len(prompts), key=f"compare_page_{comparison.id}") if len(prompts) > 1 else 1
    of = f" {number:d} of {len(prompts)}" if len(prompts) > 1 else ""
    with st.expander(f"Prompt{of}", icon=":material/person:", type="compact", expanded=len(prompts) > 1):
        draw_source(prompts[number - 1].text, key=f"compare_prompt_{number}")
    return number - 1


def _pick_repeat(comparison: Comparison) -> int:
    if comparison.plan.repeats == 1:
        return 0
    st.caption(f"Each prompt was asked {counted(comparison.plan.repeats, 'time')}.")
    return st.pagination(comparison.plan.repeats, key=f"compare_repeat_{comparison.id}") - 1


main(lab_or_stop())
