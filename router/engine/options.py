"""How a request is run, apart from what it asks."""

from __future__ import annotations

from typing import Literal

from router.core.attempts import Source
from router.core.messages import Frozen
from router.core.records import Origin

CacheMode = Literal["use", "refresh", "off"]


class Options(Frozen, frozen=True, kw_only=True):
    """How a request is run, apart from what it asks.

    Attributes:
        source: where it comes from, for the store.
        cache: "use"; "refresh" asks again and keeps the answer; "off" neither reads nor keeps.
        stream: ask providers for a stream of tokens.
        sample: index that keeps repeats of one prompt apart.
        request_id: names the request in the store, where its caller has a name for it.
        origin, session, probability: who sent it; see `Origin` and `RequestSummary`.
        first: the model that is asked first, where it is in the chain and its breaker is closed.
    """

    source: Source = "chat"
    cache: CacheMode = "use"
    stream: bool = True
    sample: int = 0
    request_id: str | None = None
    origin: Origin = Origin()
    session: str | None = None
    probability: float | None = None
    first: str | None = None
