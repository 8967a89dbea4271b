"""Hourly summaries as rows again: each as many as it stands for, so that no figure has to know of summaries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from router.store.hours import HOUR, Summarized, middle


class Expanded(NamedTuple):
    """The rows that summaries stand for.

    Attributes:
        labels: (summaries,) those of each, as `Summarized.listed` gives them.
        counts: (summaries,) how many rows each stands for.
        columns: by name, (rows,): less the id of its summary, the middle of its hour, and the measures.
    """

    labels: list[str]
    counts: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]


def expand(connection: Connection, table: Summarized, after: int, to: int) -> Expanded:
    """The rows of the summaries whose ids lie above `after` and not above `to`; the newest summaries come first.

    Counts and the sum of costs are what they were, times are `ERROR` off at the most. Which of a summary's rows had
    which time, cost and speed is not known any more: the largest times stand together, and output tokens are as many as
    make the speeds what they were.
    """
    # Histograms come as numbers alone, and how many pairs each has: as JSON they would be a million small lists.
    bins = [
        f"group_concat(json_array_length({name})), group_concat(nullif(replace(replace({name}, '[', ''), ']', ''), ''))"
        for name in table.binned
    ]
    texts = connection.exec_driver_sql(
        f"WITH listed AS MATERIALIZED (SELECT id, {table.listed_again} AS labels FROM kinds)"  # noqa: S608  # our own names
        " SELECT group_concat(labels, char(10)), group_concat(cost), group_concat(id), group_concat(hour),"
        f" group_concat(rows), group_concat(costs), {', '.join(bins)}"
        f" FROM (SELECT hours.*, labels FROM {table.hours} hours CROSS JOIN listed ON listed.id = kind"
        " WHERE hours.id > ? AND hours.id <= ? ORDER BY hours.id DESC)",
        (after, to),
    ).one()
    labels, cost_text, *numbers = texts
    cost = np.fromstring(cost_text or "", sep=",")
    ids, hours, rows, known, *histograms = (np.fromstring(text or "", np.int64, sep=",") for text in numbers)
    columns: dict[str, NDArray[Any]] = {
        "id": np.repeat(-ids, rows),
        "started": np.repeat((hours + 0.5) * HOUR, rows),
        "cost": _filled(rows, np.arange(len(rows)), cost / np.maximum(known, 1), known),
    }
    for name, lengths, pairs in zip(table.binned, histograms[::2], histograms[1::2], strict=True):
        of = np.repeat(np.arange(len(rows)), lengths)
        values, times = pairs.reshape(-1, 2).T
        columns[name] = _filled(rows, of, middles(values), times)
    if "speed" in columns:
        flowing = columns["latency"] - columns["ttft"]
        columns["completion_tokens"] = columns.pop("speed") * np.where(flowing > 0, flowing, np.nan)
    return Expanded(labels.split("\n") if labels else [], rows, columns)


def middles(bins: NDArray[np.int64]) -> NDArray[Any]:
    """(n,) what (n,) bins of a histogram stand for: see `hours.middle`."""
    return np.where(bins == 0, 0.0, middle(bins))


def _filled(
    rows: NDArray[np.int64], of: NDArray[np.int64], values: NDArray[Any], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Each value so many times, in the rows of the summary that it is of; NaN in those that are left.

    Args:
        rows: (summaries,) how many rows each has.
        of, values, counts: (values,) in the order of their summaries.
    """
    found = np.full(rows.sum(), np.nan)
    known = np.bincount(of, counts, minlength=len(rows)).astype(np.int64)
    before = (np.cumsum(rows) - rows) - (np.cumsum(known) - known)
    found[np.arange(known.sum()) + np.repeat(before, known)] = np.repeat(values, counts)
    return found
