"""A drift in words."""

from __future__ import annotations

from datetime import tzinfo

import numpy as np

from router.core.formatting import clock, seconds
from router.metrics.drift import Drift


def sentence(drift: Drift, now: float, zone: tzinfo | None = None) -> str:
    """A drift in words, with its figures.

    Args:
        now: Unix time, seconds.
        zone: of the time in it; None is this machine's.
    """
    who = f"{drift.model} in {drift.category}" if drift.category is not None else f"{drift.model}, single model"
    before, after = drift.before, drift.after
    if drift.measure == "latency":
        known = after.value != np.inf and after.low and after.high
        between = f" ({_time(after.low)} to {_time(after.high)})" if known else ""
        what = f"one in three of its last {after.rows:,} calls {_longer(after.value)}{between}"
        what += f", up from {_time(before.value)} (n = {before.rows:,})"
    else:
        what = f"{drift.failed} of its last {after.rows:,} "
        what += "calls failed" if drift.measure == "failures" else f"answers to the suite {drift.suite} are wrong"
        what += f" ({percent(after.value)}, {100 * (after.low or 0):.0f} to {percent(after.high)})"
        what += f", up from {percent(before.value)} of {before.rows:,}"
    return f"{who}: {what}. Since about {clock(drift.since, now, zone)}."


def percent(value: float | None) -> str:
    """A share of calls: 12%, and of rare ones the first digit, 0.3%."""
    value = value or 0
    return f"{100 * value:.0f}%" if value == 0 or value >= 0.0095 else f"{100 * value:.1g}%"


def _longer(value: float | None) -> str:
    return "timed out" if value == np.inf else f"took longer than {_time(value)}"


def _time(value: float | None) -> str:
    return "the limit" if value == np.inf else seconds(value)
