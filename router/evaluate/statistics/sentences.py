"""Verdicts in plain words."""

from __future__ import annotations

from router.core.formatting import counted, dollars
from router.evaluate.statistics.power import DISCORDANCE, smallest_difference
from router.evaluate.statistics.verdicts import Verdict
from router.metrics.estimates import Estimate


def verdict_sentence(verdict: Verdict, first: str, second: str, *, price: float | None = None) -> str:
    """A verdict in one sentence, without a period.

    Args:
        first, second: the lanes' names.
        price: US dollars that one prompt costs in both lanes together; None if unknown.
    """
    match verdict.kind:
        case "better":
            return f"{first} beats {second} by {_by(verdict.difference)}{_so_far(verdict)}{_basis(verdict)}"
        case "worse":
            return (
                f"{first} loses to {second} by {_by(_reversed(verdict.difference))}{_so_far(verdict)}{_basis(verdict)}"
            )
        case "no_worse":
            margin = f"the margin of {100 * (verdict.margin or 0):g} points"
            return f"{first} is no worse than {second} by {margin}: {_by(verdict.difference)}{_basis(verdict)}"
        case "no_verdict":
            look = verdict.look
            failed = f"{look.left_out:,} of {counted(look.finished, 'prompt')} failed"
            return f"no verdict on {first} and {second}: {failed} in either; retry the errors"
        case "not_separable":
            return f"{first} and {second} are not separable yet: {_open(verdict, price)}"


def separates_sentence(prompts: int, discordance: float = DISCORDANCE) -> str:
    """What so many prompts can separate, in one sentence, without a period."""
    found = smallest_difference(prompts, discordance)
    words, differ = counted(prompts, "prompt"), f"that differ on {100 * discordance:.0f}% of them"
    if found is None:
        return f"{words} cannot separate two lanes {differ}, however far apart"
    return f"{words} separate two lanes {differ} if they are {100 * found:.0f} points apart (80% power)"


def _open(verdict: Verdict, price: float | None) -> str:
    if verdict.difference.value is None:
        return "no prompt has a score in both"
    seen = f"{_by(verdict.difference)}{_basis(verdict)}"
    if verdict.more is None:
        return f"{seen}; how many more prompts it takes cannot be told"
    cost = "" if price is None else f", about {dollars(verdict.more * price)}"
    return f"{seen}; about {counted(verdict.more, 'more prompt')}{cost}"


def _so_far(verdict: Verdict) -> str:
    """A difference that decides early is probably larger than the true one."""
    return " so far" if verdict.look.end is None else ""


def _basis(verdict: Verdict) -> str:
    """The interval, and the prompts that it rests on."""
    look, difference = verdict.look, verdict.difference
    if verdict.kind == "worse":
        difference = _reversed(difference)
    running = f" of {look.planned:,}" if look.finished < look.planned else ""
    prompts = f"{difference.rows:,}{running} prompt{'' if difference.rows == 1 and not running else 's'}"
    failed = f", {look.left_out:,} more failed" if look.left_out else ""
    if difference.low is None or difference.high is None:
        return f" ({prompts}{failed})"
    return f" (95% interval {_points(difference.low)} to {_points(difference.high)}; {prompts}{failed})"


def _reversed(difference: Estimate) -> Estimate:
    """The same difference, seen from the other lane."""
    value, low, high = (None if end is None else -end for end in difference[:3])
    return difference._replace(value=value, low=high, high=low)


def _by(difference: Estimate) -> str:
    words = _points(difference.value or 0.0)
    return f"{words} point{'' if words in ('1.0', '-1.0') else 's'}"


def _points(value: float) -> str:
    """Hundredths, with one decimal; never -0.0."""
    return f"{round(100 * value, 1) + 0.0:.1f}"
