"""Chains in other gateways' formats: what is carried over, what is named as lost, and no key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from router.cli import main
from router.config.loading import load_config, parse_config
from router.core.errors import InvalidRequest
from router.gateways import TARGETS, Exported
from tests.upstream import Upstream, answer, chain_yaml, status

SHIPPED = Path(__file__).parents[2] / "models.yaml"

KEYED = """
providers:
  openrouter: {protocol: openai, base_url: https://openrouter.ai/api/v1, api_key: "${OPENROUTER_API_KEY}"}
  lan: {protocol: openai, base_url: "http://127.0.0.1:8000/v1", api_key: "${LAN_KEY}", headers: {x-team: a}}
  embedded: {protocol: embedded}
chains:
  code:
    models: [{model: z-ai/glm-5, system: Be brief., params: {temperature: 0.2}}, "lan:qwen"]
    policy: {first_token: 7}
  small: [embedded:smollm2-135m-instruct]
"""


def exported(target: str, text: str = KEYED, *categories: str) -> Exported:
    config = parse_config(text, Path("models.yaml"))
    return TARGETS[target].export(config, [config.chains[name] for name in categories or ("code",)])


@pytest.mark.parametrize("target", TARGETS)
def test_the_shipped_chains_can_be_exported(target: str) -> None:
    config = load_config(SHIPPED)
    found = TARGETS[target].export(config, list(config.chains.values()))
    if found.language == "yaml":
        yaml.safe_load(found.text)
    elif found.language == "json":
        json.loads(found.text)
    elif found.language == "python":
        compile(found.text, found.file_name, "exec")
    if target != "python":  # it is models.yaml itself there
        assert all(ref.model in found.text for ref in config.chain_models)


@pytest.mark.parametrize("target", ["litellm", "portkey", "vercel"])
def test_keys_are_the_names_of_their_variables(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAN_KEY", "a-secret-value-0123")
    text = exported(target).text
    assert "LAN_KEY" in text
    assert "a-secret-value" not in text


def test_litellm_has_a_group_a_link_and_the_fallbacks_between_them() -> None:
    data: Any = yaml.safe_load(exported("litellm").text)
    groups = [model["model_name"] for model in data["model_list"]]
    assert data["router_settings"]["fallbacks"] == [{"code": groups[1:]}]
    first, second = (model["litellm_params"] for model in data["model_list"])
    assert (first["model"], first["temperature"]) == ("openrouter/z-ai/glm-5", 0.2)
    assert (second["api_base"], second["api_key"]) == ("http://127.0.0.1:8000/v1", "os.environ/LAN_KEY")


@pytest.mark.parametrize("target", ["litellm", "portkey"])
def test_what_cannot_be_said_is_named(target: str) -> None:
    lost = " ".join(str(each) for each in exported(target).lost)
    for name in ("deadline", "breaker", "system"):
        assert name in lost


@pytest.mark.parametrize("target", ["litellm", "openrouter", "portkey", "vercel"])
def test_a_chain_that_a_gateway_cannot_hold_at_all_is_refused_in_a_sentence(target: str) -> None:
    with pytest.raises(InvalidRequest, match="small"):
        exported(target, KEYED, "small")


def test_openrouter_cannot_hold_models_of_others() -> None:
    with pytest.raises(InvalidRequest, match="lan"):
        exported("openrouter")


@pytest.mark.process
def test_the_python_program_asks_the_chain(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer("A whole answer."))
    path = tmp_path / "models.yaml"
    path.write_text(chain_yaml(upstream, "primary", "fallback", retries=0), encoding="utf-8")
    config = load_config(path)
    program = tmp_path / "ask.py"
    program.write_text(TARGETS["python"].export(config, [config.chains["chat"]]).text, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, str(program), "Hello?"], capture_output=True, text=True, cwd=SHIPPED.parent, timeout=60,
        env={"PATH": "", "PYTHONPATH": str(SHIPPED.parent)}, check=True,
    )  # fmt: skip
    assert run.stdout.splitlines() == ["A whole answer.", "fallback, after 1 failed or skipped calls"]


def test_litellms_own_router_loads_it_and_falls_back(upstream: Upstream) -> None:
    litellm = pytest.importorskip("litellm", reason="the group bench has it")
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer("A whole answer."))
    config = parse_config(chain_yaml(upstream, "primary", "fallback", retries=0), Path("models.yaml"))
    data = yaml.safe_load(TARGETS["litellm"].export(config, [config.chains["chat"]]).text)
    router = litellm.Router(model_list=data["model_list"], **data["router_settings"])
    found = router.completion(model="chat", messages=[{"role": "user", "content": "Hello?"}])
    assert found.choices[0].message.content == "A whole answer."


# --- The command -----------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["--config", str(SHIPPED), "chains", *arguments])


def test_the_command_prints_the_file_and_tells_what_is_lost() -> None:
    result = run("--export", "litellm", "code")
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)["model_list"][0]["model_name"] == "code"
    assert "cannot say" in result.stderr


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert run("--export", "portkey", "--output", str(path)).exit_code == 0
    assert json.loads(path.read_text())["targets"]


@pytest.mark.parametrize("arguments", [("--export", "kong"), ("--export", "litellm", "nowhere"), ("code",)])
def test_what_cannot_be_exported_is_one_sentence(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
