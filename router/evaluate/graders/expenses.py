"""Graders of what an answer took."""

from __future__ import annotations

from collections.abc import Mapping

from router.core.errors import GraderFailed
from router.core.suites import Answered, Case, Check
from router.evaluate.graders.base import Found, Grader, plain, positive, yes_or_no


def _most(check: Check, _: Case) -> float:
    return positive(check, "The value", check.value)


def cost(answered: Answered, check: Check) -> Found:
    """All its turns cost at most so much, failed attempts included."""
    most = _most(check, answered.case)
    if answered.cost is None:
        raise GraderFailed("What the answer cost is not known.")
    return yes_or_no(answered.cost <= most, f"It cost ${answered.cost:.6f}, more than ${most:.6f}.")


def latency(answered: Answered, check: Check) -> Found:
    """All its turns took at most so long, failed attempts included."""
    most = _most(check, answered.case)
    if answered.latency is None:
        raise GraderFailed("How long the answer took is not known: it came from the cache, or from a shared call.")
    return yes_or_no(answered.latency <= most, f"It took {answered.latency:.2f} seconds, more than {most:g}.")


GRADERS: Mapping[str, Grader] = {
    "cost": Grader(plain(cost), _most, "costs at most so much", "US dollars"),
    "latency": Grader(plain(latency), _most, "takes at most so long", "seconds"),
}
