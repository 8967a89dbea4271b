"""What is known of each model, and where it comes from."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from router.core.formatting import counted, seconds
from router.metrics.estimates import Estimate
from router.tune.evidence import ModelEvidence
from router.tune.gathering import DAYS, Evidence

from components.shared.markdown import label


def draw_evidence(evidence: Evidence) -> None:
    """A row a model; the chain's own come first."""
    st.markdown("## Evidence", anchors=False)
    worth = evidence.worth
    if worth.value is not None and len(evidence.chain) > 1:
        models = counted(len(evidence.chain), "model")
        st.markdown(
            f"These {models} are worth **{worth.value:.1f}** independent ones (95% interval {worth.low:.1f} to "
            f"{worth.high:.1f})."
        )
        st.caption(label(_joint(evidence)))
    if left_out := evidence.left_out():
        st.caption(label(left_out))
    if not evidence.models:
        st.caption(f"No calls in the last {DAYS} days, and nothing was graded.")
        return
    names = [*evidence.chain, *sorted(set(evidence.models) - set(evidence.chain))]
    rows = [_row(name, evidence.models.get(name)) for name in names]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="Evidence by model",
        placeholder="",
        column_config={
            "model": column.TextColumn("Model", pinned=True),
            "quality": column.TextColumn("Quality", help="Share of graded cases that pass"),
            "prompts": column.NumberColumn("Prompts", help="That were graded"),
            "answered": column.TextColumn("Answered", help="Of the calls that came to it first. Failures of the same "
                                          "ten minutes count as one in the interval"),
            "calls": column.NumberColumn("Calls", help="That came to it first", format="localized"),
            "first_token": column.TextColumn("First token", help="p50 and p95"),
            "latency": column.TextColumn("Latency", help="p50 and p95"),
            "cost": column.NumberColumn("Cost of a call", format="$%.5f"),
            "outages": column.NumberColumn("Outages", help=f"In the last {DAYS} days"),
            "leftovers": column.TextColumn("As a fallback", help="Answered of what other models had failed: harder "
                                           "requests, so it is never mixed with the other figures"),
            "liked": column.TextColumn("Liked", help="Of rated answers; few are rated, and not by chance")
            if any("liked" in row and row["liked"] for row in rows) else None,
            "preferred": column.TextColumn("Votes won", help="Of blind votes on the Compare page; ties left out")
            if any("preferred" in row and row["preferred"] for row in rows) else None,
            "age": column.TextColumn("Last call"),
            "sources": column.TextColumn("From"),
        },
    )  # fmt: skip
    for sentence in evidence.shared_upstream():
        st.caption(label(sentence))
    missing = [
        f"{name} was not graded on {counted(count, 'prompt')}" for name, count in evidence.evaluated.missing.items()
    ]
    if missing:
        st.caption(label(f"Never proposed as a primary, since not graded on all prompts: {'; '.join(missing)}."))


def _joint(evidence: Evidence) -> str:
    """How the fallbacks do on what the primary has failed."""
    first, *others = evidence.chain
    said = []
    for other in others:
        both = evidence.failures.after.get((first, other))
        alone, given = evidence.failures.alone(other), evidence.failures.given(first, other)
        if both is not None and alone is not None and given is not None:
            said.append(f"{other} fails {given:.0%} of what {first} has failed, and {alone:.0%} of the rest")
    return f"{'; '.join(said)}." if said else "No request has seen two of them fail."


def _row(name: str, known: ModelEvidence | None) -> dict[str, object]:
    if known is None:
        return {"model": name, "calls": 0}
    return {
        "model": name,
        "quality": _share(known.quality),
        "prompts": known.quality.rows or None,
        "answered": _share(known.answered),
        "calls": known.calls,
        "first_token": _times(known.first_token),
        "latency": _times(known.latency),
        "cost": known.cost.value,
        "outages": len(known.outages),
        "leftovers": f"{known.leftovers.value:.0%} of {known.leftovers.rows:,}"
        if known.leftovers.value is not None
        else "",
        "liked": _share(known.liked),
        "preferred": _share(known.preferred),
        "age": _age(known.newest),
        "sources": ", ".join(f"{source} {count:,}" for source, count in sorted(known.sources.items())),
    }


def _share(value: Estimate) -> str:
    if value.value is None:
        return ""
    return f"{value.value:.1%} ({100 * (value.low or 0):.0f} to {100 * (value.high or 0):.0f})"


def _times(values: tuple[Estimate, Estimate]) -> str:
    p50, p95 = (
        "" if each.value is None else seconds(each.value) if each.value < float("inf") else "never" for each in values
    )
    return f"{p50} · {p95}" if p50 else ""


def _age(newest: float | None) -> str:
    if newest is None:
        return ""
    hours = max(time.time() - newest, 0.0) / 3600
    return (
        f"{hours * 60:.0f} min ago"
        if hours < 1
        else f"{hours:.0f} h ago"
        if hours < 48
        else f"{hours / 24:.0f} days ago"
    )
