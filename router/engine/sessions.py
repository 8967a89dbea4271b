"""Which model answered a session last: it is asked first again, while its provider's prompt cache is warm."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from router.core.records import RequestSummary

MOST = 10_000
"""Sessions that are remembered; the one used longest ago is forgotten first."""

WARM = 3600.0
"""Seconds after which no provider's prompt cache holds a session any more."""


class Sessions:
    """By category and session, the model that answered last.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._models: OrderedDict[tuple[str | None, str], tuple[str, float]] = OrderedDict()

    def model(self, category: str | None, session: str) -> str | None:
        """The model that answered last; None where that is too long ago, or never was."""
        model, at = self._models.get((category, session), (None, 0.0))
        return model if self._clock() - at < WARM else None

    def conclude(self, summary: RequestSummary) -> None:
        """A request is over."""
        if summary.session is None or summary.model is None or summary.cached:
            return
        key = summary.category, summary.session
        self._models[key] = summary.model, self._clock()
        self._models.move_to_end(key)
        if len(self._models) > MOST:
            self._models.popitem(last=False)
