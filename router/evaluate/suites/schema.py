"""A suite's file as data: one declaration for what is read and for the JSON schema that editors use."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from router.config.values import Data, Fields, Params, of_json, shortened
from router.core.tools import NO_PARAMETERS


class Refused(NamedTuple):
    """A grader of promptfoo's that people look for here: a clause why there is none, and what to do in one sentence."""

    why: str
    instead: str


REFUSED: Mapping[str, Refused] = {
    "similar": Refused(
        "it compares embeddings, and no embedding model is asked here",
        "Use `llm-rubric` with what the answer has to mean, or `rouge-n` with its words.",
    ),
    "select-best": Refused(
        "it compares the lanes' answers with one another, and a check here sees one answer",
        "Use `llm-rubric` with the same criteria: the verdict compares the lanes by their scores.",
    ),
}

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""A suite's name, which is part of file names."""

MAX_TEXT = 200
"""Characters of an id, a category, a tag, a group or a check's name."""

MAX_WEIGHT = 1e6

NEGATION = "not-"
"""Before a grader's name: the check passes where the grader fails."""

_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Function names that every provider accepts."""

_ROLES = ("system", "developer", "user", "assistant", "tool")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


def _label(text: str) -> str:
    fits = bool(text.strip()) and text.isprintable() and len(text) <= MAX_TEXT
    _require(fits, f"`{shortened(text)}` must be 1 to {MAX_TEXT} characters on one line")
    return text


def _name(text: str) -> str:
    fits = re.fullmatch(NAME, text) is not None
    _require(fits, f"`{shortened(text)}` must be letters, digits, `-`, `_` and `.`, at most 100")
    return text


def _listed(value: object) -> object:
    _require(not isinstance(value, int | float), "it must be text; write it in quotes")
    return [value] if isinstance(value, str) else value


def _parameters(params: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("system", "tools", "response_format"):
        _require(name not in params, f"`{name}` is a key of its own; write it beside `params`")
    temperature, tokens, choice = (params.get(name) for name in ("temperature", "max_tokens", "tool_choice"))
    _require(_is_number(temperature, int | float), "`temperature` must be a number")
    _require(_is_number(tokens, int) and tokens != 0, "`max_tokens` must be a whole number, at least 1")
    _require(isinstance(choice, str | dict | None), "`tool_choice` must be auto, none, required or a named tool")
    return params


def _is_number(value: object, kind: type[int] | UnionType) -> bool:
    return value is None or (isinstance(value, kind) and not isinstance(value, bool) and value >= 0)


def as_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool as chat completions want it, from that shape or from its function alone.

    Raises:
        ValueError: it is none; a clause that says why.
    """
    function = tool["function"] if tool.keys() == {"type", "function"} and tool["type"] == "function" else tool
    _require(isinstance(function, dict), "a tool is a mapping with `name`, `description` and `parameters`")
    name, parameters = function.get("name"), function.get("parameters", NO_PARAMETERS)
    named = isinstance(name, str) and _FUNCTION.fullmatch(name) is not None
    _require(named, "a tool needs a `name` of letters, digits, `_` and `-`, at most 64")
    for key in function:
        known = key in ("name", "description", "parameters", "strict")
        _require(known, f"`{shortened(key)}` is not a key of a tool; it has `name`, `description` and `parameters`")
    _require(isinstance(function.get("description", ""), str), f"the description of `{name}` must be text")
    is_object = isinstance(parameters, dict) and parameters.get("type") == "object"
    _require(is_object, f"the parameters of `{name}` must be a JSON schema with `type: object`")
    _check_schema(parameters, f"the parameters of `{name}`")
    return {"type": "function", "function": {**function, "parameters": parameters}}


def _check_schema(schema: Any, what: str) -> None:
    import jsonschema_rs  # noqa: PLC0415  # only who reads a suite with tools needs it

    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        raise ValueError(f"{what} are not a JSON schema: {shortened(error.message, 200)}") from None


def check_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message; raises ValueError with what is wrong with it."""
    role, content = message.get("role"), message.get("content")
    _require(role in _ROLES, f"the `role` of a message is one of {', '.join(_ROLES)}, not `{shortened(role)}`")
    parts = isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content)
    fits = isinstance(content, str) or parts or (content is None and bool(message.get("tool_calls")))
    _require(fits, "the `content` of a message is text, or a list of parts with a `type`")
    return message


def check_messages(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The checked messages; raises ValueError if there is nothing to answer."""
    asked = bool(messages) and messages[-1]["role"] in ("user", "tool")
    _require(asked, "the last message must be the user's, which the model answers")
    return messages


def _turn(value: object) -> object:
    message = {"role": "user", "content": value} if isinstance(value, str) else value
    is_users = not isinstance(message, dict) or message.get("role") == "user"
    _require(is_users, "a further turn is the user's: text, or a message with `role: user`")
    return message


