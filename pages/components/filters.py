"""The dashboard's filters, kept in the link."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from router.observed import AttemptKind, Filter, RequestKind, Rows

RANGES = {"1 h": 3600, "24 h": 86_400, "7 d": 7 * 86_400, "30 d": 30 * 86_400, "All": None, "Exact": None}
SNAP = 10
"""Seconds that `now` is rounded up to, so that a page that is drawn again at once shows the same."""

SINGLE = "(single models)"
"""What stands in a category's place where a model was asked by its name."""

_OUTCOMES = {"answered": "answered", "failed": "failed", "cancelled": "stopped"}


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
        return Filter(since=since, until=until, **fields)
    length = RANGES.get(chosen or "All")
    if length is None:
        return Filter(**fields)
    until = math.ceil(time.time() / SNAP) * SNAP
    return Filter(since=until - length, until=until, **fields)


def _draw_fields(rows: tuple[Rows[RequestKind], Rows[AttemptKind]]) -> dict[str, Any]:
    attempts = rows[1].kinds
    options: dict[str, tuple[str, Iterable[Any]]] = {
        "categories": ("Category", {kind.category for kinds in (rows[0].kinds, attempts) for kind in kinds}),
        "models": ("Model", {kind.model for kind in attempts}),
        "providers": ("Provider", {kind.provider for kind in attempts}),
        "outcomes": ("Outcome", _OUTCOMES),
        "sources": ("Source", {kind.source for kinds in (rows[0].kinds, attempts) for kind in kinds}),
    }
    active = sum(bool(st.session_state.get(name)) for name in (*options, "faults"))
    # The label stays as it is, so that the popover does: what is chosen stands beside it.
    with st.popover("Filters", icon=":material/filter_alt:", key="dashboard_filters"):
        fields = {
            name: tuple(
                st.multiselect(
                    words,
                    sorted(values, key=lambda value: (value is None, value)),
                    format_func=lambda value: SINGLE if value is None else _OUTCOMES.get(value, value),
                    key=name,
                    bind="query-params",
                    placeholder="All",
                )
            )
            for name, (words, values) in options.items()
        }
        faults = st.toggle("Injected faults too", key="faults", bind="query-params")
    if active:
        st.button(
            f"Clear {active}", icon=":material/filter_alt_off:", type="tertiary", on_click=_clear, args=(options,)
        )
    return {**fields, "injected": faults}


def _clear(names: Iterable[str]) -> None:
    for name in names:
        st.session_state[name] = []
    st.session_state["faults"] = False


def _draw_times() -> tuple[float, float]:
    """The exact range, as Unix time."""
    here = zone()
    today = datetime.now(here).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    with st.container(horizontal=True):
        since = st.datetime_input("From", today, key="from", bind="query-params", width=220)
        until = st.datetime_input("To", today + timedelta(days=1), key="to", bind="query-params", width=220)
    return tuple((at or today).replace(tzinfo=here).timestamp() for at in (since, until))  # type: ignore[return-value]


def when(unix: float) -> datetime:
    """A time as the browser's clock says it."""
    return datetime.fromtimestamp(unix, zone())


def zone() -> tzinfo:
    """The browser's time zone; UTC where it does not say, or names one that is not known here."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # Chrome's `Etc/Unknown`; what is no name; a folder of zones
        return UTC
