"""A body of chat completions as a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from router.core.requests import Request
from router.server.dialects.base import Asked, Refusal
from router.server.dialects.reading import as_json, read_as, unknown

MAX_MESSAGES = 10_000


class _Address(msgspec.Struct):
    url: str


class _File(msgspec.Struct):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Address | str | None = None
    file: _File | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    id: str
    function: _CalledFunction
    type: Literal["function", ""] | None = None
    extra_content: dict[str, Any] | None = None


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    function_call: Any = None
    reasoning_details: list[dict[str, Any]] | None = None
    producer: str | None = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    function: _Function


class _Named(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct):
    function: _Named


class _AllowedTools(msgspec.Struct):
    mode: Literal["auto", "required"]
    tools: list[_Tool]


class _Allowed(msgspec.Struct):
    allowed_tools: _AllowedTools


class _Schema(msgspec.Struct):
    name: str
    schema: dict[str, Any] | None = None


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | _Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    reasoning: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    session_id: str | None = None
    user: str | None = None
    modalities: list[str] | None = None


_OURS = frozenset({
    *("model", "messages", "stream", "stream_options", "n", "tools", "tool_choice", "response_format", "temperature"),
    *("max_tokens", "max_completion_tokens", "metadata", "session_id", "modalities"),
})  # fmt: skip
"""Fields that are read here; all others go to the provider as they are."""

_REFUSED = {
    "functions": "`functions` was replaced by `tools`; send `tools`.",
    "function_call": "`function_call` was replaced by `tool_choice`; send `tool_choice`.",
    "audio": "Audio answers are not supported; leave `audio` out.",
}

_NOT_RETURNED = ("logprobs", "top_logprobs")


def read(body: Mapping[str, Any]) -> Asked:
    """What a body asks; raises `Refusal`."""
    for name, sentence in _REFUSED.items():
        if body.get(name) is not None:
            raise Refusal(sentence, param=name)
    body = _allowed(body)
    _check_tools(body)
    found = read_as(body, _Body, "")
    if found.n not in (None, 1):
        raise Refusal("`n` must be 1: one request gets one answer. Send it several times instead.", param="n")
    if set(found.modalities or ()) - {"text", "image"}:
        raise Refusal("`modalities` may hold text and image alone.", param="modalities")
    if not found.messages:
        raise Refusal("`messages` is empty. Send at least one message.", param="messages")
    if len(found.messages) > MAX_MESSAGES:
        raise Refusal(f"`messages` holds more than {MAX_MESSAGES:,} messages.", param="messages")
    for index, message in enumerate(found.messages):
        _check(message, f"messages[{index}]")
    for name in ("max_tokens", "max_completion_tokens"):
        if (most := getattr(found, name)) is not None and most < 1:
            raise Refusal(f"`{name}` must be at least 1.", param=name)
    unseen = [name for name in _NOT_RETURNED if body.get(name) not in (None, False)]
    modalities = {"modalities": found.modalities} if "image" in (found.modalities or ()) else {}
    params = {name: value for name, value in body.items() if name not in _OURS and name not in unseen}
    if not found.tools:
        params.pop("parallel_tool_calls", None)  # OpenAI refuses it there
    return Asked(
        target=found.model,
        request=Request(
            messages=tuple(map(_sendable, body["messages"])),
            tools=tuple(body.get("tools") or ()),
            tool_choice=body.get("tool_choice"),
            response_format=body.get("response_format"),
            temperature=found.temperature,
            max_tokens=found.max_completion_tokens or found.max_tokens,
            params={name: value for name, value in params.items() if value is not None} | modalities,
        ),
        stream=bool(found.stream),
        usage=found.stream_options is not None and bool(found.stream_options.include_usage),
        session=found.session_id or found.prompt_cache_key,
        tags=found.metadata or {},
        notes=[f"`{name}` is left out: answers hold no probabilities of tokens." for name in unseen],
    )


_ANSWERS_ALONE = ("annotations", "provider_specific_fields", "parsed", "refusal")
"""Fields of an answer's message that a request's has not."""


def _sendable(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message without what strict servers refuse of answers that clients send back as they came.

    Fields that no server knows are left to the providers, each of which takes others.
    """
    found = {
        name: value
        for name, value in message.items()
        if name == "content" or (value and name not in _ANSWERS_ALONE)  # nothing else means anything where it is empty
    }
    if isinstance(content := found.get("content"), list):
        found["content"] = [_sendable_part(part) for part in content]
    if calls := found.get("tool_calls"):
        found["tool_calls"] = [_sendable_call(call) for call in calls]
    elif not content and message["role"] in ("assistant", "tool"):
        found["content"] = message.get("refusal") or ""
    return found


