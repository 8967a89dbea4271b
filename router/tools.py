"""Tools of a conversation: their definitions, checked as typed, and the safe ones that answer by themselves."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from simpleeval import InvalidExpression, SimpleEval

from router.errors import InvalidRequest
from router.messages import Frozen, ToolCall

Reply = Literal["by hand", "mock", "built-in"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every provider takes as the name of a function."""

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}

MAX_EXPRESSION = 200
"""Characters of what the calculator works out."""


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


def misfit(answer: str, schema: Mapping[str, Any]) -> str | None:
    """Why an answer does not fit a schema, in one sentence; None where it does."""
    try:
        value = msgspec.json.decode(answer)
    except msgspec.MsgspecError as error:
        return f"The answer is no JSON: {error}."
    found = next(Draft202012Validator(schema).iter_errors(value), None)
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
    return tool.mock if tool.reply == "mock" else _work_out(tool.name, msgspec.json.decode(call.arguments or "{}"))


def _work_out(name: str, arguments: Mapping[str, Any]) -> str:
    if name == "clock":
        zone = str(arguments.get("zone") or "UTC")
        try:
            return dt.datetime.now(ZoneInfo(zone)).isoformat(timespec="seconds")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"There is no time zone {zone!r}."
    expression = str(arguments.get("expression") or "")
    if len(expression) > MAX_EXPRESSION:
        return f"The expression is longer than {MAX_EXPRESSION} characters."
    try:
        return str(SimpleEval(functions={}, names={}).eval(expression))
    except (
        InvalidExpression,
        ArithmeticError,
        SyntaxError,
        ValueError,
        TypeError,
        MemoryError,
        RecursionError,
    ) as error:
        return f"This cannot be worked out: {error}."
