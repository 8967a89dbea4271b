"""Hourly summaries as rows again: each as many as it stands for, so that no figure has to know of summaries."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from router.store.hours import HOUR, Summarised, middles


class Expanded(NamedTuple):
    """The rows that summaries stand for.

    Attributes:
        kinds: (summaries,) the labels of each, as JSON.
        counts: (summaries,) how many rows each stands for.
        columns: by name, (rows,): less the id of its summary, the middle of its hour, and the measures.
    """

    kinds: list[str]
    counts: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]


def expand(connection: Connection, table: Summarised, after: int, to: int) -> Expanded:
    """The rows of the summaries whose ids lie above `after` and not above `to`; the newest summaries come first.

    Counts and the sum of costs are what they were, times are `ERROR` off at the most. Which of a summary's rows had
    which time, cost and speed is not known any more: the largest times stand together, and output tokens are as many as
    make the speeds what they were.
    """
    texts = connection.exec_driver_sql(
        "SELECT group_concat(id), group_concat(hour), group_concat(rows), group_concat(cost), group_concat(costs),"  # noqa: S608  # our own names
        f" group_concat(labels, char(10)), {', '.join(f'group_concat({name})' for name in table.binned)}"
        f" FROM (SELECT hours.*, labels FROM {table.hours} hours CROSS JOIN kinds ON kinds.id = kind"
        " WHERE hours.id > ? AND hours.id <= ? ORDER BY hours.id DESC)",
        (after, to),
    ).one()
    ids, hours, counts, cost, costs = (np.fromstring(text or "", sep=",") for text in texts[:5])
    rows, known = counts.astype(np.int64), costs.astype(np.int64)
    columns: dict[str, NDArray[Any]] = {
        "id": np.repeat(-ids.astype(np.int64), rows),
        "started": np.repeat((hours + 0.5) * HOUR, rows),
        "cost": _filled(rows, np.arange(len(rows)), cost / np.maximum(known, 1), known),
    }
    for name, text in zip(table.binned, texts[6:], strict=True):
        columns[name] = _unbinned(rows, text or "")
    if "speed" in columns:
        flowing = columns["latency"] - columns["ttft"]
        columns["completion_tokens"] = columns.pop("speed") * np.where(flowing > 0, flowing, np.nan)
    return Expanded(texts[5].split("\n") if texts[5] else [], rows, columns)


def _unbinned(rows: NDArray[np.int64], text: str) -> NDArray[np.float64]:
    """(sum of rows,) the values of histograms, one behind the other."""
    histograms = msgspec.json.decode(f"[{text}]", type=list[list[tuple[int, int]]])
    flat = np.array([pair for each in histograms for pair in each], np.int64).reshape(-1, 2)
    of = np.repeat(np.arange(len(rows)), np.fromiter(map(len, histograms), np.int64, len(histograms)))
    return _filled(rows, of, middles(flat[:, 0]), flat[:, 1])


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
