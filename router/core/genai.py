"""Requests and attempts as spans with OpenTelemetry's semantic conventions for generative AI.

The conventions' names are those of opentelemetry.io/docs/specs/semconv/gen-ai (in development, so they may change);
`gen_ai.system` is what `gen_ai.provider.name` was called before version 1.37. Everything that is stored stands beside
them under `fallback_lab.`, by the name of its column: an export can be read back without loss. There is no text in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from router.core.fields import columns_of, record_of
from router.core.messages import digest
from router.core.records import Observation, RequestSummary

Record = TypeVar("Record", bound=msgspec.Struct)

Attributes: TypeAlias = dict[str, str | bool | int | float]

OWN = "fallback_lab."

_INTERNAL, _CLIENT = 1, 3
"""OTLP's kinds of spans."""


class Span(NamedTuple):
    """A span, in the terms of OTLP.

    Attributes:
        trace, id, parent: hexadecimal, 32 and 16 digits; no parent for a request.
        kind: OTLP's number: what a request is made of are calls to a server.
        started, ended: Unix time, seconds.
        error: why it failed; None where it did not.
    """

    trace: str
    id: str
    parent: str | None
    name: str
    kind: int
    started: float
    ended: float
    attributes: Attributes
    error: str | None


def request_span(row: Mapping[str, Any]) -> Span:
    """A request's span, from its row: see `router.core.fields.row_of`."""
    path = msgspec.json.decode(row["path"])
    model = row["model"] or (path[0][0] if path else None)
    failed = row["outcome"] == "failed"
    error = (path[-1][4] if path else None) or "failed" if failed else None
    attributes: Attributes = {"gen_ai.operation.name": "chat"}
    attributes |= _known({"gen_ai.request.model": model, "gen_ai.conversation.id": row["session"], "error.type": error})
    return Span(
        _trace(row),
        digest(row["request_id"], "request")[:16],
        None,
        f"chat {row['category'] or model or ''}".rstrip(),
        _INTERNAL,
        row["started"],
        row["started"] + (row["latency"] or 0.0),
        attributes | _own(RequestSummary, row),
        error,
    )


def attempt_span(row: Mapping[str, Any]) -> Span:
    """An attempt's span, from its row; what was skipped takes no time."""
    error = row["reason"] or "failed" if row["outcome"] == "failed" else None
    attributes: Attributes = {"gen_ai.operation.name": "chat"}
    attributes |= _known(
        {
            "gen_ai.provider.name": row["provider"],
            "gen_ai.system": row["provider"],
            "gen_ai.request.model": row["model"],
            "gen_ai.response.model": row["served_model"],
            "gen_ai.response.id": row["generation_id"],
            "gen_ai.response.time_to_first_chunk": row["ttft"],
            "gen_ai.usage.input_tokens": row["prompt_tokens"],
            "gen_ai.usage.output_tokens": row["completion_tokens"],
            "gen_ai.usage.cache_read.input_tokens": row["cached_tokens"],
            "gen_ai.usage.cache_creation.input_tokens": row["cache_write_tokens"],
            "gen_ai.usage.reasoning.output_tokens": row["reasoning_tokens"],
            "gen_ai.usage.cost": row["cost"],
            "http.response.status_code": row["status"],
            "error.type": error,
        }
    )
    return Span(
        _trace(row),
        digest(row["request_id"], str(row["place"]), str(row["number"]), repr(row["offset"]))[:16],
        digest(row["request_id"], "request")[:16],
        f"chat {row['model']}",
        _CLIENT,
        row["started"],
        row["started"] + (row["latency"] or 0.0),
        attributes | _own(Observation, row),
        error,
    )


def _trace(row: Mapping[str, Any]) -> str:
    return digest(row["request_id"])[:32]


def _own(record: type[msgspec.Struct], row: Mapping[str, Any]) -> Attributes:
    return _known({f"{OWN}{field.name}": row[field.name] for field in columns_of(record)})


def _known(values: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in values.items() if value is not None}


def own_record(kind: type[Record], attributes: Mapping[str, Any]) -> Record:
    """The record that a span's own attributes were.

    Raises:
        msgspec.ValidationError: they are none, or are damaged.
    """
    row: dict[str, Any] = {}
    for field in columns_of(kind):
        value = attributes.get(f"{OWN}{field.name}")
        hint: Any = str if field.type is tuple else field.hint
        row[field.name] = None if value is None and field.optional else msgspec.convert(value, hint)
    try:
        return record_of(kind, row)
    except msgspec.DecodeError as error:
        raise msgspec.ValidationError(str(error)) from None


def is_own_request(attributes: Mapping[str, Any]) -> bool:
    """Whether a span is a request's of this project's."""
    return f"{OWN}path" in attributes


def is_own_attempt(attributes: Mapping[str, Any]) -> bool:
    """Whether a span is an attempt's of this project's."""
    return f"{OWN}number" in attributes


def otlp(span: Span) -> dict[str, Any]:
    """A span as OTLP's JSON has it."""
    return {
        "traceId": span.trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(round(span.started * 1e9)),
        "endTimeUnixNano": str(round(span.ended * 1e9)),
        "attributes": [{"key": name, "value": _any_value(value)} for name, value in span.attributes.items()],
        "status": {"code": 2, "message": span.error} if span.error else {},
    }


def _any_value(value: str | bool | float) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
