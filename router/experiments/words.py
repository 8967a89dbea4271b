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


def value_of(figure: Compared, value: float | None, *, sign: bool = False) -> str:
    """A mean or a difference of a figure; shares in percent, their differences in points."""
    if value is None:
        return "–"
    if figure.in_dollars:
        return f"{'+' if sign and value > 0 else '-' if value < 0 else ''}{dollars(abs(value))}"
    return f"{100 * value:+.1f} points" if sign else f"{value:.1%}"
