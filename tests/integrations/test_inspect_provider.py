"""`inspect eval` through a chain, as its own process, where Inspect is installed (`uv sync --group inspect`)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from router.lab import close_lab
from tests.upstream import SIGNATURE, Answer, Step, Upstream, answer, chain_yaml, silent, status, when

log = pytest.importorskip("inspect_ai.log")

pytestmark = pytest.mark.process

EMBEDDED = "embedded:smollm2-135m-instruct"

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


def run(folder: Path, task: str, models_yaml: str, model: str, *options: str) -> Any:
    """The log of a task, and that the process ended by itself."""
    (folder / "models.yaml").write_text(models_yaml, encoding="utf-8")
    (folder / "task.py").write_text(TASK, encoding="utf-8")
    command = [sys.executable, "-m", "inspect_ai", "eval", f"task.py@{task}", "--model", model, "--display", "none"]
    command += ["--log-dir", "logs", *options]
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, "FALLBACK_LAB_CONFIG": "models.yaml"},
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


def test_samples_run_side_by_side(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script("a", then=when(lambda: len(upstream.requests) == 20, answer("token")))
    yaml = chain_yaml(upstream, "a", provider={"max_concurrency": 20}, first_token=60)
    found = run(tmp_path, "plain", yaml, "fallback-lab/chat", "--max-connections", "20")
    assert (found.status, len(upstream.requests)) == ("success", 20)


def test_each_epoch_has_an_answer_of_its_own(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script("a", then=when(lambda: len(upstream.requests) == 4, answer("token")))
    yaml = chain_yaml(upstream, "a", provider={"max_concurrency": 20}, first_token=60)
    options = ("--max-connections", "20", "--epochs", "4", "--limit", "1")
    found = run(tmp_path, "plain", yaml, "fallback-lab/chat", *options)
    assert (found.status, len(upstream.requests)) == ("success", 4)


async def test_cancelling_closes_the_connection_while_the_lab_is_open(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspect_ai.model import ChatMessageUser, GenerateConfig

    from router.integrations.inspect_provider import FallbackLab

    config = tmp_path / "models.yaml"
    config.write_text(chain_yaml(upstream, "a", "b", first_token=60), encoding="utf-8")
    monkeypatch.setenv("FALLBACK_LAB_CONFIG", str(config))
    upstream.script("a", then=silent)
    generating = FallbackLab("chat").generate([ChatMessageUser(content="Hi")], [], "auto", GenerateConfig())
    task = asyncio.create_task(generating)
    try:
        await asyncio.to_thread(upstream.wait_received, "a")
        task.cancel()
        closed = await asyncio.to_thread(upstream.wait_closed, "a")
    finally:
        await asyncio.to_thread(close_lab)
    assert (closed.disconnected, upstream.received("b")) == (True, [])


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (status(400, "Too long.", code="context_length_exceeded"), "model_length"),
        (status(400, "Refused.", code="content_policy_violation"), "content_filter"),
    ],
)
def test_what_is_the_prompt_s_fault_is_a_stop_reason(
    upstream: Upstream, tmp_path: Path, step: Step, reason: str
) -> None:
    upstream.script("a", then=step)
    found = run(tmp_path, "plain", chain_yaml(upstream, "a"), "fallback-lab/chat", "--limit", "1")
    assert (found.status, found.samples[0].output.stop_reason) == ("success", reason)


def test_an_outage_is_not_passed_off_as_a_prompt_too_long(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script("a", then=status(500))
    upstream.script("b", then=status(400, "Too long.", code="context_length_exceeded"))
    yaml = chain_yaml(upstream, "a", "b", retries=0)
    assert run(tmp_path, "plain", yaml, "fallback-lab/chat", "--limit", "1").status == "error"


def test_thoughts_go_back_to_their_producer_with_their_signature(upstream: Upstream, tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    first = Answer((), reasoning="Hm.", tool_calls=(call,), finish_reason="tool_calls")
    upstream.script("a", first, then=answer("Sunny."))
    run(tmp_path, "tools", chain_yaml(upstream, "a", provider={"protocol": "anthropic"}), "fallback-lab/chat")
    thought = upstream.requests[-1].body["messages"][1]["content"][0]
    assert thought == {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE}


def test_an_option_that_cannot_be_sent_is_refused_in_a_sentence(upstream: Upstream, tmp_path: Path) -> None:
    found = run(tmp_path, "plain", chain_yaml(upstream, "a"), "fallback-lab/chat", "--limit", "1", "--num-choices", "2")
    assert "Fallback Lab cannot send num_choices. Use --epochs for several answers." in found.error.message


def test_the_embedded_model_answers(tmp_path: Path) -> None:
    embedded = {"default_provider": "embedded", "providers": {"embedded": {"protocol": "embedded"}}}
    yaml = json.dumps({**embedded, "chains": {"chat": [EMBEDDED]}})
    found = run(tmp_path, "plain", yaml, "fallback-lab/chat", "--limit", "4", "--max-tokens", "8")
    assert found.status == "success"
    assert {(sample.output.model, sample.output.usage.output_tokens > 0) for sample in found.samples} == {
        (EMBEDDED, True)
    }


def test_the_package_is_imported_without_inspect() -> None:
    code = "import sys, router.lab, router.cli, router.evaluate.eval_log; sys.exit('inspect_ai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
