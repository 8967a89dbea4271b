"""A run's title, and what can be done with it: go on, extend, grade again, export, delete."""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec
import streamlit as st

from router.core.conversations import Settings
from router.core.errors import FallbackLabError
from router.core.formatting import counted
from router.core.runs import Planned
from router.core.suites import Case
from router.evaluate.eval_log import to_zip
from router.evaluate.evaluation import Evaluation
from router.evaluate.evaluations import MAX_REPEATS
from router.evaluate.export import to_csv, to_jsonl, to_junit
from router.evaluate.library import new_cases
from router.evaluate.markdown import to_markdown
from router.evaluate.results import Results
from router.evaluate.verdicts import against_first
from router.lab import Lab

from components.evaluate.opened import Opened
from components.evaluate.runs import facts, title_of
from components.evaluate.start import pick_lanes, suite_now
from components.shared.following import dialog
from components.shared.markdown import label
from components.shared.suites import library_of

PROBLEM = "evaluate_problem"
"""The session's key for why something could not be done."""


def draw_head(opened: Opened) -> None:
    """The title with its actions."""
    lab, run, results, plan, running = opened
    st.markdown(f"## {label(title_of(results))}", anchors=False)
    st.caption(label(facts(lab, run, results)))
    if problem := st.session_state.pop(PROBLEM, None) or lab.evaluations.problem(run):
        st.error(label(problem), icon=":material/error:")
    with st.container(horizontal=True):
        st.button("New run", icon=":material/add:", on_click=st.query_params.clear, key="evaluate_new")
        if running is not None:
            st.button("Stop", icon=":material/stop_circle:", shortcut="esc", key="evaluate_stop",
                      on_click=_stop, args=(running,))  # fmt: skip
        else:
            _draw_further(opened)
        with st.popover("Export", icon=":material/download:"):
            for kind, ending, mime, write in _EXPORTS:
                st.download_button(kind, functools.partial(write, results, plan), file_name=f"{run}.{ending}",
                                   mime=mime, on_click="ignore", width="stretch")  # fmt: skip
        if running is None and st.button(
            ":red[Delete]", icon=":material/delete:", type="tertiary", key="evaluate_delete"
        ):
            _delete(opened)
    if results.possibly_paid:
        st.caption(f"{len(results.possibly_paid):,} calls may have been paid twice: the process was killed.")


def _jsonl(results: Results, plan: Planned) -> bytes:
    return b"".join(to_jsonl(results, plan))


def _markdown(results: Results, plan: Planned) -> str:
    return to_markdown(results, plan, against_first(results, plan), [])


_EXPORTS: list[tuple[str, str, str, Callable[[Results, Planned], str | bytes]]] = [
    ("CSV", "csv", "text/csv", to_csv),
    ("JSONL", "jsonl", "application/jsonl", _jsonl),
    ("Inspect logs", "zip", "application/zip", to_zip),
    ("JUnit", "xml", "application/xml", to_junit),
    ("Markdown", "md", "text/markdown", _markdown),
]


def _stop(running: Evaluation) -> None:
    running.stop()
    running.wait()


def _draw_further(opened: Opened) -> None:
    """What goes on with a run that has ended."""
    lab, run, results, plan, _ = opened
    failed = sum(asked.state == "failed" for asked in results.asked.values())
    if results.over < plan.cells:
        st.button("Go on", icon=":material/play_arrow:", type="primary", key="evaluate_go_on", on_click=_resume,
                  args=(lab, run), help="Ask what has no answer yet; nothing is asked twice")  # fmt: skip
    if failed:
        st.button(f"Ask {failed:,} failed again", icon=":material/replay:", key="evaluate_retry",
                  on_click=_resume, args=(lab, run), kwargs={"retry_failed": True},
                  help="Ask again what no model of the lane answered")  # fmt: skip
    if fresh := _fresh(lab, plan):
        suite = msgspec.structs.replace(plan.suite, cases=(*plan.suite.cases, *fresh))
        st.button(f"Add {counted(len(fresh), 'new case')}", icon=":material/playlist_add:", key="evaluate_add_cases",
                  on_click=_resume, args=(lab, run), kwargs={"suite": suite},
                  help="Ask what was added to the suite since; the run's own cases and answers stay")  # fmt: skip
    with st.popover("Extend", icon=":material/add_column_right:", help="More lanes or repeats; answers are kept"):
        _draw_extend(lab, run, plan)
    st.button("Grade again", icon=":material/fact_check:", key="evaluate_grade_again", on_click=_resume,
              args=(lab, run), kwargs={"grade_again": True},
              help="Grade all answers again without asking the models again; judges are asked")  # fmt: skip


def _fresh(lab: Lab, plan: Planned) -> tuple[Case, ...]:
    now = suite_now(library_of(lab), plan.suite.name)
    return new_cases(plan.suite, now) if now is not None else ()


def _draw_extend(lab: Lab, run: str, plan: Planned) -> None:
    with st.container(key="evaluate_extend", width=380):
        repeats = st.number_input("Repeats", plan.repeats, MAX_REPEATS, plan.repeats, key=f"evaluate_more_{run}")
        limit = st.number_input("Spending limit, $", 0.0, None, plan.max_cost, 1.0, placeholder="None",
                                key=f"evaluate_more_limit_{run}")  # fmt: skip
        lanes = pick_lanes(lab, f"evaluate_more_lanes_{run}", "More lanes")
        changes = {"repeats": int(repeats), "max_cost": limit or None, "lanes": lanes}
        st.button("Run", icon=":material/play_arrow:", type="primary", key="evaluate_extend_run", on_click=_resume,
                  args=(lab, run), kwargs=changes)  # fmt: skip


def _resume(
    lab: Lab, run: str, *, retry_failed: bool = False, lanes: dict[str, Settings] | None = None, **changes: object
) -> None:
    def changed(plan: Planned) -> Planned:
        added = tuple(lab.evaluations.lane(settings, name) for name, settings in (lanes or {}).items())
        known = {lane.key for lane in plan.lanes}
        lanes_now = (*plan.lanes, *(lane for lane in added if lane.key not in known))
        return msgspec.structs.replace(plan, lanes=lanes_now, **changes)

    try:
        lab.evaluations.resume(run, changed, retry_failed=retry_failed)
    except FallbackLabError as error:
        st.session_state[PROBLEM] = str(error)


@dialog("Delete this run?", icon=":material/delete:")
def _delete(opened: Opened) -> None:
    results = opened.results
    st.markdown(f"**{label(title_of(results))}**: {results.over:,} answers and their grades are deleted.")
    if st.button(":red[Delete]", icon=":material/delete:", key="evaluate_delete_it"):
        try:
            opened.lab.evaluations.delete(opened.id)
        except FallbackLabError as error:
            st.session_state[PROBLEM] = str(error)
        else:
            st.query_params.clear()
        st.rerun()
