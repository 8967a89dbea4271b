"""Graders of answers that are to be JSON, XML or SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.parsers import expat

import msgspec

from router.core.errors import GraderFailed, InvalidRequest
from router.core.suites import Answered, Case, Check
from router.core.untrusted import NO_JSON
from router.evaluate.graders.base import Found, Grader, plain, text_of, yes_or_no
from router.evaluate.graders.schemas import problem_of, usable

_MAX_SQL = 20_000
"""Characters; longer ones take seconds to read."""

_STARTS = 200
"""Places in an answer where JSON is looked for."""

_START = re.compile(r"[\[{]")


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 equals 1.0, and true does not equal 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def decoded(text: str) -> Any:
    """A text as strict JSON.

    Raises:
        ValueError: it is none.
    """
    try:
        return msgspec.json.decode(text)
    except NO_JSON as error:
        raise ValueError(str(error)) from None


# --- JSON ------------------------------------------------------------------------------------------


def _schema(check: Check, _: Case) -> Mapping[str, Any] | None:
    if check.value is None:
        return None
    usable(check.value, f"The value of `{check.type}`")
    schema: Mapping[str, Any] = check.value
    return schema


def is_json(answered: Answered, check: Check) -> Found:
    """The whole answer is JSON, and fits the schema, if there is one."""
    try:
        value = decoded(text_of(answered))
    except ValueError as error:
        return Found(0.0, f"The answer is not JSON: {error}.")
    problem = problem_of(check.value, value) if check.value is not None else None
    return yes_or_no(problem is None, problem or "")


def contains_json(answered: Answered, check: Check) -> Found:
    """The answer has a JSON object or list in it that fits the schema, if there is one."""
    problem = "The answer has no JSON in it."
    for value in _values(text_of(answered)):
        found = problem_of(check.value, value) if check.value is not None else None
        if found is None:
            return Found(1.0)
        problem = found
    return Found(0.0, problem)


def _values(text: str) -> Iterator[Any]:
    """The objects and lists in a text, those in one another left out; raises GraderFailed if there are too many."""
    at = 0
    for _ in range(_STARTS):
        start = _START.search(text, at)
        if start is None:
            return
        try:
            value, at = json.JSONDecoder().raw_decode(text, start.start())
            yield value
        except (ValueError, RecursionError):
            at = start.end()
    raise GraderFailed(f"The answer has more than {_STARTS} places where JSON could begin.")


def _ideals(check: Check, case: Case) -> list[Any]:
    given = case.target if check.value is None else check.value if _is_texts(check.value) else [check.value]
    try:
        ideals = [decoded(ideal) if isinstance(ideal, str) else ideal for ideal in given]
    except ValueError as error:
        raise InvalidRequest(f"An ideal answer of `json-match` is not JSON: {error}.") from None
    if not ideals:
        raise InvalidRequest("`json-match` has nothing to compare with. Give it a value, or the case a target.")
    return ideals


def _is_texts(value: Any) -> bool:
    """Whether it is a list of JSON texts, of which any is right, as OpenAI evals have it."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, str) for item in value)


def json_match(answered: Answered, check: Check) -> Found:
    """OpenAI evals' JsonMatch: the answer is JSON and equals an ideal one, whatever the order of keys."""
    ideals = _ideals(check, answered.case)
    try:
        value = decoded(text_of(answered))
    except ValueError as error:
        return Found(0.0, f"The answer is not JSON: {error}.")
    return yes_or_no(any(same(value, ideal) for ideal in ideals), "The answer is other JSON than the ideal one.")


# --- XML -------------------------------------------------------------------------------------------


def _elements(check: Check, _: Case) -> list[str]:
    value = check.value.get("requiredElements") if isinstance(check.value, Mapping) else check.value
    if value is None and not isinstance(check.value, Mapping):
        return []
    elements = value.split(",") if isinstance(value, str) else value
    if not isinstance(elements, list | tuple) or not all(isinstance(each, str) and each.strip() for each in elements):
        raise InvalidRequest("The value of `is-xml` must be a list of elements, such as `order.item`.")
    return [each.strip() for each in elements]


def is_xml(answered: Answered, check: Check) -> Found:
    """The answer is XML, and has the elements; one that declares entities is none: nothing is expanded."""
    wanted, path, seen = _elements(check, answered.case), list[str](), set[str]()
    parser = expat.ParserCreate()

    def begin(name: str, _: object) -> None:
        path.append(name)
        seen.add(".".join(path))

    def refuse(*_: object) -> None:
        raise ValueError("it declares entities")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: path.pop()
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text_of(answered).strip(), True)  # that it is all
    except (expat.ExpatError, ValueError) as error:
        return Found(0.0, f"The answer is not XML: {error}.")
    missing = [each for each in wanted if each not in seen]
    return yes_or_no(not missing, f"It lacks the element `{missing[0] if missing else ''}`.")


# --- SQL -------------------------------------------------------------------------------------------


def _dialect(check: Check, _: Case) -> str:
    from sqlglot.dialects.dialect import Dialect  # noqa: PLC0415  # loaded where it is used

    value = check.value if check.value is not None else check.options
    if not isinstance(value, Mapping) or not set(value) <= {"databaseType", "dialect"}:
        raise InvalidRequest("`is-sql` can be told a `dialect` alone: lists of tables and columns are not checked.")
    name = str(value.get("dialect") or value.get("databaseType") or "").lower()
    if name and Dialect.get(_DIALECTS.get(name, name)) is None:
        raise InvalidRequest(f"`is-sql` does not know the dialect `{name[:60]}`.")
    return _DIALECTS.get(name, name)


_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "transactsql": "tsql", "sqlserver": "tsql"}
"""promptfoo's names of dialects that sqlglot calls otherwise."""


def is_sql(answered: Answered, check: Check) -> Found:
    """The whole answer is statements of SQL."""
    import sqlglot  # noqa: PLC0415  # loaded where it is used
    from sqlglot import exp  # noqa: PLC0415  # with it

    dialect, text = _dialect(check, answered.case), text_of(answered)
    if len(text) > _MAX_SQL:
        raise GraderFailed(f"The answer is longer than {_MAX_SQL:,} characters, which takes too long to read as SQL.")
    try:
        statements = [each for each in sqlglot.parse(text, dialect=dialect or None) if each is not None]
    except sqlglot.errors.SqlglotError as error:
        return Found(0.0, f"The answer is not SQL: {str(error).splitlines()[0][:200]}")
    except RecursionError:
        raise GraderFailed("The answer is nested too deeply to be read as SQL.") from None
    known = exp.Query | exp.DML | exp.DDL | exp.Drop | exp.Alter | exp.Transaction | exp.Commit | exp.Rollback
    is_all = bool(statements) and all(isinstance(each, known) for each in statements)
    return yes_or_no(is_all, "The answer is not a statement of SQL.")


GRADERS: Mapping[str, Grader] = {
    "is-json": Grader(plain(is_json), _schema, "is JSON, and fits a schema", "a JSON schema, or none"),
    "contains-json": Grader(
        plain(contains_json), _schema, "has JSON in it that fits a schema", "a JSON schema, or none"
    ),
    "json-match": Grader(
        plain(json_match), _ideals, "is the ideal JSON (OpenAI evals)", "JSON; the case's target by default"
    ),
    "is-xml": Grader(plain(is_xml), _elements, "is XML, and has elements", "names such as `order.item`, or none"),
    "is-sql": Grader(plain(is_sql), _dialect, "is SQL", "none", {"dialect": "such as `postgres`"}),
}
