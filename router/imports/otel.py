"""OpenTelemetry: spans with the conventions for generative AI, the current ones and those before, as OTLP's JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from router.core.genai import is_own_attempt, is_own_request, own_record
from router.core.records import Observation, RequestSummary
from router.core.untrusted import count, text
from router.imports import openinference, values
from router.imports.calls import Call, Found, NoCall, attempt, each, refuse, usage_of
from router.imports.failures import is_cancelled, reason_of
from router.imports.spans import Span, has_spans, spans

_CALLS = (None, "chat", "text_completion", "generate_content")
"""The operations that are calls of a model; earlier instrumentations named none."""

_KINDS = (None, "chat", "completion", "unknown")
"""Of `llm.request.type`, which OpenLLMetry writes in place of an operation."""


def matches(row: Mapping[str, Any]) -> bool:
    """Whether it has spans, and none of OpenInference's."""
    return has_spans(row) and not openinference.matches(row)


def calls(row: Mapping[str, Any]) -> Iterator[Found]:
    """The calls of a row's spans."""
    return each(_call, spans(row))


def _call(span: Span) -> Call:
    if is_own_request(span.attributes) or is_own_attempt(span.attributes):
        return _own(span)
    model = text(span.first("gen_ai.request.model", "gen_ai.response.model", "llm.request.model"))
    operation, kind = span.first("gen_ai.operation.name"), span.first("llm.request.type")
    if model is None or operation not in _CALLS or kind not in _KINDS:
        raise NoCall
    started = values.started(span.begin)
    status = values.status(span.first("http.response.status_code", "http.status_code"))
    said = (text(span.first("error.type", "exception.type")), *span.said)
    is_failed = span.is_error or said[0] is not None
    stopped = is_failed and is_cancelled(*said)
    return Call(
        key=span.id,
        parent=span.parent,
        group=span.group,
        attempt=attempt(
            model=model,
            provider=text(span.first("gen_ai.provider.name", "gen_ai.system")),
            started=started,
            outcome="cancelled" if stopped else "failed" if is_failed else "answered",
            reason=reason_of(status, *said) if is_failed and not stopped else None,
            status=status if is_failed else None,
            latency=values.span(started, values.moment(span.end)),
            ttft=_first_token(span),
            usage=usage_of(
                *_tokens(span, ("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")),
                cached=count(_used(span, "cache_read.input_tokens", "cache_read_input_tokens", "cached_tokens")),
                written=count(_used(span, "cache_creation.input_tokens", "cache_creation_input_tokens")),
                reasoning=count(_used(span, "reasoning.output_tokens", "reasoning_tokens")),
            ),
            cost=values.dollars(_used(span, "cost", "cost_usd"), zero=False),
            served_model=text(span.first("gen_ai.response.model")),
            generation_id=text(span.first("gen_ai.response.id")),
        ),
        labels=values.labels(span.attributes),
        session=text(span.first("gen_ai.conversation.id", "session.id")),
    )


def _first_token(span: Span) -> float | None:
    """Seconds; Vercel's AI SDK writes milliseconds, vLLM a name of its own."""
    names = "gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"
    if (found := span.first(*names, "gen_ai.latency.time_to_first_token")) is not None:
        return values.duration(found)
    return values.duration(span.first("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk"), 1e-3)


def _tokens(span: Span, *names: tuple[str, ...]) -> Iterator[int | None]:
    return (count(_used(span, *each)) for each in names)


def _used(span: Span, *names: str) -> Any:
    return span.first(*(f"gen_ai.usage.{name}" for name in names))


def _own(span: Span) -> Call:
    """A span of `fallback-lab export --format otlp`."""
    try:
        if is_own_request(span.attributes):
            whole = own_record(RequestSummary, span.attributes)
            return Call(
                key=span.id, group=whole.request_id, attempt=None, category=whole.category, own=True, whole=whole
            )
        found = own_record(Observation, span.attributes)
    except msgspec.ValidationError as error:
        refuse(f"its attributes of Fallback Lab's are damaged: {error}")
    return Call(key=span.id, group=found.request_id, attempt=found.attempt, category=found.category, own=True)
