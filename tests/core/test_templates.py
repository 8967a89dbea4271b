"""Templates of prompts: which variables they have, and what becomes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.errors import InvalidRequest
from router.core.templates import fill, variables


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("{{a}} and {{ b }} and {{a}}", ["a", "b"]),
        ("{{b}}{{a}}", ["b", "a"]),
        ("{{größe}} {{_1}} {{\nx\t}}", ["größe", "_1", "x"]),
        ("{{user-name}} {{a.b}} {{1a}} {{2}}", ["user-name", "a.b", "1a", "2"]),
        ("{a} {{}} {{ }} {{a b}} {{a|safe}} {{-}} {{...}} {{-a}} {{a()}} {% if a %} ${a}", []),
        ("{{{a}}} {{{{b}}}}", ["a", "b"]),
        ("{{a}", []),
        ("{{" * 1000, []),
    ],
)
def test_variables_are_named_once_in_their_order(text: str, names: list[str]) -> None:
    assert variables(text) == names


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hi", "Hi"),
        ("{{a}}-{{ a }}-{{b}}", "1-1-2"),
        ("{{{a}}}", "{1}"),
        ("{a} {{}} {{a b}}", "{a} {{}} {{a b}}"),
        ("Dear {{user-name}}", "Dear Ada"),
    ],
)
def test_variables_are_filled_in(text: str, filled: str) -> None:
    assert fill(text, {"a": "1", "b": "2", "c": "3", "user-name": "Ada"}) == filled


@pytest.mark.parametrize("value", ["{{b}}", r"\1 \g<0>", "<script>", "two\nlines", " spaced "])
def test_a_value_goes_in_as_it_is(value: str) -> None:
    assert fill("[{{a}}]", {"a": value, "b": "no"}) == f"[{value}]"


@pytest.mark.parametrize(
    ("text", "values", "sentence"),
    [
        ("{{a}}", {}, "The template needs a value for {{a}}."),
        ("{{a}}", {"a": " \n"}, "The template needs a value for {{a}}."),
        ("{{a}} {{b}} {{c}}", {"b": "1"}, "The template needs a value for {{a}} and {{c}}."),
    ],
)
def test_a_variable_without_a_value_is_named(text: str, values: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        fill(text, values)
    assert str(caught.value) == sentence


@given(st.text(alphabet="{}ab \n"), st.dictionaries(st.sampled_from("ab"), st.text()))
def test_any_template_is_filled_in_or_refused(text: str, values: dict[str, str]) -> None:
    missing = [name for name in variables(text) if not values.get(name, "").strip()]
    try:
        fill(text, values)
    except InvalidRequest:
        assert missing
    else:
        assert not missing
