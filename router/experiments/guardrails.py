"""When an experiment is stopped by itself: only what the evidence shows, whenever it is looked at.

Sessions count with what their requests have shown so far, unlike in the verdict: harm has to be seen at once, and a
stop that was not needed costs little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from router.config.schema import Experiment
from router.core.formatting import dollars
from router.experiments.analysis import Figure, answered, cost, count_of, drawn, grade, in_time, units_of
from router.experiments.sequences import ERROR, FEWEST, log_wealth, over_rate, unbounded
from router.store.experiments import Given

NEEDED = -math.log(ERROR)

LATE = 0.05
"""The share of answers beyond a p95."""

LEAST = 20
"""Answers of the current chain from which its own p95 is known."""


def broken(experiment: Experiment, requests: Sequence[Given]) -> str | None:
    """Why an experiment has to be stopped, as a sentence; None where it may go on."""
    rails = experiment.guardrails
    if count_of(requests, "candidate") < rails.min_requests:
        return None
    for check in (_fewer_answers, _late_answers, _higher_cost, _lower_grades):
        if (reason := check(experiment, requests)) is not None:
            return reason
    return None


def _fewer_answers(experiment: Experiment, requests: Sequence[Given]) -> str | None:
    if (lost := _loss(requests, answered, experiment.guardrails.answered)) is None:
        return None
    own, other, points = lost
    return f"The candidate answered {own:.1%} of requests, the current chain {other:.1%}: a loss of over {points}."


def _lower_grades(experiment: Experiment, requests: Sequence[Given]) -> str | None:
    if (lost := _loss(requests, grade, experiment.guardrails.grade)) is None:
        return None
    own, other, points = lost
    return f"The candidate's answers were graded {own:.1%}, the current chain's {other:.1%}: a loss of over {points}."


def _loss(requests: Sequence[Given], figure: Figure, limit: float | None) -> tuple[float, float, str] | None:
    """The candidate's mean, the current chain's and the limit in words, where the loss is beyond that."""
    if limit is None:
        return None
    units = units_of(drawn(requests), figure)
    if not len(units.value) or log_wealth(units, -limit)[1][-1] < NEEDED:
        return None
    own, other = float(units.value[units.candidate].mean()), float(units.value[~units.candidate].mean())
    return own, other, f"{100 * limit:g} {'point' if limit == 0.01 else 'points'}"


def _late_answers(experiment: Experiment, requests: Sequence[Given]) -> str | None:
    limit = experiment.guardrails.latency_p95
    if limit is None:
        return None
    seconds, whose = limit.value, ""
    if seconds is None:
        own = sorted(each.latency for each in requests if each.arm == "current" and in_time(math.inf)(each) == 1)
        if len(own) < LEAST:
            return None
        seconds = (limit.times or 1.0) * float(np.quantile(own, 1 - LATE))
        whose = f", {limit.times:g} times the current chain's 95%"
    units = units_of(drawn(requests), in_time(seconds))
    late = 1 - units.value[units.candidate]
    if not len(late) or over_rate(late, LATE)[-1] < NEEDED:
        return None
    return f"{late.mean():.1%} of the candidate's answers took longer than {seconds:.3g} s{whose}; 5% may."


def _higher_cost(experiment: Experiment, requests: Sequence[Given]) -> str | None:
    times = experiment.guardrails.cost
    if times is None:
        return None
    units = units_of(drawn(requests), cost)
    if min(int(units.candidate.sum()), int((~units.candidate).sum())) < FEWEST:
        return None
    found = unbounded(units, np.array([len(units.value)], np.intp), times)
    if found.low[0] <= 0:
        return None
    own, other = float(units.value[units.candidate].mean()), float(units.value[~units.candidate].mean())
    return f"A request costs {dollars(own)} with the candidate, {dollars(other)} without: more than {times:g} times."
