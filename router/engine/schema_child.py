"""Checks JSON schemas, and answers against them, in a process of its own that ends at its budget.

It is run by its path, so that it imports nothing of this project, and none of the project's variables reach it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

import jsonschema_rs

MAX_MEMORY = 1_000_000_000
"""Bytes of address space."""


def verdict(schema: dict[str, Any], answer: str | None) -> dict[str, Any]:
    """What is wrong: `deep`, `unfinished`, a problem of the `schema` or of the `answer`; nothing where all is well."""
    try:
        # Python's own decoder and the library's stack both have an end.
        value = json.loads(answer) if answer is not None else None
        jsonschema_rs.meta.validate(schema)
        validator = jsonschema_rs.validator_for(schema, offline=True)
    except (RecursionError, ValueError) as error:
        return {"deep": True} if not isinstance(error, jsonschema_rs.ValidationError) else {"schema": _problem(error)}
    if answer is None:
        return {}
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded):
            return {"unfinished": True}
        return {"answer": _problem(error)}
    except ValueError:
        return {"deep": True}
    return {}


def _limit(seconds: int) -> None:
    """Let pages go first; and end at the limit, also if the parent is gone."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):  # not on every system
        import resource  # noqa: PLC0415  # not on every system

        os.nice(10)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _problem(error: jsonschema_rs.ValidationError) -> dict[str, str]:
    return {"at": "/".join(map(str, error.instance_path)), "message": error.message[:200]}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    _limit(given["seconds"])
    json.dump([verdict(**check) for check in given["checks"]], sys.stdout)
