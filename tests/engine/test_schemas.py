"""JSON schemas: what can be used is told from what cannot, and no schema holds anybody up."""

from __future__ import annotations

import gc
import resource
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from router.chat.tools import read_schema
from router.core.errors import InvalidRequest
from router.engine import schemas
from router.engine.schemas import (
    BUDGET,
    MAX_ANSWER,
    MAX_SCHEMA,
    PATIENCE,
    Json,
    Mismatch,
    check_schema,
    check_size,
    mismatch,
)

DEEP = "[" * 100_000


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


# --- Schemas ---------------------------------------------------------------------------------------


def test_a_schema_is_read() -> None:
    assert read_schema('{"type": "object"}') == {"type": "object"}


def test_no_text_is_no_schema() -> None:
    assert read_schema(" \n") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{'a': 1}", "The schema: not valid JSON on line 1: "),
        ("true", "The schema must be a JSON object."),
        ('{"type": "strin"}', "The schema: no usable JSON schema at `type`: "),
        ('{"pattern": "("}', "The schema: no usable JSON schema at `pattern`: "),
        ('{"properties": []}', "The schema: no usable JSON schema at `properties`: "),
        (DEEP, "The schema: not valid JSON: "),
    ],
)
def test_what_is_no_schema_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_schema(text)
    assert str(caught.value).startswith(sentence)


def test_a_schema_nested_too_deeply_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"^The schema: nested too deeply\. Make it flatter\.$"):
        check_schema(nested(900), "The schema")


# --- Answers against a schema ----------------------------------------------------------------------


def told(answer: str, schema: dict[str, Any]) -> str | None:
    """What is said of one answer; None where it fits."""
    found = mismatch(Json("The answer", answer, schema))
    return found.sentence if found is not None else None


@pytest.mark.parametrize("answer", ["{}", '{"n": 1}', '{"n": null}'])
def test_an_answer_that_fits_is_silent(answer: str) -> None:
    assert told(answer, {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}) is None


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("", "The answer is not JSON: Input data was truncated."),
        ("Sure! {}", "The answer is not JSON: JSON is malformed: invalid character (byte 0)."),
        (DEEP, "The answer is not JSON: "),
        ("\ud800", "The answer is not JSON: "),
        ("[]", 'The answer does not fit the schema: [] is not of type "object".'),
        ('{"a": [1, "2"]}', 'The answer does not fit the schema at `a/1`: "2" is not of type "integer".'),
        ('{"a": ["' + "x" * 1000 + '"]}', 'The answer does not fit the schema at `a/0`: "xxx'),
    ],
)
def test_an_answer_that_does_not_fit_is_told_why(answer: str, sentence: str) -> None:
    schema = {"type": "object", "properties": {"a": {"items": {"type": "integer"}}}}
    said = told(answer, schema)
    assert said is not None
    assert said.startswith(sentence)
    assert len(said) < 300


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.invalid/schema"},
        {"$id": "http://[", "$ref": "x"},
        {"type": "strin"},
        {"type": 12},
        {"pattern": "("},
    ],
    ids=str,
)
def test_a_schema_that_leads_nowhere_is_said(schema: dict[str, Any]) -> None:
    said = told('"a"', schema)
    assert said is not None
    assert said.startswith("The answer cannot be checked: no usable JSON schema")


def test_a_schema_reads_no_file_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "secret.json"
    file.write_text('{"enum": ["the secret"]}', encoding="utf-8")
    assert "the secret" not in (told('"a"', {"$ref": file.as_uri()}) or "")


def test_a_schema_fetches_nothing_from_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        told('"a"', {"$ref": f"http://127.0.0.1:{server.getsockname()[1]}/schema"})
        with pytest.raises(BlockingIOError):
            server.accept()


def test_an_expression_that_backtracks_for_too_long_does_not_say_that_the_answer_is_wrong() -> None:
    said = mismatch(Json("The answer", f'"{"a" * 5_000}"', {"pattern": "(?:a|(?=a)a|a(?=a|b))*c"}))
    assert said is not None
    assert not said.checked


# --- Hostile ones ----------------------------------------------------------------------------------


def doubling(steps: int) -> dict[str, Any]:
    """A schema in which each step refers twice to the next."""
    last = {f"d{steps}": {"type": "integer"}}
    twice = {f"d{step}": {"anyOf": [{"$ref": f"#/$defs/d{step + 1}"}] * 2} for step in range(steps)}
    return {"$defs": {**twice, **last}, "$ref": "#/$defs/d0"}


