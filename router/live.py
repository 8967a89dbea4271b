"""The engine at this moment, for people who watch it."""

from __future__ import annotations

from typing import NamedTuple

from router.breaker import BreakerView
from router.config import ModelRef
from router.handle import Handle


class UnderWay(NamedTuple):
    """A request that has not ended; `asked` is its category, or the model asked for."""

    asked: str
    handle: Handle


class Live(NamedTuple):
    """What goes on in this process.

    Attributes:
        in_flight: requests, oldest first.
        breakers: of the chains' models, in the file's order, then of other models that were called.
        cache_bytes: what the response cache takes on disk; None where it is off or cannot say.
        waiting: rows that are not yet written to the database.
    """

    in_flight: tuple[UnderWay, ...]
    breakers: tuple[tuple[ModelRef, BreakerView], ...]
    cache_bytes: int | None
    waiting: int
