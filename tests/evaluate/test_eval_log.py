"""Runs as logs of Inspect: what Inspect reads in them is what the run has."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.messages import Answer, ToolCall, Usage
from router.core.requests import Request
from router.core.runs import CellKey, Ended, Graded, Landed, Lane, Planned
from router.core.suites import Case, Check, Grade, Suite
from router.evaluate.eval_log import to_logs, to_zip
from router.evaluate.results import Results

CALL = ToolCall(id="call_1", name="weather", arguments='{"city": "Oslo"}')
CASE = Case(
    id="weather",
    request=Request(messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"})),
    then=({"role": "user", "content": "Are you sure?"},),
    category="tools",
    target=("sunny", "bright"),
    checks=(Check(type="includes"),),
)
LANES = tuple(Lane(name, Settings(model=name), "chain") for name in ("good/model", "other"))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    plan = Planned(at=1_700_000_000.0, suite=Suite(name="towns", cases=(CASE,)), lanes=LANES)
    attempt = Attempt(
        model="good/model", provider="p", place=0, number=1, outcome="answered", started=0.0, offset=0.0, latency=1.5,
        usage=Usage(prompt_tokens=7, completion_tokens=3),
    )  # fmt: skip
    cells = [CellKey(CASE.key, lane.key, 0) for lane in LANES]
    answers = (Answer(tool_calls=(CALL,)), Answer(text="Yes, sunny.", reasoning="Hm."))
    entries: list[Any] = [
        plan,
        Landed(1.0, cells[0], "answered", answers, (attempt,), 1.5),
        Graded(2.0, cells[0], "weather", (Grade(check="includes", score=1.0, passed=True, reason="It is there."),)),
        Graded(3.0, cells[0], "weather", (Grade(check="person", score=0.0, passed=False, reason="Rude."),), by="me"),
        Landed(4.0, cells[1], "failed", error="All models failed."),
        Ended(5.0, "complete"),
    ]
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
    return Results(path).refresh()


def sample(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found: dict[str, Any] = json.loads(archive.read("samples/weather_epoch_1.json"))
    return found


def logs(results: Results) -> dict[str, bytes]:
    return dict(to_logs(results, results.planned))


def test_each_lane_has_a_log_whose_name_is_a_file_s(results: Results) -> None:
    assert list(logs(results)) == ["towns_good-model.eval", "towns_other.eval"]


def test_all_logs_fit_in_one_file(results: Results) -> None:
    with zipfile.ZipFile(io.BytesIO(to_zip(results, results.planned))) as archive:
        assert archive.namelist() == list(logs(results))


def test_a_sample_holds_every_turn(results: Results) -> None:
    found = sample(logs(results)["towns_good-model.eval"])
    assert [message["role"] for message in found["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert found["messages"][2]["tool_calls"][0]["arguments"] == {"city": "Oslo"}
    assert found["target"] == ["sunny", "bright"]


def test_scores_of_checks_of_the_case_and_of_people_stand_side_by_side(results: Results) -> None:
    scores = sample(logs(results)["towns_good-model.eval"])["scores"]
    assert {name: score["value"] for name, score in scores.items()} == {"passed": 1.0, "includes": 1.0, "person": 0.0}
    assert scores["person"]["explanation"] == "Rude."


def test_what_was_not_answered_is_an_error(results: Results) -> None:
    found = sample(logs(results)["towns_other.eval"])
    assert (found["error"]["message"], found["scores"]) == ("All models failed.", {})


def test_inspect_reads_the_logs(results: Results, tmp_path: Path) -> None:
    log = pytest.importorskip("inspect_ai.log")
    for name, data in logs(results).items():
        (tmp_path / name).write_bytes(data)
    found = log.read_eval_log(str(tmp_path / "towns_good-model.eval"))
    assert (found.status, found.eval.task, found.eval.model) == ("success", "towns", "fallback-lab/good/model")
    assert found.samples[0].output.completion == "Yes, sunny."
    assert found.samples[0].output.usage.output_tokens == 3
    assert found.results.scores[0].metrics["mean"].value == 1.0
    summaries = log.read_eval_log_sample_summaries(str(tmp_path / "towns_other.eval"))
    assert [summary.id for summary in summaries] == ["weather"]
