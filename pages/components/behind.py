"""What is behind a mark: its requests or calls, each with its trace."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
import numpy as np
import pandas as pd
import streamlit as st

from router.errors import StoreError
from router.lab import Lab
from router.observed import FIGURES, RequestKind
from router.observed.view import Slice
from router.store import Observation, RequestSummary, Store
from router.words import dollars, place

from components.filters import when
from components.markdown import label
from components.shown import Mark, Shown, in_words
from components.trace import draw_trace

REQUEST = "request"
"""The link's parameter that names a request."""

PAGE = 25
"""Rows of one page of the list."""

_ORDERS = {"Newest": None, "Slowest": "latency", "Costliest": "cost"}


@st.dialog("Behind this mark", width="large", position="right", icon=":material/search:")
def open_mark(lab: Lab, shown: Shown, mark: Mark) -> None:
    """A drawer with the requests or calls that a mark counts, and the trace of the one that is chosen."""
    rows = shown.behind(mark)
    ofwhat = "requests" if rows.rows.kinds and isinstance(rows.rows.kinds[0], RequestKind) else "calls"
    st.markdown(f"**{len(rows):,} {ofwhat}** · {label(_title(shown, mark))}", help=FIGURES[mark.figure].meaning)
    kept = int(np.count_nonzero(rows.id > 0))
    if kept < len(rows):
        st.caption(f"{len(rows) - kept:,} of them are older: only hourly summaries are kept of these.")
    if not kept or lab.store is None:
        return
    try:
        _draw_rows(lab.store, rows, mark, ofwhat, kept)
    except StoreError as error:
        st.error(label(str(error)), icon=":material/error:")


def _forget_request() -> None:
    st.query_params.pop(REQUEST, None)


@st.dialog("Request", width="large", position="right", icon=":material/search:", on_dismiss=_forget_request)
def open_request(store: Store, request_id: str) -> None:
    """A drawer with the trace of the request that a link names."""
    try:
        draw_request(store, request_id)
    except StoreError as error:
        st.error(label(str(error)), icon=":material/error:")


def _draw_rows(store: Store, rows: Slice[Any], mark: Mark, ofwhat: str, kept: int) -> None:
    """Those that are kept one by one, a page at a time, and the trace of the one that is chosen."""
    with st.container(horizontal=True, vertical_alignment="center"):
        order = st.segmented_control("Order", list(_ORDERS), default="Newest", required=True, key="behind_order",
                                     label_visibility="collapsed")  # fmt: skip
        page = st.pagination(-(-kept // PAGE), key=f"behind_page_{mark}_{order}") if kept > PAGE else 1
    ids = _ordered(rows, _ORDERS[order or "Newest"])[(page - 1) * PAGE : page * PAGE]
    if ofwhat == "requests":
        found = store.requests.get(ids)
        frame, requests = pd.DataFrame([_request_row(each) for each in found]), [each.request_id for each in found]
    else:
        seen = store.observations.get(ids)
        frame, requests = pd.DataFrame([_call_row(each) for each in seen]), [each.request_id for each in seen]
    chosen = st.dataframe(
        frame,
        hide_index=True,
        height=min(38 + 35 * len(frame), 460),
        on_select="rerun",
        selection_mode="single-cell",
        key=f"behind_{mark}_{order}_{page}",
        placeholder="–",
        alt=f"{ofwhat.capitalize()} {(page - 1) * PAGE + 1} to {(page - 1) * PAGE + len(frame)}",
        column_config={
            "time": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", pinned=True, width=120),
            "latency": st.column_config.NumberColumn(format="%.2f s"),
            "first token": st.column_config.NumberColumn(format="%.2f s"),
        },
    ).selection.cells
    if chosen and chosen[0][0] < len(requests):
        draw_request(store, requests[chosen[0][0]])
    else:
        st.caption("Choose a row to see its trace.")


def draw_request(store: Store, request_id: str) -> None:
    """A request's attempts on one time line, with the reason of every fallback."""
    seen = store.observations.of_request(request_id)
    if not seen:
        st.caption(f"Nothing is stored of the request {label(request_id)}, or only within an hourly summary.")
        return
    first = seen[0]
    asked = f"{first.category}" if first.category else first.attempt.model
    with st.container(horizontal=True, vertical_alignment="center"):
        link = f"[:material/link: {first.request_id[:8]}](?{urlencode({REQUEST: first.request_id})})"
        at = f"{when(first.attempt.started):%d %b %Y %H:%M:%S}"
        st.markdown(f"**Trace** · {label(asked)} · from {first.source} · {at} · {link}", width="stretch")
        with st.popover("JSON", icon=":material/data_object:", type="tertiary"):
            st.code(_as_json(seen), language="json", height=360)
    draw_trace([each.attempt for each in seen])


def _as_json(seen: list[Observation]) -> str:
    first = seen[0]
    whole = {
        "request_id": first.request_id,
        "category": first.category,
        "chain": first.chain,
        "source": first.source,
        "attempts": [msgspec.to_builtins(each.attempt) for each in seen],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _title(shown: Shown, mark: Mark) -> str:
    named = zip(FIGURES[mark.figure].by, mark.key, strict=True)
    parts = [str(in_words(by, value)) for by, value in named if by not in ("quantile", "stage")]
    if mark.start is not None:
        parts.append(f"{when(mark.start):%d %b %H:%M} to {when(mark.start + shown.width):%d %b %H:%M}")
    return " · ".join(parts) or "all"


def _ordered(rows: Slice[Any], measure: str | None) -> list[int]:
    """The keys of the rows that are stored, newest or largest first; what is not known comes last."""
    by = rows.started if measure is None else np.nan_to_num(rows.pick(rows.rows.measures[measure]), nan=-1)
    ids = rows.id[np.argsort(-by, kind="stable")]
    found: list[int] = ids[ids > 0].tolist()
    return found


def _request_row(request: RequestSummary) -> dict[str, Any]:
    failed = [step for step in request.path if step.outcome == "failed"]
    return {
        "time": when(request.started),
        "category": request.category or "–",
        "outcome": in_words("outcome", request.outcome) + (" (cache)" if request.cached else ""),
        "model": request.model or "–",
        "place": place(request.place) if request.place is not None else "–",
        "failed before": ", ".join(f"{step.model} ({in_words('reason', step.reason)})" for step in failed) or "–",
        "latency": request.latency,
        "first token": request.ttft,
        "cost": dollars(request.cost),
    }


def _call_row(seen: Observation) -> dict[str, Any]:
    attempt = seen.attempt
    return {
        "time": when(attempt.started),
        "model": attempt.model,
        "outcome": in_words("outcome", attempt.outcome),
        "reason": in_words("reason", attempt.reason) or "–",
        "try": attempt.number,
        "place": place(attempt.place),
        "latency": attempt.latency,
        "first token": attempt.ttft,
        "tokens": attempt.usage.completion_tokens if attempt.usage else None,
        "cost": dollars(attempt.cost),
    }
