"""The provider that Inspect finds by the entry point in pyproject.toml.

Needs inspect-ai (`uv sync --group inspect`); nothing else of the project imports this.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inspect_ai.hooks import Hooks, RunEnd, hooks
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
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
    modelapi,
)
from inspect_ai.tool import ToolCall, ToolChoice, ToolInfo

from router.core.attempts import Completion
from router.core.errors import AllModelsFailed, ContentFiltered, InvalidRequest
from router.core.messages import Answer
from router.core.messages import ToolCall as OwnCall
from router.core.requests import Request
from router.engine.chain import Options
from router.engine.handle import Handle
from router.lab import close_lab, open_lab

_STOPS: dict[str | None, StopReason] = {"stop": "stop", "length": "max_tokens", "tool_calls": "tool_calls"}

_SAMPLING = ("top_p", "seed", "frequency_penalty", "presence_penalty", "reasoning_effort", "parallel_tool_calls")
"""What goes on the wire under the name that Inspect has for it."""


class FallbackLab(ModelAPI):
    """A chain by its category, or a single model by its reference, as models.yaml has them.

    The file is the one in $FALLBACK_LAB_CONFIG, or else ./models.yaml. Answers never come from the response cache.
    """

    async def generate(
        self,
        input: list[ChatMessage],  # noqa: A002  # Inspect's name
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """One answer; leaving Inspect's task cancels the request."""
        lab = open_lab()
        name = self.model_name
        chosen = {"category" if name in lab.config().chains else "model": name}
        request = _request(input, tools, tool_choice, config)
        handle = lab.start(request, **chosen, options=Options(source="eval", cache="off"))
        try:
            return _output(await _result(handle))
        except AllModelsFailed as error:
            if error.attempts and error.attempts[-1].reason == ContentFiltered.kind:
                return ModelOutput.from_content(name, "", stop_reason="content_filter", error=str(error))
            raise

    def max_connections(self) -> int:
        """What each provider allows holds beneath this."""
        return 64

    def connection_key(self) -> str:
        return f"fallback-lab/{self.model_name}"


@hooks(name="fallback-lab", description="Closes the Lab when a run ends: its threads would keep the process alive.")
class Closing(Hooks):
    async def on_run_end(self, data: RunEnd) -> None:  # noqa: ARG002  # Inspect's signature
        await asyncio.to_thread(close_lab)


@modelapi(name="fallback-lab")
def fallback_lab() -> type[ModelAPI]:
    return FallbackLab


async def _result(handle: Handle) -> Completion:
    try:
        return await asyncio.to_thread(handle.result)
    except asyncio.CancelledError:
        handle.cancel()
        raise


# --- Inspect's shape to ours -----------------------------------------------------------------------


def _request(
    messages: Sequence[ChatMessage], tools: Sequence[ToolInfo], choice: ToolChoice, config: GenerateConfig
) -> Request:
    params = {name: value for name in _SAMPLING if (value := getattr(config, name)) is not None}
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
    if isinstance(message, ChatMessageAssistant) and message.tool_calls:
        found["tool_calls"] = [
            OwnCall(id=call.id, name=call.function, arguments=json.dumps(call.arguments)).shape()
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
        elif not isinstance(part, ContentReasoning):  # what a model thought before is not asked again
            raise InvalidRequest(f"Fallback Lab cannot send content of the type {part.type}. Use text and images.")


# --- Ours to Inspect's -----------------------------------------------------------------------------


def _output(completion: Completion) -> ModelOutput:
    answer, last = completion.answer, completion.attempts[-1]
    message = ChatMessageAssistant(
        content=_said(answer), tool_calls=list(_calls(answer)) or None, model=last.served_model or last.model,
        source="generate",
    )  # fmt: skip
    usage = last.usage
    tokens = None
    if usage is not None:
        asked, said = usage.prompt_tokens or 0, usage.completion_tokens or 0
        tokens = ModelUsage(
            input_tokens=asked, output_tokens=said, total_tokens=asked + said, reasoning_tokens=usage.reasoning_tokens,
            input_tokens_cache_read=usage.cached_tokens,
        )  # fmt: skip
    return ModelOutput(
        model=last.model,
        choices=[ChatCompletionChoice(message=message, stop_reason=_STOPS.get(answer.finish_reason, "unknown"))],
        usage=tokens,
        time=last.latency,
        metadata={
            "place": last.place,
            "cost": completion.cost,
            "attempts": [f"{attempt.model}: {attempt.reason or attempt.outcome}" for attempt in completion.attempts],
        },
    )


def _said(answer: Answer) -> str | list[Content]:
    thoughts: list[Content] = [ContentReasoning(reasoning=answer.reasoning)] if answer.reasoning else []
    images: list[Content] = [ContentImage(image=image) for image in answer.images]
    if not thoughts and not images:
        return answer.text
    return [*thoughts, ContentText(text=answer.text), *images]


def _calls(answer: Answer) -> Iterator[ToolCall]:
    for call in answer.tool_calls:
        try:
            arguments = json.loads(call.arguments or "{}")
            problem = None if isinstance(arguments, dict) else "The arguments are no JSON object."
        except ValueError as error:
            arguments, problem = {}, f"The arguments are not JSON: {error}."
        yield ToolCall(
            id=call.id, function=call.name, arguments=arguments if problem is None else {}, parse_error=problem
        )
