"""`inspect eval` through a chain, as its own process, where Inspect is installed (`uv sync --group inspect`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.upstream import Answer, Upstream, answer, chain_yaml, status

log = pytest.importorskip("inspect_ai.log")

pytestmark = pytest.mark.process

TASK = '''
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import tool

@tool
def weather():
    async def execute(city: str):
        """The weather.

        Args:
            city: Where.
        """
        return f"Sunny in {city}"
    return execute

@task
def plain():
    samples = [Sample(input=f"Question {n}", target="token") for n in range(20)]
    return Task(samples, solver=generate(), scorer=includes())

@task
def tools():
    samples = [Sample(input="Weather?", target="Sunny")]
    return Task(samples, solver=[use_tools(weather()), generate()], scorer=includes())
'''


def run(folder: Path, task: str, models_yaml: str, model: str) -> Any:
    """The log of a task, and that the process ended by itself."""
    (folder / "models.yaml").write_text(models_yaml, encoding="utf-8")
    (folder / "task.py").write_text(TASK, encoding="utf-8")
    command = [sys.executable, "-m", "inspect_ai", "eval", f"task.py@{task}", "--model", model, "--display", "none"]
    ended = subprocess.run(
        [*command, "--log-dir", "logs"], cwd=folder, env={**os.environ, "FALLBACK_LAB_CONFIG": "models.yaml"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    [file] = (folder / "logs").glob("*.eval")
    return log.read_eval_log(str(file))


def test_twenty_samples_go_through_a_chain_whose_primary_fails(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script("a", then=status(404))
    found = run(tmp_path, "plain", chain_yaml(upstream, "a", "b", retries=0), "fallback-lab/chat")
    assert (found.status, len(found.samples)) == ("success", 20)
    assert {sample.output.model for sample in found.samples} == {"b"}
    assert found.samples[0].output.metadata["attempts"] == ["a: model_not_found", "b: answered"]


def test_tools_are_called_over_several_turns(upstream: Upstream, tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    upstream.script("a", Answer((), tool_calls=(call,), finish_reason="tool_calls"), then=answer("It is sunny."))
    found = run(tmp_path, "tools", chain_yaml(upstream, "a", retries=0), "fallback-lab/a")
    roles = [message.role for message in found.samples[0].messages]
    assert roles == ["user", "assistant", "tool", "assistant"]
    assert found.samples[0].messages[2].text == "Sunny in Oslo"
    body = upstream.requests[-1].body
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}


def test_where_no_model_answers_inspect_says_why(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script("a", then=status(404))
    (tmp_path / "logs").mkdir()
    found = run(tmp_path, "tools", chain_yaml(upstream, "a", retries=0), "fallback-lab/chat")
    assert found.status == "error"
    assert "All models failed" in found.error.message
