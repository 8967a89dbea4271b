"""Hourly summaries: the rows of `requests` and `observations` that are too old to be kept one by one.

A summary stands for the rows of an hour whose labels agree. It has their number, what they cost, and a histogram of
each other measure whose bins grow by the same factor, so that histograms add up and a bin's middle is never more than
`ERROR` away from what lay in it (as DDSketch does it: Masson, Rim and Lee, VLDB 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HOUR = 3600
"""Seconds."""

ERROR = 0.01
"""How far a measure may be off once it is summarised, as a share of it."""

_SMALLEST = 1e-6
_GROWTH = (1 + ERROR) / (1 - ERROR)
_LOG = math.log(_GROWTH)


class Summarised(NamedTuple):
    """A table whose rows become summaries.

    Attributes:
        hours: the table of its summaries.
        labels: the columns that make a row's kind; as the fields of the kinds in router/observed/columns.py.
        binned: the measures kept as histograms, and what each is of a row.
    """

    name: str
    hours: str
    labels: tuple[str, ...]
    binned: Mapping[str, str]

    @property
    def kind(self) -> str:
        """The SQL of a row's labels as JSON."""
        return f"json_array({', '.join('json(path)' if label == 'path' else label for label in self.labels)})"


_TIMES = {"latency": "latency", "ttft": "ttft"}

REQUESTS = Summarised(
    "requests",
    "request_hours",
    (
        "category", "chain", "source", "outcome", "path", "model", "place", "cached", "shared", "injected",
        "stand_in", "keyless",
    ),
    _TIMES,
)  # fmt: skip
ATTEMPTS = Summarised(
    "observations",
    "attempt_hours",
    (
        "model", "provider", "category", "source", "outcome", "reason", "place", "number", "cached", "shared",
        "injected",
    ),
    {**_TIMES, "speed": "CASE WHEN latency > ttft THEN completion_tokens / (latency - ttft) END"},
)  # fmt: skip


def bin_of(value: float) -> int:
    """The bin that a measure falls into; all below a millionth fall into bin 0."""
    return 1 + math.floor(math.log(value / _SMALLEST) / _LOG) if value >= _SMALLEST else 0


def middles(bins: NDArray[np.int64]) -> NDArray[Any]:
    """(n,) what (n,) bins stand for: no value in a bin is further than `ERROR` from it."""
    return np.where(bins == 0, 0.0, _SMALLEST * _GROWTH**bins * (2 / (1 + _GROWTH)))
