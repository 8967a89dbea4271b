"""Whether an answer fits what was asked for: its tool calls the request's tools, or its text the response format.

What is found is a fact about the answer, stored with it. What follows from it is each chain's own policy: chains with
different ones may share a call, or an answer from the cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from router.config.policy import ChainPolicy
from router.core.attempts import Attempt, Validation
from router.core.errors import InvalidJson, InvalidToolCall, ProviderError
from router.core.messages import Answer, ToolCall
from router.core.requests import Request
from router.core.untrusted import MAX_MESSAGE, MAX_NAME, cut, mapping, mappings, text
from router.engine.schemas import Json, mismatch

_CHECKS = ThreadPoolExecutor(2, "answer-checks")
"""Each waits for a child process; few at once, so that these do not hold up the answers that stream."""


class Found(NamedTuple):
    """What a check found; see `Attempt`."""

    validation: Validation | None = None
    mismatch: str | None = None


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
