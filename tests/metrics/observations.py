"""Hand-made observations, as a view."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from router.core.records import Step
from router.metrics.columns import AttemptLabels, Labels, RequestLabels, Rows
from router.metrics.view import View


def view_of(requests: Sequence[str], costs: dict[str, float] | None = None) -> View:
    """Requests of the category `tools`, and the cost of one call of some models.

    Args:
        requests: each as its way through the chain: `a- b+` is failed by `a` and answered by `b`.
        costs: US dollars, by model.
    """
    ways = [_request(way) for way in requests]
    calls = [_call(model) for model in costs or {}]
    return View.of((_rows(ways, []), _rows(calls, list((costs or {}).values()))))


def _request(way: str) -> RequestLabels:
    path = tuple(
        Step(word[:-1], "p", place, "answered" if word.endswith("+") else "failed", None)
        for place, word in enumerate(way.split())
    )
    last = path[-1]
    is_answered = last.outcome == "answered"
    labels = {
        "category": "tools",
        "chain": "",
        "source": "chat",
        "tags": (),
        "outcome": "answered" if is_answered else "failed",
        "path": path,
        "model": last.model if is_answered else None,
        "place": last.place if is_answered else None,
        **dict.fromkeys(("cached", "shared", "injected", "stand_in", "keyless"), False),
    }
    return msgspec.convert(labels, RequestLabels)


def _call(model: str) -> AttemptLabels:
    labels = {
        "category": "tools",
        "source": "chat",
        "tags": (),
        "model": model,
        "provider": "p",
        "place": 0,
        "number": 1,
        "outcome": "answered",
        "reason": None,
        **dict.fromkeys(("cached", "shared", "injected"), False),
    }
    return msgspec.convert(labels, AttemptLabels)


def _rows(labels: list[Labels], costs: list[float]) -> Rows[Labels]:
    count = len(labels)
    index = np.arange(count, dtype=np.int32)
    measures = {"cost": np.array(costs, np.float32)}
    return Rows(tuple(labels), index, index.astype(np.int64), np.zeros(count), measures, {})
