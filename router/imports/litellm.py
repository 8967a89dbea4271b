"""LiteLLM: rows of its spend log, and the `StandardLoggingPayload` that its callbacks write.

Both are read off LiteLLM's own types (`SpendLogsPayload`, `StandardLoggingPayload`). It writes 0 where it knows neither
a price nor tokens, so 0 is unknown, except for models whose name says that they are free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.core.attempts import Outcome
from router.core.untrusted import count, mapping, text
from router.imports import values
from router.imports.calls import Call, NoCall, attempt, usage_of
from router.imports.failures import is_cancelled, reason_of

_CALLS = ("completion", "responses", "messages", "generate_content")


def matches(row: Mapping[str, Any]) -> bool:
    """Whether it is a row of LiteLLM's."""
    return {"call_type", "startTime", "endTime"} <= row.keys() and ("spend" in row or "response_cost" in row)


def calls(row: Mapping[str, Any]) -> Iterator[Call]:
    """The call of a row."""
    if (kind := text(row.get("call_type"))) is not None and not any(each in kind for each in _CALLS):
        raise NoCall
    metadata = values.nested(row.get("metadata"))
    started = values.started(row.get("startTime"))
    latency = values.span(started, values.moment(row.get("endTime")))
    first = values.span(started, values.moment(row.get("completionStartTime")))
    provider, model = text(row.get("custom_llm_provider")), text(values.first(row, "model", "model_group"))
    error = values.nested(values.first(row, "error_information") or metadata.get("error_information"))
    is_cached = values.truth(row.get("cache_hit"))
    outcome, reason, status = _ending(row, metadata, error)
    key = text(row.get("request_id")) or text(row.get("id"))
    if key is not None and outcome != "answered":
        key = f"{key}/{started:.3f}/{model}"  # no answer has given it an id: it is the request's, also of its retries
    yield Call(
        key=key,
        group=next((found for name in _SHARED if (found := text(row.get(name)) or text(metadata.get(name)))), None),
        attempt=attempt(
            model=model.removeprefix(f"{provider}/") if model else None,
            provider=provider,
            started=started,
            outcome=outcome,
            reason=reason,
            status=status,
            latency=latency,
            # Without a stream, it is the end once more.
            ttft=first if first != latency else None,
            usage=_usage(row, metadata),
            cost=None if is_cached else _cost(row, model or ""),
            cached=is_cached,
        ),
        labels=values.labels(
            {name: row[name] for name in ("model_group", "team_id", "end_user", "user") if name in row},
            mapping(metadata.get("spend_logs_metadata")),
            metadata,
            row.get("request_tags"),
        ),
        session=text(row.get("session_id")),
    )


_SHARED = ("trace_id", "litellm_call_id", "call_id", "session_id")
"""What calls of one request share, the most exact first; see `router.imports.requests` for where a request ends."""


def _ending(
    row: Mapping[str, Any], metadata: Mapping[str, Any], error: Mapping[str, Any]
) -> tuple[Outcome, str | None, int | None]:
    if "failure" not in (row.get("status"), metadata.get("status")):
        return "answered", None, None
    said = text(error.get("error_class")), text(error.get("error_message")) or text(row.get("error_str"))
    status = values.status(error.get("error_code"))
    if status == 499 or is_cancelled(said[0]):
        return "cancelled", None, None
    return "failed", reason_of(status, *said), status


def _usage(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    used = values.nested(metadata.get("usage_object"))
    prompt, completion = count(row.get("prompt_tokens")), count(row.get("completion_tokens"))
    if not prompt and not completion:
        return None
    details = values.nested(used.get("prompt_tokens_details"))
    read = values.first(details, "cached_tokens"), used.get("cache_read_input_tokens")
    written = values.first(details, "cache_creation_tokens"), used.get("cache_creation_input_tokens")
    return usage_of(
        prompt,
        completion,
        cached=next(filter(None, map(count, read)), None),
        written=next(filter(None, map(count, written)), None),
        reasoning=count(values.nested(used.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _cost(row: Mapping[str, Any], model: str) -> float | None:
    if row.get("response_cost_failure_debug_info"):
        return None
    return values.dollars(values.first(row, "response_cost", "spend"), zero=model.endswith(":free"))
