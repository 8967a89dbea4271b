"""The dashboard's filters, kept in the link."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from router.observed import AttemptKind, Filter, RequestKind, Rows

from components.markdown import label

RANGES = {"1 h": 3600, "24 h": 86_400, "7 d": 7 * 86_400, "30 d": 30 * 86_400, "All": None, "Exact": None}
SNAP = 10
"""Seconds that `now` is rounded up to, so that a page that is drawn again at once shows the same."""

SINGLE = "(single models)"
"""What stands in a category's place where a model was asked by its name."""

_OUTCOMES = {"answered": "answered", "failed": "failed", "cancelled": "stopped"}
_OF_EITHER = "Of the requests in what counts requests, and of the calls in what counts calls"

_EXACT = ("from", "to", "zone")
"""What the link says of an exact range."""

_NAMED = 4
"""Filters that are named beside the field; more are counted."""


def draw_filters(rows: tuple[Rows[RequestKind], Rows[AttemptKind]]) -> Filter | None:
    """The filter that is chosen; None where its times make none, which is then said."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.segmented_control(
            "Time", list(RANGES), default="7 d", required=True, key="range", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        fields = _draw_fields(rows)
        st.button("Refresh", icon=":material/refresh:", key="dashboard_refresh")
    if chosen == "Exact":
        since, until = _draw_times()
        if since >= until:
            st.error("The time range ends before it begins. Choose a later end.", icon=":material/error:")
            return None
        # What is yet to come is no part of the period that is compared with the one before.
        return Filter(since=since, until=min(until, max(since + SNAP, _now())), **fields)
    for name in _EXACT:
        st.query_params.pop(name, None)
    length = RANGES.get(chosen or "All")
    return Filter(since=_now() - length, until=_now(), **fields) if length is not None else Filter(**fields)


def _now() -> float:
    return math.ceil(time.time() / SNAP) * SNAP


def _draw_fields(rows: tuple[Rows[RequestKind], Rows[AttemptKind]]) -> dict[str, Any]:
    attempts = rows[1].kinds
    either = [kind for kinds in (rows[0].kinds, attempts) for kind in kinds]
    stored: dict[str, tuple[str, set[Any]]] = {
        "categories": ("Category", {kind.category for kind in either}),
        "models": ("Model", {kind.model for kind in attempts}),
        "providers": ("Provider", {kind.provider for kind in attempts}),
        "sources": ("Source", {kind.source for kind in either}),
    }
    for name, (_, values) in stored.items():
        # What a link names and nothing is stored of: without it, the link would show everything.
        values.update(set(st.query_params.get_all(name)) - {_said(value) for value in values} - {""})
    options = stored | {"outcomes": ("Outcome", set(_OUTCOMES))}
    # The label stays as it is, so that the popover does: what is chosen stands beside it.
    with st.popover("Filters", icon=":material/filter_alt:", key="dashboard_filters"):
        fields = {
            name: tuple(
                st.multiselect(
                    words,
                    sorted(values, key=lambda value: (value is None, value)),
                    format_func=_said,
                    key=name,
                    bind="query-params",
                    placeholder="All",
                    help=_OF_EITHER if name == "outcomes" else None,
                )
            )
            for name, (words, values) in options.items()
        }
        faults = st.toggle("Injected faults too", key="faults", bind="query-params")
    said = [_said(value) for values in fields.values() for value in values]
    if said := said + ["injected faults too"] * faults:
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


def _said(value: str | None) -> str:
    return SINGLE if value is None else _OUTCOMES.get(value, value)


def _clear(names: Iterable[str]) -> None:
    for name in names:
        st.session_state[name] = []
    st.session_state["faults"] = False


def _draw_times() -> tuple[float, float]:
    """The exact range, as Unix time; the link says it whole, with its zone, so that it is the same everywhere."""
    link = st.query_params
    here = _zone_named(link.setdefault("zone", str(zone())))
    today = datetime.now(here).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    times = []
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for words, key, usual in (("From", "from", today), ("To", "to", today + timedelta(days=1))):
            # Not bound to the link: that leaves out what a field begins with, which is another time for others.
            st.session_state.setdefault(key, _time(link.get(key)) or usual)
            chosen = st.datetime_input(words, None, key=key, width=220) or usual
            link[key] = f"{chosen:%Y-%m-%dT%H:%M}"
            times.append(chosen.replace(tzinfo=here).timestamp())
        if str(here) != str(zone()):
            st.caption(f"Times of {label(str(here))}")
    return times[0], times[1]


def _time(said: str | None) -> datetime | None:
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(said or "").replace(tzinfo=None)
    return None


def when(unix: float) -> datetime:
    """A time as the browser's clock says it."""
    return datetime.fromtimestamp(unix, zone())


def zone() -> tzinfo:
    """The browser's time zone; UTC where it does not say, or names one that is not known here."""
    return _zone_named(st.context.timezone or "UTC")


def _zone_named(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # Chrome's `Etc/Unknown`; what is no name; a folder of zones
        return UTC
