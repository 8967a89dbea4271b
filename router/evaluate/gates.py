"""Gates: what a run must reach to pass in continuous integration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from router.core.runs import Planned
from router.evaluate.results import Results
from router.evaluate.summary import summary
from router.evaluate.verdicts import Compared


class Gate(NamedTuple):
    """A limit, and whether a run keeps it.

    Attributes:
        outcome: open where the cases do not separate the lane from the limit, or there is no verdict.
        sentence: with what was found.
    """

    outcome: Literal["passed", "failed", "open"]
    sentence: str


def gates(results: Results, plan: Planned, since: Sequence[Compared], *, min_score: float | None) -> list[Gate]:
    """All gates of a run.

    Args:
        since: each lane beside itself in the baseline.
        min_score: percent of passes that each lane is to reach; None for no such gate.
    """
    found = [_not_worse(each) for each in since]
    if min_score is not None:
        found += [_reaches(results, plan, number, min_score) for number in range(len(plan.lanes))]
    return found


def _not_worse(compared: Compared) -> Gate:
    match compared.verdict.kind:
        case "worse":
            return Gate("failed", f"Failed: {compared.sentence}")
        case "better" | "no_worse":
            return Gate("passed", f"Passed: {compared.sentence}")
        case _:
            return Gate("open", f"Open: {compared.sentence}")


def _reaches(results: Results, plan: Planned, number: int, min_score: float) -> Gate:
    """Failed where the whole interval is below the limit, open where only its low end is."""
    lane = summary(results, plan, plan.lanes[number])
    if lane.passed is None or lane.low is None or lane.high is None:
        return Gate("open", f"Open: {lane.name} has no score, so it is not known to pass {min_score:g}%.")
    said = f"{lane.name} passes {lane.passed:.1%} ({lane.low:.1%} to {lane.high:.1%}) of {lane.cases} cases"
    if lane.high * 100 < min_score:
        return Gate("failed", f"Failed: {said}, less than {min_score:g}%.")
    if lane.passed * 100 >= min_score:
        return Gate("passed", f"Passed: {said}, at least {min_score:g}%.")
    return Gate("open", f"Open: {said}; that does not separate it from {min_score:g}%.")
