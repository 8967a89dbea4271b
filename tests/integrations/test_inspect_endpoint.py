"""`inspect eval` against the endpoint, as against any compatible server, where Inspect is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.test_inspect_provider import TASK
from tests.server.serving import serving
from tests.upstream import Answer, Upstream, answer, chain_yaml, status

log = pytest.importorskip("inspect_ai.log")

pytestmark = pytest.mark.process


def run(folder: Path, task: str, models_yaml: str, model: str) -> Any:
    """The log of a task, and that the process ended by itself."""
    path = folder / "models.yaml"
    path.write_text(models_yaml, encoding="utf-8")
    (folder / "task.py").write_text(TASK, encoding="utf-8")
    command = [sys.executable, "-m", "inspect_ai", "eval", f"task.py@{task}", "--model", f"openai-api/lab/{model}"]
    with serving(path) as served:
        environ = {**os.environ, "LAB_BASE_URL": served.url, "LAB_API_KEY": "none"}
        ended = subprocess.run(
            [*command, "--display", "none", "--log-dir", "logs"], cwd=folder, env=environ,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    [file] = (folder / "logs").glob("*.eval")
    return log.read_eval_log(str(file))


def test_twenty_samples_are_answered_by_the_fallback(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script("a", then=status(404))
    upstream.script("b", then=answer("token"))
    found = run(tmp_path, "plain", chain_yaml(upstream, "a", "b", retries=0), "chat")
    assert (found.status, len(found.samples)) == ("success", 20)
    assert {sample.output.model for sample in found.samples} == {"b"}


def test_tools_are_called_over_two_turns(upstream: Upstream, tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    upstream.script("a", Answer((), tool_calls=(call,), finish_reason="tool_calls"), then=answer("It is sunny."))
    found = run(tmp_path, "tools", chain_yaml(upstream, "a", retries=0), "chat")
    roles = [message.role for message in found.samples[0].messages]
    assert roles == ["user", "assistant", "tool", "assistant"]
