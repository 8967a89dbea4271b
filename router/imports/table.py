"""A plain CSV, whose columns are those of `fallback-lab export --what attempts`; `started` and `model` are enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec

from router.core.attempts import Attempt, Outcome
from router.core.untrusted import count, text
from router.imports import values
from router.imports.calls import Call, attempt, refuse, usage_of
from router.imports.failures import reason_of

_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def matches(row: Mapping[str, Any]) -> bool:
    """Whether it has the columns that a row needs, and none that others need."""
    return {"started", "model"} <= row.keys()


def calls(row: Mapping[str, Any]) -> Iterator[Call]:
    """The call of a row; durations are seconds."""
    place, number = count(row.get("place")), count(row.get("number"))
    is_placed = place is not None and number is not None
    status, said = values.status(row.get("status")), text(row.get("reason"))
    named = text(row.get("outcome")) or ("failed" if said or (status or 0) >= 400 else "answered")
    outcome = next((each for each in _OUTCOMES if each == named), None)
    if outcome is None:
        refuse("`outcome` is not one of answered, failed, skipped and cancelled")
    found = attempt(
        model=text(row.get("model")),
        provider=text(row.get("provider")),
        started=values.started(row.get("started")),
        outcome=outcome,
        reason=said if outcome == "skipped" else reason_of(status, said) if outcome == "failed" else None,
        status=status,
        latency=values.duration(row.get("latency")),
        ttft=values.duration(row.get("ttft")),
        usage=usage_of(
            count(row.get("prompt_tokens")),
            count(row.get("completion_tokens")),
            cached=count(row.get("cached_tokens")),
            written=count(row.get("cache_write_tokens")),
            reasoning=count(row.get("reasoning_tokens")),
        ),
        cost=values.dollars(row.get("cost")),
        cached=values.truth(row.get("cached")),
        shared=values.truth(row.get("shared")),
        injected=values.truth(row.get("injected")),
    )
    yield Call(
        # Rows of one request have its id, and none of their own.
        key=text(row.get("id")) if not is_placed else None,
        group=text(row.get("request_id")),
        attempt=_placed(found, place, number, row) if place is not None and number is not None else found,
        labels=values.labels({name: each for name, each in row.items() if isinstance(each, str)}),
        category=text(row.get("category")),
        session=text(row.get("session")),
        own=is_placed,
    )


def _placed(found: Attempt, place: int, number: int, row: Mapping[str, Any]) -> Attempt:
    return msgspec.structs.replace(
        found,
        place=place,
        number=number,
        offset=values.duration(row.get("offset")) or 0.0,
        wait=values.duration(row.get("wait")) or 0.0,
        queued=values.duration(row.get("queued")) or 0.0,
    )
