"""fallback-lab check: what is said of models.yaml, keys and models, and what --ping finds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from router.cli.check import AT_ONCE
from tests.command import KEY, Run, row, rows, with_key
from tests.upstream import (
    Exchange,
    Step,
    Upstream,
    answer,
    chain_yaml,
    html_page,
    models,
    reset_before_headers,
    respond,
    silent,
    status,
)

# --- models.yaml, keys, and usable models ----------------------------------------------------------


def test_check_of_a_good_file_exits_with_0_and_says_that_it_is_valid(config: Path, run: Run) -> None:
    result = run("check")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, f"{config} is valid.")


def test_check_says_which_key_is_set(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    assert row(run("check", env={"LOCAL_KEY": KEY}), "local") == ["local", "openai", "LOCAL_KEY is set"]


def test_check_says_which_key_is_missing(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    assert row(run("check"), "local") == ["local", "openai", "LOCAL_KEY is not set"]


def test_check_does_not_show_a_key(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    assert KEY not in run("check", env={"LOCAL_KEY": KEY}).output


def test_check_says_why_a_model_cannot_be_used(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    assert row(run("check"), "primary", "chat") == ["chat", "primary", "primary", "no: LOCAL_KEY is not set"]


def test_check_says_which_model_can_be_used(run: Run) -> None:
    assert row(run("check"), "fallback") == ["chat", "fallback 1", "fallback", "yes"]


def test_check_warns_of_a_deadline_that_is_too_short(config: Path, upstream: Upstream, run: Run) -> None:
    config.write_text(chain_yaml(upstream, "a", "b", first_token=20, deadline=30), encoding="utf-8")
    assert "the first_token limits of 2 models total 40 s and exceed the deadline of 30 s" in run("check").stdout


@pytest.mark.parametrize("options", [(), ("--offline",)], ids=["plain", "offline"])
def test_without_ping_no_model_is_called(upstream: Upstream, run: Run, options: Sequence[str]) -> None:
    run("check", *options)
    assert upstream.requests == []


def test_several_names_of_a_key_are_all_named_where_none_is_set(config: Path, upstream: Upstream, run: Run) -> None:
    provider = {"api_key": ["${LOCAL_KEY}", "${OTHER_KEY}"]}
    config.write_text(chain_yaml(upstream, "primary", provider=provider), encoding="utf-8")
    assert row(run("check"), "local")[-1] == "none of LOCAL_KEY, OTHER_KEY is set"


def test_of_several_names_of_a_key_the_one_that_is_set_is_named(config: Path, upstream: Upstream, run: Run) -> None:
    provider = {"api_key": ["${LOCAL_KEY}", "${OTHER_KEY}"]}
    config.write_text(chain_yaml(upstream, "primary", provider=provider), encoding="utf-8")
    assert row(run("check", env={"OTHER_KEY": KEY}), "local")[-1] == "OTHER_KEY is set"


# --- --ping: who answers ---------------------------------------------------------------------------


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings are looked at often: tests do not wait."""
    monkeypatch.setattr("router.cli.check.POLL", 0.002)


pytestmark = pytest.mark.usefixtures("looks_often")


def pinged(run: Run, model: str) -> list[str]:
    """A model's row in the table of pings: reachable, latency, served model, cost."""
    table = rows(run("check", "--ping"))
    start = next(number for number, cells in enumerate(table) if cells[:2] == ["model", "reachable"])
    (found,) = [cells[1:] for cells in table[start:] if cells[0] == model]
    return found


def test_a_model_that_answers_is_reachable(run: Run) -> None:
    assert pinged(run, "primary")[0] == "yes"


def test_where_all_answer_it_exits_with_0(run: Run) -> None:
    assert run("check", "--ping").exit_code == 0


