"""A body of Anthropic's messages as a request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from router.core.requests import EFFORTS, Request
from router.core.schemas import is_strict
from router.core.untrusted import NO_JSON, mapping, text
from router.server.dialects.base import Asked, Refusal
from router.server.dialects.messages.blocks import ADDITION, REMOVAL, messages_of, text_parts, tool_changes
from router.server.dialects.names import flat
from router.server.dialects.reading import kind_of, listed, one_system, read_as

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: _Count | None = None


class _Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _Output(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _Choice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Tool(msgspec.Struct):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    cache_control: dict[str, Any] | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[dict[str, Any]] | None = None


class _Body(msgspec.Struct):
    model: str
    max_tokens: _Count
    messages: list[Any]
    system: str | list[Any] | None = None
    stream: bool | None = None
    tools: list[Any] | None = None
    tool_choice: _Choice | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    metadata: _Metadata | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    output_format: _Format | None = None


_ON_ITS_SERVERS = {
    "mcp_servers": "MCP servers are called on Anthropic's side; call them yourself and send `tools` instead.",
    "container": "Containers run on Anthropic's side; leave `container` out.",
}

_OWN = ("metadata", "service_tier", "cache_control")
"""What only Anthropic's own models are told."""

_MARKS = ("cache_control", "eager_input_streaming", "input_examples")
"""The same of a tool."""

_READ = frozenset({*_Body.__struct_fields__, *_OWN})

_SESSION = re.compile(r"_session_(.+)")


def read(body: Mapping[str, Any]) -> Asked:
    """What a body asks; raises `Refusal`."""
    for name, sentence in _ON_ITS_SERVERS.items():
        if body.get(name):
            raise Refusal(sentence, param=name)
    found = read_as(body, _Body, "")
    if not found.messages:
        raise Refusal("`messages` is empty. Send at least one message.", param="messages")
    notes = [
        f"`{name[:40]}` is left out: it has no meaning for all models of a chain."
        for name, value in body.items()
        if value is not None and name not in _READ
    ]
    tools = _tools(found.tools or [], notes)
    system = [{"role": "system", "content": _system(found.system)}] if found.system else []
    messages = one_system([*system, *messages_of(found.messages, notes)])
    tools = _changed(tools, found.messages)
    return Asked(
        target=found.model,
        request=Request(
            messages=messages,
            tools=tuple(tools),
            tool_choice=_tool_choice(found.tool_choice, tools),
            response_format=_response_format(found),
            temperature=found.temperature,
            max_tokens=found.max_tokens,
            params=_params(body, found),
        ),
        stream=bool(found.stream),
        usage=True,
        session=_session(found.metadata),
        notes=tuple(dict.fromkeys(notes)),
        echo={"thinking": _thinks(found) or bool(tools), "names": _names(found)},
    )


def with_betas(asked: Asked, betas: Sequence[str]) -> Asked:
    """What is asked, with the headers `anthropic-beta` for Anthropic's own models."""
    if not betas:
        return asked
    params = asked.request.params
    own = {**mapping(params.get("anthropic")), "betas": ",".join(betas)}
    return asked._replace(request=msgspec.structs.replace(asked.request, params={**params, "anthropic": own}))


