"""fallback-lab eval, runs, suites and import: what is printed and written, and the exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.command import Run
from tests.upstream import Upstream, answer, status

SUITE = """\
name: greetings
description: Whether it greets
category: conversation
cases:
  - {id: one, prompt: Say hello., checks: [{contains: hello}]}
  - {id: two, prompt: Say hello twice., target: hello hello, checks: [equals]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "greetings.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


def rows(output: str) -> list[list[str]]:
    return [line.split("\t") for line in output.splitlines() if "\t" in line]


def run_id(output: str) -> str:
    found = re.search(r"^Run (\S+)\.", output, re.MULTILINE)
    assert found is not None
    return found.group(1)


@pytest.fixture
def answers(upstream: Upstream) -> None:
    upstream.script("primary", then=answer("hello hello"))
    upstream.script("fallback", then=answer("hello"))


@pytest.mark.usefixtures("answers")
def test_each_lane_s_passes_are_told_with_their_interval(run: Run, suite: str) -> None:
    result = run("eval", suite, "--lanes", "primary,fallback")
    assert [row[:5] for row in rows(result.stdout)[1:]] == [
        ["conversation", "primary", "100.0%", "34.2% to 100.0%", "2"],
        ["conversation", "fallback", "50.0%", "9.5% to 90.5%", "2"],
    ]
    assert result.exit_code == 0


@pytest.mark.usefixtures("answers")
def test_two_lanes_that_cannot_be_told_apart_are_said_to_be(run: Run, suite: str) -> None:
    assert "fallback and primary are not separable yet" in run("eval", suite, "--lanes", "primary,fallback").stdout


def test_without_lanes_the_chain_of_its_category_or_the_default_one_answers(run: Run, suite: str) -> None:
    assert [row[1] for row in rows(run("eval", suite).stdout)[1:]] == ["chat"]


def test_the_calls_their_cost_and_time_are_estimated_first(run: Run, suite: str) -> None:
    assert "greetings: 2 cases. 4 calls. Likely cost: " in run("eval", suite, "--lanes", "primary,fallback").stderr


def test_the_calls_of_judges_are_estimated_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "judged.yaml"
    path.write_text("cases: [{prompt: Hello, checks: [{llm-rubric: It greets.}]}]\n", encoding="utf-8")
    said = run("eval", str(path), "--lanes", "primary,fallback", "--judge", "chat").stderr
    assert "judged: 1 case. 2 calls and 2 judge calls. Likely cost: unknown. " in said


# --- Gates -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize(
    ("lane", "least", "options", "code", "said"),
    [
        ("primary", "90", (), 0, "Passed: primary passes 100.0%"),
        ("fallback", "95", (), 1, "Failed: fallback passes 50.0%"),
        ("fallback", "80", (), 0, "Open: fallback passes 50.0%"),
        ("fallback", "80", ("--strict",), 3, "Open: fallback passes 50.0%"),
    ],
    ids=["reached", "missed", "open", "open and strict"],
)
def test_a_least_score_is_a_gate(
    run: Run, suite: str, *, lane: str, least: str, options: tuple[str, ...], code: int, said: str
) -> None:
    result = run("eval", suite, "--lanes", lane, "--min-score", least, *options)
    assert (result.exit_code, said in result.stderr) == (code, True)


@pytest.mark.usefixtures("answers")
def test_a_baseline_is_compared_by_lane(run: Run, suite: str) -> None:
    before = run_id(run("eval", suite, "--lanes", "primary").stderr)
    result = run("eval", suite, "--lanes", "primary", "--baseline", before)
    assert "primary and primary in the baseline are not separable yet: 0.0 points" in result.stdout


@pytest.mark.usefixtures("answers")
def test_a_lane_that_became_worse_fails(run: Run, tmp_path: Path, upstream: Upstream) -> None:
    cases = "".join(f"  - {{id: c{n}, prompt: Say hello {n}., checks: [{{contains: hello}}]}}\n" for n in range(12))
    path = tmp_path / "many.yaml"
    path.write_text(f"name: many\ncases:\n{cases}", encoding="utf-8")
    before = run_id(run("eval", str(path), "--lanes", "primary", "--no-cache").stderr)
    upstream.script("primary", then=answer("goodbye"))
    result = run("eval", str(path), "--lanes", "primary", "--no-cache", "--baseline", before)
    assert (result.exit_code, "Failed: primary loses to primary in the baseline by 100.0 points" in result.stderr) == (
        1,
        True,
    )


