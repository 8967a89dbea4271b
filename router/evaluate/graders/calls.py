"""Graders of the tools that an answer calls.

`tool-calls` follows the rules of the Berkeley function calling leaderboard's checker
(https://github.com/ShishirPatil/gorilla, berkeley-function-call-leaderboard, ast_checker.py), as they are for Python
functions with JSON's types. It differs in three ways, which only its own exceptions and mistakes of a call show: true
is never 1; objects in objects are compared by the same rules; and parallel calls are matched as well as they can be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from router.core.errors import InvalidRequest
from router.core.messages import ToolCall
from router.core.suites import Answered, Case, Check
from router.core.untrusted import mapping
from router.evaluate.graders.base import Found, Grader, nothing, plain, quoted, several, yes_or_no
from router.evaluate.graders.schemas import problem_of, usable
from router.evaluate.graders.structures import decoded, same

_IGNORED = re.compile(r"[ ,./\-_*^]")

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Expected(NamedTuple):
    """A call that is right, as BFCL writes it.

    Attributes:
        accepted: for each parameter its accepted values; an empty text among them: it may be left out.
        schema: of the tool's parameters.
    """

    name: str
    accepted: Mapping[str, Sequence[Any]]
    schema: Mapping[str, Any]


def _schemas(case: Case) -> Mapping[str, Mapping[str, Any]]:
    """The parameters of each tool that the case offers, by name."""
    functions = (mapping(tool.get("function")) or tool for tool in case.request.tools)
    return {str(each.get("name")): mapping(each.get("parameters")) for each in functions}


# --- Expected calls --------------------------------------------------------------------------------


def _expected(check: Check, case: Case) -> list[Expected]:
    given = check.value if isinstance(check.value, list | tuple) else [check.value]
    schemas = _schemas(case)
    calls = [_call(item) for item in given]
    for name, _ in calls:
        if name not in schemas:
            raise InvalidRequest(f"`tool-calls` expects a call of {quoted(name)}, which is not a tool of the case.")
    return [Expected(name, accepted, schemas[name]) for name, accepted in calls]


def _call(given: Any) -> tuple[str, Mapping[str, Sequence[Any]]]:
    """A call as BFCL writes it, or with `name` and `arguments`, which have one value each."""
    if isinstance(given, Mapping) and isinstance(given.get("name"), str) and set(given) <= {"name", "arguments"}:
        arguments = given.get("arguments", {})
        if isinstance(arguments, Mapping):
            return given["name"], {name: [_exactly(value)] for name, value in arguments.items()}
    if isinstance(given, Mapping) and len(given) == 1:
        [(name, accepted)] = given.items()
        if isinstance(accepted, Mapping) and all(isinstance(values, list | tuple) for values in accepted.values()):
            return str(name), accepted
    raise InvalidRequest(
        "The value of `tool-calls` must be a list of calls, such as `{name: get_weather, arguments: {city: Oslo}}`"
        " or, with all accepted values, `{get_weather: {city: [Oslo, Kristiania]}}`."
    )


def _exactly(value: Any) -> Any:
    """A value whose objects have one accepted value for each key."""
    if isinstance(value, Mapping):
        return {name: [_exactly(item)] for name, item in value.items()}
    return [_exactly(item) for item in value] if isinstance(value, list | tuple) else value


def tool_calls(answered: Answered, check: Check) -> Found:
    """The answer makes the expected calls and no others, in any order."""
    expected, calls = _expected(check, answered.case), answered.answer.tool_calls
    if len(calls) != len(expected):
        return Found(0.0, f"It makes {len(calls)} calls, not {len(expected)}.")
    problems = [[_mismatch(call, each) for each in expected] for call in calls]
    unmatched = _unmatched([[problem is None for problem in row] for row in problems])
    if unmatched is None:
        return Found(1.0)
    told = sorted((problem for problem in problems[unmatched] if problem), key=_is_name)
    is_right = len(told) < len(expected)  # and another call has taken its place
    return Found(0.0, f"The call of {quoted(calls[unmatched].name)} is made too often." if is_right else told[0])


def _is_name(problem: str) -> bool:
    """Whether a problem says no more than that another tool was expected."""
    return " is expected" in problem


def _unmatched(fits: Sequence[Sequence[bool]]) -> int | None:
    """The first row that gets no column of its own in the largest matching; None if all do."""
    taken: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, is_fit in enumerate(fits[row]):
            if is_fit and column not in tried:
                tried.add(column)
                if column not in taken or place(taken[column], tried):
                    taken[column] = row
                    return True
        return False

    return next((row for row in range(len(fits)) if not place(row, set())), None)


# --- One call --------------------------------------------------------------------------------------


def _mismatch(call: ToolCall, expected: Expected) -> str | None:
    """Why a call is not the expected one, one sentence; None if it is."""
    if call.name != expected.name:
        return f"It calls {quoted(call.name)}, where {quoted(expected.name)} is expected."
    try:
        arguments = decoded(call.arguments or "{}")
    except ValueError as error:
        return f"The arguments of {quoted(call.name)} are not JSON: {error}."
    if not isinstance(arguments, dict):
        return f"The arguments of {quoted(call.name)} are not an object."
    return next((f"In {quoted(call.name)}, {problem}." for problem in _problems(arguments, expected)), None)


def _problems(arguments: Mapping[str, Any], expected: Expected) -> list[str]:
    properties = mapping(expected.schema.get("properties"))
    required = expected.schema.get("required")
    found = [
        f"the parameter {quoted(name)} is missing"
        for name in (required if isinstance(required, list | tuple) else ())
        if name not in arguments
    ]
    for name, value in arguments.items():
        if name not in properties or name not in expected.accepted:
            found.append(f"the parameter {quoted(name)} is not expected")
        elif not _fits(value, expected.accepted[name], mapping(properties[name])):
            found.append(f"{quoted(name)} is {quoted(repr(value))}, which is none of the accepted values")
    left_out = expected.accepted.keys() - arguments.keys()
    return found + [
        f"the parameter {quoted(name)} is missing" for name in sorted(left_out) if "" not in expected.accepted[name]
    ]


def _fits(value: Any, accepted: Sequence[Any], schema: Mapping[str, Any]) -> bool:
    """Whether a value is an accepted one, and of its parameter's type, or of the type that is accepted instead."""
    kinds = [type(each) for each in accepted if each != ""]
    if not _is_of_type(value, schema) and (not kinds or type(value) is not kinds[0]):
        return False
    return any(_equal(value, each) for each in accepted)


