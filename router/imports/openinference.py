"""OpenInference: spans of the kind LLM, as OTLP's JSON or as Phoenix exports them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.core.untrusted import count, text
from router.imports import values
from router.imports.calls import Call, Found, NoCall, attempt, each, usage_of
from router.imports.failures import is_cancelled, reason_of
from router.imports.spans import Span, has_spans, spans

_KIND = "openinference.span.kind"


def matches(row: Mapping[str, Any]) -> bool:
    """Whether it has spans of OpenInference's."""
    return has_spans(row) and any(_KIND in span.attributes for span in spans(row))


def calls(row: Mapping[str, Any]) -> Iterator[Found]:
    """The calls of a row's spans."""
    return each(_call, spans(row))


def _call(span: Span) -> Call:
    if str(span.attributes.get(_KIND)).upper() != "LLM":
        raise NoCall
    started = values.started(span.begin)
    said = (text(span.first("exception.type", "error.type")), *span.said)
    stopped = span.is_error and is_cancelled(*said)
    asked, served = (text(span.first(f"llm.{which}.model_name", "llm.model_name")) for which in ("request", "response"))
    return Call(
        key=span.id,
        parent=span.parent,
        group=span.group,
        attempt=attempt(
            model=asked,
            provider=text(span.first("llm.provider", "llm.system")),
            started=started,
            outcome="cancelled" if stopped else "failed" if span.is_error else "answered",
            reason=reason_of(None, *said) if span.is_error and not stopped else None,
            latency=values.span(started, values.moment(span.end)),
            usage=usage_of(
                count(span.first("llm.token_count.prompt")),
                count(span.first("llm.token_count.completion")),
                cached=count(span.first("llm.token_count.prompt_details.cache_read")),
                written=count(span.first("llm.token_count.prompt_details.cache_write")),
                reasoning=count(span.first("llm.token_count.completion_details.reasoning")),
            ),
            cost=values.dollars(span.first("llm.cost.total"), zero=False),
            served_model=served,
        ),
        labels=values.labels(span.attributes, span.first("metadata"), span.first("tag.tags")),
        session=text(span.first("session.id")),
    )