# --- Errors and interruptions ----------------------------------------------------------------------


def test_where_nothing_was_answered_there_is_no_verdict(run: Run, suite: str, upstream: Upstream) -> None:
    upstream.script("primary", then=status(400, "No."))
    result = run("eval", suite, "--lanes", "primary")
    assert (result.exit_code, rows(result.stdout)[1][5]) == (3, "2")


@pytest.mark.usefixtures("answers")
def test_a_run_at_its_spending_limit_is_resumed(run: Run, suite: str, upstream: Upstream) -> None:
    result = run("eval", suite, "--lanes", "primary", "--max-cost", "0.0004", "--in-flight", "1")
    assert (result.exit_code, len(upstream.received("primary"))) == (3, 1)
    assert "The run is not complete: its spending limit is reached." in result.stdout
    again = run("eval", "--resume", run_id(result.stderr), "--max-cost", "1")
    assert (again.exit_code, len(upstream.received("primary"))) == (0, 2)


@pytest.mark.parametrize("option", ["--max-cost", "--min-score", "--margin"])
def test_a_limit_that_is_not_a_number_is_refused(run: Run, option: str) -> None:
    result = run("eval", "--lanes", "primary", option, "nan")
    assert result.exit_code == 2
    assert "nan is not a number." in result.stderr


@pytest.mark.usefixtures("answers")
def test_more_lanes_are_asked_alone(run: Run, suite: str, upstream: Upstream) -> None:
    first = run_id(run("eval", suite, "--lanes", "primary").stderr)
    result = run("eval", "--resume", first, "--lanes", "primary,fallback")
    assert [row[1] for row in rows(result.stdout)[1:]] == ["primary", "fallback"]
    assert [len(upstream.received(model)) for model in ("primary", "fallback")] == [2, 2]


