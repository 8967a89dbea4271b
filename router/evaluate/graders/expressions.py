r"""Regular expressions of foreign origin, which may backtrack without end.

They are read as JavaScript's, which promptfoo's are; so `.` never matches a line break, and `\w` and `\d` are ASCII.
One that needs no backtracking is matched in linear time. One with a look-around or a reference is matched here as far
as it takes little time, and beyond that in the process that checks schemas, which ends at its limit.
"""

from __future__ import annotations

import functools
import re

import jsonschema_rs
import msgspec

from router.core.errors import GraderFailed, InvalidRequest
from router.engine.schemas import Json, mismatch

MAX_LENGTH = 5_000
"""Characters of an expression."""

_STEPS = 10_000
"""Of backtracking, each of which may read the text: at most a tenth of a second for the longest text."""

_LONGEST = 2_000
"""Characters of a text on which an expression may backtrack here."""

_SIZE = 10_000_000
"""Bytes of a compiled expression: repetitions of repetitions are refused."""

_DOT_ALL = re.compile(r"\(\?[a-z]*s")


def check_expression(pattern: str, what: str) -> None:
    """Check that an expression can be used.

    Raises:
        InvalidRequest: it cannot.
    """
    if len(pattern) > MAX_LENGTH:
        raise InvalidRequest(f"{what} must not be longer than {MAX_LENGTH:,} characters.")
    if _DOT_ALL.search(pattern):
        raise InvalidRequest(f"{what} has the flag `s`, which is not known here: write `[\\s\\S]` instead of `.`.")
    if _linear(pattern) is None and _backtracking(pattern) is None:
        raise InvalidRequest(f"{what} is not a regular expression that can be used here.")


def matches(pattern: str, text: str) -> bool:
    """Whether an expression matches somewhere in a text.

    Raises:
        GraderFailed: that cannot be found out in time.
        InvalidRequest: it cannot be used.
    """
    if (linear := _linear(pattern)) is not None:
        return linear.is_valid(text)
    check_expression(pattern, "The expression")
    backtracking = _backtracking(pattern)
    if backtracking is not None and len(text) <= _LONGEST:
        error = next(backtracking.iter_errors(text), None)
        if error is None or not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded):
            return error is None
    found = mismatch(Json("The answer", msgspec.json.encode(text).decode(), {"pattern": pattern}))
    if found is not None and not found.checked:
        raise GraderFailed("The expression backtracks for too long on this answer. Make it simpler.")
    return found is None


@functools.lru_cache(maxsize=1024)
def _linear(pattern: str) -> jsonschema_rs.Validator | None:
    return _compiled(pattern, jsonschema_rs.RegexOptions(size_limit=_SIZE))


@functools.lru_cache(maxsize=1024)
def _backtracking(pattern: str) -> jsonschema_rs.Validator | None:
    return _compiled(pattern, jsonschema_rs.FancyRegexOptions(backtrack_limit=_STEPS, size_limit=_SIZE))


def _compiled(
    pattern: str, options: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=options, offline=True)
    except ValueError:
        return None
