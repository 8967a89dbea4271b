"""Limits of requests: waits, retries, breakers, the cache and how long observations are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from router.config.values import Bytes, Count, Data, Seconds


class Backoff(Data):
    """Full jitter: before retry n, a wait drawn from 0 to min(cap, base x 2^(n-1)) seconds."""

    base: Seconds = 0.5
    cap: Seconds = 8


class BreakerPolicy(Data):
    """When a model's breaker opens; see router/engine/breaker.py."""

    window: Count = 20
    within: Seconds = 120
    min_calls: Count = 3
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    open_for: Seconds = 20


class CachePolicy(Data):
    """What the response cache keeps, and for how long."""

    enabled: bool = True
    ttl: Seconds = 7 * 86400
    size_limit: Bytes = 1_000_000_000


class RetentionPolicy(Data):
    """How long, and up to which size, observations are kept; see router/store/retention.py."""

    ttl: Seconds = 90 * 86400
    size_limit: Bytes = 2_000_000_000
    summaries: Seconds = 3650 * 86400


class ChainPolicy(Data):
    """Limits of one chain; seconds."""

    connect: Seconds = 5
    first_token: Seconds = 10
    stall: Seconds = 10
    min_tokens_per_s: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 0
    answer: Seconds = 60
    deadline: Seconds = 120
    max_answer: Seconds = 600
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    backoff: Backoff = Backoff()
    retry_after_at_most: Seconds = 3
    cooldown_cap: Seconds = 300
    on_content_filter: Literal["stop", "next"] = "stop"
    on_invalid_tool_call: Literal["accept", "next"] = "accept"
    on_invalid_json: Literal["accept", "next"] = "accept"
    stickiness: Literal["off", "session"] = "off"


class Policy(ChainPolicy):
    """Limits of all chains, and settings that belong to no single chain."""

    breaker: BreakerPolicy = BreakerPolicy()
    cache: CachePolicy = CachePolicy()
    retention: RetentionPolicy = RetentionPolicy()

    def of_chain(self, own: Mapping[str, Any]) -> ChainPolicy:
        """The limits of a chain that sets its own; raises `pydantic.ValidationError`."""
        shared = self.model_dump(include=set(ChainPolicy.model_fields))
        backoff = {**shared["backoff"], **own["backoff"]} if isinstance(own.get("backoff"), dict) else None
        merged = {**shared, **own} | ({"backoff": backoff} if backoff else {})
        return ChainPolicy.model_validate(merged)
