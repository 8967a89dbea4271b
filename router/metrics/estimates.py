"""Estimates with their intervals: of counts, shares, sums and quantiles."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from router.core.intervals import wilson
from router.metrics.columns import Floats

Key: TypeAlias = tuple[Hashable, ...]


class Estimate(NamedTuple):
    """A figure's value with its interval of 95%.

    Attributes:
        value: None where there is nothing to say; infinite where a quantile lies among those that timed out.
        low, high: None where there is no interval: of sums, and where too few rows bound it on that side.
        rows: how many it rests on.
        unknown: rows left out because their measure is not known.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    unknown: int = 0


def with_late(values: Floats, late: int) -> Floats:
    """Timeouts count as infinitely long and are not dropped."""
    return np.append(values, np.full(late, np.inf, np.float32)) if late else values


def total(count: int) -> Estimate:
    """A count."""
    return Estimate(count, rows=count)


def share(part: int, whole: int) -> Estimate:
    """A part of a whole, with Wilson's interval."""
    return Estimate(part / whole, *wilson(part / whole, whole), rows=whole) if whole else Estimate(None)


def shares(counts: Mapping[Key, int], within: tuple[int, ...]) -> dict[Key, Estimate]:
    """Each count's share of those that agree with it in the parts `within` of their keys."""
    wholes: defaultdict[Key, int] = defaultdict(int)
    for key, count in counts.items():
        wholes[tuple(key[part] for part in within)] += count
    return {key: share(count, wholes[tuple(key[part] for part in within)]) for key, count in counts.items()}


def lift(part: int, whole: int, other_part: int, other_whole: int) -> Estimate:
    """How much larger a share is than another, with Newcombe's interval; `rows` are those of the first whole.

    The interval joins both shares' Wilson intervals (Newcombe, "Interval estimation for the difference between
    independent proportions", 1998, method 10). Without a second whole there is nothing to compare with.
    """
    if not whole or not other_whole:
        return Estimate(None, rows=whole)
    (one, low, high), (other, other_low, other_high) = (
        (rate, *wilson(rate, count)) for rate, count in ((part / whole, whole), (other_part / other_whole, other_whole))
    )
    down, up = math.hypot(one - low, other_high - other), math.hypot(high - one, other - other_low)
    return Estimate(one - other, one - other - down, one - other + up, rows=whole)


def total_of(values: Floats) -> Estimate:
    """The sum of what is known."""
    unknown = int(np.isnan(values).sum())
    known = len(values) - unknown
    return Estimate(float(np.nansum(values, dtype=np.float64)) if known else None, rows=known, unknown=unknown)


def by_quantile(key: Key, values: NDArray[np.floating[Any]], at_shares: Sequence[float]) -> dict[Key, Estimate]:
    """For each share, the smallest value that at least so many do not exceed, between two order statistics."""
    known = values[~np.isnan(values)]  # a copy: it is sorted where it is
    count, unknown = len(known), len(values) - len(known)
    if not count:
        return {(*key, share): Estimate(None, unknown=unknown) for share in at_shares}
    bounds = {share: ranks(count, share) for share in at_shares}
    wanted = {min(max(rank, 1), count) - 1 for three in bounds.values() for rank in three}
    known.partition(sorted(wanted))

    def at(rank: int) -> float | None:
        return float(known[rank - 1]) if 1 <= rank <= count else None

    return {
        (*key, share): Estimate(at(rank), at(low), at(high), count, unknown)
        for share, (low, rank, high) in bounds.items()
    }


def median(values: NDArray[np.floating[Any]]) -> Estimate:
    """The middle one."""
    return by_quantile((), values, (0.5,))[(0.5,)]


def ranks(count: int, share: float) -> tuple[int, int, int]:
    """The rank, from 1, of a quantile, between those that hold it in 95 of 100 samples; 0 and count + 1 are none.

    So many of a sample lie below its quantile as heads fall in `count` throws of a coin (Conover, "Practical
    Nonparametric Statistics", 3.2): no shape is assumed. Throws further than ten deviations out do not happen.
    """
    reach = 10 * math.sqrt(count * share * (1 - share)) + 10
    first, last = max(0, math.floor(count * share - reach)), min(count, math.ceil(count * share + reach))
    heads = np.arange(first + 1, last + 1)
    odds = np.log((count - heads + 1) / heads * (share / (1 - share)))
    logs = np.concatenate([[0.0], np.cumsum(odds)])
    chances = np.cumsum(np.exp(logs - logs.max()))
    chances /= chances[-1]  # (last - first + 1,) the chance of at most so many heads
    low = first + int(np.searchsorted(chances, 0.025, side="right"))
    high = first + int(np.searchsorted(chances, 0.975, side="left")) + 1
    rank = math.ceil(round(count * share, 9))  # 0.95 * 20 is a little more than 19
    return low, rank, high
