"""The requests or calls behind a mark, each with its trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
import numpy as np
import pandas as pd
import streamlit as st

from router.core.errors import StoreError
from router.core.formatting import counted, dollars, moment, place
from router.core.records import Observation, RequestSummary
from router.metrics import FIGURES, RequestLabels
from router.metrics.view import Slice
from router.store import Store

from components.dashboard.filters import REQUEST
from components.dashboard.view_model import Mark, ViewModel
from components.dashboard.words import in_words
from components.shared.following import drawer
from components.shared.markdown import label
from components.shared.trace import draw_strip, draw_trace
from components.shared.zone import when, zone

PAGE = 25
"""Rows per page of the list."""

_ORDERS = {"Newest": None, "Slowest": "latency", "Costliest": "cost"}


def open_mark(store: Store, shown: ViewModel, mark: Mark) -> None:
    """A drawer with the requests or calls that a mark counts, and the trace of the selected one."""
    open_rows(store, shown.drilldown(mark), _title(shown, mark), FIGURES[mark.figure].meaning, str(mark))


def open_rows(store: Store, rows: Slice[Any], title: str, meaning: str, key: str) -> None:
    """A drawer with requests or calls, and the trace of the selected one.

    Args:
        meaning: one sentence on what they are.
        key: of the drawer's widgets.
    """
    noun = "request" if rows.rows.labels and isinstance(rows.rows.labels[0], RequestLabels) else "call"
    headline = " · ".join([counted(len(rows), noun), *([label(title)] if title else [])])

    @drawer(headline, ":material/search:")
    def draw() -> None:
        st.caption(meaning.replace("$", r"\$"))
        kept = int(np.count_nonzero(rows.id > 0))
        if kept < len(rows):
            st.caption(f"Details of {len(rows) - kept:,} of these are gone: only their hourly summaries are kept.")
        if not kept:
            return
        try:
            _draw_rows(store, rows, key, noun, kept)
        except StoreError as error:
            st.error(label(str(error)), icon=":material/error:")

    draw()


def _forget_request() -> None:
    st.query_params.pop(REQUEST, None)


@drawer("Request", ":material/search:", on_dismiss=_forget_request)
def open_request(store: Store, request_id: str) -> None:
    """A drawer with the trace of the request named in the URL, or a choice of those whose id begins so."""
    try:
        found = store.observations.beginning_with(request_id, PAGE + 1)
        ids = [each.request_id for each in found]
        if len(ids) > 1 and request_id not in ids:
            _draw_choice(store, request_id, found)
        else:
            draw_request(store, ids[0] if len(ids) == 1 else request_id)
    except StoreError as error:
        st.error(label(str(error)), icon=":material/error:")


def _draw_choice(store: Store, prefix: str, found: Sequence[Observation]) -> None:
    """Requests whose id begins the same, and the trace of the selected one."""
    rest = " More are not shown: add to the ID." if len(found) > PAGE else ""
    st.caption(f"{len(found[:PAGE])} requests begin with {label(prefix)}.{rest}")
    frame = pd.DataFrame([_named_row(each) for each in found[:PAGE]])
    chosen = _selected(frame, f"named_{prefix}", "Requests")
    if chosen is not None:
        draw_request(store, found[chosen].request_id)


def _draw_rows(store: Store, rows: Slice[Any], key: str, noun: str, kept: int) -> None:
    """The rows that are still stored, a page at a time, and the trace of the selected one."""
    with st.container(horizontal=True, vertical_alignment="center"):
        order = st.segmented_control("Order", list(_ORDERS), default="Newest", required=True, key="behind_order",
                                     label_visibility="collapsed")  # fmt: skip
        page = st.pagination(-(-kept // PAGE), key=f"behind_page_{key}_{order}") if kept > PAGE else 1
    ids = _ordered(rows, _ORDERS[order or "Newest"])[(page - 1) * PAGE : page * PAGE]
    if noun == "request":
        found = store.requests.get(ids)
        frame, requests = pd.DataFrame([_request_row(each) for each in found]), [each.request_id for each in found]
    else:
        seen = store.observations.get(ids)
        frame, requests = pd.DataFrame([_call_row(each) for each in seen]), [each.request_id for each in seen]
    alt = f"{noun.capitalize()}s {(page - 1) * PAGE + 1} to {(page - 1) * PAGE + len(frame)}"
    chosen = _selected(frame, f"behind_{key}_{order}_{page}", alt)
    if chosen is not None:
        draw_request(store, requests[chosen])


def _selected(frame: pd.DataFrame, key: str, alt: str) -> int | None:
    """Draw rows as a table; the number of the selected one, None if there is none."""
    cells = st.dataframe(
        frame,
        hide_index=True,
        height=min(38 + 35 * len(frame), 460),
        on_select="rerun",
        selection_mode="single-cell",
        key=key,
        placeholder="–",
        alt=alt,
        column_config={
            "time": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", pinned=True, width=120),
            "latency": st.column_config.NumberColumn(format="%.2f s"),
            "first token": st.column_config.NumberColumn(format="%.2f s"),
        },
    ).selection.cells
    if cells and cells[0][0] < len(frame):
        return cells[0][0]
    st.caption("Select a row to see its trace.")
    return None


def draw_request(store: Store, request_id: str) -> None:
    """A request's attempts on one timeline, with the reason for every fallback."""
    seen = store.observations.of_request(request_id)
    if not seen:
        st.caption(
            f"No details of request {label(request_id)} are stored. They may have been reduced to an hourly summary."
        )
        return
    first = seen[0]
    asked = f"{first.category}" if first.category else first.attempt.model
    with st.container(horizontal=True, vertical_alignment="center"):
        link = f"[:material/link: {first.request_id[:8]}](?{urlencode({REQUEST: first.request_id})})"
        at = f"{when(first.attempt.started):%Y-%m-%d %H:%M:%S}"
        st.markdown(f"**Trace** · {label(asked)} · from {label(first.source)} · {at} · {link}", width="stretch")
        with st.popover("JSON", icon=":material/data_object:", type="tertiary"):
            st.code(_as_json(seen), language="json", height=360)
    attempts = [each.attempt for each in seen]
    draw_strip(attempts, key=request_id)
    if given := store.feedback.of_request(request_id):
        thumb = ":material/thumb_up: Liked" if given.liked else ":material/thumb_down: Not liked"
        score = "" if given.score in (0, 1) else f" ({given.score:g})"
        st.caption(f"{thumb}{score} on {moment(given.at, zone())}")
        if given.comment:
            st.caption(label(given.comment))
    draw_trace(attempts)


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


