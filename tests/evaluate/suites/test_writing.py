"""Suites as YAML: what is written loads back equal, and people can read it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings

from router.core.errors import ConfigError
from router.core.requests import Request
from router.core.suites import Case, Check, Suite
from router.evaluate.suites import load_suite, parse_suite, save_suite, suite_text
from tests.evaluate.generated import suites, texts, without_places
from tests.evaluate.known import GRADERS

FILE = Path("suite.yaml")


def suite(*cases: Case) -> Suite:
    return Suite(name="mine", cases=cases)


def asking(text: str, **fields: object) -> Case:
    return msgspec.structs.replace(
        Case(id=text[:5], request=Request(messages=({"role": "user", "content": text},))),
        **fields,
    )


@given(written=suites)
@settings(max_examples=40)
def test_a_suite_that_is_written_loads_back_equal(written: Suite) -> None:
    assert without_places(parse_suite(suite_text(written), FILE, GRADERS)) == written


@given(text=texts)
@settings(max_examples=200)
def test_any_text_stays_the_same(text: str) -> None:
    read = parse_suite(suite_text(suite(asking("x", target=(text,)))), FILE, GRADERS)
    assert read.cases[0].target == (text,)


@given(text=texts)
@settings(max_examples=100)
def test_other_readers_of_yaml_see_the_same_text(text: str) -> None:
    assert yaml.safe_load(suite_text(suite(asking("x", target=(text,)))))["cases"][0]["target"] == text


def test_a_text_of_several_lines_is_written_as_such() -> None:
    assert '  prompt: |-\n    def f():\n        return "a"\n' in suite_text(suite(asking('def f():\n    return "a"')))


def test_a_long_line_is_not_folded() -> None:
    assert f"  prompt: {'word ' * 100}word\n" in suite_text(suite(asking("word " * 100 + "word")))


def test_nothing_is_written_as_an_alias() -> None:
    shared = {"a": ["x"]}
    assert "&" not in suite_text(suite(asking("x", metadata=shared), asking("y", metadata=shared)))


def test_what_all_cases_share_is_written_once() -> None:
    checks = (Check(type="number"), Check(type="contains", value="x", negated=True))
    text = suite_text(suite(*(asking(name, checks=checks, category="reasoning", target=(name,)) for name in "xy")))
    assert text == (
        "name: mine\ncategory: reasoning\nchecks:\n- number\n- not-contains: x\n"
        "cases:\n- id: x\n  prompt: x\n  target: x\n- id: y\n  prompt: y\n  target: y\n"
    )


def test_a_value_that_is_a_mapping_stays_the_value() -> None:
    written = suite(asking("x", checks=(Check(type="is-json", value={"weight": 3}),)))
    assert without_places(parse_suite(suite_text(written), FILE, GRADERS)) == written


def test_what_only_some_cases_have_stays_with_them() -> None:
    written = suite(asking("x", category="a", threshold=0.5), asking("y"))
    assert without_places(parse_suite(suite_text(written), FILE, GRADERS)) == written


def test_a_blank_prompt_below_a_system_prompt_stays_a_message() -> None:
    messages = ({"role": "system", "content": "Write a haiku."}, {"role": "user", "content": " "})
    written = suite(Case(id="x", request=Request(messages=messages)))
    assert without_places(parse_suite(suite_text(written), FILE, GRADERS)) == written


def test_a_saved_suite_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    save_suite(suite(asking("x")), path)
    assert without_places(load_suite(path, GRADERS)) == suite(asking("x"))


def test_a_suite_without_cases_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml is not written: the suite has no case"):
        save_suite(suite(), tmp_path / "mine.yaml")
    assert not list(tmp_path.iterdir())


def test_a_suite_that_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="would be 21 MB; the limit of a suite is 20 MB"):
        save_suite(suite(*(asking(f"{number} {'x' * 3_000_000}") for number in range(7))), tmp_path / "mine.yaml")
    assert not list(tmp_path.iterdir())


def test_a_suite_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml cannot be written: No such file"):
        save_suite(suite(asking("x")), tmp_path / "gone" / "mine.yaml")
