"""What callers are told of a request: why there is no answer, when to try again, and what happened on its way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from router.core.attempts import Attempt
from router.core.errors import (
    AllModelsFailed,
    BadRequest,
    Cancelled,
    ContentFiltered,
    ContextLengthExceeded,
    FallbackLabError,
    InvalidRequest,
    RateLimited,
    RequestTooLarge,
)
from router.server.dialects.base import Refusal


def retry_after(refusal: Refusal) -> dict[str, object]:
    """The header of that name, in whole seconds."""
    return {} if refusal.retry_after is None else {"retry-after": max(1, math.ceil(refusal.retry_after))}


def attempts_of(error: FallbackLabError) -> Sequence[Attempt]:
    """The attempts that an error knows of."""
    return error.attempts if isinstance(error, AllModelsFailed) else ()


_AT_FAULT = {
    BadRequest: 400,
    ContextLengthExceeded: 400,
    RequestTooLarge: 413,
    ContentFiltered: 400,
}
"""Errors for which the request is at fault, and the status that says so."""


def refusal_of(error: FallbackLabError) -> Refusal:
    """Why there is no answer, with a status that a client can act on.

    429 and 503 say when to try again, 400 that the same request will fail again, 502 that all models failed.
    """
    message = str(error)
    if isinstance(error, InvalidRequest):
        return Refusal(message, status=400)
    if isinstance(error, Cancelled):
        return stopped()
    if not isinstance(error, AllModelsFailed):
        return Refusal(message, status=500, code="internal_error")
    last = error.last_error
    if last is None:
        return Refusal(message, status=503, code=_skipped_because(error.attempts))
    if (status := _AT_FAULT.get(type(last))) is not None or error.by_prompt:
        return Refusal(message, status=status or 400, code=last.code or last.kind)
    if isinstance(last, RateLimited):
        return Refusal(message, status=429, code=last.kind, retry_after=last.retry_after or 5)
    if last.retry_after is not None:
        return Refusal(message, status=503, code=last.kind, retry_after=last.retry_after)
    return Refusal(message, status=502, code=last.kind)


def stopped() -> Refusal:
    """Why a request ends whose caller has not left."""
    return Refusal("The server stopped the request.", status=503, code="stopped", retry_after=1)


def _skipped_because(attempts: Sequence[Attempt]) -> str | None:
    return attempts[-1].reason if attempts else None


def trace_of(attempts: Sequence[Attempt], notes: Sequence[str]) -> dict[str, Any]:
    """What happened on a request's way, for its caller."""
    return {
        "attempts": [
            {
                "model": attempt.model,
                "place": attempt.place,
                "outcome": attempt.outcome,
                "reason": attempt.reason,
                "detail": attempt.detail,
                "status": attempt.status,
                "latency": attempt.latency,
                "ttft": attempt.ttft,
                "wait": attempt.wait,
                "cost": attempt.cost,
                "cached": attempt.cached,
            }
            for attempt in attempts
        ],
        "notes": list(notes),
    }
