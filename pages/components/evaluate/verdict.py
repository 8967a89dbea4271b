"""What a run says: verdicts in words, the lanes in tiers, and quality beside cost and latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from router.core.formatting import counted, dollars, interval, seconds
from router.core.runs import Planned
from router.evaluate.leaderboard import Standing, notes, standings
from router.evaluate.statistics import separates_sentence
from router.evaluate.summary import LaneSummary, categories
from router.evaluate.verdicts import Compared, against_first

from components.evaluate.opened import Opened
from components.shared.front import FRONT, Point, draw_front
from components.shared.markdown import label

_LOOKS = {
    "better": ":green[:material/trending_up:]",
    "worse": ":red[:material/trending_down:]",
    "no_worse": ":green[:material/trending_flat:]",
    "not_separable": ":gray[:material/hourglass_empty:]",
    "no_verdict": ":orange[:material/warning:]",
}

_OPEN = ("not_separable", "no_verdict")

FEW = 3
"""Open verdicts that are shown at once."""

ALL = "All"


def draw_sentences(compared: Sequence[Compared]) -> None:
    """One verdict a line; what is open comes last, and where it is many, when it is asked for."""
    with st.container(gap="xsmall"):
        ordered = sorted(compared, key=lambda each: each.verdict.kind in _OPEN)
        told = [each for each in ordered if each.verdict.kind not in _OPEN]
        rest = ordered[len(told) :]
        _draw_lines(told)
        if len(rest) > FEW:
            with st.expander(f"{counted(len(rest), 'lane')} not separable yet", type="compact"):
                _draw_lines(rest)
        else:
            _draw_lines(rest)


def _draw_lines(compared: Sequence[Compared]) -> None:
    for each in compared:
        st.markdown(f"{_LOOKS[each.verdict.kind]} {label(each.sentence)}")


def draw_verdict(opened: Opened) -> None:
    """The verdicts, then the lanes of a category."""
    results, plan = opened.results, opened.plan
    if len(plan.lanes) > 1:
        with st.container(border=True, key="evaluate_verdict"):
            draw_sentences(results.once(plan, "sentences", lambda: against_first(results, plan)))
    st.caption(f"{separates_sentence(len(plan.suite.cases))}.")
    category = pick_category(plan, "evaluate_category")
    board = results.once(plan, f"board {category}", lambda: standings(results, plan, category))
    draw_board(board)
    with st.container(gap="xsmall"):
        for sentence in results.once(plan, "notes", lambda: notes(results, plan)):
            st.caption(label(sentence))
    with st.grid(2, min_column_width=340):
        _draw_front(board, _COST)
        _draw_front(board, _LATENCY)


def pick_category(plan: Planned, key: str) -> str | None:
    """The chosen category; None for all."""
    names = categories(plan.suite)
    if len(names) < 2:
        return None
    chosen = st.segmented_control("Category", [ALL, *names], default=ALL, required=True, key=key,
                                  label_visibility="collapsed")  # fmt: skip
    return None if chosen == ALL else chosen


def draw_board(board: Sequence[Standing]) -> None:
    """The lanes as a table, the best tier first."""
    rows = [
        {
            "tier": each.tier,
            "lane": each.summary.name,
            "passed": _percent(each.summary.passed),
            "interval": interval(each.summary.low, each.summary.high),
            "every": _percent(each.every.value if each.every is not None else None),
            "cases": each.summary.cases,
            "failed": each.summary.failed,
            "errors": each.summary.errors,
            "cost": each.summary.cost.cost,
            "unpriced": each.summary.cost.unpriced,
            "latency": each.summary.latency,
            "slow": each.summary.slow,
            "best": _best(each),
        }
        for each in board
    ]
    frame = pd.DataFrame(rows).astype(dict.fromkeys(["passed", "every", "cost", "latency", "slow"], "float64"))
    column = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        alt="The lanes in tiers",
        placeholder="unknown",
        column_config={
            "tier": column.NumberColumn("Tier", help="Lanes of one tier are not separable from its best one",
                                        pinned=True, width="small"),
            "lane": column.TextColumn("Lane", pinned=True),
            "passed": column.ProgressColumn("Passed", format="%.0f%%", min_value=0, max_value=100, color=FRONT,
                                            help="The mean share of passes over cases"),
            "interval": column.TextColumn("95% interval"),
            "every": column.NumberColumn("Pass every time", format="%.0f%%",
                                         help="The chance that all repeats of a case pass (pass^k)")
            if frame["every"].notna().any() else None,
            "cases": column.NumberColumn("Cases", help="With a score", format="localized"),
            "failed": column.NumberColumn("Failed calls", help="Answers that no model gave; not counted as wrong")
            if frame["failed"].any() else None,
            "errors": column.NumberColumn("Not graded", help="Answers that a grader could not judge")
            if frame["errors"].any() else None,
            "cost": column.NumberColumn("Cost a case", format="$%.5f", help="With failed attempts, without judges"),
            "unpriced": column.NumberColumn("+ calls unknown", help="Calls of unknown cost, not in the cost")
            if frame["unpriced"].any() else None,
            "latency": column.NumberColumn("p50 latency", format="%.2f s"),
            "slow": column.NumberColumn("p95", format="%.2f s"),
            "best": column.TextColumn("Pareto front", help="No lane is as good and cheaper, or as good and faster"),
        },
    )  # fmt: skip


def _best(each: Standing) -> str:
    words = [word for word, holds in (("cost", each.is_cheapest), ("latency", each.is_fastest)) if holds]
    return " and ".join(words)


def _percent(share: float | None) -> float | None:
    return 100 * share if share is not None else None


class _Figure(NamedTuple):
    """A figure of which less is better, beside which quality is drawn."""

    title: str
    unit: str
    of: Callable[[LaneSummary], float | None]
    words: Callable[[float | None], str]
    is_best: Callable[[Standing], bool]


_COST = _Figure("cost", "US dollars a case", lambda lane: lane.cost.cost, dollars, lambda each: each.is_cheapest)
_LATENCY = _Figure("latency", "seconds, median", lambda lane: lane.latency, seconds, lambda each: each.is_fastest)


def _draw_front(board: Sequence[Standing], figure: _Figure) -> None:
    points = [
        Point(
            each.summary.name,
            figure.of(each.summary),
            each.summary.passed,
            each.summary.low,
            each.summary.high,
            figure.is_best(each),
        )
        for each in board
    ]
    draw_front(points, figure.title, unit=figure.unit, words=figure.words, what="Passed")
