"""Buckets of time that begin with the days of a time zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

DAY = 86_400


def edges(since: float, until: float, width: int, zone: tzinfo) -> NDArray[np.float64]:
    """(buckets + 1,) the Unix times between buckets that hold both ends, ascending.

    Buckets of less than a day start again at each midnight; those of several days are the same whatever the ends,
    and those of a week begin on Mondays.

    Args:
        since, until: Unix times, seconds.
        width: seconds: a part of a day, or whole days.
    """
    days = max(1, width // DAY)
    day = datetime.fromtimestamp(since, zone).date()
    day -= timedelta(days=(day.toordinal() - 1) % days)
    found: list[NDArray[np.float64]] = []
    begin = datetime.combine(day, time(), zone).timestamp()
    while begin <= until:
        day += timedelta(days=days)
        end = datetime.combine(day, time(), zone).timestamp()
        found.append(np.arange(begin, end, width) if width < DAY else np.array([begin]))
        begin = end
    all_edges = np.append(np.concatenate(found), begin)
    first = np.searchsorted(all_edges, since, side="right") - 1
    return all_edges[first : np.searchsorted(all_edges, until, side="right") + 1]
