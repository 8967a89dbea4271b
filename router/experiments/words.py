"""Experiments in words, the same on the page and on the command line."""

from __future__ import annotations

from router.core.formatting import counted, dollars
from router.experiments.analysis import Analysis, Compared


def state_of(found: Analysis, now: float) -> str:
    """How an experiment stands, in a sentence without its period.

    Args:
        now: Unix time, seconds.
    """
    experiment = found.experiment
    current, candidate = found.requests
    came = f"{counted(current, 'request')} by the chain, {counted(candidate, 'request')} by the candidate"
    if experiment.stopped:
        return f"stopped: {experiment.stopped.rstrip('.')} ({came})"
    if experiment.share == 0:
        return f"its share is 0 ({came})"
    if not experiment.is_running(now):
        return f"begins later, with {experiment.share:.0%} of {experiment.category}"
    return f"{experiment.share:.0%} of {experiment.category} ({came})"


def difference_of(figure: Compared) -> str:
    """Between what the candidate's mean less the chain's lies; a dash where nothing is known of it."""
    low, high = figure.bounds
    if low is None or high is None:
        return "–"
    if figure.in_dollars:
        return f"{_signed(low)} to {_signed(high)}"
    return f"{100 * low:+.1f} to {100 * high:+.1f} points"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '-' if value < 0 else ''}{dollars(abs(value))}"


def value_of(figure: Compared, value: float | None) -> str:
    """A mean of a figure."""
    if value is None:
        return "–"
    return dollars(value) if figure.in_dollars else f"{value:.1%}"