def test_who_served_is_told(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", answer(model="primary-2026"))
    assert (pinged(run, "primary")[2], pinged(run, "fallback")[2]) == ("primary-2026", "the same")


def test_what_it_cost_is_told(run: Run) -> None:
    assert pinged(run, "primary")[3] == "$0.00042"


@pytest.mark.parametrize("reasoning", ["", "Hm"])
def test_a_model_that_thinks_first_and_says_nothing_is_reachable(upstream: Upstream, run: Run, reasoning: str) -> None:
    """One token is over before its answer begins."""
    upstream.script("primary", then=answer("", reasoning=reasoning, finish_reason="length"))
    assert (pinged(run, "primary")[0], run("check", "--ping").exit_code) == ("yes", 0)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        pytest.param(status(404, "No such model."), "no: No such model.", id="404"),
        pytest.param(status(401, "Wrong key."), "no: Wrong key.", id="401"),
        pytest.param(status(503, "Overloaded."), "no: Overloaded.", id="503"),
        pytest.param(html_page(), "no: The server answered with text/html instead of JSON", id="a web page"),
        pytest.param(respond(200, {}), "no: The answer has no choices in it.", id="no answer"),
        pytest.param(reset_before_headers, "no: The connection was lost before the answer began.", id="reset"),
        pytest.param(silent, "no: No first token within 1", id="silent"),
    ],
)
class TestUnreachable:
    @pytest.fixture(autouse=True)
    def failing(self, config: Path, upstream: Upstream, step: Step) -> None:
        config.write_text(chain_yaml(upstream, "primary", "fallback", retries=0, first_token=1), encoding="utf-8")
        upstream.script("primary", then=step)

    def test_it_is_told_why(self, run: Run, told: str) -> None:
        assert pinged(run, "primary")[0].startswith(told)

    def test_it_exits_with_1(self, run: Run, told: str) -> None:
        assert run("check", "--ping").exit_code == 1

    def test_the_others_are_asked_all_the_same(self, run: Run, told: str) -> None:
        assert pinged(run, "fallback")[0] == "yes"


