"""JSON schemas as the vendors take them that let a model write nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from router.core.untrusted import mapping, mappings

_OF_NAMES = ("properties", "$defs", "definitions")
"""Keywords with schemas by their names."""

_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
"""Keywords with a list of schemas."""

_UNSUPPORTED = frozenset({
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *("maxItems", "uniqueItems", "contains", "minContains", "maxContains", "minProperties", "maxProperties"),
})  # fmt: skip
"""What Anthropic refuses in a schema."""


class Closed(NamedTuple):
    """A schema whose objects have no properties but their own, and what was changed for that."""

    schema: Any
    left: tuple[str, ...]


class _Open(Exception):
    """An object may have properties that the schema does not name."""


def subschemas(schema: object) -> Iterator[Mapping[str, Any]]:
    """A schema and all that are in it."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            yield one
            waiting += [inner for name in _OF_NAMES for inner in mapping(one.get(name)).values()]
            waiting += [inner for name in _LISTS for inner in mappings(one.get(name))]
            waiting.append(one.get("items"))


def is_strict(schema: object) -> bool:
    """Whether OpenAI takes a schema as strict: every object has all its properties required, and no others."""
    return all(map(_requires_all, filter(_is_object, subschemas(schema))))


def closed(schema: object) -> Closed | None:
    """A schema as Anthropic takes it; None where an object may have properties that it does not name."""
    left: dict[str, None] = {}
    try:
        return Closed(_closed(schema, left), tuple(left))
    except (_Open, RecursionError):
        return None


def _requires_all(schema: Mapping[str, Any]) -> bool:
    required = schema.get("required")
    names = required if isinstance(required, list | tuple) else ()
    return schema.get("additionalProperties") is False and all(
        name in names for name in mapping(schema.get("properties"))
    )


def _closed(schema: Any, left: dict[str, None]) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _UNSUPPORTED or (name == "minItems" and value not in (0, 1)):
            left[name] = None
        else:
            found[name] = _inside(name, value, lambda one: _closed(one, left))
    if _is_object(schema):
        if schema.get("additionalProperties", False) is not False or schema.get("patternProperties"):
            raise _Open
        found["additionalProperties"] = False
    return found


def _inside(name: str, value: Any, change: Callable[[Any], Any]) -> Any:
    if name in _OF_NAMES and isinstance(value, Mapping):
        return {key: change(one) for key, one in value.items()}
    if name in _LISTS and isinstance(value, list | tuple):
        return [change(one) for one in value]
    return change(value) if name == "items" else value


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list | tuple) and "object" in kind) or "properties" in schema