def _one_key(value: object) -> object:
    """A check's fields, from a grader's name, or from one such name with a value or settings."""
    if isinstance(value, str):
        value = {value: None}
    [(name, given)] = value.items() if isinstance(value, dict) and len(value) == 1 else [(None, None)]
    what = "a check is a grader's name, or one such name with its value, as in `contains: text`"
    _require(isinstance(name, str), what)
    grader = str(name)
    settings = dict(given) if isinstance(given, dict) else {"value": given}
    own = {key: settings.pop(key) for key in SETTINGS if key in settings}
    for key in settings:
        # Options belong to the grader, who knows them; these two are never one.
        if near := difflib.get_close_matches(str(key), ("weight", "threshold"), 1, cutoff=0.8):
            raise ValueError(f"`{shortened(grader)}` has no setting `{key}`; it has `{near[0]}`")
    negated = grader.startswith(NEGATION)
    return {"type": grader.removeprefix(NEGATION), "negated": negated, "options": settings, **own}


SETTINGS = ("value", "weight", "threshold", "name")
"""What every check can set; what else it sets are its grader's own options."""

Label = Annotated[str, AfterValidator(_label), Field(min_length=1, max_length=MAX_TEXT)]
Weight = Annotated[float, Field(ge=0, le=MAX_WEIGHT, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Json = Annotated[Any, AfterValidator(lambda value: of_json({"": value})[""])]
Texts = Annotated[Sequence[str], BeforeValidator(_listed, json_schema_input_type=str | Sequence[str])]
Parameters = Annotated[Params, AfterValidator(_parameters)]
Tool = Annotated[Fields, AfterValidator(as_tool)]
Message = Annotated[Fields, AfterValidator(check_message)]
Turn = Annotated[Message, BeforeValidator(_turn, json_schema_input_type=str | dict[str, Any])]


class CheckFile(Data):
    """A check, as its one key and what stands below that say it; see `router.core.suites.Check`."""

    type: str
    negated: bool
    value: Json = None
    weight: Weight = 1.0
    threshold: Share | None = None
    name: Label | None = None
    options: Fields


Checks = Sequence[Annotated[CheckFile, BeforeValidator(_one_key), WithJsonSchema({})]]


class _Described(Data):
    model_config = ConfigDict(use_attribute_docstrings=True)


class _Asked(_Described):
    """What a suite says for all cases, and a case for itself."""

    category: Label | None = None
    """The kind of work, such as tools or reasoning."""
    system: str | None = None
    """The system prompt."""
    params: Parameters = Field(default={})
    """Fields of the request, such as temperature, max_tokens, seed or tool_choice."""
    tools: Sequence[Tool] = ()
    """Functions that the model may call: name, description and parameters, a JSON schema."""
    response_format: Fields | None = None
    """The format of the answer, as chat completions want it."""
    threshold: Share | None = None
    """The weighted mean of the checks' scores from which on a case passes; without it, all checks must pass."""


class CaseFile(_Asked):
    """A prompt with its checks."""

    id: Label | None = None
    """Unique in the suite; derived from the content where it is left out."""
    prompt: str | None = None
    """What the user asks; or write `messages`."""
    messages: Annotated[Sequence[Message], AfterValidator(check_messages)] | None = None
    """A conversation as chat completions write it; the last message is answered."""
    then: Sequence[Turn] = ()
    """Further turns of the user, each sent after the answer to the one before."""
    images: Sequence[str] = ()
    """Image files that are sent with the prompt, relative to this file and below its folder."""
    target: Texts = ()
    """The right answer, or several of which any is right."""
    tags: Sequence[Label] = ()
    weight: Weight = 1.0
    """The case's share of the suite's score."""
    group: Label | None = None
    """Cases of one template or source share a group: they are no independent evidence."""
    metadata: Fields = Field(default={})
    checks: Checks = ()
    """What grades the answer."""


class SuiteFile(_Asked):
    """A suite of Fallback Lab: cases with their checks. What stands beside `cases` holds for all of them."""

    name: Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{NAME}$"})] | None = None
    """Letters, digits, `-`, `_` and `.`; the file's name where it is left out."""
    description: str = ""
    checks: Checks = ()
    """What grades the answers of all cases, before each case's own checks."""
    cases: Sequence[CaseFile] = Field(min_length=1)


def suite_schema(graders: Iterable[str]) -> dict[str, Any]:
    """The JSON schema of a suite's file, for editors.

    Args:
        graders: the names of all graders.
    """
    names = sorted(graders)
    written = [*names, *(f"{NEGATION}{name}" for name in names)]
    of_check = CheckFile.model_json_schema()["properties"]
    one_key = {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/Settings"} for name in written},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    value = {"type": ["null", "string", "number", "boolean", "array"]}
    settings = {"type": "object", "properties": {name: of_check[name] for name in SETTINGS}}
    schema = SuiteFile.model_json_schema()
    for holder in (schema, schema["$defs"]["CaseFile"]):
        holder["properties"]["checks"]["items"] = {"$ref": "#/$defs/Check"}
    schema["$defs"] |= {"Check": {"anyOf": [{"enum": written}, one_key]}, "Settings": {"anyOf": [value, settings]}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