def children_seconds() -> float:
    """The processor's time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


UNIQUE = "[" + ",".join(f'{{"a":[{number}]}}' for number in range(60_000)) + "]"
BACKTRACKING = f'"{"a" * 40}!"'
HOSTILE = {
    "an expression that backtracks": ({"pattern": "^(a+)+$"}, BACKTRACKING),
    "one with look-around that does": ({"pattern": "^(?=(a+)+$)(?=(a*)*$)(a+)+\\1$"}, BACKTRACKING),
    "references that double": (doubling(40), '"a"'),
    "a tower of allOf": ({"allOf": [{"allOf": [{"pattern": "^(a|aa)+$"}] * 50}] * 50}, BACKTRACKING),
    "many unique items": ({"uniqueItems": True}, UNIQUE),
    "a repeated repetition": ({"pattern": "((a{1000}){1000}){1000}"}, '"a"'),
    "a schema that is itself": ({"$ref": "#"}, '"a"'),
    "unevaluated properties": (
        {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 9}}, "$ref": "#/$defs/a", "unevaluatedProperties": False},
        "{}",
    ),
    "a long list of enumerated values": ({"items": {"enum": list(range(10_000))}}, f"[{'-1,' * 100_000}-1]"),
}


@pytest.mark.parametrize(("schema", "answer"), HOSTILE.values(), ids=HOSTILE)
def test_no_schema_takes_longer_than_its_budget_or_holds_up_another_thread(schema: dict[str, Any], answer: str) -> None:
    judged = threading.Event()

    def judge() -> None:
        told(answer, schema)
        judged.set()

    used, began, longest = children_seconds(), time.monotonic(), 0.0
    last = began
    gc.disable()  # it would look through all that earlier tests have left
    threading.Thread(target=judge, daemon=True).start()
    while not judged.wait(0.01):
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    gc.enable()
    assert longest < 1
    assert children_seconds() - used < BUDGET + 1
    assert last - began < PATIENCE + 2


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The child processes so far."""
    found: list[Any] = []
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: found.append(args) or real(*args, **kwargs))
    return found


def test_a_schema_is_checked_once_however_often_it_is_drawn(runs: list[Any]) -> None:
    for _ in range(3):
        check_schema({"title": "drawn three times"}, "The schema")
    assert len(runs) == 1


def test_all_texts_of_an_answer_are_checked_by_one_child(runs: list[Any]) -> None:
    texts = [Json(f"Call {number}", str(number), {"type": "integer"}) for number in range(20)]
    assert mismatch(*texts) is None
    assert len(runs) == 1


NUMBER: dict[str, Any] = {"type": "integer"}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ((Json("A", "1", NUMBER), Json("B", '"x"', NUMBER), Json("C", '"y"', NUMBER)), "B does not fit"),
        ((Json("A", "1", {"type": "strin"}), Json("B", '"x"', NUMBER)), "B does not fit"),
        ((Json("A", "1", {"type": "strin"}), Json("B", "1", {"$ref": "#/x"})), "A cannot be checked"),
        ((Json("A", "1", {"type": "strin"}), Json("B", "{")), "B is not JSON"),
    ],
    ids=[
        "the first mismatch",
        "before one that is not known",
        "else the first that is not known",
        "text that is not JSON",
    ],
)
def test_of_several_texts_the_first_mismatch_is_told(texts: tuple[Json, ...], sentence: str) -> None:
    assert (mismatch(*texts) or Mismatch("")).sentence.startswith(sentence)


def test_a_check_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "PATIENCE", 0.001)
    assert told('"ends"', {"minLength": 1}) == "The answer cannot be checked within 2 seconds. Make the schema simpler."


def test_the_child_gets_none_of_our_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    seen = tmp_path / "environment"
    child = tmp_path / "schema_child.py"
    child.write_text(f"import os; open({str(seen)!r}, 'w').write(repr(os.environ)); print('[{{}}]')", encoding="utf-8")
    monkeypatch.setattr(schemas, "__file__", str(tmp_path / "schemas.py"))
    assert told('"a secret"', {"type": "string"}) is None
    assert "sk-secret" not in seen.read_text(encoding="utf-8")


def test_a_schema_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"^The schema: 100 kB; the limit is 100 kB\.$"):
        check_size({"description": "x" * MAX_SCHEMA}, "The schema")


def test_an_answer_that_is_too_long_is_not_checked() -> None:
    said = told(f'"{"x" * MAX_ANSWER}"', {})
    assert said == "The answer cannot be checked. It is longer than 1,000,000 characters."
