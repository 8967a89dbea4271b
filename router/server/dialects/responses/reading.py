"""A body of OpenAI's responses as a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from router.core.requests import EFFORTS, Request
from router.server.dialects.base import Asked, Refusal
from router.server.dialects.reading import one_system, read_as
from router.server.dialects.responses.items import messages_of
from router.server.dialects.responses.tools import added, choice, functions

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None


class _Body(msgspec.Struct):
    model: str
    input: str | list[Any]
    instructions: str | None = None
    stream: bool | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    max_output_tokens: _Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    store: bool | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    stream_options: dict[str, Any] | None = None


_STATE = "Answers are not stored here; send the whole conversation as `input`, and leave `{}` out."

_REFUSED = {
    "previous_response_id": _STATE.format("previous_response_id"),
    "conversation": _STATE.format("conversation"),
    "background": "Nothing runs in the background here; leave `background` out.",
    "prompt": "Prompts are not stored here; send their text as `instructions` and `input`.",
}

_SAME = ("top_p", "service_tier", "user", "safety_identifier")
"""Fields that chat completions have under the same name."""

_WITHOUT_MEANING = frozenset({"background", "conversation", "previous_response_id", "prompt", "client_metadata"})
_DEFAULTS = {"truncation": "disabled", "top_logprobs": 0}


def read(body: Mapping[str, Any]) -> Asked:
    """What a body asks; raises `Refusal`."""
    for name, sentence in _REFUSED.items():
        if body.get(name):
            raise Refusal(sentence, param=name)
    found = read_as(body, _Body, "")
    notes = [
        f"`{name[:40]}` is left out: it has no meaning for all models of a chain."
        for name, value in body.items()
        if value is not None
        and name not in _Body.__struct_fields__
        and name not in _WITHOUT_MEANING
        and value != _DEFAULTS.get(name)
    ]
    if found.include and "message.output_text.logprobs" in found.include:
        notes.append("`include` asks for probabilities of tokens, which answers do not hold.")
    more = added(found.input)
    chosen, tools = choice(found.tool_choice, functions(found.tools or [], more, notes))
    system = [{"role": "system", "content": found.instructions}] if found.instructions else []
    messages = one_system([*system, *messages_of(found.input, notes)])
    if not messages:
        raise Refusal("`input` is empty. Send a text or at least one message.", param="input")
    return Asked(
        target=found.model,
        request=Request(
            messages=messages,
            tools=tuple(tools),
            tool_choice=chosen,
            response_format=_response_format(found.text.format if found.text is not None else None),
            temperature=found.temperature,
            max_tokens=found.max_output_tokens,
            params=_params(body, found, has_tools=bool(tools)),
        ),
        stream=bool(found.stream),
        usage=True,
        session=found.prompt_cache_key,
        tags=found.metadata or {},
        notes=tuple(dict.fromkeys(notes)),
        echo=_echo(body, [tool for tool, _ in more]),
    )


def _params(body: Mapping[str, Any], found: _Body, *, has_tools: bool) -> dict[str, Any]:
    params = {name: body[name] for name in _SAME if body.get(name) is not None}
    effort = found.reasoning.effort if found.reasoning is not None else None
    if effort is not None:
        if effort not in EFFORTS:
            raise Refusal(f"`reasoning.effort` can be {', '.join(EFFORTS)}.", param="reasoning.effort")
        params["reasoning_effort"] = effort
    if found.text is not None and found.text.verbosity is not None:
        params["verbosity"] = found.text.verbosity
    if has_tools and found.parallel_tool_calls is not None:
        params["parallel_tool_calls"] = found.parallel_tool_calls
    return params


def _response_format(form: _Format | None) -> dict[str, Any] | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    if form.schema is None:
        raise Refusal("`text.format` is a json_schema and needs `schema`.", param="text.format.schema")
    schema: dict[str, Any] = {"name": form.name or "answer", "schema": form.schema}
    for name in ("strict", "description"):
        if (value := getattr(form, name)) is not None:
            schema[name] = value
    return {"type": "json_schema", "json_schema": schema}


_REPEATED = (
    *("instructions", "max_output_tokens", "temperature", "top_p", "text", "reasoning", "metadata", "user"),
    *("prompt_cache_key", "safety_identifier"),
)


def _echo(body: Mapping[str, Any], more: list[Any]) -> dict[str, Any]:
    repeated = {name: body[name] for name in _REPEATED if body.get(name) is not None}
    return {
        "metadata": {},
        "text": {"format": {"type": "text"}},
        **repeated,
        "tools": [*(body.get("tools") or []), *more],
        "tool_choice": body.get("tool_choice") or "auto",
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "store": False,
    }
