"""Helicone: requests of its query API, and of its export tool (`@helicone/export`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.core.attempts import Outcome
from router.core.messages import Usage
from router.core.untrusted import count, number, text
from router.imports import values
from router.imports.calls import Call, NoCall, attempt, refuse, usage_of
from router.imports.failures import reason_of

_MILLISECONDS = 1e-3
_PENDING, _CANCELLED = -2, -3
"""What Helicone writes in place of a status."""

_NO_CACHE = ("", "00000000-0000-0000-0000-000000000000")

_WRITES_INCLUDED = ("OPENAI", "AZURE")
"""Providers whose prompt tokens hold those written to the cache: Anthropic's and all others' do not."""


def matches(row: Mapping[str, Any]) -> bool:
    """Whether it is a row of Helicone's."""
    return {"request_id", "request_created_at", "response_status"} <= row.keys()


def calls(row: Mapping[str, Any]) -> Iterator[Call]:
    """The call of a row; its durations are milliseconds."""
    if "embeddings" in (text(row.get("request_path")) or ""):
        raise NoCall
    outcome, reason, status = _ending(number(row.get("response_status")))
    is_cached = (text(row.get("cache_reference_id")) or "") not in _NO_CACHE
    properties = values.nested(values.first(row, "request_properties", "properties"))
    yield Call(
        key=text(row.get("request_id")),
        attempt=attempt(
            model=text(values.first(row, "request_model", "model_override", "model", "response_model")),
            provider=text(row.get("provider")),
            started=values.started(row.get("request_created_at")),
            outcome=outcome,
            reason=reason,
            status=status,
            latency=values.duration(row.get("delay_ms"), _MILLISECONDS),
            ttft=values.duration(row.get("time_to_first_token"), _MILLISECONDS),
            usage=_usage(row),
            cost=None if is_cached else values.dollars(values.first(row, "costUSD", "cost"), zero=False),
            served_model=text(row.get("response_model")),
            cached=is_cached,
        ),
        labels=values.labels(properties),
        session=text(properties.get("Helicone-Session-Id")),
    )


def _ending(status: float | None) -> tuple[Outcome, str | None, int | None]:
    if status is None or status == _PENDING:
        refuse("it has no status: it had not ended")
    if status == _CANCELLED:
        return "cancelled", None, None
    if 200 <= status < 400:
        return "answered", None, None
    found = values.status(status)
    return "failed", reason_of(found), found


def _usage(row: Mapping[str, Any]) -> Usage | None:
    """Helicone keeps what is cached apart from `prompt_tokens`, and reasoning from `completion_tokens`.

    Of OpenAI's own usage it takes out what was read from the cache, and leaves in what was written to it.
    """
    prompt, completion = count(row.get("prompt_tokens")), count(row.get("completion_tokens"))
    read, written = count(row.get("prompt_cache_read_tokens")), count(row.get("prompt_cache_write_tokens"))
    reasoning = count(row.get("reasoning_tokens"))
    if not any((prompt, completion, read, written, reasoning)):
        return None
    apart = 0 if (text(row.get("provider")) or "").upper() in _WRITES_INCLUDED else written or 0
    return usage_of(
        (prompt or 0) + (read or 0) + apart,
        (completion or 0) + (reasoning or 0),
        cached=read,
        written=written,
        reasoning=reasoning,
    )
