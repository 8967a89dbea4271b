"""Tools of a conversation: definitions as typed, answers against a schema, and the tools that answer by themselves."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.chat.tools import (
    CALCULATOR,
    CLOCK,
    MAX_EXPRESSION,
    read_tools,
    reply_to,
)
from router.core.errors import InvalidRequest
from router.core.messages import ToolCall
from router.core.tools import Tool

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"name": "weather", "description": "Today's.", "parameters": PARAMETERS}
DEEP = "[" * 100_000


def refused(text: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_tools(text)
    return str(caught.value)


def call(name: str, arguments: str) -> ToolCall:
    return ToolCall(id="1", name=name, arguments=arguments)


def calculated(expression: str) -> str:
    return reply_to(call("calculator", json.dumps({"expression": expression})), [CALCULATOR])


# --- Definitions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [WEATHER, [WEATHER], {"type": "function", "function": WEATHER}, [{"type": "function", "function": WEATHER}]],
    ids=["a function", "a list of functions", "a tool", "a list of tools"],
)
def test_tools_are_read_in_every_shape_that_people_paste(given: Any) -> None:
    assert read_tools(json.dumps(given)) == (Tool(name="weather", description="Today's.", parameters=PARAMETERS),)


def test_a_tool_goes_out_as_it_came() -> None:
    shape = {"type": "function", "function": WEATHER}
    assert read_tools(json.dumps(shape))[0].shape() == shape


def test_a_tool_without_a_description_goes_out_without_one() -> None:
    assert read_tools('{"name": "now"}')[0].shape()["function"] == {
        "name": "now",
        "parameters": {"type": "object", "properties": {}},
    }


@pytest.mark.parametrize("text", ["", " \n", "[]"])
def test_no_text_is_no_tools(text: str) -> None:
    assert read_tools(text) == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "The tools: not valid JSON: Input data was truncated."),
        ("[\n{},\n{x}]", "The tools: not valid JSON on line 3: "),
        ("\ud800", "The tools: not valid JSON: "),
        (DEEP, "The tools: not valid JSON: "),
        ("7", "Tool 1 must be an object with a `name` and `parameters`."),
        ('[{"name": "a"}, null]', "Tool 2 must be an object with a `name` and `parameters`."),
        ('{"function": "a"}', "Tool 1 must be an object with a `name` and `parameters`."),
        ("{}", "Tool 1 needs a `name` of letters, digits, `_` and `-`, at most 64."),
        ('{"name": 7}', "Tool 1 needs a `name` of "),
        ('{"name": "two words"}', "Tool 1 needs a `name` of "),
        ('{"name": "wetter\\n"}', "Tool 1 needs a `name` of "),
        (f'{{"name": "{"a" * 65}"}}', "Tool 1 needs a `name` of "),
        ('[{"name": "a"}, {"name": "a"}]', "There are two tools called `a`. Rename one."),
        ('{"name": "a", "parameters": null}', "The parameters of `a` must be a JSON object."),
        ('{"name": "a", "parameters": []}', "The parameters of `a` must be a JSON object."),
        ('{"name": "a", "parameters": {}}', 'The parameters of `a` must have `"type": "object"`.'),
        ('{"name": "a", "parameters": {"type": "obj"}}', "The parameters of `a`: no usable JSON schema at `type`: "),
        (
            '{"name": "a", "parameters": {"type": "object", "properties": {"b": {"minimum": "1"}}}}',
            'The parameters of `a`: no usable JSON schema at `properties/b/minimum`: "1" is not of type "number".',
        ),
    ],
)
def test_what_is_no_tool_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    said = refused(text)
    assert said.startswith(sentence)
    assert said.endswith(".")


WORDS = st.sampled_from(["name", "function", "parameters", "type", "description", "properties", "object"])
DEFINITIONS = st.recursive(st.none() | st.integers() | WORDS, lambda v: st.lists(v) | st.dictionaries(WORDS, v))


@settings(deadline=None)  # a schema is checked by a process of its own
@given(st.text() | DEFINITIONS.map(json.dumps))
def test_whatever_is_typed_is_tools_or_refused(text: str) -> None:
    try:
        tools = read_tools(text)
    except InvalidRequest as error:
        assert str(error)
    else:
        assert read_tools(json.dumps([tool.shape() for tool in tools])) == tools


# --- Built-in tools ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "reply"),
    [(Tool(name="a"), ""), (Tool(name="a", mock="x"), ""), (Tool(name="a", reply="mock", mock="sunny"), "sunny")],
)
def test_a_call_is_answered_as_its_tool_says(tool: Tool, reply: str) -> None:
    assert reply_to(call("a", "{}"), [tool]) == reply


def test_a_call_of_no_known_tool_is_answered_by_hand() -> None:
    assert reply_to(call("b", "{}"), [CLOCK]) == ""


@pytest.mark.parametrize("tool", [CLOCK, CALCULATOR], ids=lambda tool: tool.name)
@pytest.mark.parametrize("arguments", ["{", "[]", "null", "7", '"a"', DEEP, "\ud800"])
def test_arguments_that_are_no_object_are_told_to_the_model(tool: Tool, arguments: str) -> None:
    assert reply_to(call(tool.name, arguments), [tool]) == "The arguments are not a JSON object."


@pytest.mark.parametrize("arguments", ["", "{}", '{"zone": null}', '{"zone": "UTC"}'])
def test_the_clock_says_the_time_in_utc(arguments: str) -> None:
    said = dt.datetime.fromisoformat(reply_to(call("clock", arguments), [CLOCK]))
    assert abs((said - dt.datetime.now(dt.UTC)).total_seconds()) < 5


def test_the_clock_says_the_time_elsewhere() -> None:
    said = dt.datetime.fromisoformat(reply_to(call("clock", '{"zone": "Asia/Kolkata"}'), [CLOCK]))
    assert said.utcoffset() == dt.timedelta(hours=5, minutes=30)


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b", "x" * 10_000, 7, {}, ["UTC"], "."]
)
def test_no_time_zone_is_said_in_a_sentence(zone: Any) -> None:
    said = reply_to(call("clock", json.dumps({"zone": zone})), [CLOCK])
    assert said.startswith("There is no time zone ") or (zone == {} and said.endswith("+00:00"))
    assert len(said) < 200


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("(3 + 4) * 2 ** 5", "224"),
        ("7 / 2", "3.5"),
        ("7 // 2", "3"),
        ("-7 % 3", "2"),
        ("~0 & 6 | 1 ^ 1", "6"),
        ("1 << 10 >> 2", "256"),
        (" 1\n", "1"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1 < 2 <= 2", "True"),
        ("2 ** -1", "0.5"),
        ("2 ** 0.5", "1.4142135623730951"),
        ("(-1) ** 10001", "-1"),
        ("10 ** 100", "1" + "0" * 100),
    ],
)
def test_the_calculator_calculates(expression: str, result: str) -> None:
    assert calculated(expression) == result


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("9**9**9**9", "This cannot be evaluated: the number is too large."),
        ("9**3999999", "This cannot be evaluated: the number is too large."),
        ("(-9)**3999999", "This cannot be evaluated: the number is too large."),
        ("10**3000 * 10**3000", "This cannot be evaluated: the number is too large."),
        ("1 << 10**12", "This cannot be evaluated: the number is too large."),
        ("1 << -1", "This cannot be evaluated: negative shift count."),
        ("1 / 0", "This cannot be evaluated: division by zero."),
        ("9.0 ** 9999", "This cannot be evaluated: (34, 'Numerical result out of range')."),
        ("10**3000 / 3", "This cannot be evaluated: integer division result too large for a float."),
        ("'a' * 10", "This cannot be evaluated: 'a' is not a number."),
        ("'%999999999d' % 1", "This cannot be evaluated: '%999999999d' is not a number."),
        ("None", "This cannot be evaluated: None is not a number."),
        ("1j", "This cannot be evaluated: 1j is not a number."),
        ("'a'.zfill(9**9)", "This cannot be evaluated: Sorry, Attribute is not available in this evaluator."),
        ("(1).__class__", "This cannot be evaluated: Sorry, Attribute is not available in this evaluator."),
        ("f'{1:999999999}'", "This cannot be evaluated: Sorry, JoinedStr is not available in this evaluator."),
        ("'abc'[9]", "This cannot be evaluated: Sorry, Subscript is not available in this evaluator."),
        ("[1] * 9", "This cannot be evaluated: Sorry, List is not available in this evaluator."),
        ("(lambda: 1)()", "This cannot be evaluated: Lambda Functions not implemented."),
        ("[i for i in (1,)]", "This cannot be evaluated: Sorry, ListComp is not available in this evaluator."),
        ("sqrt(2)", "This cannot be evaluated: Function 'sqrt' not defined, for expression 'sqrt(2)'."),
        ("__import__('os')", "This cannot be evaluated: Function '__import__' not defined, for expression "),
        ("x", "This cannot be evaluated: 'x' is not defined for expression 'x'."),
        ("", "This is not an arithmetic expression."),
        ("1 +", "This is not an arithmetic expression."),
        ("1; 2", "This is not an arithmetic expression."),
        ("a = 1", "This is not an arithmetic expression."),
        ("import os", "This is not an arithmetic expression."),
        ("1\0", "This is not an arithmetic expression."),
        ("(" * 100 + "1" + ")" * 99, "This is not an arithmetic expression."),
        ("9" * (MAX_EXPRESSION + 1), "The expression is longer than 200 characters."),
        ("1" * 10_000_000, "The expression is longer than 200 characters."),
    ],
    ids=lambda value: value[:30],
)
def test_hostile_expressions_end_in_a_sentence(expression: str, sentence: str) -> None:
    said = calculated(expression)
    assert said.startswith(sentence)
    assert said.endswith(".")


@pytest.mark.parametrize(
    "expression",
    [
        "~" * 199 + "1",
        "-" * 199 + "1",
        "(" * 99 + "1" + ")" * 99,
        "2**9999+" * 20 + "1",
        "1" + "//7" * 60,
        "(2**9000)**-(2**9000)",
        "(2**9000)%(2**4500)*" * 9 + "1",
        "1<" * 99 + "1",
        "(-8)**(1/3)",
    ],
    ids=lambda value: value[:20],
)
def test_nothing_keeps_the_calculator_busy(expression: str) -> None:
    began = time.process_time()
    assert calculated(expression)
    assert time.process_time() - began < 0.5


@given(st.text(alphabet="0123456789+-*/%()<>=~&|^. e'[]xj\n", max_size=40))
def test_whatever_is_calculated_ends_in_words(expression: str) -> None:
    assert calculated(expression)


def test_an_expression_that_is_no_text_is_told_to_the_model() -> None:
    assert reply_to(call("calculator", '{"expression": 7}'), [CALCULATOR]) == "7"
