"""A run as logs of Inspect, one a lane: `inspect view` opens them.

The format is Inspect's `.eval`, version 2: a zip of JSON (https://inspect.aisi.org.uk/eval-logs.html).
"""

from __future__ import annotations

import io
import json
import re
import statistics
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from router.core.messages import Answer
from router.core.runs import CellKey, Landed, Lane, Planned
from router.core.suites import Case
from router.evaluate.results import Results

_STATUS = {"complete": "success", "stopped": "cancelled", "limit": "cancelled", None: "started"}


def to_logs(results: Results, plan: Planned) -> Iterator[tuple[str, bytes]]:
    """A file name and its bytes for each lane; cells without an answer are left out."""
    for lane in plan.lanes:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{plan.suite.name}_{lane.name}").strip("-")
        yield f"{name}.eval", _log(results, plan, lane)


def to_zip(results: Results, plan: Planned) -> bytes:
    """The logs of all lanes in one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in to_logs(results, plan):
            archive.writestr(name, data)
    return file.getvalue()


def _log(results: Results, plan: Planned, lane: Lane) -> bytes:
    samples = list(_samples(results, plan, lane))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", _json(sample))
        summaries = [{name: sample[name] for name in _SUMMARY if name in sample} for sample in samples]
        archive.writestr("summaries.json", _json(summaries))
        archive.writestr("header.json", _json(_header(results, plan, lane, samples)))
    return file.getvalue()


_SUMMARY = ("id", "epoch", "input", "target", "metadata", "scores", "model_usage", "total_time", "uuid")


def _header(results: Results, plan: Planned, lane: Lane, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    begun = _time(results.began)
    return {
        "version": 2,
        "status": _STATUS[results.ended],
        "eval": {
            "eval_id": f"{lane.key}-{int(results.began)}",
            "run_id": f"{int(results.began)}",
            "created": begun,
            "task": plan.suite.name,
            "task_id": plan.suite.name,
            "dataset": {
                "name": plan.suite.name,
                "samples": len(plan.suite.cases),
                "sample_ids": [case.id for case in plan.suite.cases],
            },
            "model": f"fallback-lab/{lane.name}",
            "config": {"epochs": plan.repeats},
            "metadata": {"settings": msgspec.to_builtins(lane.settings)},
        },
        "plan": {"name": "plan", "steps": []},
        "results": {
            "total_samples": len(plan.suite.cases) * plan.repeats,
            "completed_samples": len(samples),
            "scores": [_metrics(name, samples) for name in _score_names(samples)],
        },
        "stats": {"started_at": begun, "completed_at": _time(time.time()), "model_usage": _usage_of(samples)},
    }


def _score_names(samples: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for sample in samples for name in sample["scores"]))


def _metrics(name: str, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [sample["scores"][name]["value"] for sample in samples if name in sample["scores"]]
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    metrics = {"mean": statistics.fmean(values), "stderr": error}
    return {
        "name": name,
        "scorer": name,
        "scored_samples": len(values),
        "metrics": {metric: {"name": metric, "value": value} for metric, value in metrics.items()},
    }


def _samples(results: Results, plan: Planned, lane: Lane) -> Iterator[dict[str, Any]]:
    for case in plan.suite.cases:
        for repeat in range(plan.repeats):
            cell = CellKey(case.key, lane.key, repeat)
            if (landed := results.answer(cell)) is not None:
                yield _sample(results, case, cell, landed)


def _sample(results: Results, case: Case, cell: CellKey, landed: Landed) -> dict[str, Any]:
    messages = list(_dialog(case, landed.answers))
    last = landed.attempts[-1] if landed.attempts else None
    model = last.model if last is not None else "none"
    usage = last.usage if last is not None else None
    tokens = {
        "input_tokens": (usage.prompt_tokens if usage is not None else None) or 0,
        "output_tokens": (usage.completion_tokens if usage is not None else None) or 0,
    }
    tokens["total_tokens"] = sum(tokens.values())
    scored = results.scored.get((cell, case.id))
    scores: dict[str, dict[str, Any]] = {}
    if scored is not None and scored.score is not None:
        scores["passed"] = {"value": float(scored.passed)}
    scores |= {
        grade.check: {"value": grade.score, "explanation": grade.reason or None}
        for grade in results.grades(cell, case.id)
        if grade.score is not None
    }
    if (person := results.people.get((cell, case.id))) is not None:
        scores["person"] = {"value": person.score, "explanation": person.reason or None}
    sample: dict[str, Any] = {
        "id": case.id,
        "epoch": cell.repeat + 1,
        "uuid": f"{cell.question[:12]}{cell.lane[:8]}{cell.repeat}",
        "input": [_message(message) for message in case.request.messages],
        "target": list(case.target) if len(case.target) != 1 else case.target[0],
        "messages": messages,
        "output": {
            "model": model,
            "choices": [{"message": messages[-1], "stop_reason": "stop"}] if landed.answers else [],
            "usage": tokens,
            "time": landed.latency,
        },
        "scores": scores,
        "metadata": {
            **case.metadata,
            "category": case.category,
            "tags": list(case.tags),
            "attempts": msgspec.to_builtins(landed.attempts),
        },
        "model_usage": {model: tokens},
        "total_time": landed.latency,
        "events": [],
    }
    if landed.error is not None:
        sample["error"] = {"message": landed.error, "traceback": "", "traceback_ansi": ""}
    return sample


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
    found: dict[str, Any] = {
        "role": message["role"],
        "content": content if isinstance(content, str) else [_part(part) for part in content],
    }
    if calls := message.get("tool_calls"):
        found["tool_calls"] = [
            _call(each["id"], each["function"]["name"], each["function"]["arguments"]) for each in calls
        ]
    if message["role"] == "tool":
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
    error = "The arguments are no JSON object."
    return {"id": identity, "function": name, "arguments": {"": arguments}, "type": "function", "parse_error": error}


def _usage_of(samples: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for sample in samples:
        for model, tokens in sample["model_usage"].items():
            total = found.setdefault(model, dict.fromkeys(tokens, 0))
            for name, number in tokens.items():
                total[name] += number
    return found


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
