"""JSON schemas of suites, which are foreign text too, without a process for each answer.

A schema whose cost is bounded by its size and the answer's is used here: one without references, which can double the
work at every step, and with expressions that need no backtracking. All others are left to the process that the engine
checks schemas in, which takes 0.1 seconds an answer and ends at its limit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import msgspec

from router.core.errors import GraderFailed
from router.engine.schemas import Json, check_schema, mismatch

MAX_WORK = 100_000_000
"""Bytes of a schema times those of an answer."""

_REPEATING = frozenset(
    {"$ref", "$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems", "uniqueItems"}
)
"""Keywords whose cost may be more than one look at each value."""


def problem_of(schema: Any, value: Any) -> str | None:
    """What of a value does not fit a schema, one sentence; None if it fits.

    Args:
        value: as it was decoded from JSON.

    Raises:
        GraderFailed: it cannot be found out in time.
        InvalidRequest: the schema cannot be used.
    """
    encoded = msgspec.json.encode(schema)
    text = msgspec.json.encode(value)
    validator = _validator(encoded)
    if validator is not None and len(encoded) * len(text) <= MAX_WORK:
        error = next(validator.iter_errors(value), None)
        if error is None:
            return None
        at = "/".join(map(str, error.instance_path))
        return f"It does not fit the schema{f' at `{at}`' if at else ''}: {error.message[:200]}."
    found = mismatch(Json("It", text.decode(), schema))
    if found is not None and not found.checked:
        raise GraderFailed(found.sentence)
    return found.sentence if found is not None else None


def usable(schema: Any, what: str) -> None:
    """Check that a schema can be used.

    Raises:
        InvalidRequest: it cannot.
    """
    if not isinstance(schema, Mapping) or _validator(msgspec.json.encode(schema)) is None:
        check_schema(schema, what)


@functools.lru_cache(maxsize=1024)
def _validator(encoded: bytes) -> jsonschema_rs.Validator | None:
    """A validator of a schema whose cost is bounded; None if it is not, or if it is no schema."""
    schema = msgspec.json.decode(encoded)
    try:
        if not _REPEATING.isdisjoint(_keys(schema)):
            return None
        return jsonschema_rs.validator_for(schema, pattern_options=jsonschema_rs.RegexOptions(), offline=True)
    except (ValueError, RecursionError):
        return None


def _keys(value: Any) -> Iterator[str]:
    """The keys of all objects in a value."""
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)
