"""The dashboard's filters, kept in the URL."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from router.metrics import (
    AttemptLabels,
    Filter,
    RequestLabels,
    Rows,
)
from router.store import Store

from components.dashboard.period import draw_period, draw_range
from components.dashboard.saved import draw_saved
from components.dashboard.words import in_words
from components.shared.markdown import label

REQUEST = "request"
"""The URL parameter that names a request."""

_OUTCOMES = ("answered", "failed", "cancelled")
_KINDS = {
    "categories": "category", "models": "model", "providers": "provider", "places": "place", "reasons": "reason",
    "statuses": "status", "sources": "source", "callers": "caller", "tags": "tag", "outcomes": "outcome",
}  # fmt: skip
_OF_EITHER = "Request figures filter by the request's outcome; call figures by the call's"

REFRESH = {"Off": None, "10 s": 10, "60 s": 60}
"""Seconds after which the page redraws itself."""

_NAMED = 4
"""Filters listed next to the field; the rest are counted."""


class Choice(NamedTuple):
    """What is to be shown.

    Attributes:
        filter: None if its time range is invalid, which the page says.
        refresh: seconds after which the page redraws itself; None if it does not.
    """

    filter: Filter | None
    refresh: int | None


def draw_filters(store: Store, rows: tuple[Rows[RequestLabels], Rows[AttemptLabels]]) -> Choice:
    """What is selected."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        length = draw_range()
        fields = _draw_fields(rows)
        views = st.empty()
        refresh = _draw_refresh()
    period = draw_period(length)
    with views:
        draw_saved(store, tuple(_KINDS))  # here, for it knows the period as the URL has it
    chosen = Filter(since=period.since, until=period.until, **fields) if period is not None else None
    return Choice(chosen, refresh)


def _draw_refresh() -> int | None:
    """Refreshes by hand, or every so many seconds."""
    with st.container(horizontal=True, gap=None, width="content"):
        st.button("Refresh", icon=":material/refresh:", key="dashboard_refresh")
        every = st.selectbox(
            "Auto-refresh", list(REFRESH), key="refresh", bind="query-params", label_visibility="collapsed", width=90
        )
    return REFRESH[every]


def _options(rows: tuple[Rows[RequestLabels], Rows[AttemptLabels]]) -> dict[str, tuple[str, set[Any]]]:
    """What there is to choose of each field, with its name in words."""
    attempts = rows[1].labels
    either: list[RequestLabels | AttemptLabels] = [*rows[0].labels, *attempts]
    stored: dict[str, tuple[str, set[Any]]] = {
        "categories": ("Category", {labels.category for labels in either}),
        "models": ("Model", {labels.model for labels in attempts}),
        "providers": ("Provider", {labels.provider for labels in attempts}),
        "places": ("Place", {labels.place for labels in attempts}),
        "reasons": ("Reason", {labels.reason for labels in attempts} - {None}),
        "statuses": ("HTTP status", {labels.status for labels in attempts} - {None}),
        "sources": ("Source", {labels.source for labels in either}),
    }
    if any(labels.caller for labels in rows[0].labels):
        stored["callers"] = ("Caller", {labels.caller for labels in rows[0].labels})
    if tags := {tag for labels in rows[0].labels for tag in labels.tags}:
        stored["tags"] = ("Tag", set(tags))
    for name, (_, values) in stored.items():
        # Values in the URL without stored data stay options: without them, the URL would show everything.
        values.update(set(st.query_params.get_all(name)) - {_said(name, value) for value in values} - {""})
        values.update(st.session_state.get(name, ()))  # a saved view's
    return stored | {"outcomes": ("Outcome", set(_OUTCOMES))}


def _draw_fields(rows: tuple[Rows[RequestLabels], Rows[AttemptLabels]]) -> dict[str, Any]:
    options = _options(rows)
    # A constant label keeps the popover open; the selection is shown next to it.
    with st.popover("Filters", icon=":material/filter_alt:", key="dashboard_filters"):
        fields = {
            name: tuple(
                st.multiselect(
                    words,
                    sorted(values, key=lambda value: (value is None, str(value))),
                    format_func=partial(_said, name),
                    key=name,
                    bind="query-params",
                    placeholder="All",
                    help=_OF_EITHER if name == "outcomes" else None,
                )
            )
            for name, (words, values) in options.items()
        }
        faults = st.toggle("Include injected faults", key="faults", bind="query-params")
        st.text_input(
            "Request ID", key="dashboard_request_id", placeholder="Whole, or its start", on_change=_open_request
        )
    said = ["HTTP " * (name == "statuses") + _said(name, value) for name, values in fields.items() for value in values]
    if said := said + ["injected faults"] * faults:
        words = ", ".join(said) if len(said) <= _NAMED else f"{', '.join(said[:_NAMED])} and {len(said) - _NAMED} more"
        st.button(
            label(words),
            icon=":material/filter_alt_off:",
            type="tertiary",
            key="dashboard_clear",
            help="Clear all filters",
            on_click=_clear,
            args=(options,),
        )
    return {**fields, "injected": faults}


def _said(name: str, value: Any) -> str:
    return str(in_words(_KINDS[name], value))


def _open_request() -> None:
    if named := st.session_state["dashboard_request_id"].strip():
        st.query_params[REQUEST] = named
        st.session_state["dashboard_request_id"] = ""


def _clear(names: Iterable[str]) -> None:
    for name in names:
        st.session_state[name] = []
    st.session_state["faults"] = False
