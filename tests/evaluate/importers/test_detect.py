"""Which format a file is taken for."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from router.core.errors import ConfigError
from router.core.suites import Case, Check
from router.evaluate.importers import Imported, read_suite
from tests.evaluate.importers.test_benchmarks import COMMAS, DUCKS, FIND_ZERO
from tests.evaluate.importers.test_bfcl import ANSWER, QUESTION
from tests.evaluate.known import GRADERS

OWN = "name: mine\ncases:\n  - prompt: x\n    checks: [equals]\n    target: a\n"


def read(tmp_path: Path, content: Any, name: str, **more: Any) -> Imported:
    path = tmp_path / name
    path.write_bytes(
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    return read_suite(path, GRADERS, **more)


def table() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"question": ["x"], "answer": ["y"]}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "form"),
    [
        (OWN, "a.yaml", "a suite of Fallback Lab"),
        ({"cases": [{"prompt": "x"}]}, "a.yaml", "a suite of Fallback Lab"),
        ({"cases": [{"prompt": "x"}]}, "a.json", "a suite of Fallback Lab"),
        ("prompts: ['{{x}}']\ntests: [{vars: {x: a}}]\n", "a.yaml", "a promptfoo configuration"),
        ({"prompts": ["{{x}}"], "tests": [{"vars": {"x": "a"}}]}, "a.json", "a promptfoo configuration"),
        ("- vars: {prompt: a}\n", "a.yml", "promptfoo tests"),
        ([{"vars": {"prompt": "a"}}], "a.json", "promptfoo tests"),
        ({"vars": {"prompt": "a"}}, "a.jsonl", "promptfoo tests"),
        ("prompt,__expected\na,b\n", "a.csv", "promptfoo tests"),
        ({"input": "x", "target": "y"}, "a.jsonl", "Inspect samples, graded by `includes`"),
        ([{"input": "x", "target": "y"}], "a.json", "Inspect samples, graded by `includes`"),
        ("input,target\nx,y\n", "a.csv", "Inspect samples, graded by `includes`"),
        ({"input": "x", "ideal": "y"}, "a.jsonl", "samples of OpenAI evals, graded by `match`"),
        ({**QUESTION, **ANSWER}, "a.json", "BFCL questions"),
        (FIND_ZERO, "a.jsonl", "HumanEval tasks"),
        (DUCKS, "a.jsonl", "GSM8K problems"),
        (COMMAS, "a.jsonl", "IFEval prompts"),
        ({"question": "x", "answer": "y"}, "a.jsonl", "a table graded by `includes`"),
        ("question,answer\nx,y\n", "a.csv", "a table graded by `includes`"),
        (table(), "a.parquet", "a table graded by `includes`"),
        (table(), "a", "a table graded by `includes`"),
    ],
    ids=lambda value: str(value)[:25],
)
def test_a_file_is_taken_for_what_it_is(tmp_path: Path, content: Any, name: str, form: str) -> None:
    found = read(tmp_path, content, name)
    assert (found.format, len(found.suite.cases)) == (form, 1)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("", "a.yaml", "is empty"),
        ("  \n", "a.json", "is empty"),
        ("a: 1\n", "a.yaml", "has neither `cases` nor promptfoo's `prompts` and `tests`"),
        ("prose", "a.txt", "it is not JSON"),
        ("5", "a.yaml", "it must be a mapping or a list"),
        ({"a": 1}, "a.jsonl", "say which column is the prompt, or write a template. Known: `a`"),
        ("cases: [{prompt: x, checks: [equal]}]", "a.yaml", "`equal` is not a grader"),
        (b"\xff", "a.jsonl", "is not UTF-8"),
        (b"\x00" * 100, "a.yaml", "control character"),
        ("[]", "a.json", "has no record that can be read"),
    ],
)
def test_a_file_that_is_nothing_known_is_refused_in_one_sentence(
    tmp_path: Path, content: Any, name: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content, name)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml does not exist"):
        read_suite(tmp_path / "gone.yaml", GRADERS)


def test_columns_make_a_table_of_anything(tmp_path: Path) -> None:
    columns = {"prompt": "answer", "target": "question"}
    found = read(tmp_path, DUCKS, "a.jsonl", columns=columns, check="match")
    assert found.format == "a table graded by `match`"


def test_a_template_asks_promptfoos_tests(tmp_path: Path) -> None:
    found = read(tmp_path, "x,__expected\na,b\n", "a.csv", template="Say {{x}}.")
    assert found.suite.cases[0].request.messages == ({"role": "user", "content": "Say a."},)


def test_a_case_whose_check_its_grader_cannot_use_is_named(tmp_path: Path) -> None:
    def problem(check: Check, _: Case) -> str | None:
        return "`regex` has no expression that can be read." if check.value == "[" else None

    content = "x,__expected\na,regex:[\nb,regex:b\n"
    found = read(tmp_path, content, "a.csv", template="{{x}}", problem=problem)
    [left] = found.left
    assert len(found.suite.cases) == 1
    assert left.place == f"{tmp_path}/a.csv:2"
    assert left.what == "It cannot be graded: `regex` has no expression that can be read."
