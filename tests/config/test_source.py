"""Reading YAML: what is refused, in which words, and what keeps its meaning."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from router.config.source import MAX_BYTES, parse_yaml, read_text
from router.core.errors import ConfigError

# Nine levels of nine: 400 bytes that stand for 387 million values.
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models.yaml"


def read(path: Path, text: str | bytes) -> Any:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return parse_yaml(read_text(path), path).data


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("", "", "is empty"),
        ("# only a comment\n", "", "is empty"),
        ("- a\n- b\n", ", line 1", "must be a mapping"),
        ("\n\nhello\n", ", line 3", "must be a mapping"),
        ("chains:\n  a: [x\n  b: y\n", ", line 3", "not valid YAML"),
        ("chains:\n\ta: [x]\n", ", line 2", "not valid YAML"),
        ("a: 1\nchains: \0\n", ", line 2", r"it contains the control character U\+0000"),
        ("a: 1\n---\nb: 2\n", ", line 2", "found another document"),
        ("a: !!python/object/apply:os.system [x]\n", ", line 1", "could not determine a constructor"),
        ("a: {x: 1}\nb: 2\na: 3\n", ", line 3", r"`a` is defined twice \(first on line 1\)"),
        ("a:\n  x: 1\n  x: 2\n", ", line 3", r"`x` is defined twice \(first on line 2\)"),
        ("? [x, y]\n: 1\n", ", line 1", "a key must be a plain word"),
        (BOMB, r", line \d+", "with its aliases expanded, the file has more than 25,000 values"),
        ("a: &a [*a]\n", ", line 1", "or is nested more than 50 deep"),
        ("a: " + "[" * 5000 + "]" * 5000, ", line 1", "nested too deeply"),
        (b"a: \xff\n", "", r"not UTF-8 text \(byte 3\)"),
        (b"a: " + b"x" * 10_000_000, "", "is 10,000.0 kB; the limit is 250 kB"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str | bytes) else "",
)
def test_what_cannot_be_used_is_refused_with_its_place(path: Path, text: str | bytes, where: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}{where}:? .*{words}"):
        read(path, text)


def test_a_file_of_the_largest_size_is_read(path: Path) -> None:
    assert read(path, b"a: " + b"x" * (MAX_BYTES - 3))["a"].startswith("xxx")


def test_a_missing_file_is_refused_with_what_to_do(path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_text(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "y", "2026-01-01", "12:30:45.5x", "tr", "${OPENAI_API_KEY}"]
)
def test_words_that_yaml_1_1_would_change_stay_text(path: Path, word: str) -> None:
    assert read(path, f"{word}: {word}\n") == {word: word}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("5", 5), ("0.5", 0.5), ("~", None)])
def test_plain_values_keep_their_type(path: Path, text: str, value: object) -> None:
    assert read(path, f"a: {text}\n")["a"] is value or read(path, f"a: {text}\n") == {"a": value}


def test_a_byte_order_mark_is_skipped(path: Path) -> None:
    assert read(path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}


def test_an_alias_in_measure_is_followed(path: Path) -> None:
    assert read(path, "a: &x {k: 1}\nb: *x\n") == {"a": {"k": 1}, "b": {"k": 1}}


def test_every_value_knows_its_line(path: Path) -> None:
    path.write_text("a:\n  b: 1\n  c:\n    - x\n    - y\n")
    lines = parse_yaml(read_text(path), path).lines
    assert [lines.of(at) for at in (("a", "b"), ("a", "c", 0), ("a", "c", 1))] == [2, 4, 5]


def test_every_key_knows_its_line(path: Path) -> None:
    path.write_text("a:\n  b:\n    - x\n")
    lines = parse_yaml(read_text(path), path).lines
    assert [lines.of(at) for at in (("a",), ("a", "b"))] == [1, 2]
