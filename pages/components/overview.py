"""The overview: the figures that say whether all is well, each against the period before."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from router.observed import FIGURES, Estimate
from router.observed.estimates import Key
from router.words import dollars, seconds

from components.shown import Shown


class Tile(NamedTuple):
    """A figure of the overview; `better` is 1 where more is better, -1 where less is, 0 where neither."""

    title: str
    figure: str
    key: Key
    better: int


TILES = (
    Tile("Requests", "requests", (), 0),
    Tile("Answered", "answered_share", (), 1),
    Tile("Fallback rate", "fallback_rate", (), -1),
    Tile("Latency p50", "latency", (0.5,), -1),
    Tile("Latency p95", "latency", (0.95,), -1),
    Tile("Cost", "cost", (), 0),
    Tile("First token p50", "first_token", (0.5,), -1),
    Tile("First token p95", "first_token", (0.95,), -1),
    Tile("Tokens/s", "tokens_per_second", (), 1),
    Tile("Calls saved", "calls_saved", (), 0),
    Tile("Time saved", "seconds_saved", (), 0),
    Tile("Money saved", "dollars_saved", (), 0),
)
APART = {
    "cached": "from the cache",
    "shared": "shared with an identical one",
    "stood_in": "answered by the offline stand-in",
    "keyless": "without a key",
    "stopped": "stopped",
}


def draw_overview(shown: Shown) -> None:
    """Twelve tiles, and what is counted apart."""
    with st.grid(6, min_column_width=150, gap="xsmall"):
        for tile in TILES:
            _draw_tile(tile, *shown.one(tile.figure, tile.key))
    apart = [(shown.one(name)[0].value or 0, words) for name, words in APART.items()]
    counted = ", ".join(f"{value:,.0f} {words}" for value, words in apart if value)
    against = ""
    if (before := shown.one("requests")[1]) is not None:
        against = "Each against the period before. " if before.value else "Nothing was asked in the period before. "
    st.caption(against + (f"Counted apart, and in no rate or latency: {counted}." if counted else ""))


def _draw_tile(tile: Tile, now: Estimate, before: Estimate | None) -> None:
    figure = FIGURES[tile.figure]
    change, certain = _change(figure.unit, now, before)
    colored = tile.better and certain
    st.metric(
        tile.title,
        _value(figure.unit, now),
        change,
        delta_color="off" if not colored else "normal" if tile.better > 0 else "inverse",
        delta_arrow="off" if change == "unchanged" else "auto",
        border=True,
        height="stretch",
        help=_help(_of(figure.meaning, tile.key), figure.unit, now),
    )


def _value(unit: str, estimate: Estimate) -> str:
    value = estimate.value
    if value is None:
        return "–"
    if math.isinf(value):
        return "timed out"
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
    """The change in words, and whether the intervals say that it is one."""
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
    """What a quantile's sentence says of the one that is shown."""
    return meaning.replace("a share", f"{key[0]:.0%}") if key else meaning


def _help(meaning: str, unit: str, now: Estimate) -> str:
    parts = [meaning]
    if now.low is not None and now.high is not None:
        low, high = (_value(unit, Estimate(bound)) for bound in (now.low, now.high))
        parts.append(f"95 % interval: {low} to {high}, of {now.rows:,}.")
    if now.unknown:
        parts.append(f"Not known of {now.unknown:,}.")
    return " ".join(parts).replace("$", r"\$")
