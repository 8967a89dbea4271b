"""The body of a chat completions call, as the server at hand wants it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from router.config.schema import ProviderConfig
from router.core.untrusted import mapping, text
from router.providers import Call
from router.providers.anthropic_request import OWN
from router.providers.anthropic_tools import without_marks
from router.providers.completions_messages import addressed_files, taken, unknown_fields
from router.providers.mistral import is_mistrals, ordered
from router.providers.producers import demand, returned

_SAMPLING = (
    *("temperature", "top_p", "stop", "presence_penalty", "frequency_penalty"),
    *("logprobs", "top_logprobs", "logit_bias"),
)
_ALWAYS_REASONS = re.compile(r"(?:o\d|gpt-5(?!\.\d|-chat))")
_MOST_STOPS = 4
_MAY_REASON = re.compile(r"gpt-[5-9]")


class Body(NamedTuple):
    """A body, and one sentence for each thing that was asked and is not in it as it was."""

    fields: dict[str, Any]
    notes: tuple[str, ...] = ()


def completions_body(call: Call, config: ProviderConfig, producer: str | None) -> Body:
    """The body of a chat completions call.

    Args:
        config: its `body` holds fields that the request's own override; a null there leaves the field out.
        producer: who is asked; see `returned`.
    """
    body = {**config.body, **call.request.body(), "model": call.model}
    wants = demand(config.base_url or "", call.model)
    messages = taken(returned(call.request.messages, producer, wants), config)
    body["messages"] = ordered(messages) if is_mistrals(call.model) else messages
    notes: list[str] = []
    if not config.is_openrouter:
        notes += [*unknown_fields(call.request.messages), *addressed_files(call.request.messages)]
    if body.pop(OWN, None) is not None and (tools := body.get("tools")):
        # What a caller of the endpoint said in Anthropic's words is in the body in these words too, less the marks.
        body["tools"] = without_marks(tools, notes)
    if call.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if not config.is_openrouter and "reasoning" not in config.body:
        _name_effort(body, notes)
    if config.is_openai:
        _as_openai_wants(body, notes)
    return Body(without_nulls_of(config, body), tuple(notes))


def without_nulls_of(config: ProviderConfig, body: dict[str, Any]) -> dict[str, Any]:
    """The body less the fields that the provider's configuration sets to null."""
    nulls = {name for name, value in config.body.items() if value is None}
    return {name: value for name, value in body.items() if name not in nulls} if nulls else body


def _name_effort(body: dict[str, Any], notes: list[str]) -> None:
    """`reasoning` is OpenRouter's; all others have `reasoning_effort`, and some reject `reasoning`."""
    if "reasoning" not in body:
        return
    reasoning = mapping(body.pop("reasoning"))
    if effort := text(reasoning.get("effort")):
        body.setdefault("reasoning_effort", effort)
    notes += [
        f"`reasoning.{name}` was left out: this server knows `reasoning_effort` alone."
        for name in reasoning
        if name != "effort"
    ]


def _as_openai_wants(body: dict[str, Any], notes: list[str]) -> None:
    """OpenAI itself rejects the names it has replaced, and sampling parameters if the model reasons."""
    if "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    if body.pop("top_k", None) is not None:
        notes.append("`top_k` was left out: OpenAI does not have it.")
    if isinstance(stops := body.get("stop"), list | tuple) and len(stops) > _MOST_STOPS:
        body["stop"] = stops[:_MOST_STOPS]
        notes.append(f"`stop` was cut to its first {_MOST_STOPS}: OpenAI takes no more.")
    model, effort = str(body["model"]), body.get("reasoning_effort")
    if not (_ALWAYS_REASONS.match(model) or (_MAY_REASON.match(model) and effort not in (None, "none"))):
        return
    for name in _SAMPLING:
        if name in body:
            del body[name]
            notes.append(f"`{name}` was left out: {model} refuses it where it reasons.")
