"""Hourly summaries: the rows of `requests` and `observations` that are too old to be kept one by one.

A summary stands for the rows of an hour whose labels agree. It has their number, what they cost, and a histogram of
each other measure whose bins grow by the same factor, so that histograms add up and a bin's middle is never more than
`ERROR` away from what lay in it (as DDSketch does it: Masson, Rim and Lee, VLDB 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from router.core.fields import columns_of
from router.core.messages import Frozen
from router.core.records import Observation, RequestSummary

HOUR = 3600
"""Seconds."""

ERROR = 0.01
"""How far a measure may be off once it is summarized, as a share of it."""

SMALLEST = 1e-6
"""All measures below it fall into bin 0."""

GROWTH = (1 + ERROR) / (1 - ERROR)
"""How much wider each bin is than the one before."""

_LOG = math.log(GROWTH)


class Summarized(NamedTuple):
    """A table whose rows become summaries.

    Attributes:
        record: what its rows are.
        hours: the table of its summaries.
        binned: the measures kept as histograms, and what each is of a row.
    """

    name: str
    record: type[Frozen]
    hours: str
    binned: Mapping[str, str]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels, as the record declares them."""
        return tuple(self._values)

    @property
    def named(self) -> str:
        """The SQL of a row's labels as JSON, by their names: as summaries keep them."""
        pairs = (f"'{name}', {value}" for name, value in self._values.items())
        return f"json_object({', '.join(pairs)})"

    @property
    def listed(self) -> str:
        """The SQL of a row's labels as JSON, in the order of `labels`: half the text, where a million rows are read."""
        return f"json_array({', '.join(self._values.values())})"

    @property
    def listed_again(self) -> str:
        """The SQL of the same, of what `named` gave."""
        values = (f"json_extract(labels, '$.{name}')" for name in self.labels)
        return f"json_array({', '.join(values)})"

    @property
    def _values(self) -> dict[str, str]:
        fields = (field for field in columns_of(self.record) if field.is_label)
        return {field.name: f"json({field.name})" if field.type is tuple else field.name for field in fields}


_TIMES = {"latency": "latency", "ttft": "ttft"}

REQUESTS = Summarized("requests", RequestSummary, "request_hours", _TIMES)
ATTEMPTS = Summarized(
    "observations",
    Observation,
    "attempt_hours",
    {**_TIMES, "speed": "CASE WHEN latency > ttft THEN completion_tokens / (latency - ttft) END"},
)


def middle(number: Any) -> Any:
    """What a bin stands for, or an array of bins: no measure in one is further than `ERROR` from it.

    Bin 0 stands for 0, which is for the caller to see to where that makes a difference.
    """
    return SMALLEST * GROWTH**number * (2 / (1 + GROWTH))


def bin_of(value: float) -> int:
    """The bin that a measure falls into; all below a millionth fall into bin 0."""
    return 1 + math.floor(math.log(value / SMALLEST) / _LOG) if value >= SMALLEST else 0
