"""The dashboard's period of time, kept in the URL."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

import streamlit as st

from components.shared.markdown import label
from components.shared.zone import zone, zone_named

LENGTHS = {"1 h": 3600, "24 h": 86_400, "7 d": 7 * 86_400, "30 d": 30 * 86_400}
"""Ranges that end now, in seconds."""

RANGES = ("1 h", "24 h", "Today", "Yesterday", "7 d", "30 d", "All", "Exact")
USUAL = "7 d"

EARLIEST, LATEST = (datetime.fromisoformat(day) for day in ("1970-01-02", "2099-12-31"))
"""An exact range lies between these."""

SNAP = 10
"""Seconds that `now` is rounded up to, so that immediate reruns show the same data."""

_ENDS = {"from": "From", "to": "To"}
"""The URL parameters of an exact range, with the names of their fields."""

_WRONG = "dashboard_link_problem"

_ZOOMS = "dashboard_zooms"
"""The session-state key of the ranges from which somebody zoomed in, the last one at the end."""


class Period(NamedTuple):
    """Unix times, seconds; None is open."""

    since: float | None = None
    until: float | None = None


def draw_range() -> str:
    """The choice of a range; what a link says and nobody knows becomes the usual one, which is said."""
    named = st.query_params.get("range")
    if named is not None and named not in RANGES and "range" not in st.session_state:
        st.session_state[_WRONG] = f"The link's range `{named}` is unknown. {USUAL} is shown."
    chosen = st.segmented_control(
        "Time", RANGES, default=USUAL, required=True, key="range", bind="query-params", label_visibility="collapsed",
        on_change=_forget, wrap=True,
    )  # fmt: skip
    return chosen or USUAL


def draw_period(chosen: str) -> Period | None:
    """A range as Unix times, with fields for an exact one; None if that is invalid, which is shown."""
    now = math.ceil(time.time() / SNAP) * SNAP
    period: Period | None = Period()
    if chosen == "Exact":
        period = _exact(now)
    else:
        for name in (*_ENDS, "zone"):
            st.query_params.pop(name, None)
    if chosen in ("Today", "Yesterday"):
        midnight = _midnight(zone())
        yesterday = midnight - timedelta(days=1)
        begins = midnight if chosen == "Today" else yesterday
        period = Period(begins.timestamp(), now if chosen == "Today" else midnight.timestamp())
    elif chosen in LENGTHS:
        period = Period(now - LENGTHS[chosen], now)
    if wrong := st.session_state.get(_WRONG):
        st.caption(label(wrong))
    return period


def named_period() -> dict[str, str]:
    """The range as the URL names it, with both ends and their zone where it is exact."""
    chosen = st.session_state.get("range") or USUAL
    ends = ("zone", *_ENDS) if chosen == "Exact" else ()
    return {"range": chosen, **{name: st.query_params[name] for name in ends if name in st.query_params}}


def set_period(named: Mapping[str, str]) -> None:
    """Set the range to what `named_period` gave; to be called before the page is drawn."""
    _forget()
    if "zone" in named:
        st.query_params["zone"] = named["zone"]
    _set(named["range"], *(_linked(named, key) for key in _ENDS))


def zoom_to(since: float, until: float) -> None:
    """Make the range exact, in whole minutes; to be called before the page is drawn.

    Args:
        since, until: Unix times, seconds.
    """
    state = st.session_state
    state[_ZOOMS] = [*state.get(_ZOOMS, []), (state["range"], *(state.get(key) for key in _ENDS))]
    here = zone_named(st.query_params.get("zone", str(zone())))
    whole = math.floor(since / 60) * 60, math.ceil(until / 60) * 60
    _set("Exact", *(datetime.fromtimestamp(end, here).replace(tzinfo=None) for end in whole))


def _zoom_out() -> None:
    _set(*st.session_state[_ZOOMS].pop())


def _set(named: str, *ends: datetime | None) -> None:
    st.session_state["range"] = named
    for key, end in zip(_ENDS, ends, strict=True):
        if end is not None:
            st.session_state[key] = min(max(end, EARLIEST), LATEST)


def _draw_way_back() -> None:
    if zooms := st.session_state.get(_ZOOMS):
        named = zooms[-1][0]
        words = "Zoom out" if named == "Exact" else f"Back to {named}"
        st.button(label(words), icon=":material/zoom_out:", key="dashboard_zoom_out", on_click=_zoom_out)


def _exact(now: float) -> Period | None:
    since, until = _draw_times()
    if since >= until:
        st.error("The end is before the start. Choose a later end.", icon=":material/error:")
        return None
    # The future is not part of the period that is compared with the previous one.
    return Period(since, min(until, max(since + SNAP, now)))


def _draw_times() -> list[float]:
    """Both ends as Unix times; the URL includes the time zone, so that the range is the same everywhere."""
    link = st.query_params
    here = zone_named(link.setdefault("zone", str(zone())))
    if str(here) != link["zone"]:
        link["zone"] = str(here)
    midnight = _midnight(here).replace(tzinfo=None)
    usual = {"from": midnight, "to": midnight + timedelta(days=1)}
    times = []
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for key, words in _ENDS.items():
            # Not bound to the URL: Streamlit omits initial values there, and those differ between viewers.
            if key not in st.session_state:
                st.session_state[key] = _linked(link, key) or usual[key]
            chosen = st.datetime_input(
                words, None, EARLIEST, LATEST, key=key, width=220, on_change=_forget_problem
            ) or usual[key]  # fmt: skip
            link[key] = f"{chosen:%Y-%m-%dT%H:%M}"
            times.append(chosen.replace(tzinfo=here).timestamp())
        if str(here) != str(zone()):
            st.caption(f"Times in {label(str(here))}")
        _draw_way_back()
    return times


def _linked(link: Mapping[str, str], key: str) -> datetime | None:
    """An end that the URL names; if it is none, that is said."""
    named = link.get(key)
    if named is None:
        return None
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(named).replace(tzinfo=None)
        if EARLIEST <= found <= LATEST:
            return found
    st.session_state[_WRONG] = (
        f"The link's `{key}={named}` is not a time between {EARLIEST.year} and {LATEST.year}, such as"
        f" {EARLIEST.replace(year=2026):%Y-%m-%dT%H:%M}. Today is used instead."
    )
    return None


def _forget_problem() -> None:
    st.session_state.pop(_WRONG, None)


def _forget() -> None:
    """A range was chosen by hand."""
    _forget_problem()
    st.session_state.pop(_ZOOMS, None)


def _midnight(here: tzinfo) -> datetime:
    return datetime.now(here).replace(hour=0, minute=0, second=0, microsecond=0)