def _system(system: str | list[Any]) -> str | list[dict[str, Any]]:
    if isinstance(system, str):
        return system
    parts = text_parts(system, "system")
    if all(part.keys() == {"type", "text"} for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


# --- Tools -----------------------------------------------------------------------------------------


def _tools(tools: list[Any], notes: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    names: list[str] = []
    for item, at in listed(tools, "tools"):
        raw = read_as(item, dict[str, Any], at)
        kind = raw.get("type")
        if kind not in (None, "custom"):
            names.append(str(kind_of(raw, at)[1])[:40])
            continue
        found.append(_function(raw, at))
    if names and not found:
        raise Refusal(
            f"`tools` holds {', '.join(names)} alone, which only Anthropic's servers have;"
            " send tools with an `input_schema`, or none.",
            param="tools",
        )
    notes += [f"The tool {name} is left out: only Anthropic's servers have it." for name in names]
    return found


def _function(raw: dict[str, Any], at: str) -> dict[str, Any]:
    tool = read_as(raw, _Tool, at)
    function: dict[str, Any] = {"name": flat(tool.name), "parameters": tool.input_schema}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    marks = {name: raw[name] for name in _MARKS if raw.get(name) is not None}
    return {"type": "function", "function": function, **marks}


def _changed(tools: list[dict[str, Any]], messages: list[Any]) -> list[dict[str, Any]]:
    """The tools that there are at the end of a conversation; no other server can be told of changes in the middle."""
    changes = [*tool_changes(messages)]
    if not changes:
        return tools
    known = {tool["function"]["name"]: tool for tool in tools}
    removed: set[str] = set()
    for kind, tool, at in changes:
        if kind == ADDITION and tool.get("type") == "tool_definition":
            new = _function(read_as(tool.get("definition"), dict[str, Any], f"{at}.definition"), f"{at}.definition")
            known[new["function"]["name"]] = new
            removed.discard(new["function"]["name"])
        elif tool.get("type") == "tool_reference" and (name := text(tool.get("name"))) is not None:
            (removed.add if kind == REMOVAL else removed.discard)(flat(name))
    return [tool for name, tool in known.items() if name not in removed]


def _names(found: _Body) -> dict[str, str]:
    """What the caller knows tools by whose names are too long for some providers."""
    defined = [mapping(tool.get("definition")) for _, tool, _ in tool_changes(found.messages)]
    names = [text(mapping(tool).get("name")) for tool in [*(found.tools or []), *defined]]
    return {flat(name): name for name in names if name is not None and flat(name) != name}


def _tool_choice(choice: _Choice | None, tools: list[dict[str, Any]]) -> str | dict[str, Any] | None:
    if choice is None:
        return None
    if choice.type != "tool":
        return {"auto": "auto", "any": "required", "none": "none"}[choice.type]
    if (name := flat(choice.name or "")) not in [tool["function"]["name"] for tool in tools]:
        raise Refusal(
            "`tool_choice.name` must be the name of one of `tools` that has an `input_schema`.",
            param="tool_choice.name",
        )
    return {"type": "function", "function": {"name": name}}


# --- Parameters ------------------------------------------------------------------------------------


def _params(body: Mapping[str, Any], found: _Body) -> dict[str, Any]:
    own = {name: body[name] for name in _OWN if body.get(name) is not None}
    if found.thinking is not None:
        own["thinking"] = body["thinking"]
    effort = found.output_config.effort if found.output_config is not None else None
    if effort is not None and effort not in EFFORTS:
        raise Refusal(f"`output_config.effort` can be {', '.join(EFFORTS)}.", param="output_config.effort")
    own["effort"] = effort
    params: dict[str, Any] = {
        "anthropic": own,
        "reasoning_effort": effort or (_effort(found.thinking) if _thinks(found) else None),
        "top_p": found.top_p,
        "top_k": found.top_k,
        "stop": found.stop_sequences or None,
    }
    if found.tools and found.tool_choice is not None and found.tool_choice.disable_parallel_tool_use:
        params["parallel_tool_calls"] = False
    return {name: value for name, value in params.items() if value is not None}


def _thinks(found: _Body) -> bool:
    """Whether thoughts are wanted; between the calls of tools are none, but for what is said there."""
    return found.thinking is not None and found.thinking.type not in ("disabled", "between_tools")


def _effort(thinking: _Thinking | None) -> str:
    """The word for a budget in tokens, as all other providers want it."""
    budget = (thinking.budget_tokens if thinking is not None else None) or 8192
    return "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"


def _response_format(found: _Body) -> dict[str, Any] | None:
    form = found.output_format or (found.output_config.format if found.output_config is not None else None)
    if form is None:
        return None
    named = {"name": "answer", "schema": form.schema, "strict": is_strict(form.schema)}
    return {"type": "json_schema", "json_schema": named}


def _session(metadata: _Metadata | None) -> str | None:
    """The session that Claude Code writes into its user's id, as JSON or at its end; for others, the user."""
    user = metadata.user_id if metadata is not None else None
    if not user:
        return None
    try:
        named = text(mapping(msgspec.json.decode(user)).get("session_id"))
    except NO_JSON:
        named = None
    if named:
        return named
    match = _SESSION.search(user)
    return match[1] if match else user
