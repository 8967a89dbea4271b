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


SHARED = """
providers: {o: {protocol: openai, base_url: https://openrouter.ai/api/v1, body: {provider: {sort: price}}}}
default_provider: o
chains:
  code: {models: [{model: a/a, params: {seed: 1}}, b/b, c/c, d/d], params: {temperature: 0.5}, policy: {first_token: 7}}
  other: [a/a]
"""


def test_openrouter_gets_three_models_and_what_they_share() -> None:
    found = exported("openrouter", SHARED)
    body = json.loads(found.text)
    assert (body["models"], body["temperature"]) == (["a/a", "b/b", "c/c"], 0.5)
    assert body["provider"] == {"preferred_max_latency": {"p90": 7.0}, "sort": "price"}
    lost = [each.sentence for each in found.lost]
    assert "OpenRouter takes 3 models at most: `d/d` is left out." in lost
    assert "`seed` is left out: it differs between the models, which share one body." in lost


def test_several_chains_are_bodies_by_category_and_what_is_lost_names_its_chain() -> None:
    found = exported("openrouter", SHARED, "code", "other")
    assert json.loads(found.text).keys() == {"code", "other"}
    assert [str(each) for each in found.lost if "seed" in each.sentence] == [
        "code: `seed` is left out: it differs between the models, which share one body."
    ]


def test_portkey_chooses_among_several_chains_by_the_requests_model() -> None:
    data = json.loads(exported("portkey", SHARED, "code", "other").text)
    assert data["strategy"]["conditions"][1] == {"query": {"params.model": {"$eq": "other"}}, "then": "other"}
    assert [target["name"] for target in data["targets"]] == ["code", "other"]


def test_portkeys_config_fits_into_a_header() -> None:
    assert exported("portkey", SHARED.replace("d/d", "ünï ☃")).text.isascii()


DIRECT = """
providers:
  claude: {protocol: anthropic, base_url: "http://127.0.0.1:8000/v1"}
  azure: {protocol: openai, base_url: "http://127.0.0.1:8000/v1?v=1", headers: {api-key: "${K}", X: "b ${K}"}}
chains: {code: ["azure:gpt", "claude:opus"]}
default_provider: azure
"""


def test_vercel_has_keys_from_the_environment_and_none_for_a_server_without() -> None:
    text = exported("vercel", DIRECT).text
    assert """headers: {"api-key": (process.env.K ?? ''), "X": "b " + (process.env.K ?? '')}""" in text
    assert "apiKey: 'none'" in text  # the SDK would send ANTHROPIC_API_KEY there
    assert 'queryParams: {"v":"1"}' in text


def test_vercels_own_gateway_falls_back_by_itself() -> None:
    text = exported("vercel", SHARED.replace("https://openrouter.ai/api/v1", "https://ai-gateway.vercel.sh/v1")).text
    options = '{"gateway":{"models":["b/b","c/c","d/d"]}}'
    assert f'"code": {{ model: gateway("a/a"), providerOptions: {options} }}' in text


def test_a_header_that_a_gateway_cannot_put_together_is_named() -> None:
    assert "The header `X` is left out" in str(exported("litellm", DIRECT).lost)
    assert "The header `api-key` is left out" in str(exported("portkey", DIRECT).lost)


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


# --- The command -----------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["--config", str(SHIPPED), "chains", *arguments])


def test_the_command_prints_the_file_and_tells_what_is_lost() -> None:
    result = run("--export", "litellm", "code")
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)["model_list"][0]["model_name"] == "code"
    assert "cannot express" in result.stderr


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert run("--export", "portkey", "--output", str(path)).exit_code == 0
    assert json.loads(path.read_text())["targets"]


@pytest.mark.parametrize("arguments", [("--export", "kong"), ("--export", "litellm", "nowhere"), ("code",)])
def test_what_cannot_be_exported_is_one_sentence(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
