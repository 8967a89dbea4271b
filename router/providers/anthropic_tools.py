"""Tools in the shape of chat completions, as Anthropic's messages have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from router.core.schemas import closed, is_strict, subschemas
from router.core.untrusted import mapping

MARKS = ("cache_control", "eager_input_streaming", "input_examples")
"""Fields of a tool that only this protocol has; a tool holds them beside its `function`."""

_MOST = (20, 24, 16)
"""Strict tools of a request, and their optional properties and properties of several types, together."""

_NONE = {"type": "object", "properties": {}}


class Tools(NamedTuple):
    """The tools, and what is said of them."""

    fields: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


def tools_of(tools: Sequence[Mapping[str, Any]], *, may_be_strict: bool) -> Tools:
    """The tools of a request.

    Args:
        may_be_strict: whether the model can be held to a schema.
    """
    total = [0, 0, 0]
    found: list[dict[str, Any]] = []
    loose: list[str] = []
    for tool in tools:
        shaped = _tool(tool)
        if mapping(tool.get("function")).get("strict") is True:
            weight = _weight(shaped["input_schema"]) if may_be_strict else None
            after = [sum(pair) for pair in zip(total, weight or _MOST, strict=True)]
            if weight is not None and all(one <= most for one, most in zip(after, _MOST, strict=True)):
                total, shaped["strict"] = after, True
            else:
                loose.append(shaped["name"])
        found.append(shaped)
    return Tools(found, (_loose(loose, "this model cannot be held to that schema"),) if loose else ())


def _loose(names: Iterable[object], why: str) -> str:
    return f"`strict` of {', '.join(f'`{str(name)[:64]}`' for name in names)} was left out: {why}."


def _weight(schema: object) -> tuple[int, int, int] | None:
    """What a strict schema counts; None where the API would refuse it."""
    if (found := closed(schema)) is None or found.schema != schema:
        return None
    inner = list(subschemas(schema))
    optional = sum(len(mapping(one.get("properties")).keys() - _names(one.get("required"))) for one in inner)
    return 1, optional, sum("anyOf" in one or isinstance(one.get("type"), list | tuple) for one in inner)


def _names(required: object) -> set[Any]:
    return {name for name in required if isinstance(name, str)} if isinstance(required, list | tuple) else set()


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)  # a tool of this protocol's own
    described = {"description": function["description"]} if function.get("description") else {}
    marks = {name: tool[name] for name in MARKS if tool.get(name) is not None}
    return {
        "name": function.get("name", ""),
        **described,
        "input_schema": function.get("parameters") or _NONE,
        **marks,
    }


def tool_choice_of(choice: object, *, parallel: object) -> dict[str, Any] | None:
    """The choice of a tool, and whether it may make several calls."""
    translated: dict[str, Any] | None = None
    if isinstance(choice, str):
        kind = {"auto": "auto", "required": "any", "none": "none"}.get(choice, choice)
        translated = {"type": kind}
    elif isinstance(choice, Mapping):
        name = mapping(choice.get("function")).get("name")
        translated = {"type": "tool", "name": name} if name else dict(choice)
    if parallel is False and translated != {"type": "none"}:
        translated = {**(translated or {"type": "auto"}), "disable_parallel_tool_use": True}
    return translated


def without_marks(tools: Sequence[Mapping[str, Any]], notes: list[str]) -> list[dict[str, Any]]:
    """The tools as other servers take them.

    Args:
        notes: takes what is said of what is left out; the marks of a cache go without a word.
    """
    found = [{name: value for name, value in tool.items() if name not in MARKS} for tool in tools]
    if left := [f"`{name}`" for name in MARKS[1:] if any(name in tool for tool in tools)]:
        notes.append(f"{', '.join(left)} of tools left out: only Anthropic's API has it.")
    # Anthropic holds a model to optional properties too, OpenAI refuses the request.
    loose = [tool for tool in found if _is_loose(mapping(tool.get("function")))]
    for tool in loose:
        tool["function"] = {name: value for name, value in tool["function"].items() if name != "strict"}
    if loose:
        names = [tool["function"].get("name") for tool in loose]
        notes.append(_loose(names, "it may have properties that are not required"))
    return found


def _is_loose(function: Mapping[str, Any]) -> bool:
    return function.get("strict") is True and not is_strict(function.get("parameters"))
