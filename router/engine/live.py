"""The engine at this moment, as the dashboard shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from router.config.chains import ModelRef
from router.core.snapshots import Snapshot
from router.engine.breaker import BreakerView


class InProgress(NamedTuple):
    """A request that has not ended.

    Attributes:
        asked: its category, or the model asked for.
        snapshot: what it is doing now; may be called from any thread.
    """

    asked: str
    snapshot: Callable[[], Snapshot]


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
