"""The Chat page's empty conversation: the first minute, with a key and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import PAGES, OpenApp, look, open_chip, press, texts, wait_for_end
from tests.upstream import Upstream, answer, chain_yaml

VARIABLE = "FALLBACK_LAB_TEST_KEY"
KEY = "sk-typed-0123456789abcdef"
EMBEDDED = "embedded:smollm2-135m-instruct"
DEMO = "See a fallback happen"
RESCUED = "Rescued."


def needing_key(upstream: Upstream, *, offline: str | None, chain: str = "chat", **providers: Any) -> str:
    """models.yaml with one chain of one model, which needs a key."""
    text = json.loads(chain_yaml(upstream, "primary", provider={"api_key": f"${{{VARIABLE}}}"}))
    every = {**text["providers"], "embedded": {"protocol": "embedded"}, **providers}
    return json.dumps({**text, "providers": every, "offline": offline, "chains": {chain: ["primary"]}})


def says_no_key(app: AppTest) -> bool:
    return any("No key yet" in text for text in texts(app))


def offers_demo(app: AppTest) -> bool:
    return any(button.label == DEMO for button in app.button)


# --- Its start ---------------------------------------------------------------------------------------


FIRST = f"""
import sys
sys.path.append({str(PAGES)!r})
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(PAGES / "main.py")!r}, default_timeout=60).run()
assert app.chat_input, "no page was drawn"
print(*sys.modules)
"""


@pytest.mark.process
def test_the_first_page_waits_for_no_tables_and_no_charts(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(f"chains: {{chat: ['{EMBEDDED}']}}\n")
    environ = {**os.environ, "FALLBACK_LAB_CONFIG": str(tmp_path / "models.yaml")}
    done = subprocess.run([sys.executable, "-c", FIRST], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {"pandas", "numpy", "altair"}.isdisjoint(done.stdout.split())


# --- No key ----------------------------------------------------------------------------------------


def test_without_a_key_the_embedded_model_is_said_to_answer(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(needing_key(upstream, offline=EMBEDDED))
    assert any("a tiny local model, SmolLM2 135M, answers" in text for text in texts(app))


def test_without_a_key_another_offline_model_is_named(upstream: Upstream, open_app: OpenApp) -> None:
    shed = {"protocol": "openai", "base_url": upstream.base_url}
    app = open_app(needing_key(upstream, offline="shed:llama", shed=shed))
    assert any("No key yet: shed:llama" in text.replace("*", "") for text in texts(app))


def test_a_key_can_be_added_at_once(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(needing_key(upstream, offline=EMBEDDED))
    (field,) = [field for field in app.text_input if field.proto.type == field.proto.PASSWORD]
    field.set_value(KEY)
    assert not says_no_key(press(app, "Use this key"))


def test_a_key_that_cannot_be_one_is_said_beside_the_notice(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(needing_key(upstream, offline=EMBEDDED))
    (field,) = [field for field in app.text_input if field.proto.type == field.proto.PASSWORD]
    field.set_value("sk one\u2028two")
    assert any("set it again" in text for text in texts(press(app, "Use this key")))


def test_with_a_key_in_env_nothing_is_said_of_keys(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    (home / ".env").write_text(f"{VARIABLE}={KEY}\n", encoding="utf-8")
    assert not says_no_key(open_app(needing_key(upstream, offline=EMBEDDED)))


def test_where_no_model_can_answer_none_is_promised(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(needing_key(upstream, offline=None))
    assert not says_no_key(app)
    assert not offers_demo(app)
    assert [expander.label for expander in app.expander if "how to add it" in expander.label]


# --- Starters --------------------------------------------------------------------------------------


def test_a_starter_is_sent(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(chain_yaml(upstream, "primary"))
    starter = app.button(key="chat_starter_1").label
    wait_for_end(press(app, starter))
    (call,) = upstream.received("primary")
    assert call.body["messages"] == [{"role": "user", "content": starter}]


def test_a_starter_s_tools_are_offered_again_with_the_next_prompt(upstream: Upstream, open_app: OpenApp) -> None:
    text = json.dumps({**json.loads(chain_yaml(upstream, "primary")), "chains": {"tools": ["primary"]}})
    app = open_app(text)
    wait_for_end(press(app, app.button(key="chat_starter_0").label))
    app.chat_input(key="chat_prompt").set_value("And in Lima?")
    wait_for_end(look(app))
    offered = [[tool["function"]["name"] for tool in call.body["tools"]] for call in upstream.received("primary")]
    assert offered == [["clock"], ["clock"]]


def test_the_offline_model_is_offered_no_tools(upstream: Upstream, open_app: OpenApp) -> None:
    shed = {"protocol": "openai", "base_url": upstream.base_url}
    app = open_app(needing_key(upstream, offline="shed:llama", chain="tools", shed=shed))
    wait_for_end(press(app, app.button(key="chat_starter_0").label))
    assert "tools" not in upstream.received("llama")[0].body


# --- A fallback to watch ---------------------------------------------------------------------------


def fallback_shown(upstream: Upstream, open_app: OpenApp) -> AppTest:
    upstream.script("fallback", then=answer(RESCUED))
    app = open_app(chain_yaml(upstream, "primary", "fallback", retries=0, cache={"enabled": False}))
    return wait_for_end(press(app, DEMO))


def test_the_primary_fails_on_purpose_and_the_fallback_answers(upstream: Upstream, open_app: OpenApp) -> None:
    app = fallback_shown(upstream, open_app)
    assert RESCUED in texts(app)
    assert any("injected fault" in text for text in open_chip(app, 0))
    assert upstream.received("primary") == []


def test_the_primary_fails_for_that_request_alone(upstream: Upstream, open_app: OpenApp) -> None:
    wait_for_end(press(fallback_shown(upstream, open_app), "Regenerate"))
    assert len(upstream.received("primary")) == 1


@pytest.mark.parametrize(("models", "offered"), [(["primary"], False), (["primary", "fallback"], True)])
def test_a_fallback_is_offered_only_where_there_is_one(
    upstream: Upstream, open_app: OpenApp, models: list[str], offered: bool
) -> None:
    assert offers_demo(open_app(chain_yaml(upstream, *models))) is offered
