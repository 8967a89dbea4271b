"""The engine at this moment, as the dashboard shows it."""

from __future__ import annotations

from typing import NamedTuple

from router.config.schema import ModelRef
from router.engine.breaker import BreakerView
from router.engine.handle import Handle


class InProgress(NamedTuple):
    """A request that has not ended; `asked` is its category, or the model asked for."""

    asked: str
    handle: Handle


class Live(NamedTuple):
    """What happens in this process now.

    Attributes:
        in_flight: requests, oldest first.
        breakers: of the chains' models, in the file's order, then of other models that were called.
        cache_bytes: the response cache's size on disk; None if it is off or unknown.
        waiting: rows not yet written to the database.
    """

    in_flight: tuple[InProgress, ...]
    breakers: tuple[tuple[ModelRef, BreakerView], ...]
    cache_bytes: int | None
    waiting: int
