"""A cell of a run as a sample of Inspect: its dialog, its answer, its scores, what it took."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from router.core.attempts import Attempt, is_call, spent
from router.core.messages import Answer, Usage, digest
from router.core.runs import CellKey, CellResult
from router.core.suites import Case
from router.evaluate.results import Results

Sample = dict[str, Any]

STOP_REASONS = {"stop": "stop", "length": "max_tokens", "tool_calls": "tool_calls", "content_filter": "content_filter"}
"""Inspect's, by ours; all others are "unknown" there."""

_SUMMARY = (
    "id", "epoch", "input", "target", "metadata", "scores", "model_usage", "started_at", "completed_at", "total_time",
    "uuid",
)  # fmt: skip


def sample_of(results: Results, case: Case, cell: CellKey, result: CellResult) -> Sample:
    """A case's answer, with its grades, in the shape of Inspect's EvalSample."""
    found: Sample = {
        "id": case.id,
        "epoch": cell.repeat + 1,
        "uuid": digest(str(results.began), case.id, cell.lane, str(cell.repeat))[:22],
        "input": [_message(message) for message in case.request.messages],
        "target": list(case.target) if len(case.target) != 1 else case.target[0],
        "messages": list(_dialog(case, result.answers)),
        "scores": _scores(results, case, cell),
        "metadata": {**case.metadata, **_metadata(results, case, cell, result)},
        "model_usage": _usage_by_model(result.attempts),
        "completed_at": timestamp(result.at),
        "total_time": result.latency,
        "turn_count": len(result.answers),
        "events": [],
    }
    found["output"] = _output(found["messages"], result)
    if result.attempts:
        found["started_at"] = timestamp(result.attempts[0].started)
    if result.error is not None:
        found["error"] = {"message": result.error, "traceback": "", "traceback_ansi": ""}
    return found


def summary_of(sample: Sample) -> dict[str, Any]:
    """What Inspect's list of samples shows of one."""
    return {
        **{name: sample[name] for name in _SUMMARY if name in sample},
        "error": sample["error"]["message"] if "error" in sample else None,
        "completed": True,
        "message_count": len(sample["messages"]),
        "turn_count": sample["turn_count"],
    }


def usage_of(usage: Usage, cost: float | None) -> dict[str, Any]:
    """Tokens in the shape of Inspect's ModelUsage, whose `input_tokens` leave out those of the prompt cache.

    Args:
        cost: US dollars; None if unknown.
    """
    read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    asked, said = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return {
        "input_tokens": max(asked - read - written, 0),
        "output_tokens": said,
        "total_tokens": asked + said,
        "input_tokens_cache_read": usage.cached_tokens,
        "input_tokens_cache_write": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "total_cost": cost,
    }


def sum_of(usages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Their sum, field by field. What no one knows stays unknown; a cost does where a single one is."""
    each = list(usages)
    names = dict.fromkeys(name for usage in each for name in usage)
    known = {name: [usage[name] for usage in each if usage[name] is not None] for name in names}
    found = {name: sum(values) if values else None for name, values in known.items()}
    if len(known.get("total_cost", ())) < len(each):
        found["total_cost"] = None
    return found


def timestamp(at: float) -> str:
    """Unix time, in seconds, as Inspect writes times."""
    return datetime.fromtimestamp(at, UTC).isoformat()


# --- What became of it -----------------------------------------------------------------------------


def _output(messages: Sequence[Mapping[str, Any]], result: CellResult) -> dict[str, Any]:
    last = result.attempts[-1] if result.attempts else None
    found: dict[str, Any] = {"model": last.model if last is not None else "none", "choices": [], "time": result.latency}
    if result.answers:
        reason = STOP_REASONS.get(result.answers[-1].finish_reason or "", "unknown")
        found["choices"] = [{"message": messages[-1], "stop_reason": reason}]
    if last is not None and last.usage is not None:
        found["usage"] = usage_of(last.usage, last.cost)
    return found


def _usage_by_model(attempts: Iterable[Attempt]) -> dict[str, dict[str, Any]]:
    """What every turn and every call that failed took, too."""
    found: dict[str, list[dict[str, Any]]] = {}
    for attempt in attempts:
        if is_call(attempt) and attempt.usage is not None:
            found.setdefault(attempt.model, []).append(usage_of(attempt.usage, attempt.cost))
    return {model: sum_of(usages) for model, usages in found.items()}


def _scores(results: Results, case: Case, cell: CellKey) -> dict[str, dict[str, Any]]:
    """The case's, each check's and a person's. Checks of one name are numbered: none hides another."""
    found: dict[str, dict[str, Any]] = {}
    scored, person = results.scored.get((cell, case.id)), results.people.get((cell, case.id))
    if scored is not None and scored.score is not None:
        found["passed"] = {"value": float(scored.passed)}
        found["score"] = {"value": scored.score}
    if person is not None:
        found["person"] = {"value": person.score, "explanation": person.reason or None}
    seen = Counter(found)
    for grade in results.grades(cell, case.id):
        seen[grade.check] += 1
        name = grade.check if seen[grade.check] == 1 else f"{grade.check}-{seen[grade.check]}"
        if grade.score is not None:
            found[name] = {"value": grade.score, "explanation": grade.reason or None}
    return found


def _metadata(results: Results, case: Case, cell: CellKey, result: CellResult) -> dict[str, Any]:
    scored = results.scored.get((cell, case.id))
    return {
        "category": case.category,
        "tags": list(case.tags),
        "cost": spent(result.attempts).known,
        "attempts": msgspec.to_builtins(result.attempts),
        **({"grading_error": scored.error} if scored is not None and scored.error is not None else {}),
    }


# --- Messages --------------------------------------------------------------------------------------


def _dialog(case: Case, answers: Sequence[Answer]) -> Iterator[dict[str, Any]]:
    yield from map(_message, case.request.messages)
    for number, answer in enumerate(answers):
        if number:
            yield _message(case.then[number - 1])
        yield _answer(answer)


def _answer(answer: Answer) -> dict[str, Any]:
    thoughts = [{"type": "reasoning", "reasoning": answer.reasoning}] if answer.reasoning else []
    images = [{"type": "image", "image": image} for image in answer.images]
    text = [{"type": "text", "text": answer.text}] if answer.text else []
    calls = [_call(call.id, call.name, call.arguments) for call in answer.tool_calls]
    content = [*thoughts, *text, *images] if thoughts or images else answer.text
    return {"role": "assistant", "content": content, "source": "generate", **({"tool_calls": calls} if calls else {})}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a request in Inspect's shape; what has none there is named in its place."""
    content = message.get("content") or ""
    role = message["role"]
    found: dict[str, Any] = {
        "role": "system" if role == "developer" else role,  # OpenAI's newer name, which Inspect lacks
        "content": content if isinstance(content, str) else [_part(part) for part in content],
    }
    if calls := message.get("tool_calls"):
        found["tool_calls"] = [
            _call(each["id"], each["function"]["name"], each["function"]["arguments"]) for each in calls
        ]
    if role == "tool":
        found["tool_call_id"] = message.get("tool_call_id")
    return found


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "image", "image": url}
        case _:
            return {"type": "text", "text": f"[{part.get('type')}]"}


def _call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    try:
        read = json.loads(arguments or "{}")
    except ValueError:
        read = None
    if isinstance(read, dict):
        return {"id": identity, "function": name, "arguments": read, "type": "function"}
    error = "The arguments are not a JSON object."
    return {"id": identity, "function": name, "arguments": {"": arguments}, "type": "function", "parse_error": error}
