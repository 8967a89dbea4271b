"""A conversation's tools: definitions, validated as typed, and the safe built-in tools."""

from __future__ import annotations

import ast
import datetime as dt
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from simpleeval import InvalidExpression, SimpleEval

from router.core.conversations import SAMPLING
from router.core.errors import InvalidRequest
from router.core.messages import ToolCall
from router.core.requests import SET_BY_CALL
from router.core.tools import NO_PARAMETERS, Tool
from router.engine.schemas import check_schema

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Function names that every provider accepts."""


MAX_EXPRESSION = 200
"""The longest expression of the calculator, in characters."""

MAX_BITS = 10_000
"""Largest whole number of the calculator, 3,010 digits; Python writes no more than 4,300."""


def read_tools(text: str) -> tuple[Tool, ...]:
    """Tools from JSON: a list of chat completions tools, or of bare functions, or one of them.

    Raises:
        InvalidRequest: one sentence that names the tool and the fix.
    """
    if not text.strip():
        return ()
    given = _json(text, "The tools")
    tools = tuple(_tools(given if isinstance(given, list) else [given]))
    names = [tool.name for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidRequest(f"There are two tools called `{twice}`. Rename one.")
    return tools


def _tools(given: Sequence[object]) -> Iterator[Tool]:
    for number, tool in enumerate(given, 1):
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping):
            raise InvalidRequest(f"Tool {number} must be an object with a `name` and `parameters`.")
        name, parameters = function.get("name"), function.get("parameters", NO_PARAMETERS)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidRequest(f"Tool {number} needs a `name` of letters, digits, `_` and `-`, at most 64.")
        check_schema(parameters, f"The parameters of `{name}`")
        if parameters.get("type") != "object":
            raise InvalidRequest(f'The parameters of `{name}` must have `"type": "object"`.')
        yield Tool(name=name, description=str(function.get("description") or ""), parameters=parameters)


def read_schema(text: str) -> Mapping[str, Any] | None:
    """A JSON schema for answers; None if the text is empty.

    Raises:
        InvalidRequest: it is invalid, in one sentence.
    """
    if not text.strip():
        return None
    schema = _json(text, "The schema")
    check_schema(schema, "The schema")
    return dict(schema)


def read_params(text: str, *, own_controls: bool = True) -> Mapping[str, Any]:
    """Other fields of a request's body from a JSON object.

    Args:
        own_controls: whether fields with their own control on the page are refused here.

    Raises:
        InvalidRequest: it is invalid, in one sentence.
    """
    given = _json(text, "The fields") if text.strip() else {}
    if not isinstance(given, dict):
        raise InvalidRequest('The fields must be a JSON object, such as {"frequency_penalty": 0.5}.')
    if taken := sorted(given.keys() & (_OWN_CONTROLS if own_controls else SET_BY_CALL)):
        raise InvalidRequest(f"`{taken[0]}` has its own setting; remove it here.")
    return given


_OWN_CONTROLS = SET_BY_CALL | {"tools", "response_format", "temperature", "max_tokens", *SAMPLING}


def _json(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        where = re.search(r"\(byte (\d+)\)", str(error))
        line = text.encode(errors="replace")[: int(where[1])].count(b"\n") + 1 if where else None
        raise InvalidRequest(
            f"{what}: not valid JSON{f' on line {line}' if line else ''}: {str(error).partition(' (byte')[0]}."
        ) from None


# --- Built-in tools --------------------------------------------------------------------------------

CLOCK = Tool(
    name="clock",
    description="The current date and time in a time zone.",
    parameters={
        "type": "object",
        "properties": {"zone": {"type": "string", "description": "IANA name, such as Europe/Rome; default UTC"}},
    },
    reply="built-in",
)
CALCULATOR = Tool(
    name="calculator",
    description="Evaluates an arithmetic expression.",
    parameters={
        "type": "object",
        "properties": {"expression": {"type": "string", "description": "such as (3 + 4) * 2 ** 5"}},
        "required": ["expression"],
    },
    reply="built-in",
)
BUILT_IN: Mapping[str, Tool] = {tool.name: tool for tool in (CLOCK, CALCULATOR)}


def reply_to(call: ToolCall, tools: Sequence[Tool]) -> str:
    """The automatic result of a call: the tool's mock or its code; empty if people answer by hand."""
    tool = next((tool for tool in tools if tool.name == call.name), None)
    if tool is None or tool.reply == "by hand":
        return ""
    if tool.reply == "mock":
        return tool.mock
    try:
        arguments = msgspec.json.decode(call.arguments or "{}")
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        arguments = None
    if not isinstance(arguments, dict):
        return "The arguments are not a JSON object."
    return _time(arguments) if tool.name == CLOCK.name else _worked_out(str(arguments.get("expression") or ""))


def _time(arguments: Mapping[str, Any]) -> str:
    zone = str(arguments.get("zone") or "UTC")
    try:
        return dt.datetime.now(ZoneInfo(zone)).isoformat(timespec="seconds")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"There is no time zone {zone[:100]!r}."


def _worked_out(expression: str) -> str:
    if len(expression) > MAX_EXPRESSION:
        return f"The expression is longer than {MAX_EXPRESSION} characters."
    try:
        parsed = ast.parse(expression.strip(), mode="eval").body
        evaluator = SimpleEval(operators=_OPERATORS, functions={}, names={})
        evaluator.nodes = {kind: work for kind, work in evaluator.nodes.items() if kind in _NODES}
        evaluator.nodes[ast.Constant] = _number
        return str(evaluator.eval(expression, parsed))
    except (SyntaxError, MemoryError, RecursionError):
        return "This is not an arithmetic expression."
    except (InvalidExpression, ArithmeticError, ValueError, TypeError) as error:
        return f"This cannot be evaluated: {str(error).rstrip('.')}."


# --- The calculator: numbers alone, and none that takes long ---------------------------------------


def _number(node: ast.Constant) -> int | float:
    if not isinstance(node.value, int | float):
        raise InvalidExpression(f"{node.value!r} is not a number")
    return node.value


def _bounded(work: Callable[[Any, Any], Any], bits: Callable[[int, int], float]) -> Callable[[Any, Any], Any]:
    """An operator that refuses what would make a whole number of more than MAX_BITS."""

    def checked(left: Any, right: Any) -> Any:
        if isinstance(left, int) and isinstance(right, int) and bits(left, right) > MAX_BITS:
            raise InvalidExpression("the number is too large")
        return work(left, right)

    return checked


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _bounded(operator.mul, lambda left, right: left.bit_length() + right.bit_length()),
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _bounded(operator.pow, lambda left, right: math.log2(abs(left)) * right if left else 0),
    ast.LShift: _bounded(operator.lshift, lambda left, right: left.bit_length() + right),
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_NODES = (ast.UnaryOp, ast.BinOp, ast.Compare, ast.Call, ast.Name)
"""What is told apart; a call and a name only to say that there is none."""