def _title(shown: ViewModel, mark: Mark) -> str:
    named = zip(FIGURES[mark.figure].by, mark.key, strict=True)
    parts = [str(in_words(by, value)) for by, value in named if by not in ("quantile", "stage")]
    if mark.start is not None:
        parts.append(f"{when(mark.start):%d %b %H:%M} to {when(shown.end(mark.start)):%d %b %H:%M}")
    return " · ".join(parts)


def _ordered(rows: Slice[Any], measure: str | None) -> list[int]:
    """The ids of stored rows, newest or largest first; unknown values come last."""
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


def _named_row(first: Observation) -> dict[str, Any]:
    return {
        "time": when(first.attempt.started),
        "request": first.request_id,
        "category": in_words("category", first.category),
        "model": first.attempt.model,
        "source": first.source,
    }


def _call_row(seen: Observation) -> dict[str, Any]:
    attempt = seen.attempt
    return {
        "time": when(attempt.started),
        "model": attempt.model,
        "outcome": in_words("outcome", attempt.outcome),
        "reason": in_words("reason", attempt.reason) or "–",
        "HTTP status": attempt.status,
        "try": attempt.number,
        "place": place(attempt.place),
        "latency": attempt.latency,
        "first token": attempt.ttft,
        "tokens": attempt.usage.completion_tokens if attempt.usage else None,
        "cost": dollars(attempt.cost),
    }
