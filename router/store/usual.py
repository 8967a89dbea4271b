"""What a model's calls usually take: from its newest answers, or from the summaries of those that are gone."""

from __future__ import annotations

import heapq
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from router.core.comparisons import Usual
from router.store.hours import middle
from router.store.tables import attempt_hours, kinds, observations

NEWEST_CALLS = 100
"""So many calls of a model say what its next ones are likely to take."""

NEWEST_SUMMARIES = 24
"""So many hourly summaries do, where no call is left."""


def usual(connection: Connection, provider: str, model: str) -> Usual | None:
    """What the newest answers of a model took, as far as the provider gave them itself; None where there are none.

    It counts however it was asked for: `model` alone, or `provider:model`.
    """
    names = (model, f"{provider}:{model}")
    return _of_calls(connection, provider, names) or _of_summaries(connection, provider, names)


def _of_calls(connection: Connection, provider: str, names: Iterable[str]) -> Usual | None:
    found = (call for name in names for call in _newest(connection, provider, name))
    calls = heapq.nlargest(NEWEST_CALLS, found, key=lambda call: call.started)
    if not calls:
        return None
    tokens = [call.completion_tokens for call in calls if call.completion_tokens is not None]
    costs = [call.cost for call in calls if call.cost is not None]
    latency = statistics.median(call.latency for call in calls)
    return Usual(len(calls), latency, _mean(tokens), _mean(costs), _spread(tokens or costs))


def _newest(connection: Connection, provider: str, name: str) -> Sequence[Any]:
    # One name at a time: for two, SQLite would sort all calls of both instead of following their index.
    seen = observations.c
    rows = (
        select(seen.started, seen.latency, seen.completion_tokens, seen.cost)
        .where(seen.provider == provider, seen.model == name)
        .where(seen.outcome == "answered", seen.latency.is_not(None))
        .where(~seen.cached, ~seen.shared, ~seen.injected)
        .order_by(seen.started.desc(), seen.id.desc())
        .limit(NEWEST_CALLS)
    )
    return connection.execute(rows).all()


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _spread(values: list[float]) -> float | None:
    mean = _mean(values)
    return statistics.stdev(values) / mean if mean and len(values) > 1 else None


def _of_summaries(connection: Connection, provider: str, names: Iterable[str]) -> Usual | None:
    def said(name: str) -> ColumnElement[Any]:
        return func.json_extract(kinds.c.labels, f"$.{name}")

    hours = attempt_hours.c
    rows = (
        select(hours.latency, hours.cost, hours.costs)
        .join_from(attempt_hours, kinds, kinds.c.id == hours.kind)
        .where(said("provider") == provider, said("model").in_(names), said("outcome") == "answered")
        .where(said("cached") == 0, said("shared") == 0, said("injected") == 0)
        .order_by(hours.hour.desc(), hours.id.desc())
        .limit(NEWEST_SUMMARIES)
    )
    summaries = connection.execute(rows).all()
    times: Counter[int] = Counter()
    for summary in summaries:
        times.update(dict(msgspec.json.decode(summary.latency)))
    if not times:
        return None
    cost, known = sum(summary.cost for summary in summaries), sum(summary.costs for summary in summaries)
    latency = middle(statistics.median_low(sorted(times.elements())))
    return Usual(times.total(), latency, cost=cost / known if known else None)
