"""YAML 1.2 with the lines of its values; what models.yaml is read by has its tests in tests/config/test_source.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from router.core.errors import ConfigError
from router.core.strict_yaml import Expected, Lines, parse

EXPECTED = Expected(
    max_bytes=100_000,
    max_values=1_000,
    refused=re.compile("\0"),
    if_empty="Write something.",
    if_too_large="Write less.",
    if_no_mapping="it must be a mapping.",
    core=True,
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcd", "bcde", strict=True)
)


def read(text: str, expected: Expected = EXPECTED) -> Any:
    return parse(text, Path("a.yaml"), expected).data


def lines(text: str) -> Lines:
    return parse(text, Path("a.yaml"), EXPECTED).lines


@pytest.mark.parametrize(
    "word", ["12:30", "1_000", "0x1f", "0o17", "yes", "on", "2026-01-01", "=", "1.5.2", "e5", "1e", "TRUe"]
)
def test_what_only_yaml_1_1_takes_for_something_else_is_text(word: str) -> None:
    assert read(f"a: {word}\n") == {"a": word}


@pytest.mark.parametrize(
    ("text", "value"),
    [("017", 17), ("-3", -3), ("+4", 4), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("True", True), ("~", None)],
)
def test_numbers_truth_values_and_nothing_are_read(text: str, value: object) -> None:
    assert read(f"a: {text}\n") == {"a": value}


def test_mappings_can_be_merged() -> None:
    assert read("a: &x {k: 1}\nb: {<<: *x, j: 2}\n")["b"] == {"k": 1, "j": 2}


def test_json_is_yaml() -> None:
    assert read('{"a": ["\\u00fc", 1.5e3, null]}') == {"a": ["ü", 1500.0, None]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a.yaml is empty. Write something."),
        ("- a\n", "a.yaml, line 1: it must be a mapping."),
        ("a: 1\nb: 2\na: 3\n", "a.yaml, line 3: `a` is defined twice (first on line 1). Remove one."),
        (BOMB, "with its aliases expanded, the file has more than 1,000 values"),
        ("a: [" + "x," * 1_000 + "x]", "a.yaml, line 1: not valid YAML: it has more than 1,000 values."),
        ("a: &a [*a]\n", "or is nested more than 50 deep"),
        ("a:\n- " + "[" * 5_000, "a.yaml, line 2: not valid YAML"),
        ("\n".join(" " * n + "a:" for n in range(400)), "nested too deeply"),
        ("a: 1\nb: \0\n", "a.yaml, line 2: not valid YAML: it contains the control character U+0000; remove it."),
        ("a: 1\nb: \ud800\n", "a.yaml, line 2: not valid YAML: it contains the control character U+D800; remove it."),
        ('a: 1\nb: "\\0"\n', "a.yaml, line 2: the text contains U+0000"),
        ("? [x]\n: 1\n", "a.yaml, line 1: a key must be a plain word."),
        ("a: !!python/object/apply:os.system [x]\n", "could not determine a constructor"),
        ("a: !!int x\n", "a.yaml, line 1: not valid YAML: the value is not a valid `!!int`."),
        ("a: " + "9" * 101, "a number has at most 100 characters"),
        ("a: " + "9" * 30, "a whole number is at most 9223372036854775807"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("a: [1\nb: 2\n", "a.yaml, line 2: not valid YAML"),
        ("a: " + "x" * 100_000, "a.yaml is 100.0 kB; the limit is 100 kB. Write less."),
    ],
    ids=lambda value: value[:20],
)
def test_what_cannot_be_used_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_is_read_where_it_is_expected() -> None:
    assert read("- 1\n- 2\n", EXPECTED._replace(a_list=True)) == [1, 2]


def test_a_byte_order_mark_is_no_text() -> None:
    assert read("\ufeffa: 1\n") == {"a": 1}


@pytest.mark.parametrize(
    ("at", "line"),
    [((), 1), (("a",), 1), (("a", 0), 2), (("a", 1, "x"), 4), (("a", 1, "y"), 3), (("a", 7), 1), (("b", "c"), 5)],
)
def test_a_value_has_a_line_and_what_does_not_exist_its_parents(at: tuple[str | int, ...], line: int) -> None:
    assert lines("a:\n  - 1\n  - z: 2\n    x: 3\nb: {d: 1}\n").of(at) == line


def test_only_what_exists_is_among_the_lines() -> None:
    found = lines("a:\n  - 1\n")
    assert [at in found for at in ((), ("a", 0), ("a", 1), ("b",))] == [True, True, False, False]