def test_a_model_without_a_key_is_told_and_not_called(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    assert pinged(run, "primary") == ["no: LOCAL_KEY is not set", "–", "–", "–"]
    assert upstream.requests == []


def test_a_model_without_a_key_is_exit_1(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    assert run("check", "--ping").exit_code == 1


def test_an_error_of_our_own_is_one_sentence_and_exit_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.providers.openai.completions_body", None)
    result = run("check", "--ping")
    assert (result.exit_code, result.stderr.splitlines()[-1].startswith("Internal error (TypeError).")) == (1, True)


# --- --ping: what is asked -------------------------------------------------------------------------


def test_one_token_is_asked_for(upstream: Upstream, run: Run) -> None:
    run("check", "--ping")
    assert [call.body["max_tokens"] for call in upstream.requests] == [1, 1]


def test_each_model_is_asked_once_however_many_chains_have_it(config: Path, upstream: Upstream, run: Run) -> None:
    file = json.loads(chain_yaml(upstream, "unused"))
    chains = {"chat": ["a", "b"], "code": ["b", "local:a"]}
    config.write_text(json.dumps({**file, "chains": chains}), encoding="utf-8")
    run("check", "--ping")
    assert sorted({call.model for call in upstream.requests}) == ["a", "b"]


def test_the_cache_does_not_answer(upstream: Upstream, run: Run) -> None:
    run("check", "--ping")
    run("check", "--ping")
    assert len(upstream.received("primary")) == 2


def test_pings_are_logged_as_such(run: Run) -> None:
    run("check", "--ping")
    calls = [json.loads(line) for line in run("log", "--json").stdout.splitlines()]
    assert sorted((call["model"], call["source"]) for call in calls) == [("fallback", "check"), ("primary", "check")]


class Crowd:
    """Answers a model once as many are asked at the same time as ever will be.

    Attributes:
        most: how many were.
    """

    def __init__(self, waits_for: int) -> None:
        self._waits_for = waits_for
        self._here = 0
        self._enough = asyncio.Event()
        self.most = 0

    async def __call__(self, exchange: Exchange) -> None:
        self._here += 1
        self.most = max(self.most, self._here)
        if self._here == self._waits_for:
            self._enough.set()
        await self._enough.wait()
        await answer()(exchange)
        self._here -= 1


def test_eight_models_at_most_are_asked_at_once(config: Path, upstream: Upstream, run: Run) -> None:
    names = [f"m{number}" for number in range(20)]
    config.write_text(chain_yaml(upstream, *names, provider={"max_concurrency": 50}), encoding="utf-8")
    crowd = Crowd(waits_for=AT_ONCE)
    for name in names:
        upstream.script(name, crowd)
    result = run("check", "--ping")
    assert (crowd.most, len(upstream.requests), result.exit_code) == (8, 20, 0)


def test_ping_and_offline_exclude_each_other(upstream: Upstream, run: Run) -> None:
    result = run("check", "--ping", "--offline")
    assert (result.exit_code, "not both" in result.stderr, upstream.requests) == (2, True, [])


# --- Lists of models -------------------------------------------------------------------------------


def advice(result: Result) -> list[str]:
    """What is said after the tables, less the last line."""
    lines = result.stdout.splitlines()
    return [line for line in lines if line.startswith(("`", "The models of"))]


def test_a_model_that_is_not_listed_is_told_with_the_nearest(upstream: Upstream, run: Run) -> None:
    upstream.script_models(models({"id": "primary"}, {"id": "fallbak"}))
    assert advice(run("check", "--ping")) == [
        "`fallback` in `chat` is not in the model list of local. Nearest: `fallbak`."
    ]


def test_what_the_list_says_of_models_is_told(upstream: Upstream, run: Run) -> None:
    upstream.script_models(
        models(
            {"id": "primary", "context_length": 200_000, "expiration_date": "2027-03-01"},
            {"id": "fallback", "context_length": 8192},
        )
    )
    first, second = advice(run("check", "--ping"))
    assert first == "`primary` in `chat` is discontinued on 2027-03-01; replace it before then."
    assert second.startswith("`fallback` in `chat` has a context of 8,192 tokens, the chain's primary 200,000")


def test_what_is_probably_not_meant_is_no_failure(upstream: Upstream, run: Run) -> None:
    upstream.script_models(models({"id": "other"}))
    assert run("check", "--ping").exit_code == 0


def test_a_server_whose_list_is_empty_is_not_taken_at_its_word(upstream: Upstream, run: Run) -> None:
    assert advice(run("check", "--ping")) == []


def test_the_list_is_asked_for_with_the_key(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    run("check", "--ping", env={"LOCAL_KEY": KEY})
    assert [headers["authorization"] for headers in upstream.listings] == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        pytest.param(status(404, "Not here."), "Not here.", id="404"),
        pytest.param(html_page(), "The server answered with text/html instead of JSON; check its base_url.", id="HTML"),
        pytest.param(
            respond(200, {"data": [{"id": str(n)} for n in range(1_000_000)]}),
            "The server lists 1,000,000 models; at most 20,000 are read.",
            id="a million models",
        ),
        pytest.param(respond(200, {"models": []}), "The server's list of models cannot be read.", id="another shape"),
        pytest.param(reset_before_headers, "The connection was lost before the answer began.", id="a lost connection"),
    ],
)
def test_a_list_that_cannot_be_read_is_said(upstream: Upstream, run: Run, step: Step, why: str) -> None:
    upstream.script_models(step)
    assert advice(run("check", "--ping")) == [
        f"The models of local are not checked because its model list cannot be loaded: {why}"
    ]


def test_a_list_that_cannot_be_read_is_no_failure(upstream: Upstream, run: Run) -> None:
    upstream.script_models(status(404))
    assert run("check", "--ping").exit_code == 0


def test_a_list_is_read_once_a_day_whoever_asks(upstream: Upstream, run: Run) -> None:
    upstream.script_models(models({"id": "primary"}, {"id": "fallback"}))
    run("check", "--ping")
    run("check", "--ping")
    assert len(upstream.listings) == 1


def test_without_ping_only_public_lists_are_read(upstream: Upstream, run: Run) -> None:
    run("check")
    assert upstream.listings == []


def test_a_list_that_cannot_be_asked_for_is_left_out(config: Path, upstream: Upstream, run: Run) -> None:
    """Its key is missing."""
    with_key(config, upstream)
    run("check", "--ping")
    assert upstream.listings == []


@pytest.fixture
def openrouter(config: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider passes for OpenRouter, whose list is public."""
    monkeypatch.setattr("router.config.schema.ProviderConfig.is_openrouter", True)
    upstream.script_models(models({"id": "primary"}))
    with_key(config, upstream)


@pytest.mark.usefixtures("openrouter")
def test_openrouter_s_list_is_read_without_ping_and_without_a_key(run: Run) -> None:
    assert advice(run("check")) == ["`fallback` in `chat` is not in the model list of local."]


@pytest.mark.usefixtures("openrouter")
def test_offline_reads_no_list(upstream: Upstream, run: Run) -> None:
    assert (advice(run("check", "--offline")), upstream.listings) == ([], [])


@pytest.mark.usefixtures("openrouter")
def test_offline_heeds_a_list_that_was_read_before(upstream: Upstream, run: Run) -> None:
    run("check")
    assert advice(run("check", "--offline")) == ["`fallback` in `chat` is not in the model list of local."]


def test_what_models_yaml_says_of_a_model_counts_without_any_list(config: Path, upstream: Upstream, run: Run) -> None:
    file: Mapping[str, Any] = json.loads(chain_yaml(upstream, "primary"))
    said = {"models": {"primary": {"tools": False}}, "chains": {"tools": ["primary"]}}
    config.write_text(json.dumps({**file, **said}), encoding="utf-8")
    assert advice(run("check", "--offline")) == [
        "`primary` in `tools` does not support tools: requests with tools skip it."
    ]
