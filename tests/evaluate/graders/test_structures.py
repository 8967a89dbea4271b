"""Answers that are to be JSON, XML or SQL."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evaluate.graders.grading import case, graded, refused

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
TREE = {"$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}, "type": "array"}}, "$ref": "#/$defs/tree"}
DEEP = "[" * 100_000

BOMB = (
    """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>"""
)

ROWS: list[tuple[str, Any, str, bool]] = [
    ("is-json", None, '{"a": 1}', True),
    ("is-json", None, "12", True),
    ("is-json", None, "{'a': 1}", False),
    ("is-json", None, 'Sure: {"a": 1}', False),
    ("is-json", None, DEEP, False),
    ("is-json", SCHEMA, '{"n": 1}', True),
    ("is-json", SCHEMA, '{"n": "1"}', False),
    ("is-json", SCHEMA, "{}", False),
    ("is-json", {"pattern": "^(a+)+$"}, '"' + "a" * 5_000 + '!"', False),
    ("contains-json", None, 'Sure: {"a": 1}!', True),
    ("contains-json", None, "none {here}", False),
    ("contains-json", SCHEMA, 'first {"a": 1}, then {"n": 1}', True),
    ("contains-json", SCHEMA, 'first {"a": 1}, then {"n": "x"}', False),
    ("json-match", {"a": [1, {"b": None}]}, '{"a": [1.0, {"b": null}]}', True),
    ("json-match", {"a": 1, "b": 2}, '{"b": 2, "a": 1}', True),
    ("json-match", {"a": 1}, '{"a": true}', False),
    ("json-match", {"a": 1}, '{"a": 1, "b": 2}', False),
    ("json-match", [1, 2], "[2, 1]", False),
    ("json-match", ['{"a": 1}', '{"a": 2}'], '{"a": 2}', True),
    ("json-match", {"a": 1}, "a: 1", False),
    ("is-xml", None, "<a><b/></a>", True),
    ("is-xml", None, " <?xml version='1.0'?><a>ä</a> ", True),
    ("is-xml", None, "<a><b></a>", False),
    ("is-xml", None, "a", False),
    ("is-xml", None, BOMB, False),
    ("is-xml", None, "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", False),
    ("is-xml", ["a.b"], "<a><b/></a>", True),
    ("is-xml", ["b"], "<a><b/></a>", False),
    ("is-xml", {"requiredElements": ["a.b", "a.c"]}, "<a><b/></a>", False),
    ("is-sql", None, "SELECT a, b FROM t WHERE c > 3;", True),
    ("is-sql", None, "WITH x AS (SELECT 1) SELECT * FROM x", True),
    ("is-sql", None, "INSERT INTO t VALUES (1); DELETE FROM t", True),
    ("is-sql", None, "SELECT FROM WHERE", False),
    ("is-sql", None, "hello world", False),
    ("is-sql", None, "Here is your query: SELECT 1", False),
    ("is-sql", None, "", False),
    ("is-sql", {"databaseType": "PostgreSQL"}, "SELECT a::int FROM t", True),
]


@pytest.mark.parametrize(("kind", "value", "answer", "passes"), ROWS)
def test_an_answer_passes_or_fails(kind: str, value: Any, answer: str, passes: bool) -> None:
    grade = graded(answer, kind, value)
    assert (grade.passed, grade.error) == (passes, None)


@pytest.mark.process
@pytest.mark.parametrize(("answer", "passes"), [("[[], [[]]]", True), ("[1]", False)])
def test_a_schema_with_references_is_checked_too(answer: str, passes: bool) -> None:
    assert graded(answer, "is-json", TREE).passed is passes


@pytest.mark.process
def test_a_schema_that_doubles_at_every_step_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.engine.schemas.BUDGET", 1)
    doubling: dict[str, Any] = {"$defs": {"d0": {"type": "null"}}, "$ref": "#/$defs/d40"}
    for n in range(40):
        again = {"$ref": f"#/$defs/d{n}"}
        doubling["$defs"][f"d{n + 1}"] = {"anyOf": [again, again]}
    grade = graded("1", "is-json", doubling)
    assert (grade.passed, grade.score) == (False, None)
    assert grade.error is not None
    assert "cannot be checked within 1 seconds" in grade.error


def test_what_does_not_fit_is_named_with_its_place() -> None:
    assert graded('{"n": "1"}', "is-json", SCHEMA).reason == (
        'It does not fit the schema at `n`: "1" is not of type "integer".'
    )


def test_a_schema_that_is_none_is_refused() -> None:
    assert refused("is-json", {"type": "strin"}).startswith("The value of `is-json`: no usable JSON schema at `type`")
    assert refused("is-json", "text") == "The value of `is-json` must be a JSON object."


def test_the_target_is_ideal_json() -> None:
    assert graded('{"a":1}', "json-match", of=case(target=('{"a": 1}',))).passed


def test_an_ideal_that_is_no_json_is_refused() -> None:
    assert refused("json-match", of=case(target=("a",))).startswith("An ideal answer of `json-match` is not JSON: ")


def test_an_answer_of_brackets_alone_cannot_be_searched() -> None:
    grade = graded(DEEP, "contains-json")
    assert (grade.passed, grade.error) == (False, "The answer has more than 200 places where JSON could begin.")


def test_sql_that_is_nested_too_deeply_cannot_be_read() -> None:
    grade = graded("SELECT " + "(" * 2_000 + "1" + ")" * 2_000, "is-sql")
    assert (grade.passed, grade.error) == (False, "The answer is nested too deeply to be read as SQL.")


def test_an_unknown_dialect_is_refused() -> None:
    assert refused("is-sql", dialect="dbase") == "`is-sql` does not know the dialect `dbase`."
