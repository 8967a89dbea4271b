"""What the evidence says of a chain: the verdict, the chains beside each other, and what to do next."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from router.config.chains import Chain
from router.core.errors import FallbackLabError, InvalidRequest
from router.core.formatting import counted, dollars, seconds
from router.lab import Lab
from router.metrics.estimates import Estimate
from router.tune.gathering import Evidence
from router.tune.proposals import Advice, Proposal

from components.shared import handover
from components.shared.front import Point, draw_front
from components.shared.markdown import label
from components.shared.unreachable import draw_unreachable
from components.tune.live import open_shadow, open_trial, trial_button

_LOOKS = {
    "breaks_limits": ":orange[:material/warning:]",
    "better": ":green[:material/trending_up:]",
    "cheaper": ":green[:material/savings:]",
    "faster": ":green[:material/speed:]",
    "keep": ":gray[:material/check:]",
    "not_enough": ":gray[:material/hourglass_empty:]",
}

FIRST_CASES = 60

_QUALITY = functools.partial(st.column_config.NumberColumn, "Quality", format="%.1f%%")
_COST = st.column_config.NumberColumn("Cost per 1,000", format="$%.2f")


def draw_gap(lab: Lab, evidence: Evidence, gap: str) -> None:
    """Why nothing can be proposed, and the evaluation that would change that."""
    with st.container(border=True):
        st.markdown(f":gray[:material/hourglass_empty:] **Not enough evidence.** {label(gap)}")
        _draw_experiment(lab, evidence.category, evidence.chain, FIRST_CASES)


def draw_advice(lab: Lab, found: Advice) -> None:
    """The verdict first; then the chains that it is about."""
    with st.container(border=True, key="tune_verdict"):
        st.markdown(f"{_LOOKS[found.choice.kind]} {label(found.verdict)}")
        if found.proposed is not None:
            _draw_apply(lab, found, found.proposed)
        if found.experiment is not None:
            st.caption(label(found.experiment_sentence))
            _draw_experiment(lab, found.category, found.experiment.models, found.experiment.prompts)
    _draw_chains(found)
    _draw_fronts(found)
    _draw_baselines(found)


def _draw_apply(lab: Lab, found: Advice, proposal: Proposal) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Review and save", type="primary", icon=":material/difference:", key="tune_apply",
                     disabled=lab.editor.read_only,
                     help="Runs the fault matrix, then opens the change on the Chains page. Nothing is saved before "
                          "you save it there."):  # fmt: skip
            _apply(lab, found, proposal)
        if trial_button(lab, found.category, "tune_trial"):
            _try(lab, found, proposal)
        others = [each for each in found.proposals if each is not proposal]
        for number, each in enumerate(others):
            own = each.candidate
            title = (
                f"{_TITLES[own.rule]}, {own.close:.0%} likely within a point of the best: " if own is not None else ""
            )
            if st.button(f"{title}{label(each.change)}", type="tertiary", key=f"tune_apply_{number}",
                         disabled=lab.editor.read_only, help=label(each.sentence)):  # fmt: skip
                _apply(lab, found, each)


def _apply(lab: Lab, found: Advice, proposal: Proposal) -> None:
    """Certify the chain, and hand the change over; what cannot be certified can still be reviewed."""
    try:
        draft = lab.editor.draft().with_models(found.category, proposal.models)
        chain = lab.editor.check(draft).chain(found.category)
        checked = _certified(lab, found, chain)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    handover.chains(draft, f"{proposal.sentence} Evidence {found.evidence}; {checked}.")


def _try(lab: Lab, found: Advice, proposal: Proposal) -> None:
    try:
        edited = lab.editor.draft().with_models(found.category, proposal.models)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
    else:
        open_trial(lab, found.category, edited, proposal.models)


def _certified(lab: Lab, found: Advice, chain: Chain) -> str:
    """What the fault matrix says, in a clause."""
    try:
        _, lines = lab.tuning.certify(found, chain)
    except InvalidRequest:
        return "no fault matrix, since not all of its models were observed"
    survived = sum(line.answered == 1 for line in lines)
    return f"answered in {survived} of {len(lines)} situations of the fault matrix"


def _draw_experiment(lab: Lab, category: str, models: Sequence[str], prompts: int) -> None:
    try:
        plan = lab.tuning.plan(category, models, prompts)
        estimate = lab.evaluations.estimate(plan)
    except FallbackLabError as error:
        st.caption(label(str(error)))
        return
    st.caption(label(f"{counted(len(plan.suite.cases), 'case')} on {', '.join(models)}: {estimate.sentence()}"))
    draw_unreachable(lab, plan.lanes)
    with st.container(horizontal=True):
        if st.button("Run this evaluation", icon=":material/fact_check:", key="tune_experiment"):
            try:
                run = lab.evaluations.begin(plan)
            except FallbackLabError as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                handover.evaluation(run)
        if st.button("Ask on real traffic", icon=":material/visibility:", key="tune_shadow", type="tertiary",
                     disabled=lab.editor.read_only, help="As a shadow, under a budget"):  # fmt: skip
            open_shadow(lab, category, models)


def _draw_chains(found: Advice) -> None:
    """The current chain and the other ones."""
    rows = [_row("Now", found.current, found)]
    rows += [_row(_TITLES[each.candidate.rule], each, found) for each in found.proposals if each.candidate is not None]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="Chains beside each other",
        placeholder="",
        column_config={
            "what": column.TextColumn("Which", pinned=True, help=_RULES),
            "chain": column.TextColumn("Chain", width="large"),
            "quality": _QUALITY(help="Of all requests; of other chains as held-out prompts judge them"),
            "gain": column.TextColumn("Beside now", width="medium", help="Points of quality with the 95% interval, on "
                                      "prompts that had no say in the choice"),
            "answered": column.NumberColumn("Answered", format="%.2f%%"),
            "cost": _COST,
            "p50": column.NumberColumn("p50", format="%.2f s"),
            "p95": column.NumberColumn("p95", format="%.2f s"),
            "best": column.NumberColumn("Likely best", format="%.0f%%", help="How likely it is the best of these"),
            "close": column.NumberColumn("Within a point", format="%.0f%%", help="How likely it is at most a point "
                                         "below the best of these"),
        },
    )  # fmt: skip
    st.caption(
        f"Quality, cost and latency: of the {counted(found.prompts, 'prompt')} that all models which may be asked "
        "first were graded on; those of your traffic are under What if. Providers' failures count at the rates of the "
        "last 30 days, together where models fail together."
    )


def _draw_baselines(found: Advice) -> None:
    """What a chain has to be seen beside."""
    rows = [{"what": each.name, "quality": 100 * each.quality, "cost": each.cost} for each in found.baselines]
    column = st.column_config
    with st.expander("Simpler ways to route, and the best possible", icon=":material/balance:"):
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            alt="Simpler ways to route",
            width="content",
            column_config={
                "what": column.TextColumn("Way", width="large"),
                "quality": _QUALITY(help="As seen on all prompts: what was chosen on them looks better than it is"),
                "cost": _COST,
            },
        )


_TITLES = {"best": "Best", "cheapest": "Cheapest", "fastest": "Fastest"}
_RULES = (
    "Best: the highest quality. Cheapest and fastest: of the chains with at least the current one's quality on these "
    "prompts. How sure that is on others: see Beside now and Within a point."
)


def _row(what: str, proposal: Proposal, found: Advice) -> dict[str, object]:
    figures, own = proposal.figures, proposal.candidate
    quality = figures.quality if own is None or own.expected.value is None else own.expected.value
    best, close = (found.choice.best, found.choice.close) if own is None else (own.best, own.close)
    return {
        "what": what,
        "chain": " → ".join(proposal.models),
        "quality": 100 * quality,
        "gain": _points(own.gains.quality) if own is not None else "",
        "answered": 100 * figures.answered,
        "cost": figures.cost,
        "p50": _finite(figures.latency[0]),
        "p95": _finite(figures.latency[1]),
        "best": 100 * best,
        "close": 100 * close,
    }


def _points(gain: Estimate) -> str:
    if gain.value is None:
        return ""
    return f"{100 * gain.value:+.1f} ({100 * (gain.low or 0):+.1f} to {100 * (gain.high or 0):+.1f})"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _draw_fronts(found: Advice) -> None:
    shown = [("Now", found.current)]
    shown += [(_TITLES[each.candidate.rule], each) for each in found.proposals if each.candidate is not None]
    with st.grid(2, min_column_width=340):
        draw_front(_points_of(shown, found, "cost"), "cost", unit="US dollars per 1,000", words=dollars, what="Quality")
        draw_front(_points_of(shown, found, "seconds"), "latency", unit="seconds, mean", words=seconds, what="Quality")


def _points_of(shown: Sequence[tuple[str, Proposal]], found: Advice, figure: str) -> list[Point]:
    points = []
    for name, proposal in shown:
        own, now = proposal.candidate, found.current.figures.quality
        x = _finite(getattr(proposal.figures, figure))
        if own is None:
            points.append(Point(name, x, now, now, now, is_best=False))
        else:
            gain = own.gains.quality
            low, high = ((now + each if each is not None else None) for each in (gain.low, gain.high))
            points.append(Point(name, x, now + (gain.value or 0.0), low, high, is_best=False))
    return [point._replace(is_best=not any(_beats(other, point) for other in points)) for point in points]


def _beats(one: Point, other: Point) -> bool:
    """Whether it is as good in both respects and better in one."""
    if one.x is None or other.x is None or one.quality is None or other.quality is None:
        return False
    return one.x <= other.x and one.quality >= other.quality and (one.x < other.x or one.quality > other.quality)
