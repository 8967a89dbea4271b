"""OpenRouter: the CSV of its Activity page, a row a generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.core.attempts import Outcome
from router.core.errors import ContentFiltered, ServerFailed
from router.core.untrusted import count, text
from router.imports import values
from router.imports.calls import Call, attempt, usage_of

_MILLISECONDS = 1e-3


def matches(row: Mapping[str, Any]) -> bool:
    """Whether it is a row of OpenRouter's."""
    return {"generation_id", "created_at", "model_permaslug"} <= row.keys()


def calls(row: Mapping[str, Any]) -> Iterator[Call]:
    """The call of a row; its times are UTC, in milliseconds."""
    model, variant = text(row.get("model_permaslug")), text(row.get("variant"))
    outcome, reason = _ending(row)
    yield Call(
        key=text(row.get("generation_id")),
        attempt=attempt(
            model=f"{model}:{variant}" if model and variant not in (None, "standard") else model,
            provider="openrouter",
            started=values.started(row.get("created_at")),
            outcome=outcome,
            reason=reason,
            latency=values.duration(row.get("generation_time_ms"), _MILLISECONDS),
            ttft=values.duration(row.get("time_to_first_token_ms"), _MILLISECONDS),
            usage=usage_of(
                count(row.get("tokens_prompt")),
                count(row.get("tokens_completion")),
                cached=count(row.get("tokens_cached")),
                reasoning=count(row.get("tokens_reasoning")),
            ),
            cost=_cost(row),
            served_model=model,
            served_by=text(row.get("provider_name")),
            generation_id=text(row.get("generation_id")),
        ),
        labels=values.labels({name: row[name] for name in ("app_name", "api_key_name", "user") if row.get(name)}),
    )


def _cost(row: Mapping[str, Any]) -> float | None:
    """What OpenRouter took, and what the provider took besides where the key was the user's own."""
    cost = values.dollars(row.get("cost_total"))
    return None if cost is None else cost + (values.dollars(row.get("byok_usage_inference")) or 0.0)


def _ending(row: Mapping[str, Any]) -> tuple[Outcome, str | None]:
    if values.truth(row.get("cancelled")):
        return "cancelled", None
    match row.get("finish_reason_normalized"):
        case "error":
            return "failed", ServerFailed.kind
        case "content_filter":
            return "failed", ContentFiltered.kind
        case _:
            return "answered", None
