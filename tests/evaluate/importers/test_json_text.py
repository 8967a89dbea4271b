"""JSON that is read strictly, with the lines of its values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.evaluate.importers.json_text import JsonLines, decode

TEXT = """
{"name": "x",
 "tests": [
   {"a": 1},
   {"a": [2,
          3]}],
 "}{": {}
}
"""


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=30)
def test_what_python_writes_is_read(value: object) -> None:
    assert decode(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is not JSON"),
        ("{} {}", "it is not JSON: extra data"),
        ('{"a": 1, "a": 2}', "it has the name `a` twice in one object"),
        ("NaN", "it has a number that is not finite"),
        ("[-Infinity]", "it has a number that is not finite"),
        ("1e999", "it has a number that is not finite"),
        ("9" * 5_000, "it has a number of more than 100 digits"),
        ("[" * 100_000, "it is nested too deeply"),
        (" " * 20_000_001, "it is longer than 20 million characters; save it as JSON lines"),
        ('{"a": "\0"}', "it is not JSON: invalid control character"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_refused_is_one_clause(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode(text)


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ((), 2),
        (("name",), 2),
        (("tests",), 3),
        (("tests", 0), 4),
        (("tests", 1), 5),
        (("tests", 1, "a", 1), 6),
        (("tests", 9), 3),
        (("}{",), 7),
        (("gone", 1), 2),
        (("name", 0), 2),
    ],
)
def test_a_value_has_a_line_and_what_does_not_exist_its_parents(at: tuple[str | int, ...], line: int) -> None:
    assert JsonLines(TEXT).of(at) == line
