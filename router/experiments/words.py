"""Experiments in words, the same on the page and on the command line."""

from __future__ import annotations

from router.core.formatting import counted, dollars
from router.experiments.analysis import Analysis, Compared

APART = 0.05
"""By how much the shares of requests that a figure is without may differ before that is said."""

_MADE_OF = {"answered": "requests", "cost": "known costs", "feedback": "ratings", "grade": "grades"}
"""What a figure takes; one in time takes answers."""


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


def verdict_of(figure: Compared) -> str:
    """The verdict; where there is nothing to compare yet, what is missing."""
    if figure.verdict != "nothing to compare yet":
        return figure.verdict
    whose = " of the candidate" if figure.units[0] else " of the chain" if figure.units[1] else ""
    return f"no {_MADE_OF.get(figure.name, 'answers')}{whose} yet"


def left_out_of_cost(found: Analysis) -> str | None:
    """The requests that the comparison of costs is without, a sentence or two; None where there are none."""
    cost = next(each for each in found.compared if each.in_dollars)
    if not any(cost.unknown):
        return None
    counts = " and ".join(
        f"{unknown:,} of {counted(requests, 'request')} by the {whose}"
        for unknown, requests, whose in zip(cost.unknown, cost.requests, ("chain", "candidate"), strict=True)
    )
    said = f"Left out of the cost: {counts}, whose cost is not fully known."
    chain, candidate = (
        unknown / max(requests, 1) for unknown, requests in zip(cost.unknown, cost.requests, strict=True)
    )
    if abs(chain - candidate) < APART:
        return said
    return f"{said} The shares differ ({chain:.0%} and {candidate:.0%}), which may bias the comparison."


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '-' if value < 0 else ''}{dollars(abs(value))}"


def value_of(figure: Compared, value: float | None) -> str:
    """A mean of a figure."""
    if value is None:
        return "–"
    return dollars(value) if figure.in_dollars else f"{value:.1%}"
