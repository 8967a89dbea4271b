"""Runs as logs of Inspect: what Inspect reads in them is what the run has."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.messages import Answer, ToolCall, Usage
from router.core.requests import Request
from router.core.runs import CellKey, CellResult, Ended, Graded, Lane, Planned
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
        CellResult(1.0, cells[0], "answered", answers, (attempt,), 1.5),
        Graded(2.0, cells[0], "weather", (Grade(check="includes", score=1.0, passed=True, reason="It is there."),)),
        Graded(3.0, cells[0], "weather", (Grade(check="person", score=0.0, passed=False, reason="Rude."),), by="me"),
        CellResult(4.0, cells[1], "failed", error="All models failed."),
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
    assert {name: score["value"] for name, score in scores.items()} == {
        "passed": 1.0, "score": 1.0, "includes": 1.0, "person": 0.0,
    }  # fmt: skip
    assert scores["person"]["explanation"] == "Rude."


def test_what_was_not_answered_is_an_error(results: Results) -> None:
    found = sample(logs(results)["towns_other.eval"])
    assert (found["error"]["message"], found["scores"]) == ("All models failed.", {})


def attempt(**changed: Any) -> Attempt:
    usage = Usage(prompt_tokens=10, completion_tokens=3, cached_tokens=4)
    made = Attempt(
        model="m", provider="p", place=0, number=1, outcome="answered", started=50.0, offset=0.0, usage=usage,
        cost=0.01,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changed)


def log_of(folder: Path, *entries: Any, cases: tuple[Case, ...] = (CASE,), repeats: int = 1) -> bytes:
    """The log of the first lane of a run."""
    plan = Planned(at=1.0, suite=Suite(name="towns", cases=cases), lanes=LANES[:1], repeats=repeats)
    path = folder / "journal.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in (plan, *entries)))
    [(_, data)] = to_logs(Results(path).refresh(), plan)
    return data


def cell(case: Case = CASE, repeat: int = 0) -> CellKey:
    return CellKey(case.key, LANES[0].key, repeat)


def in_zip(data: bytes, name: str) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return json.loads(archive.read(name))


@pytest.mark.parametrize("names", [("x/y", "x-y"), ("X", "x")])
def test_no_lane_overwrites_another_s_file(results: Results, names: tuple[str, str]) -> None:
    lanes = tuple(Lane(name, Settings(model=name), "chain") for name in names)
    plan = msgspec.structs.replace(results.planned, lanes=lanes)
    assert len({name.casefold() for name, _ in to_logs(results, plan)}) == 2


def test_tokens_and_cost_are_of_all_turns_and_of_calls_that_failed(tmp_path: Path) -> None:
    attempts = (attempt(outcome="failed", reason="stream_cut"), attempt(), attempt())
    found = sample(
        log_of(tmp_path, CellResult(60.0, cell(), "answered", (Answer(text="a"), Answer(text="b")), attempts))
    )
    usage = found["model_usage"]["m"]
    assert (usage["output_tokens"], usage["total_cost"]) == (9, pytest.approx(0.03))


def test_tokens_from_the_prompt_cache_are_not_counted_twice(tmp_path: Path) -> None:
    found = sample(log_of(tmp_path, CellResult(60.0, cell(), "answered", (Answer(text="a"),), (attempt(),))))
    usage = found["output"]["usage"]
    assert (usage["input_tokens"], usage["input_tokens_cache_read"], usage["total_tokens"]) == (6, 4, 13)


def test_a_cost_that_is_unknown_in_part_is_unknown(tmp_path: Path) -> None:
    attempts = (attempt(), attempt(cost=None))
    found = sample(log_of(tmp_path, CellResult(60.0, cell(), "answered", (Answer(text="a"),), attempts)))
    assert (found["model_usage"]["m"]["total_cost"], found["metadata"]["cost"]) == (None, None)


def test_an_answer_that_was_cut_by_its_limit_says_so(tmp_path: Path) -> None:
    answer = Answer(text="a", finish_reason="length")
    found = sample(log_of(tmp_path, CellResult(60.0, cell(), "answered", (answer,), (attempt(),))))
    assert found["output"]["choices"][0]["stop_reason"] == "max_tokens"


def test_checks_of_one_name_do_not_hide_each_other(tmp_path: Path) -> None:
    grades = tuple(Grade(check="includes", score=score, passed=score > 0) for score in (1.0, 0.0))
    case = msgspec.structs.replace(CASE, checks=(Check(type="includes"),) * 2)
    result = CellResult(60.0, cell(), "answered", (Answer(text="a"),), (attempt(),))
    scores = sample(log_of(tmp_path, result, Graded(61.0, cell(), "weather", grades), cases=(case,)))["scores"]
    assert (scores["includes"]["value"], scores["includes-2"]["value"]) == (1.0, 0.0)


def test_what_could_not_be_graded_is_said(tmp_path: Path) -> None:
    grade = Grade(check="judge", score=None, passed=False, error="The judge did not answer.")
    result = CellResult(60.0, cell(), "answered", (Answer(text="a"),), (attempt(),))
    found = sample(log_of(tmp_path, result, Graded(61.0, cell(), "weather", (grade,))))
    assert "The judge did not answer." in found["metadata"]["grading_error"]


def test_a_case_s_repeats_do_not_narrow_the_error(tmp_path: Path) -> None:
    cases = tuple(msgspec.structs.replace(CASE, id=name, target=(name,)) for name in ("weather", "other"))
    entries: list[Any] = []
    for case, score in zip(cases, (1.0, 0.0), strict=True):
        for repeat in range(4):
            key = cell(case, repeat)
            grades = (Grade(check="includes", score=score, passed=score > 0),)
            entries += [
                CellResult(60.0, key, "answered", (Answer(text="a"),), (attempt(),)),
                Graded(61.0, key, case.id, grades),
            ]
    header = in_zip(log_of(tmp_path, *entries, cases=cases, repeats=4), "header.json")
    [found] = [score for score in header["results"]["scores"] if score["name"] == "includes"]
    assert (found["metrics"]["mean"]["value"], found["metrics"]["stderr"]["value"]) == (0.5, pytest.approx(0.5))


def test_cases_that_ask_the_same_are_two_samples(tmp_path: Path) -> None:
    cases = (CASE, msgspec.structs.replace(CASE, id="again"))
    data = log_of(tmp_path, CellResult(60.0, cell(), "answered", (Answer(text="a"),), (attempt(),)), cases=cases)
    assert len({summary["uuid"] for summary in in_zip(data, "summaries.json")}) == 2


def test_a_run_ended_with_its_last_answer_whenever_it_is_exported(tmp_path: Path) -> None:
    data = log_of(tmp_path, CellResult(60.0, cell(), "answered", (Answer(text="a"),), (attempt(),)))
    assert in_zip(data, "header.json")["stats"]["completed_at"] == "1970-01-01T00:01:00+00:00"


def test_the_list_of_samples_shows_errors(results: Results) -> None:
    [summary] = in_zip(logs(results)["towns_other.eval"], "summaries.json")
    assert (summary["completed"], summary["error"]) == (True, "All models failed.")


def test_what_failed_is_not_counted_as_completed(results: Results) -> None:
    header = in_zip(logs(results)["towns_other.eval"], "header.json")
    assert (header["results"]["total_samples"], header["results"]["completed_samples"]) == (1, 0)


def test_inspect_reads_a_developer_s_message(tmp_path: Path) -> None:
    log = pytest.importorskip("inspect_ai.log")
    messages = ({"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Weather?"})
    case = msgspec.structs.replace(CASE, request=Request(messages=messages))
    result = CellResult(60.0, cell(case), "answered", (Answer(text="a"),), (attempt(),))
    (tmp_path / "log.eval").write_bytes(log_of(tmp_path, result, cases=(case,)))
    found = log.read_eval_log(str(tmp_path / "log.eval"))
    assert [message.role for message in found.samples[0].messages] == ["system", "user", "assistant"]


@pytest.mark.process
def test_inspect_prints_the_logs(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai.log")
    path = tmp_path / "log.eval"
    path.write_bytes(logs(results)["towns_good-model.eval"])
    command = [sys.executable, "-m", "inspect_ai", "log", "dump", str(path)]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert json.loads(dumped)["samples"][0]["id"] == "weather"


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
