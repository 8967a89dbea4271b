"""Tools of a conversation: their definitions, checked as typed, and the safe ones that answer by themselves."""

from __future__ import annotations

import ast
import datetime as dt
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from simpleeval import InvalidExpression, SimpleEval

from router.errors import InvalidRequest
from router.messages import SET_BY_CALL, Frozen, ToolCall

Reply = Literal["by hand", "mock", "built-in"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every provider takes as the name of a function."""

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}

MAX_EXPRESSION = 200
"""Characters of what the calculator works out."""

MAX_BITS = 10_000
"""Largest whole number of the calculator, 3,010 digits; Python writes no more than 4,300."""


class Tool(Frozen, frozen=True, kw_only=True):
    """A function that a model may call.

    Attributes:
        parameters: JSON schema of its arguments.
        reply: who answers a call: people by hand, the `mock`, or the code of this file.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = msgspec.field(default_factory=lambda: dict(_NO_PARAMETERS))
    reply: Reply = "by hand"
    mock: str = ""

    def shape(self) -> Mapping[str, Any]:
        """The tool as chat completions want it."""
        described = {"description": self.description} if self.description else {}
        return {"type": "function", "function": {"name": self.name, **described, "parameters": self.parameters}}


def read_tools(text: str) -> tuple[Tool, ...]:
    """Tools from JSON: a list of chat completions tools, or of bare functions, or one of them.

    Raises:
        InvalidRequest: one sentence that names the tool and the mend.
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
            raise InvalidRequest(f"Tool {number} is no object with a `name` and `parameters`.")
        name, parameters = function.get("name"), function.get("parameters", _NO_PARAMETERS)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidRequest(f"Tool {number} needs a `name` of letters, digits, `_` and `-`, at most 64.")
        check_schema(parameters, f"The parameters of `{name}`")
        if parameters.get("type") != "object":
            raise InvalidRequest(f'The parameters of `{name}` must have `"type": "object"`.')
        yield Tool(name=name, description=str(function.get("description") or ""), parameters=parameters)


def read_schema(text: str) -> Mapping[str, Any] | None:
    """A JSON schema for answers; None where there is no text.

    Raises:
        InvalidRequest: it is none, in one sentence.
    """
    if not text.strip():
        return None
    schema = _json(text, "The schema")
    check_schema(schema, "The schema")
    return dict(schema)


def read_params(text: str, *, own_controls: bool = True) -> Mapping[str, Any]:
    """Other fields of a request's body from a JSON object.

    Args:
        own_controls: some fields have a control of their own beside this text, and are refused in it.

    Raises:
        InvalidRequest: it is none, in one sentence.
    """
    given = _json(text, "The fields") if text.strip() else {}
    if not isinstance(given, dict):
        raise InvalidRequest('The fields must be a JSON object, such as {"top_p": 0.9}.')
    if taken := sorted(given.keys() & (_OWN_CONTROLS if own_controls else SET_BY_CALL)):
        raise InvalidRequest(f"`{taken[0]}` has a place of its own; leave it out here.")
    return given


_OWN_CONTROLS = SET_BY_CALL | {"tools", "response_format", "temperature", "max_tokens"}


def check_schema(schema: Any, what: str) -> None:
    """See that something is a JSON schema.

    Raises:
        InvalidRequest: it is none.
    """
    if not isinstance(schema, Mapping):
        raise InvalidRequest(f"{what} must be a JSON object.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        at = "/".join(str(step) for step in error.absolute_path)
        raise InvalidRequest(f"{what}: no JSON schema{f' at `{at}`' if at else ''}: {error.message[:200]}.") from None
    except RecursionError:
        raise InvalidRequest(f"{what}: nested too deeply. Make it flatter.") from None


def misfit(answer: str, schema: Mapping[str, Any]) -> str | None:
    """Why an answer does not fit a schema, in one sentence; None where it does."""
    try:
        value = msgspec.json.decode(answer)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        return f"The answer is no JSON: {error}."
    try:
        # A registry of its own: the usual one would fetch what a `$ref` names, from the network or this machine's disk.
        found = next(Draft202012Validator(schema, registry=Registry()).iter_errors(value), None)
    except Exception as error:  # noqa: BLE001  # a schema that refers to nothing, or to itself, fails in many ways
        return f"The answer cannot be checked, as the schema leads nowhere: {type(error).__name__}."
    if found is None:
        return None
    at = "/".join(str(step) for step in found.absolute_path)
    return f"The answer does not fit the schema{f' at `{at}`' if at else ''}: {found.message[:200]}."


def _json(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        where = re.search(r"\(byte (\d+)\)", str(error))
        line = text.encode(errors="replace")[: int(where[1])].count(b"\n") + 1 if where else None
        raise InvalidRequest(
            f"{what}: no JSON{f' in line {line}' if line else ''}: {str(error).partition(' (byte')[0]}."
        ) from None


# --- Tools that answer by themselves ---------------------------------------------------------------

CLOCK = Tool(
    name="clock",
    description="The date and time now, in a time zone.",
    parameters={
        "type": "object",
        "properties": {"zone": {"type": "string", "description": "IANA name, such as Europe/Rome; default UTC"}},
    },
    reply="built-in",
)
CALCULATOR = Tool(
    name="calculator",
    description="Works out an arithmetic expression.",
    parameters={
        "type": "object",
        "properties": {"expression": {"type": "string", "description": "such as (3 + 4) * 2 ** 5"}},
        "required": ["expression"],
    },
    reply="built-in",
)
BUILT_IN: Mapping[str, Tool] = {tool.name: tool for tool in (CLOCK, CALCULATOR)}


def reply_to(call: ToolCall, tools: Sequence[Tool]) -> str:
    """What answers a call by itself: the tool's mock or its code; nothing where people answer by hand."""
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
        return "The arguments are no JSON object."
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
        return "This is no arithmetic expression."
    except (InvalidExpression, ArithmeticError, ValueError, TypeError) as error:
        return f"This cannot be worked out: {str(error).rstrip('.')}."


# --- The calculator: numbers alone, and none that takes long ---------------------------------------


def _number(node: ast.Constant) -> int | float:
    if not isinstance(node.value, int | float):
        raise InvalidExpression(f"{node.value!r} is no number")
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
