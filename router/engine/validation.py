"""Whether an answer is whole, and whether it fits what was asked for.

One that is not whole is a failure. It fits if its tool calls are calls of the request's tools, or its text has the
response format. That is a fact about the answer, stored with it. What follows from it is each chain's own policy:
chains with different ones may share a call, or an answer from the cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from router.core.attempts import Attempt, Validation
from router.core.errors import InvalidAnswer, InvalidJson, InvalidToolCall, ProviderError, StreamCut
from router.core.messages import Answer, ToolCall
from router.core.requests import Request
from router.core.untrusted import MAX_MESSAGE, MAX_NAME, NO_JSON, cut, mapping, mappings, text
from router.engine.schemas import Json, mismatch

if TYPE_CHECKING:
    from router.config.policy import ChainPolicy

_CHECKS = ThreadPoolExecutor(2, "answer-checks")
"""Each waits for a child process; few at once, so that these do not hold up the answers that stream."""

MAX_PARTS = 256
"""Tool calls, and pieces of reasoning, that one answer may have; a hundred are more than any model asks for at once."""

EMPTY = "The answer is empty."
"""What is said of a whole answer with nothing in it."""


class Found(NamedTuple):
    """What a check found; see `Attempt`."""

    validation: Validation | None = None
    mismatch: str | None = None


def check_whole(answer: Answer) -> None:
    """An answer that cannot be used is a failure.

    Raises:
        ProviderError: no finish reason, nothing in it, too many parts, or tool calls whose arguments are not JSON.
    """
    if answer.finish_reason is None:
        raise StreamCut("The stream ended without a finish reason.")
    if not answer.text.strip() and not answer.tool_calls and not answer.images:
        raise InvalidAnswer(EMPTY, status=200)
    for parts, what in (
        (answer.tool_calls, "tool calls"),
        (answer.reasoning_details, "pieces of reasoning"),
        (answer.images, "images"),
    ):
        if len(parts) > MAX_PARTS:
            raise InvalidAnswer(f"The answer has {len(parts):,} {what}; at most {MAX_PARTS} are taken.", status=200)
    for call in answer.tool_calls:
        try:
            arguments = msgspec.json.decode(call.arguments or "{}")
        except NO_JSON:
            arguments = None
        if not isinstance(arguments, dict) or not call.name:
            called = call.name or call.id
            raise InvalidAnswer(f"The tool call {called} has arguments that are not a JSON object.", status=200)


async def validate(answer: Answer, request: Request) -> Found:
    """Check a whole answer; it never fails, and never blocks the loop."""
    if answer.tool_calls:
        return await _validate_calls(answer.tool_calls, request.tools)
    asked = mapping(request.response_format)
    if asked.get("type") not in ("json_object", "json_schema"):
        return Found()
    schema = mapping(asked.get("json_schema")).get("schema")
    return await _fit("invalid_json", Json("The answer", answer.text, schema))


async def _validate_calls(calls: Sequence[ToolCall], tools: Sequence[Mapping[str, Any]]) -> Found:
    schemas = dict(map(_named_schema, mappings(tools)))
    for call in calls:
        if call.name not in schemas:
            return Found("unknown_tool", f"It called `{cut(call.name, MAX_NAME)}`, which is not one of the tools.")
    return await _fit("invalid_arguments", *_arguments(calls, schemas))


def _named_schema(tool: Mapping[str, Any]) -> tuple[str | None, Any]:
    """A tool's name, and the schema of its arguments; also of a tool that only one vendor has."""
    function = mapping(tool.get("function")) or tool
    return text(function.get("name")), function.get("parameters") or function.get("input_schema")


def _arguments(calls: Sequence[ToolCall], schemas: Mapping[str | None, Any]) -> Iterator[Json]:
    for call in calls:
        yield Json(f"The call of `{cut(call.name, MAX_NAME)}`", call.arguments or "{}", schemas[call.name])


async def _fit(otherwise: Validation, *texts: Json) -> Found:
    found = await asyncio.get_running_loop().run_in_executor(_CHECKS, mismatch, *texts)
    if found is None:
        return Found("valid")
    return Found(otherwise if found.checked else "unchecked", cut(found.sentence, MAX_MESSAGE))


def refusal(attempt: Attempt, policy: ChainPolicy) -> ProviderError | None:
    """The failure that an answer is by a chain's policy; None where it is accepted."""
    match attempt.validation:
        case "invalid_json" if policy.on_invalid_json == "next":
            return InvalidJson(attempt.mismatch or "", status=200)
        case "unknown_tool" | "invalid_arguments" if policy.on_invalid_tool_call == "next":
            return InvalidToolCall(attempt.mismatch or "", status=200)
    return None
