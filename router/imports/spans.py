"""Spans: OTLP's JSON as collectors and SDKs write it, and the rows of Phoenix's export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from router.core.untrusted import mapping, mappings, number, text
from router.imports import values

_ERRORS = (2, "2", "STATUS_CODE_ERROR", "ERROR")


class Span(NamedTuple):
    """A span.

    Attributes:
        begin, end: as written.
        attributes: by their dotted names, those of its resource included.
        is_error: its status says so.
        said: its status message, and the types of the exceptions in it.
    """

    trace: str | None
    id: str | None
    parent: str | None
    begin: Any
    end: Any
    attributes: Mapping[str, Any]
    is_error: bool
    said: tuple[str, ...]

    @property
    def group(self) -> str | None:
        """What it shares with the other calls of its request: the span that they are parts of."""
        return f"{self.trace}/{self.parent or ''}" if self.trace else None

    def first(self, *names: str) -> Any:
        """The first of these attributes that has a value."""
        return values.first(self.attributes, *names)


def has_spans(row: Mapping[str, Any]) -> bool:
    """Whether it is OTLP, or a row of Phoenix's."""
    return "resourceSpans" in row or "resource_spans" in row or _is_phoenix(row)


def spans(row: Mapping[str, Any]) -> Iterator[Span]:
    """The spans in a row."""
    if _is_phoenix(row):
        yield _of_phoenix(row)
    for resource in mappings(values.first(row, "resourceSpans", "resource_spans")):
        shared = _attributes(mapping(resource.get("resource")).get("attributes"))
        for scope in mappings(values.first(resource, "scopeSpans", "scope_spans", "instrumentationLibrarySpans")):
            for span in mappings(scope.get("spans")):
                yield _of_otlp(span, shared)


def _of_otlp(span: Mapping[str, Any], shared: Mapping[str, Any]) -> Span:
    status = mapping(span.get("status"))
    exceptions = [_attributes(event.get("attributes")) for event in mappings(span.get("events"))]
    said = [status.get("message"), *(each.get("exception.type") for each in exceptions)]
    return Span(
        text(values.first(span, "traceId", "trace_id")),
        text(values.first(span, "spanId", "span_id")),
        text(values.first(span, "parentSpanId", "parent_span_id")),
        values.first(span, "startTimeUnixNano", "start_time_unix_nano"),
        values.first(span, "endTimeUnixNano", "end_time_unix_nano"),
        {**shared, **_attributes(span.get("attributes"))},
        status.get("code") in _ERRORS,
        tuple(each for each in said if isinstance(each, str) and each),
    )


def _attributes(listed: Any) -> dict[str, Any]:
    return {name: _value(each.get("value")) for each in mappings(listed) if (name := text(each.get("key")))}


def _value(value: Any) -> Any:
    """OTLP's `AnyValue`; what is neither text nor a number nor a truth value is nothing that is read here."""
    held = mapping(value)
    for kind in ("stringValue", "boolValue", "doubleValue"):
        if kind in held:
            return held[kind]
    if (found := number(held.get("intValue"))) is not None:
        return int(found)
    return None


def _is_phoenix(row: Mapping[str, Any]) -> bool:
    return "start_time" in row and "span_kind" in row and ("context" in row or "context.span_id" in row)


def _of_phoenix(row: Mapping[str, Any]) -> Span:
    flat = dict(values.flat(row))
    attributes = {name.removeprefix("attributes."): each for name, each in flat.items()}
    attributes |= dict(values.flat(values.nested(row.get("attributes"))))
    attributes.setdefault("openinference.span.kind", row.get("span_kind"))
    said = text(row.get("status_message"))
    return Span(
        text(flat.get("context.trace_id")),
        text(flat.get("context.span_id")),
        text(row.get("parent_id")),
        row.get("start_time"),
        row.get("end_time"),
        attributes,
        row.get("status_code") in _ERRORS,
        (said,) if said else (),
    )
