"""Outages, found in the order of a model's calls, and what is left to say of single calls without them.

A dozen failures in one night say little of the other nights: they are one event. So failures in a row are taken out as
an outage, with the time that it lasted, and only the others count one by one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.tune.grid import Floats

LEAST_FAILURES = 3
"""In a row; as many as open a breaker."""

BY_CHANCE = 0.05
"""How many rows of failures so long may be expected of calls that fail independently, at most."""

LEAST_SECONDS = 30.0
"""From the first failure to the next answer: what retries bridge is no outage."""


class Outage(NamedTuple):
    """From the first failure to the next answer, or to the last failure where none followed: Unix times, seconds."""

    began: float
    ended: float


def outages(at: Floats, failed: NDArray[np.bool_]) -> list[Outage]:
    """The outages among a model's calls.

    Args:
        at: (calls,) when they began, ascending; Unix time, seconds.
        failed: (calls,) whether the provider failed them.
    """
    least = _least(len(failed), float(failed.mean()) if len(failed) else 0.0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], failed.astype(np.int8), [0]])))
    found = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        end = float(at[after]) if after < len(at) else float(at[after - 1])
        if after - first >= least and end - at[first] >= LEAST_SECONDS:
            found.append(Outage(float(at[first]), end))
    return found


def _least(calls: int, rate: float) -> int:
    """Failures in a row that chance does not explain."""
    if not 0 < rate < 1:
        return LEAST_FAILURES
    return max(LEAST_FAILURES, math.ceil(math.log(BY_CHANCE / calls) / math.log(rate)))


def during(at: Floats, found: Sequence[Outage]) -> NDArray[np.bool_]:
    """(calls,) which calls began in an outage."""
    inside = np.zeros(len(at), bool)
    for outage in found:
        inside |= (at >= outage.began) & (at < outage.ended)
    return inside


def shared(of_models: Mapping[str, Sequence[Outage]]) -> list[Outage]:
    """The outages that at least two of a provider's models had at once, joined."""
    events = sorted(
        (time, step)
        for found in of_models.values()
        for each in found
        for time, step in ((each.began, 1), (each.ended, -1))
    )
    found, down, began = list[Outage](), 0, 0.0
    for time, step in events:
        down += step
        if down == 2 and step == 1:
            began = time
        elif down == 1 and step == -1:
            found.append(Outage(began, time))
    return found
