"""Runs whose process is killed: every case is answered once in the end, and hardly a call is made twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from router.evaluate.results import Results
from tests.upstream import Upstream, chain_yaml

pytestmark = pytest.mark.process

CASES = 120
IN_FLIGHT = 4


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    program = "from router.cli import main; main()"
    command = [sys.executable, "-c", program, "--config", str(folder / "models.yaml"), "eval", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def calls(upstream: Upstream) -> int:
    return len(upstream.requests)


def wait_for_calls(upstream: Upstream, count: int) -> None:
    end = time.monotonic() + 60
    while calls(upstream) < count:
        assert time.monotonic() < end, f"{calls(upstream)} of {count} calls"
        time.sleep(0.01)


def test_after_kill_9_no_answer_is_paid_for_again(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(chain_yaml(upstream, "a", retries=0, cache={"enabled": False}))
    cases = "".join(f"  - {{prompt: Question {n}, checks: [contains: token]}}\n" for n in range(CASES))
    (tmp_path / "s.yaml").write_text(f"name: s\ncases:\n{cases}", encoding="utf-8")
    process = started(tmp_path, str(tmp_path / "s.yaml"), "--lanes", "a", "--in-flight", str(IN_FLIGHT))
    for goal in (CASES // 3, 2 * CASES // 3):
        wait_for_calls(upstream, goal)
        process.kill()
        process.communicate()
        [run] = (tmp_path / ".lab" / "runs").glob("*.jsonl")
        process = started(tmp_path, "--resume", run.stem, "--in-flight", str(IN_FLIGHT))
    _, error = process.communicate(timeout=120)
    results = Results(run).refresh()
    assert (process.returncode, results.ended, len(results.scored)) == (0, "complete", CASES), error
    asked = Counter(call.body["messages"][0]["content"] for call in upstream.requests)
    assert len(asked) == CASES
    assert calls(upstream) - CASES <= 2 * IN_FLIGHT
    assert len(results.possibly_paid) <= 2 * IN_FLIGHT