def _is_of_type(value: Any, schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list | tuple) else [kind]
    types = [each for name in kinds for each in _TYPES.get(str(name), (object,))]
    if object in types:
        return True
    if isinstance(value, list) and list in types:
        items = mapping(schema.get("items"))
        return all(_is_of_type(item, items) for item in value)
    return type(value) in types


def _equal(value: Any, accepted: Any) -> bool:
    """Compare a value with an accepted one: texts roughly, lists in order, objects by key."""
    if isinstance(value, str) and isinstance(accepted, str):
        return _rough(value) == _rough(accepted)
    if isinstance(value, list) and isinstance(accepted, list | tuple):
        return len(value) == len(accepted) and all(map(_equal, value, accepted))
    if isinstance(value, dict) and isinstance(accepted, Mapping):
        return _equal_objects(value, accepted)
    return same(value, accepted)


def _equal_objects(value: Mapping[str, Any], accepted: Mapping[str, Any]) -> bool:
    """Whether each key has one of its accepted values; a key whose accepted values are no list has that one alone."""
    lists = {name: each if isinstance(each, list | tuple) else [each] for name, each in accepted.items()}
    is_known = all(name in lists and any(_equal(item, each) for each in lists[name]) for name, item in value.items())
    return is_known and all(name in value or "" in each for name, each in lists.items())


def _rough(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


# --- Other graders ---------------------------------------------------------------------------------


def no_tool_calls(answered: Answered, _: Check) -> Found:
    """The answer calls no tool."""
    calls = answered.answer.tool_calls
    return yes_or_no(not calls, f"It calls {quoted(calls[0].name)}." if calls else "")


def _tools(check: Check, case: Case) -> None:
    nothing(check, case)
    if not case.request.tools:
        raise InvalidRequest(f"`{check.type}` needs a case with tools.")
    for name, schema in _schemas(case).items():
        usable(schema, f"The parameters of {quoted(name)}")


def is_valid_call(answered: Answered, _: Check) -> Found:
    """The answer calls tools, each of them one of the case's and with arguments that fit its schema."""
    schemas = _schemas(answered.case)
    if not answered.answer.tool_calls:
        return Found(0.0, "It calls no tool.")
    for call in answered.answer.tool_calls:
        if call.name not in schemas:
            return Found(0.0, f"It calls {quoted(call.name)}, which is not a tool of the case.")
        try:
            problem = problem_of(schemas[call.name], decoded(call.arguments or "{}"))
        except ValueError as error:
            problem = f"Its arguments are not JSON: {error}."
        if problem is not None:
            return Found(0.0, f"The call of {quoted(call.name)}: {problem}")
    return Found(1.0)


def tool_call_f1(answered: Answered, check: Check) -> Found:
    """The harmonic mean of the shares of expected tools that are called, and of called ones that are expected."""
    wanted, called = set(several(check, answered.case)), {call.name for call in answered.answer.tool_calls}
    score = 2 * len(wanted & called) / (len(wanted) + len(called))
    return Found(score, f"It calls {', '.join(sorted(called)) or 'no tool'}.")


GRADERS: Mapping[str, Grader] = {
    "tool-calls": Grader(
        plain(tool_calls), _expected, "makes the expected calls (BFCL's rules)", "calls with their accepted values"
    ),
    "no-tool-calls": Grader(plain(no_tool_calls), nothing, "calls no tool", "none"),
    "is-valid-openai-tools-call": Grader(plain(is_valid_call), _tools, "calls tools in a way that fits them", "none"),
    "tool-call-f1": Grader(plain(tool_call_f1), several, "calls the expected tools", "names of tools"),
}
