"""Values in logs, which anybody may have written: None where one is not what it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from router.core.untrusted import NO_JSON, decode_json, mapping, number, text
from router.imports.calls import refuse

_OLDEST, _NEWEST = 1_262_304_000.0, 4_102_444_800.0
"""2010 and 2100, Unix time: before that there was nothing to call, and after that somebody mistook the unit."""

_LONGEST = 30 * 86_400.0
"""Seconds; whatever took longer was no call."""

_DEEPEST = 6
"""Levels of objects in objects that have names worth reading."""

_MAX_LABEL = 200


def moment(value: Any) -> float | None:
    """Unix time in seconds of an ISO date and time (UTC if without a zone), or of a number of s, ms, µs or ns."""
    found = number(value)
    if found is None:
        try:
            read = datetime.fromisoformat(value.strip().removesuffix(" UTC")) if isinstance(value, str) else None
            if read is None:
                return None
            found = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    for unit in (1.0, 1e3, 1e6, 1e9):
        if _OLDEST <= found / unit < _NEWEST:
            return found / unit
    return None


def started(value: Any) -> float:
    """The moment at which a call began; raises `Refused` where it is unknown."""
    return found if (found := moment(value)) is not None else refuse("its time is missing or cannot be read")


def span(begin: float | None, end: float | None) -> float | None:
    """Seconds between two moments."""
    return duration(end - begin) if begin is not None and end is not None else None


def duration(value: Any, unit: float = 1.0) -> float | None:
    """Seconds of a number of units."""
    found = number(value)
    return found * unit if found is not None and 0 <= found * unit <= _LONGEST else None


def dollars(value: Any, *, zero: bool = True) -> float | None:
    """US dollars.

    Args:
        zero: whether 0 says that it was free, and not that nobody knew.
    """
    found = number(value)
    return found if found is not None and (0 < found < 1e6 or (zero and found == 0)) else None


def status(value: Any) -> int | None:
    """An HTTP status."""
    found = number(value)
    return int(found) if found is not None and 100 <= found < 600 else None


def truth(value: Any) -> bool:
    """Whether it says yes."""
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "1", "yes"))


def nested(value: Any) -> Mapping[str, Any]:
    """An object, also one written as JSON; an empty one for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = decode_json(value)
        except NO_JSON:
            return {}
    return mapping(value)


def first(row: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that has a value."""
    return next((value for name in names if (value := row.get(name)) not in (None, "")), None)


def labels(*sources: Any) -> dict[str, str]:
    """Short texts by name, from objects, and from lists of `name:value` or `name=value`."""
    found: dict[str, str] = {}
    for source in sources:
        if isinstance(source, str) and source.lstrip().startswith("["):
            try:
                source = decode_json(source)  # noqa: PLW2901  # the same, read
            except NO_JSON:
                continue
        if isinstance(source, list):
            pairs = (each.replace("=", ":", 1).partition(":") for each in source if isinstance(each, str))
            found |= {name.strip(): value.strip() for name, colon, value in pairs if colon}
        else:
            found |= {name: value for name, value in flat(nested(source)) if isinstance(value, str)}
    return {name: value for name, value in found.items() if 0 < len(value) <= _MAX_LABEL}


def flat(value: Mapping[str, Any], before: str = "", depth: int = _DEEPEST) -> Iterator[tuple[str, Any]]:
    """The values in an object by their dotted names."""
    for name, each in value.items():
        if isinstance(each, Mapping) and depth:
            yield from flat(each, f"{before}{name}.", depth - 1)
        else:
            yield f"{before}{name}", each


def name(value: Any) -> str | None:
    """A name as text; a number is one too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)
