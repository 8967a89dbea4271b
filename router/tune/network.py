"""Calls that reached nobody because this machine had no network: they say nothing of a model.

A call that could not connect does not show whether its provider was down or the network. Other calls of that time do:
any response, even an error, came through the same network. What runs on this machine needs no network, so it neither
shows that there was one nor is excused by it; imported calls went through another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from router.core.attempts import is_call
from router.core.errors import ConnectionFailed, ConnectTimeout
from router.metrics.columns import AttemptLabels, Labels, RequestLabels
from router.metrics.view import Slice, View
from router.tune.grid import Floats

AROUND = 60.0
"""Seconds before and after a call within which a response to any other one shows that there was a network."""

_UNREACHED = frozenset({ConnectionFailed.kind, ConnectTimeout.kind})


def with_network(view: View, local: Collection[str]) -> tuple[View, View]:
    """A view without what failed while nobody could be reached, and what was left out of it.

    Args:
        view: of all categories: any call tells of the network.
        local: names of the providers that run on this machine.
    """

    def is_through_network(labels: AttemptLabels) -> bool:
        return is_call(labels) and labels.source != "import" and labels.provider not in local

    def is_unreached(labels: AttemptLabels) -> bool:
        return is_through_network(labels) and labels.outcome == "failed" and labels.reason in _UNREACHED

    def is_reached(labels: AttemptLabels) -> bool:
        is_over = labels.outcome in ("answered", "failed")
        return is_through_network(labels) and is_over and labels.reason not in _UNREACHED

    def has_reached_nobody(labels: RequestLabels) -> bool:
        steps = [step for step in labels.path if step.outcome in ("answered", "failed") and step.provider not in local]
        return labels.source != "import" and bool(steps) and all(step.reason in _UNREACHED for step in steps)

    attempts, requests = view.attempts, view.requests
    unreached = _where(attempts, is_unreached)
    if not unreached.any():
        return view, View(requests.take(slice(0)), attempts.take(slice(0)))
    reached = np.sort(attempts.started[_where(attempts, is_reached)])
    is_lost = unreached & ~_is_near(attempts.started, reached)
    without = _where(requests, has_reached_nobody) & ~_is_near(requests.started, reached)
    kept, lost = (
        View(requests.take(_set_in(of_requests)), attempts.take(_set_in(of_attempts)))
        for of_requests, of_attempts in ((~without, ~is_lost), (without, is_lost))
    )
    return kept, lost


def _where(rows: Slice[Labels], holds: Callable[[Labels], bool]) -> NDArray[np.bool_]:
    """(n,) of which rows it holds."""
    return np.fromiter(map(holds, rows.rows.labels), bool, len(rows.rows.labels))[rows.label_index]


def _is_near(at: Floats, others: Floats) -> NDArray[np.bool_]:
    """(n,) which times have another one around them.

    Args:
        at: (n,) Unix time, seconds.
        others: (m,) the same, ascending.
    """
    after = np.searchsorted(others, at - AROUND)
    return np.searchsorted(others, at + AROUND, side="right") > after


def _set_in(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.flatnonzero(mask).astype(np.int32)
