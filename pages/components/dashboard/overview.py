"""The overview: the key figures, each compared with the previous period."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from router.core.formatting import counted, dollars, moment, seconds
from router.metrics import FIGURES, Estimate
from router.metrics.estimates import Key

from components.dashboard.view_model import ViewModel
from components.shared.zone import zone


class Tile(NamedTuple):
    """A figure of the overview; `better` is 1 if more is better, -1 if less is, 0 if neither."""

    title: str
    figure: str
    key: Key
    better: int


TILES = (
    Tile("Requests", "requests", (), 0),
    Tile("Answered", "answered_share", (), 1),
    Tile("Fallback rate", "fallback_rate", (), -1),
    Tile("Failed calls", "failed_share", (), -1),
    Tile("Latency p50", "latency", (0.5,), -1),
    Tile("Latency p95", "latency", (0.95,), -1),
    Tile("Cost", "cost", (), 0),
    Tile("First token p50", "first_token", (0.5,), -1),
    Tile("First token p95", "first_token", (0.95,), -1),
    Tile("Tokens/s", "tokens_per_second", (), 1),
    Tile("Cost of failures", "cost_of_failures", (), 0),
    Tile("Calls saved", "calls_saved", (), 0),
    Tile("Time saved", "seconds_saved", (), 0),
    Tile("Money saved", "dollars_saved", (), 0),
)
APART = {
    "cached": "from the cache",
    "shared": "shared with an identical request",
    "stood_in": "answered by the offline model",
    "keyless": "skipped for a missing key",
    "stopped": "stopped",
}


def draw_overview(shown: ViewModel) -> None:
    """The tiles, and what is counted separately."""
    with st.grid(7, min_column_width=150, gap="xsmall"):
        for tile in TILES:
            _draw_tile(tile, *shown.one(tile.figure, tile.key))
    apart = [(shown.one(name)[0].value or 0, words) for name, words in APART.items()]
    separate = ", ".join(f"{value:,.0f} {words}" for value, words in apart if value)
    against = ""
    if shown.partly_recorded and shown.began is not None:
        against = f"No full period before: recording began on {moment(shown.began, zone())}. "
    elif (before := shown.one("requests")[1]) is not None:
        against = "Compared with the previous period. " if before.value else "No requests in the previous period. "
    if shown.by_outcome:
        against += "Shares are of all outcomes, whichever the filter leaves. "
    if everywhere := shown.one("failing_everywhere")[0].value:
        against += f"{everywhere:,.0f} failed because of their prompt: it failed everywhere, while others passed. "
    if invalid := shown.one("invalid_answers")[0].value:
        against += f"{counted(int(invalid), 'answer')} had invalid tool calls or invalid JSON. "
    st.caption(against + (f"Not counted in rates and latency: {separate}." if separate else ""))


def _draw_tile(tile: Tile, now: Estimate, before: Estimate | None) -> None:
    figure = FIGURES[tile.figure]
    change, certain = _change(figure.unit, now, before)
    colored = tile.better and certain
    unpriced = f"{now.unknown:,} unpriced" if figure.unit == "US dollars" and now.unknown else None
    st.metric(
        tile.title,
        _value(figure.unit, now),
        change or unpriced,
        delta_description=unpriced if change else None,
        delta_color="off" if not colored else "normal" if tile.better > 0 else "inverse",
        delta_arrow="off" if change in (None, "unchanged") else "auto",
        border=True,
        height="stretch",
        help=_help(_of(figure.meaning, tile.key), figure.unit, now),
    )


def _value(unit: str, estimate: Estimate) -> str:
    value = estimate.value
    if value is None:
        return "–"
    if math.isinf(value):
        return "timed out" if estimate.rows >= estimate.unknown else "–"  # most failed otherwise
    return _FORMATS[unit](value)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value < 100_000 else f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"


def _long(value: float) -> str:
    if value < 2 * 3600:
        return f"{value / 60:.0f} min" if value >= 600 else f"{value / 60:.1f} min"
    return f"{value / 3600:,.0f} h"


_FORMATS: dict[str, Callable[[float], str]] = {
    "requests": _count,
    "calls": _count,
    "share": lambda value: f"{value:.1%}",
    "seconds": lambda value: seconds(value) if value < 60 else _long(value),
    "US dollars": dollars,
    "tokens/s": lambda value: f"{value:.0f}",
}


def _change(unit: str, now: Estimate, before: Estimate | None) -> tuple[str | None, bool]:
    """The change in words, and whether it is significant by the intervals."""
    if before is None or before.value is None or now.value is None or math.isinf(now.value) or math.isinf(before.value):
        return None, False
    if unit == "share":
        words = f"{(now.value - before.value) * 100:+.1f} points"
    elif before.value == 0:
        return None, False
    elif now.value >= 10 * before.value:
        times = now.value / before.value
        words = f"{times:.0f} times" if times < 100 else "over 100 times"
    else:
        words = f"{now.value / before.value - 1:+.0%}"
    if words in ("+0%", "-0%", "+0.0 points", "-0.0 points"):
        return "unchanged", False
    apart = (now.low is not None and before.high is not None and now.low > before.high) or (
        now.high is not None and before.low is not None and now.high < before.low
    )
    return words, apart


def _of(meaning: str, key: Key) -> str:
    """A quantile's help text for the share that is shown."""
    return meaning.replace("a share", f"{key[0]:.0%}") if key else meaning


def _help(meaning: str, unit: str, now: Estimate) -> str:
    parts = [meaning]
    if now.low is not None and now.high is not None:
        low, high = (_value(unit, Estimate(bound)) for bound in (now.low, now.high))
        parts.append(f"95% interval: {low} to {high} (n = {now.rows:,}).")
    if now.unknown:
        parts.append(f"Unknown for {now.unknown:,}, which are left out.")
    return " ".join(parts).replace("$", r"\$")
