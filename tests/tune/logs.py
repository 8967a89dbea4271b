"""Hand-made logs: calls and requests as a view, and graded answers as an evaluation's run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.messages import Answer
from router.core.records import Step
from router.core.requests import Request
from router.core.runs import CellKey, CellResult, Graded, Lane, Planned
from router.core.suites import Case, Check, Grade, Suite
from router.evaluate.results import Results
from router.metrics.columns import AttemptLabels, Labels, RequestLabels, Rows
from router.metrics.view import View

MEASURES = ("latency", "ttft", "cost", "completion_tokens")


# --- Calls and requests ----------------------------------------------------------------------------


def call(model: str = "a", reason: str | None = None, *, at: float = 0.0, **more: Any) -> dict[str, Any]:
    """A call that answered, or failed for a reason; `x:1` is a model of the provider `x`."""
    return {
        "model": model, "provider": model.split(":", maxsplit=1)[0], "place": 0, "number": 1,
        "category": "code", "source": "chat", "started": at,
        "outcome": "answered" if reason is None else "failed", "reason": reason,
        "latency": 1.0, "ttft": 0.5 if reason is None else np.nan, "cost": 0.001, "completion_tokens": 50.0,
        "tags": (), **dict.fromkeys(("cached", "shared", "injected"), False), **more,
    }  # fmt: skip


def request(way: str, **more: Any) -> dict[str, Any]:
    """A request as its way through the chain: `a- b+` is failed by the provider of `a` and answered by `b`."""
    path = tuple(
        Step(word[:-1], word.split(":")[0], place, "answered" if word.endswith("+") else "failed",
             None if word.endswith("+") else "server_failed")
        for place, word in enumerate(way.split())
    )  # fmt: skip
    is_answered = path[-1].outcome == "answered"
    return {
        "category": "code", "chain": "", "source": "chat", "tags": (),
        "outcome": "answered" if is_answered else "failed", "path": path,
        "model": path[-1].model if is_answered else None,
        "place": len(path) - 1 if is_answered else None, "started": 0.0,
        **dict.fromkeys(("cached", "shared", "injected", "stand_in", "keyless"), False), **more,
    }  # fmt: skip


def view_of(calls: Iterable[dict[str, Any]] = (), requests: Iterable[dict[str, Any]] = ()) -> View:
    return View.of((_rows(list(requests), RequestLabels), _rows(list(calls), AttemptLabels)))


def _rows(rows: Sequence[dict[str, Any]], of: type[Labels]) -> Rows[Labels]:
    names = {field.name for field in msgspec.structs.fields(of)}
    labels = tuple(msgspec.convert({name: row[name] for name in names if name in row}, of) for row in rows)
    count = len(rows)
    started = np.array([row["started"] for row in rows], float)
    measures = {name: np.array([row.get(name, np.nan) for row in rows], np.float32) for name in MEASURES}
    index = np.arange(count, dtype=np.int32)
    return Rows(labels, index, index.astype(np.int64), started, measures, {})


# --- Graded answers --------------------------------------------------------------------------------


def case_of(name: str, category: str = "code") -> Case:
    prompt = Request(messages=({"role": "user", "content": name},))
    return Case(id=name, request=prompt, category=category, checks=(Check(type="contains", value="x"),))


def attempt(model: str, reason: str | None = None, **more: Any) -> Attempt:
    """A call of an evaluation that answered, or failed for a reason."""
    fields: dict[str, Any] = {
        "model": model, "provider": model.split(":", maxsplit=1)[0], "place": 0, "number": 1,
        "outcome": "answered" if reason is None else "failed", "reason": reason, "started": 0.0, "offset": 0.0,
        "latency": 1.0, "ttft": 0.5 if reason is None else None, "cost": 0.001, **more,
    }  # fmt: skip
    return Attempt(**fields)


class RunLog:
    """A run that is written cell by cell.

    Args:
        lanes: by name; of models, where they are not told otherwise.
    """

    def __init__(
        self, path: Path, cases: Sequence[str], lanes: Sequence[str], *, suite: str = "suite", repeats: int = 1,
        settings: dict[str, Settings] | None = None, category: str = "code", at: float = 0.0,
    ) -> None:  # fmt: skip
        self._path = path
        self._lanes = {name: Lane(name, (settings or {}).get(name, Settings(model=name)), "chain") for name in lanes}
        self._cases = {name: case_of(name, category) for name in cases}
        whole = Suite(name=suite, cases=tuple(self._cases.values()))
        self._at = at
        self._entries: list[Any] = [Planned(at=at, suite=whole, lanes=tuple(self._lanes.values()), repeats=repeats)]

    def answer(self, case: str, lane: str, *attempts: Attempt, passed: bool | None = True, repeat: int = 0,
               by: str = "", state: Any = None) -> RunLog:  # fmt: skip
        """A cell with its attempts, and its grade if it was answered; None for one that could not be graded.

        Args:
            by: who graded; empty for the suite's check.
        """
        attempts = attempts or (attempt(lane),)
        cell = CellKey(self._cases[case].key, self._lanes[lane].key, repeat)
        is_answered = attempts[-1].outcome == "answered"
        state = state or ("answered" if is_answered else "failed")
        answers = (Answer(text="x"),) if is_answered else ()
        self._entries.append(CellResult(self._at, cell, state, answers, attempts, 1.0))
        if is_answered:
            score = None if passed is None else float(passed)
            grade = Grade(check="contains x", score=score, passed=bool(passed), error="?" if passed is None else None)
            self._entries.append(Graded(self._at, cell, case, (grade,), by))
        return self

    def results(self) -> Results:
        self._path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in self._entries))
        return Results(self._path).refresh()