@pytest.mark.usefixtures("answers")
def test_a_suite_that_was_changed_is_graded_again_without_a_call(run: Run, suite: str, upstream: Upstream) -> None:
    first = run_id(run("eval", suite, "--lanes", "fallback").stderr)
    Path(suite).write_text(SUITE.replace("target: hello hello", "target: hello"), encoding="utf-8")
    result = run("eval", suite, "--resume", first)
    assert (rows(result.stdout)[1][2], len(upstream.received("fallback"))) == ("100.0%", 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name at least one suite, or a run with --resume."),
        (("nowhere",), "There is no suite nowhere: neither a file, nor one of "),
        (("--resume", "nothing"), "There is no run nothing. `fallback-lab runs` lists them."),
    ],
    ids=["nothing", "no suite", "no run"],
)
def test_wrong_usage_is_one_sentence_and_exit_2(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    result = run("eval", *arguments)
    assert (result.exit_code, sentence in result.stderr) == (2, True)


def test_an_unknown_chain_or_provider_is_one_sentence(run: Run, suite: str) -> None:
    result = run("eval", suite, "--lanes", "primary,,fallback")
    assert (result.exit_code, "A name is missing between two commas of --lanes." in result.stderr) == (2, True)


# --- Files -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("answers")
def test_all_answers_are_written_as_json_lines(run: Run, suite: str, tmp_path: Path) -> None:
    run("eval", suite, "--lanes", "fallback", "--out", str(tmp_path / "out.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["case"], line["answer"], line["passed"]) for line in lines] == [
        ("one", "hello", True),
        ("two", "hello", False),
    ]


@pytest.mark.usefixtures("answers")
def test_a_formula_in_an_answer_is_text_in_a_spreadsheet(
    run: Run, suite: str, tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script("fallback", then=answer("=1+1"))
    run("eval", suite, "--lanes", "fallback", "--out", str(tmp_path / "out.csv"))
    assert "'=1+1" in (tmp_path / "out.csv").read_text(encoding="utf-8")


@pytest.mark.usefixtures("answers")
def test_each_lane_s_log_of_an_earlier_run_can_be_written(run: Run, suite: str, tmp_path: Path) -> None:
    identity = run_id(run("eval", suite, "--lanes", "primary,fallback").stderr)
    run("runs", identity, "--out", str(tmp_path / "out.eval"))
    found = sorted(path.name for path in tmp_path.glob("*.eval"))
    assert found == ["out-greetings_fallback.eval", "out-greetings_primary.eval"]


@pytest.mark.parametrize(
    ("name", "said"), [("out.txt", "End it in .jsonl, .csv or .eval"), ("no/out.eval", "Create it first")]
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(
    run: Run, suite: str, upstream: Upstream, name: str, said: str
) -> None:
    out = str(Path(suite).parent / name)
    result = run("eval", suite, "--lanes", "fallback", "--out", out)
    assert (said in " ".join(result.stderr.split()), result.exit_code, upstream.requests) == (True, 2, [])


def test_a_junit_report_tells_wrong_answers_from_errors(
    run: Run, suite: str, tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script("primary", then=status(400, "No."))
    upstream.script("fallback", then=answer("hello"))
    run("eval", suite, "--lanes", "primary,fallback", "--junit", str(tmp_path / "junit.xml"))
    root = ET.parse(tmp_path / "junit.xml").getroot()
    assert [(each.get("name"), each.get("failures"), each.get("errors")) for each in root] == [
        ("primary", "0", "2"),
        ("fallback", "1", "0"),
    ]


@pytest.mark.usefixtures("answers")
def test_a_comment_for_a_pull_request_is_written(run: Run, suite: str, tmp_path: Path) -> None:
    run("eval", suite, "--lanes", "primary", "--min-score", "90", "--markdown", str(tmp_path / "comment.md"))
    text = (tmp_path / "comment.md").read_text(encoding="utf-8")
    assert text.startswith("## greetings\n\n- ✅ Passed: primary passes 100.0%")
    assert "| conversation | primary | 100.0% | 34.2% to 100.0% | 2 |" in text


# --- Runs, suites, imports -------------------------------------------------------------------------


@pytest.mark.usefixtures("answers")
def test_runs_are_listed_shown_again_and_deleted(run: Run, suite: str) -> None:
    first = run_id(run("eval", suite, "--lanes", "primary").stderr)
    assert [row[0] for row in rows(run("runs").stdout)[1:]] == [first]
    assert rows(run("runs", first).stdout)[1][:3] == ["conversation", "primary", "100.0%"]
    run("runs", "--delete", first)
    assert rows(run("runs").stdout)[1:] == []


def test_the_bundled_suites_are_listed(run: Run) -> None:
    listed = {row[0]: row[1] for row in rows(run("suites").stdout)[1:]}
    assert listed == {"tools": "60", "code": "60", "reasoning": "60", "conversation": "60"}


def test_the_schema_of_a_suite_is_json(run: Run) -> None:
    assert "cases" in json.loads(run("suites", "--schema").stdout)["properties"]


@pytest.mark.usefixtures("answers")
def test_a_suite_of_another_format_is_taken_in_and_run_by_its_name(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "promptfooconfig.yaml"
    path.write_text(
        "prompts: ['Say {{what}}.']\ntests:\n- vars: {what: hello}\n  assert: [{type: contains, value: hello}]\n",
        encoding="utf-8",
    )
    result = run("import", str(path), "--name", "taken")
    assert result.exit_code == 0, result.stderr
    assert rows(run("eval", "taken", "--lanes", "primary").stdout)[1][1:3] == ["primary", "100.0%"]


def test_a_suite_is_not_replaced_unless_that_is_said(run: Run, suite: str) -> None:
    assert run("import", suite).exit_code == 0
    result = run("import", suite)
    assert (result.exit_code, "There is already a suite called greetings." in result.stderr) == (2, True)
    assert run("import", suite, "--force").exit_code == 0