def _sendable_part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part["type"] == "refusal":  # what a model said instead is its text
        return {"type": "text", "text": part.get("refusal") or ""}
    return {name: value for name, value in part.items() if value is not None} if None in part.values() else part


def _sendable_call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call less what some SDKs keep in it, such as `index` and `parsed_arguments`."""
    function = call["function"]
    if not isinstance(arguments := function.get("arguments"), str):
        arguments = as_json(arguments or {}, "function.arguments")
    extra = {"extra_content": call["extra_content"]} if call.get("extra_content") else {}
    named = {"name": function["name"], "arguments": arguments}
    return {"id": call["id"], "type": "function", "function": named, **extra}


def _allowed(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A body whose tools are those that its choice allows: only OpenAI's own models know that form."""
    choice, tools = body.get("tool_choice"), body.get("tools")
    if not (isinstance(choice, Mapping) and choice.get("type") == "allowed_tools" and isinstance(tools, list)):
        return body
    allowed = read_as(choice, _Allowed, "tool_choice").allowed_tools
    names = {tool.function.name for tool in allowed.tools}
    kept = [
        tool
        for tool, read in zip(tools, read_as(tools, list[_Tool], "tools"), strict=True)
        if read.function.name in names
    ]
    if not kept:
        raise Refusal("`tool_choice` allows none of `tools`.", param="tool_choice.allowed_tools.tools")
    return {**body, "tools": kept, "tool_choice": allowed.mode}


def _check_tools(body: Mapping[str, Any]) -> None:
    """Tools of other kinds have other fields: what is wrong is their kind."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    places = [(tool, f"tools[{index}]") for index, tool in enumerate(tools if isinstance(tools, list) else ())]
    for value, at in [*places, (choice, "tool_choice")]:
        if isinstance(value, Mapping) and isinstance(kind := value.get("type"), str) and kind != "function":
            raise unknown(kind, at, "function alone")


def _check(message: _Message, at: str) -> None:
    if message.role == "tool" and not message.tool_call_id:
        raise Refusal(f"`{at}` is a tool's result and needs `tool_call_id`.", param=f"{at}.tool_call_id")
    if message.role in ("system", "developer", "user") and message.content is None:
        raise Refusal(f"`{at}` has no content.", param=f"{at}.content")
    if message.function_call is not None:
        raise Refusal(
            "`function_call` of messages was replaced by `tool_calls`; send those.", param=f"{at}.function_call"
        )
    for index, part in enumerate(message.content if isinstance(message.content, list) else ()):
        if part.type == "text" and part.text is None:
            raise Refusal(f"`{at}.content[{index}]` is a text and needs `text`.", param=f"{at}.content[{index}].text")
        if part.type == "image_url" and not isinstance(part.image_url, _Address):
            raise Refusal(
                f'`{at}.content[{index}]` is an image and needs `image_url: {{"url": …}}`.',
                param=f"{at}.content[{index}].image_url",
            )
        if part.type == "file" and part.file is None:
            raise Refusal(f"`{at}.content[{index}]` is a file and needs `file`.", param=f"{at}.content[{index}].file")
