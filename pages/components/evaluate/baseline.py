"""A run beside an earlier one: a verdict for each lane that both have, and what changed case by case."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from router.core.errors import FallbackLabError
from router.core.formatting import counted
from router.evaluate.results import Results
from router.evaluate.statistics import Change, changes
from router.evaluate.verdicts import lanes_since, since_baseline

from components.evaluate.opened import Opened
from components.evaluate.runs import facts, title_of
from components.evaluate.verdict import draw_sentences
from components.shared.markdown import label

_WORDS = {
    "worse": "worse",
    "better": "better",
    "same": "the same",
    "unscored": "not graded",
    "new": "only in this run",
    "gone": "only in the earlier run",
}


def draw_baseline(opened: Opened) -> None:
    """Choose an earlier run, and see what changed since."""
    lab, run, results, plan, _ = opened
    others = _others(opened)
    if not others:
        st.caption("No other run has a lane and a case of this one.")
        return
    names = {other: f"{title_of(found)} ({facts(lab, other, found)})" for other, found in others.items()}
    baseline = st.selectbox("Earlier run", list(others), format_func=names.__getitem__, key=f"evaluate_baseline_{run}")
    before = others[baseline]
    try:
        draw_sentences(since_baseline(results, plan, before, before.planned))
    except FallbackLabError as error:
        st.caption(label(str(error)))
        return
    for lane, then, now in lanes_since(results, plan, before, before.planned):
        _draw_changes(lane.name, [change for change in changes(then, now) if change.kind != "same"])


def _others(opened: Opened) -> dict[str, Results]:
    """The runs with a lane and a case in common, newest first."""
    lab, run, _, plan, _ = opened
    lanes, cases = {lane.name for lane in plan.lanes}, {case.key for case in plan.suite.cases}
    found = {}
    for other in lab.evaluations.all():
        try:
            results = lab.evaluations.results(other)
            earlier = results.planned
        except FallbackLabError:  # said in the list of runs
            continue
        is_near = any(lane.name in lanes for lane in earlier.lanes) and any(
            case.key in cases for case in earlier.suite.cases
        )
        if other != run and is_near:
            found[other] = results
    return found


def _draw_changes(name: str, found: list[Change]) -> None:
    kinds = {kind: sum(change.kind == kind for change in found) for kind in ("worse", "better")}
    st.markdown(
        f"**{label(name)}**: {counted(kinds['worse'], 'case')} worse, {counted(kinds['better'], 'case')} better"
    )
    if not found:
        return
    st.dataframe(
        pd.DataFrame(
            {
                "case": [change.case for change in found],
                "change": [_WORDS[change.kind] for change in found],
                "before": [change.before for change in found],
                "after": [change.after for change in found],
                "flaky": ["maybe flaky" if change.overlaps else "" for change in found],
            }
        ).astype({"before": "float64", "after": "float64"}),
        hide_index=True,
        height=min(360, 38 + 35 * len(found)),
        alt=f"Cases of {name} that changed",
        placeholder="–",
        column_config={
            "case": "Case",
            "change": "Now",
            "before": st.column_config.NumberColumn("Before", format="percent"),
            "after": st.column_config.NumberColumn("After", format="percent"),
            "flaky": st.column_config.TextColumn(
                "", help="Some repeat now is as good as some repeat before: the case may be flaky, not changed."
            ),
        },
    )
