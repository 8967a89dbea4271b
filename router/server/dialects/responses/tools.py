"""The tools of OpenAI's responses as functions of chat completions, and calls of them back.

Codex puts the tools of an MCP server into a `namespace`, and its patches into a `custom` tool that takes a text; it
knows a call only by the same words. All others of its tools are functions, or run on OpenAI's servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from router.core.tools import NO_PARAMETERS
from router.core.untrusted import NO_JSON, mapping, mappings, text
from router.server.dialects.base import Refusal
from router.server.dialects.names import flat
from router.server.dialects.reading import as_json, kind_of, listed, read_as

ADDED = "additional_tools"
"""The type of an item of the input that holds tools."""

_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Custom(msgspec.Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class _Namespace(msgspec.Struct):
    name: str
    tools: list[Any]


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[dict[str, Any]] = []


class Called(NamedTuple):
    """What a caller knows a tool by."""

    name: str
    namespace: str | None = None
    custom: bool = False


def known(tools: object) -> dict[str, Called]:
    """What a caller knows each function by; tools that it could not send are left aside."""
    found: dict[str, Called] = {}
    for tool in mappings(tools):
        inner = mappings(tool.get("tools")) if tool.get("type") == "namespace" else [tool]
        space = text(tool.get("name")) if tool.get("type") == "namespace" else None
        for one in inner:
            if one.get("type") in ("function", "custom") and (name := text(one.get("name"))):
                found[flat(name, space)] = Called(name, space, one.get("type") == "custom")
    return found


def added(items: object) -> list[tuple[Any, str]]:
    """The tools that stand in the input, as Codex sends its own, each with its place; raises `Refusal`."""
    places = enumerate(items if isinstance(items, list) else ())
    found = [(mapping(item), f"input[{index}].tools") for index, item in places]
    return [tool for item, at in found if item.get("type") == ADDED for tool in listed(item.get("tools"), at)]


def functions(tools: list[Any], more: Iterable[tuple[Any, str]], notes: list[str]) -> list[dict[str, Any]]:
    """The tools as chat completions have them; those that run on OpenAI's servers are left out.

    Args:
        more: tools that come besides, also again in each turn: of those with one name the first counts.

    Raises:
        Refusal: a tool is not as it must be, has another's name, or there are only such as are left out.
    """
    left: list[str] = []
    found = [one for item, at in listed(tools, "tools") for one in _functions(item, at, None, left)]
    names = [one["function"]["name"] for one in found]
    if twice := next((name for index, name in enumerate(names) if name in names[:index]), None):
        raise Refusal(f"`tools` holds `{twice[:80]}` twice; give each tool its own name.", param="tools")
    for one in (one for item, at in more for one in _functions(item, at, None, left)):
        if (name := one["function"]["name"]) not in names:
            found.append(one)
            names.append(name)
    if left and not found:
        raise Refusal(
            f"`tools` holds {', '.join(dict.fromkeys(left))} alone, which only OpenAI's servers have;"
            " send function tools, or none.",
            param="tools",
        )
    notes += [f"The tool {name} is left out: only OpenAI's servers have it." for name in dict.fromkeys(left)]
    return found


def _functions(item: Any, at: str, space: str | None, left: list[str]) -> Iterator[dict[str, Any]]:
    raw, kind = kind_of(item, at)
    if kind == "namespace" and space is None:
        inside = read_as(raw, _Namespace, at)
        for inner, place in listed(inside.tools, f"{at}.tools"):
            yield from _functions(inner, place, inside.name, left)
    elif kind == "function":
        tool = read_as(raw, _Function, at)
        function: dict[str, Any] = {"name": flat(tool.name, space), "parameters": tool.parameters or NO_PARAMETERS}
        if tool.description:
            function["description"] = tool.description
        if tool.strict is not None:
            function["strict"] = tool.strict
        yield {"type": "function", "function": function}
    elif kind == "custom":
        custom = read_as(raw, _Custom, at)
        grammar = text((custom.format or {}).get("definition"))
        rule = f"`input` follows this grammar:\n{grammar}" if grammar else "`input` is free text."
        description = "\n\n".join(filter(None, [custom.description, rule]))
        function = {"name": flat(custom.name, space), "description": description, "parameters": _INPUT}
        yield {"type": "function", "function": function}
    else:
        left.append(kind[:40])


def choice(value: object, tools: list[dict[str, Any]]) -> tuple[str | dict[str, Any] | None, list[dict[str, Any]]]:
    """The choice of a tool in the words of chat completions, and the tools that it allows; raises `Refusal`."""
    if value is None:
        return None, tools
    if isinstance(value, str):
        if value not in ("auto", "none", "required"):
            raise Refusal("`tool_choice` can be auto, none, required or one tool.", param="tool_choice")
        return value, tools
    found = read_as(value, _Choice, "tool_choice")
    names = [tool["function"]["name"] for tool in tools]
    if found.type == "allowed_tools":
        allowed = {flat(text(one.get("name")) or "", text(one.get("namespace"))) for one in found.tools}
        kept = [tool for tool in tools if tool["function"]["name"] in allowed]
        if not kept:
            raise Refusal("`tool_choice.tools` names none of `tools`.", param="tool_choice.tools")
        return found.mode or "auto", kept
    name = flat(found.name or "", found.namespace)
    if found.type not in ("function", "custom") or name not in names:
        raise Refusal("`tool_choice` must name one of `tools` that is a function or custom.", param="tool_choice")
    return {"type": "function", "function": {"name": name}}, tools


def custom_input(arguments: str) -> str:
    """The text that a custom tool was called with; what a model wrote without our JSON is taken as the text."""
    try:
        found = mapping(msgspec.json.decode(arguments or "{}")).get("input")
    except NO_JSON:
        found = None
    return found if isinstance(found, str) else arguments


def custom_arguments(given: str, at: str) -> str:
    """The arguments of a call of a custom tool; raises `Refusal`."""
    return as_json({"input": given}, at)


def as_called(name: str, tools: Mapping[str, Called]) -> Called:
    """What the caller knows a called function by."""
    return tools.get(name, Called(name))
