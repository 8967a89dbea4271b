"""Langfuse: observations of the type GENERATION, from its pages, its API or its export to a bucket.

The same fields are written in camel case by the first two, and in snake case by the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from router.core.messages import Usage
from router.core.untrusted import count, mappings, text
from router.imports import values
from router.imports.calls import Call, Found, NoCall, attempt, each, usage_of
from router.imports.failures import is_cancelled, reason_of

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def matches(row: Mapping[str, Any]) -> bool:
    """Whether it is an observation, or a trace with its observations."""
    names = {_snake(name) for name in row}
    return {"trace_id", "start_time", "type"} <= names or {"observations", "timestamp"} <= names


def calls(row: Mapping[str, Any]) -> Iterator[Found]:
    """The calls of an observation, or of a trace with its observations."""
    if isinstance(observations := row.get("observations"), list):
        trace = {name: row[name] for name in ("tags", "sessionId", "name") if name in row}
        found = [one for one in mappings(observations) if one.get("type") == "GENERATION"]
        if not found:
            raise NoCall
        yield from each(_call, (trace | dict(one) for one in found))
    else:
        yield _call(row)


def _call(written: Mapping[str, Any]) -> Call:
    row = {_snake(name): value for name, value in written.items()}
    if row.get("type") != "GENERATION":
        raise NoCall
    started = values.started(row.get("start_time"))
    metadata, said = values.nested(row.get("metadata")), text(row.get("status_message"))
    is_failed = row.get("level") == "ERROR"
    stopped = is_failed and is_cancelled(said)
    status = values.status(metadata.get("status_code"))
    trace, parent = text(row.get("trace_id")), text(row.get("parent_observation_id"))
    return Call(
        key=text(row.get("id")),
        group=f"{trace}/{parent or ''}" if trace else None,
        attempt=attempt(
            model=text(values.first(row, "provided_model_name", "model")),
            provider=text(metadata.get("ls_provider")) or text(metadata.get("provider")),
            started=started,
            outcome="cancelled" if stopped else "failed" if is_failed else "answered",
            reason=reason_of(status, said) if is_failed and not stopped else None,
            status=status if is_failed else None,
            latency=values.span(started, values.moment(row.get("end_time"))),
            ttft=_first_token(row, started),
            usage=_usage(row),
            cost=_cost(row),
        ),
        labels=values.labels(
            {name: row[name] for name in ("name", "trace_name", "environment") if name in row},
            metadata,
            row.get("tags") or row.get("trace_tags"),
        ),
        session=text(row.get("session_id")),
    )


def _first_token(row: Mapping[str, Any], started: float) -> float | None:
    """Some exports have the moment, others the seconds until then, or both."""
    found = values.span(started, values.moment(row.get("completion_start_time")))
    return found if found is not None else values.duration(row.get("time_to_first_token"))


def _usage(row: Mapping[str, Any]) -> Usage | None:
    """Of `input`, `input_cached_tokens`, `output`, `output_reasoning`, …: every part counts once.

    Some write what is cached, or reasoned, once more beside an input and an output that have it already: there these
    two are the whole total.
    """
    used = {
        name.lower(): count(part) for name, part in values.nested(row.get("usage_details") or row.get("usage")).items()
    }
    known = {name: tokens for name, tokens in used.items() if tokens is not None}

    def total(*signs: str) -> int | None:
        parts = [tokens for name, tokens in known.items() if all(sign in name for sign in signs)]
        return sum(parts) if parts else None

    if not any(known.values()):
        known = {
            "input": count(values.first(row, "prompt_tokens", "input_usage", "input_tokens")) or 0,
            "output": count(values.first(row, "completion_tokens", "output_usage", "output_tokens")) or 0,
        }
        if not any(known.values()):
            return None
    written = total("input", "cache", "creation")
    read = total("input", "cache")
    own = known.get("input"), known.get("output")
    is_whole = None not in own and known.get("total") == sum(filter(None, own))
    prompt, completion = own if is_whole else (total("input"), total("output"))
    return usage_of(
        prompt,
        completion,
        cached=read - (written or 0) if read is not None else None,
        written=written,
        reasoning=total("output", "reasoning"),
    )


def _cost(row: Mapping[str, Any]) -> float | None:
    """Langfuse gives 0 where it knows no price, unless the parts of the cost are there."""
    parts = values.nested(row.get("cost_details"))
    if (total := parts.get("total")) is not None:
        return values.dollars(total)
    return values.dollars(values.first(row, "total_cost", "calculated_total_cost"), zero=False)


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name.strip()).lower().replace(" ", "_")
