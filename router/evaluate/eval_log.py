"""A run as logs of Inspect, one a lane: `inspect view` opens them.

The format is Inspect's `.eval`, version 2: a zip of JSON (https://inspect.aisi.org.uk/eval-logs.html).
"""

from __future__ import annotations

import io
import re
import statistics
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from router.core.runs import CellKey, Lane, Planned
from router.evaluate.eval_sample import Sample, sample_of, sum_of, summary_of, timestamp
from router.evaluate.results import Results

_STATUS = {"complete": "success", "stopped": "cancelled", "limit": "cancelled", None: "started"}


def to_logs(results: Results, plan: Planned) -> Iterator[tuple[str, bytes]]:
    """A file name and its bytes for each lane; cells without an answer are left out."""
    seen: set[str] = set()
    for lane in plan.lanes:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{plan.suite.name}_{lane.name}").strip("-")
        if name.casefold() in seen:  # x/y and x-y; some file systems do not tell X from x
            name = f"{name}_{lane.key}"
        seen.add(name.casefold())
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
        archive.writestr("summaries.json", _json([summary_of(sample) for sample in samples]))
        archive.writestr("header.json", _json(_header(results, plan, lane, samples)))
    return file.getvalue()


def _samples(results: Results, plan: Planned, lane: Lane) -> Iterator[Sample]:
    for case in plan.suite.cases:
        for repeat in range(plan.repeats):
            cell = CellKey(case.key, lane.key, repeat)
            if (result := results.answer(cell)) is not None:
                yield sample_of(results, case, cell, result)


def _header(results: Results, plan: Planned, lane: Lane, samples: Sequence[Sample]) -> dict[str, Any]:
    begun = timestamp(results.began)
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
            "completed_samples": sum("error" not in sample for sample in samples),
            "scores": [_metrics(name, samples) for name in _score_names(samples)],
        },
        "stats": {
            "started_at": begun,
            "completed_at": max((sample["completed_at"] for sample in samples), default=begun),
            "model_usage": _usage_by_model(samples),
        },
    }


def _score_names(samples: Sequence[Sample]) -> list[str]:
    return list(dict.fromkeys(name for sample in samples for name in sample["scores"]))


def _metrics(name: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """Repeats of a case are no cases more: as in Inspect, each case counts once, with their mean."""
    by_case: dict[str, list[float]] = {}
    for sample in samples:
        if name in sample["scores"]:
            by_case.setdefault(sample["id"], []).append(sample["scores"][name]["value"])
    values = [statistics.fmean(repeats) for repeats in by_case.values()]
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    metrics = {"mean": statistics.fmean(values), "stderr": error}
    return {
        "name": name,
        "scorer": name,
        "reducer": "mean",
        "scored_samples": len(values),
        "unscored_samples": len({sample["id"] for sample in samples}) - len(values),
        "metrics": {metric: {"name": metric, "value": value} for metric, value in metrics.items()},
    }


def _usage_by_model(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for sample in samples:
        for model, usage in sample["model_usage"].items():
            found.setdefault(model, []).append(usage)
    return {model: sum_of(usages) for model, usages in found.items()}


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
