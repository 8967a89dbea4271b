"""Verdicts on pairs of lanes: better, worse, no worse by a margin, or not separable yet."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Literal, NamedTuple, TypeVar

from router.evaluate.statistics.plan import MAX_ERRORS, Look
from router.evaluate.statistics.power import SIZE, prompts_needed, rounded_up
from router.metrics.estimates import Estimate

WHILE_RUNNING = 0.01
"""The chance of a false verdict that looking at the e-value has; it decides from 100 on."""

AT_END = 0.04
"""The chance that the test at the planned end has."""

LEAST_DISCORDANT = 5
"""Prompts on which two lanes differ, at least: of fewer, no outcome is significant."""

Kind = Literal["better", "worse", "no_worse", "not_separable", "no_verdict"]
Key = TypeVar("Key", bound=Hashable)


class Verdict(NamedTuple):
    """What can be said of a pair of lanes.

    Attributes:
        kind: of the first lane beside the second. `no_worse` needs a margin; `no_verdict` is for too many errors.
        look: what it rests on.
        more: about how many more prompts separate the lanes with 80% power, if they differ as seen; None where
            the verdict needs none, or where the data say nothing.
        margin: the plan's.
    """

    kind: Kind
    look: Look
    more: int | None = None
    margin: float | None = None

    @property
    def difference(self) -> Estimate:
        return self.look.difference


def verdict(look: Look, margin: float | None = None) -> Verdict:
    """The verdict on one pair that was chosen before its scores were seen."""
    return verdicts({0: look}, margin)[0]


def verdicts(looks: Mapping[Key, Look], margin: float | None = None) -> dict[Key, Verdict]:
    """The verdicts on several pairs: that any of them is falsely better or worse has a chance of 5% at most.

    `no_worse` is judged for each pair by itself: it is false in 2.5% where the loss is as large as the margin.

    Args:
        looks: all pairs that are to be judged, those that turn out uninteresting too.
        margin: the plan's.
    """
    early = holm({key: math.exp(-look.evidence) for key, look in looks.items()})
    late = holm({key: 1.0 if look.end is None else look.end.p for key, look in looks.items()})
    return {
        key: _verdict(
            look,
            early=early[key] <= WHILE_RUNNING,
            late=late[key] <= AT_END,
            margin=margin,
            size=SIZE / len(looks),
        )
        for key, look in looks.items()
    }


def _verdict(look: Look, *, early: bool, late: bool, margin: float | None, size: float) -> Verdict:
    value = look.difference.value
    if look.left_out > MAX_ERRORS * look.finished:
        return Verdict("no_verdict", look, margin=margin)
    separated = look.discordant >= LEAST_DISCORDANT and (early or (late and _end_agrees(look)))
    if separated and value is not None and value > 0:
        return Verdict("better", look, margin=margin)
    if margin is not None and _is_within(look, margin):
        return Verdict("no_worse", look, margin=margin)
    if separated and value is not None and value < 0:
        return Verdict("worse", look, margin=margin)
    return Verdict("not_separable", look, _more(look, size), margin)


def _end_agrees(look: Look) -> bool:
    """Whether all prompts favor the lane that the planned ones favor, where a run was extended."""
    return look.end is not None and (look.end.difference.value or 0.0) * (look.difference.value or 0.0) > 0


def _is_within(look: Look, margin: float) -> bool:
    """Whether the interval at the planned end excludes a loss as large as the margin."""
    low = None if look.end is None else look.end.difference.low
    return low is not None and low > -margin


def _more(look: Look, size: float) -> int | None:
    """Prompts beyond those with a score; None where fewer than five differ, or the difference is close to 0."""
    if look.difference.value is None or look.discordant < LEAST_DISCORDANT:
        return None
    needed = prompts_needed(look.difference.value, look.discordance, size=size)
    return None if needed is None else rounded_up(max(needed - look.difference.rows, 1))


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P-values adjusted for their number: those up to a level are rejected (Holm, 1979).

    The chance that any true null is among them is at most the level, however the tests depend on each other. For
    e-values, 1 / e takes the place of p (Vovk & Wang, "E-values: calibration, combination and applications", 2021).
    """
    adjusted, highest = {}, 0.0
    for place, key in enumerate(sorted(p_values, key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[key]))
        adjusted[key] = highest
    return adjusted
