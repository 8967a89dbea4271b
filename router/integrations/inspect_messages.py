"""Requests and answers between Inspect's shape and ours. Needs inspect-ai."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageTool,
    Content,
    ContentImage,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ModelOutput,
    ModelUsage,
    StopReason,
)
from inspect_ai.tool import ToolCall, ToolChoice, ToolInfo

from router.core.attempts import Completion
from router.core.errors import InvalidRequest
from router.core.messages import Answer
from router.core.messages import ToolCall as OwnCall
from router.core.requests import Request
from router.evaluate.eval_sample import STOP_REASONS, usage_of

_SAMPLING = (
    "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "reasoning_effort",
    "parallel_tool_calls",
)  # fmt: skip
"""What goes on the wire under the name that Inspect has for it."""

_REFUSED = {
    "num_choices": "Use --epochs for several answers.",
    "best_of": "Use --epochs for several answers.",
    "logprobs": "Leave it out: answers have no probabilities here.",
    "top_logprobs": "Leave it out: answers have no probabilities here.",
    "prompt_logprobs": "Leave it out: answers have no probabilities here.",
    "reasoning_tokens": "Use --reasoning-effort.",
    "extra_headers": "Set the provider's `headers` in models.yaml.",
    "modalities": "Leave it out: answers are text and images.",
    "batch": "Leave it out: each request is sent at once.",
    "fallback_models": "Name the models in the chain, in models.yaml.",
}
"""What would change an evaluation if it were left out in silence, with what to do instead."""

_OWN = "fallback_lab"
"""The key of the metadata in which an assistant's message keeps what its producer wants back."""


# --- Inspect's shape to ours -----------------------------------------------------------------------


def request_of(
    messages: Sequence[ChatMessage], tools: Sequence[ToolInfo], choice: ToolChoice, config: GenerateConfig
) -> Request:
    """What Inspect asks for.

    Raises:
        InvalidRequest: it asks for something that no provider is sent.
    """
    for name, instead in _REFUSED.items():
        if getattr(config, name, None) not in (None, False) and (name, getattr(config, name)) != ("num_choices", 1):
            raise InvalidRequest(f"Fallback Lab cannot send {name}. {instead}")
    params = {name: value for name in _SAMPLING if (value := getattr(config, name)) is not None}
    params |= config.extra_body or {}
    if config.stop_seqs:
        params["stop"] = config.stop_seqs
    offered = [{"type": "function", "function": _function(tool)} for tool in tools]
    return Request(
        messages=tuple(map(_message, messages)),
        tools=tuple(offered),
        tool_choice=_choice(choice) if offered else None,
        response_format=_format(config),
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        params=params,
    )


def _function(tool: ToolInfo) -> Mapping[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters.model_dump(exclude_none=True),
    }


def _choice(choice: ToolChoice) -> Any:
    if isinstance(choice, str):
        return "required" if choice == "any" else choice
    return {"type": "function", "function": {"name": choice.name}}


def _format(config: GenerateConfig) -> Mapping[str, Any] | None:
    if (schema := config.response_schema) is None:
        return None
    named = {"name": schema.name, "schema": schema.json_schema.model_dump(exclude_none=True)}
    return {"type": "json_schema", "json_schema": {**named, **({"strict": True} if schema.strict else {})}}


def _message(message: ChatMessage) -> Mapping[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": _content(message.content)}
    if isinstance(message, ChatMessageTool):
        found["tool_call_id"] = message.tool_call_id
        if message.error is not None:
            found["content"] = message.error.message
    if isinstance(message, ChatMessageAssistant):
        found |= _assistant(message)
    return found


def _assistant(message: ChatMessageAssistant) -> Mapping[str, Any]:
    """Its tool calls, and what goes back to its producer; thoughts that Inspect has taken out do not."""
    own = (message.metadata or {}).get(_OWN, {})
    found = {"producer": own["producer"]} if "producer" in own else {}
    extras = own.get("extras", {})
    thinks = isinstance(message.content, list) and any(isinstance(part, ContentReasoning) for part in message.content)
    if thinks and own.get("reasoning_details"):
        found["reasoning_details"] = own["reasoning_details"]
    if message.tool_calls:
        found["tool_calls"] = [
            OwnCall(
                id=call.id, name=call.function, arguments=json.dumps(call.arguments), extra=extras.get(call.id, {})
            ).shape()
            for call in message.tool_calls
        ]
    return found


def _content(content: str | Sequence[Content]) -> Any:
    if isinstance(content, str):
        return content
    parts = list(_parts(content))
    texts = [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(texts) if len(texts) == len(parts) else parts


def _parts(content: Sequence[Content]) -> Iterator[dict[str, Any]]:
    for part in content:
        if isinstance(part, ContentText):
            yield {"type": "text", "text": part.text}
        elif isinstance(part, ContentImage):
            yield {"type": "image_url", "image_url": {"url": part.image}}
        elif not isinstance(part, ContentReasoning):  # it goes back as its producer wrote it: see _assistant
            raise InvalidRequest(f"Fallback Lab cannot send content of the type {part.type}. Use text and images.")


# --- Ours to Inspect's -----------------------------------------------------------------------------


def output_of(completion: Completion) -> ModelOutput:
    """An answer, with its cost and the attempts before it in the metadata."""
    answer, last = completion.answer, completion.attempts[-1]
    message = ChatMessageAssistant(
        content=_said(answer), tool_calls=list(_calls(answer)) or None, model=last.served_model or last.model,
        source="generate", metadata=_kept(answer),
    )  # fmt: skip
    tokens = ModelUsage(**usage_of(last.usage, last.cost)) if last.usage is not None else None
    stop = cast("StopReason", STOP_REASONS.get(answer.finish_reason or "", "unknown"))
    return ModelOutput(
        model=last.model,
        choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
        usage=tokens,
        time=last.latency,
        metadata={
            "place": last.place,
            "cost": completion.cost,
            "attempts": [f"{attempt.model}: {attempt.reason or attempt.outcome}" for attempt in completion.attempts],
        },
    )


def _kept(answer: Answer) -> dict[str, Any] | None:
    own: dict[str, Any] = {"producer": answer.producer} if answer.producer is not None else {}
    if answer.reasoning_details:
        own["reasoning_details"] = list(answer.reasoning_details)
    if extras := {call.id: call.extra for call in answer.tool_calls if call.extra}:
        own["extras"] = extras
    return {_OWN: own} if own else None


def _said(answer: Answer) -> str | list[Content]:
    thoughts: list[Content] = []
    if answer.reasoning or answer.reasoning_details:
        thoughts = [ContentReasoning(reasoning=answer.reasoning, redacted=not answer.reasoning)]
    images: list[Content] = [ContentImage(image=image) for image in answer.images]
    if not thoughts and not images:
        return answer.text
    return [*thoughts, ContentText(text=answer.text), *images]


def _calls(answer: Answer) -> Iterator[ToolCall]:
    for call in answer.tool_calls:
        try:
            arguments = json.loads(call.arguments or "{}")
            problem = None if isinstance(arguments, dict) else "The arguments are not a JSON object."
        except ValueError as error:
            arguments, problem = {}, f"The arguments are not JSON: {error}."
        yield ToolCall(
            id=call.id, function=call.name, arguments=arguments if problem is None else {}, parse_error=problem
        )
