"""The Chat page without a browser: the page as its script draws it, the engine, an upstream on a real socket."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from router.core.errors import DECISIONS
from router.lab import close_lab
from tests.pages.conftest import (
    OpenApp,
    ask,
    chips,
    field,
    is_running,
    look,
    open_chip,
    press,
    set_here,
    strips,
    texts,
    wait_for_end,
)
from tests.upstream import Upstream, answer, chain_yaml, silent, status

from components.shared.chain import FOLLOW_EVERY, REFUSALS
from components.shared.style import WIDE

VARIABLE = "FALLBACK_LAB_TEST_KEY"
KEY = "sk-typed-0123456789abcdef"
SAID = "An answer of seven words, no more."
NEEDS_KEY: dict[str, Any] = {"api_key": f"${{{VARIABLE}}}"}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def with_chains(upstream: Upstream, **chains: list[str]) -> str:
    """models.yaml with several categories."""
    return json.dumps({**json.loads(chain_yaml(upstream, "unused")), "chains": chains})


def answers(app: AppTest) -> list[str]:
    """The text of each answer on the page."""
    return [message.markdown[0].value for message in app.chat_message if message.name == "assistant"]


def files_with(folder: Path, text: str) -> list[str]:
    """All files below a folder that hold a text, in their name or content."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if text in str(path) or text.encode() in path.read_bytes()]


# --- What the page says before a prompt ------------------------------------------------------------


def test_the_category_s_chain_is_drawn_in_order(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(with_chains(upstream, conversation=["one", "two", "three"], code=["four"])))
    assert drawn_chain(app) == ["one", "two", "three"]


def test_another_category_draws_its_own_chain(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(with_chains(upstream, conversation=["one", "two"], code=["four", "five"])))
    app.button_group(key="chat_category").set_value("code")
    assert drawn_chain(look(app)) == ["four", "five"]


def badges(app: AppTest) -> list[str]:
    """The models of the chain below the prompt box, with the state of each, as Markdown."""
    (below,) = (block for block in app.get("container") if block.key == WIDE)
    return [element.value for element in below.markdown if "-badge[" in element.value]


def drawn_chain(app: AppTest) -> list[str]:
    """The drawn chain's models, by name alone."""
    return [badge.removesuffix("]").split()[-1] for badge in badges(app)]


def test_an_open_breaker_is_seen_in_the_chain(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(500))
    app = ask(look(open_app(chain_yaml(upstream, "primary", "fallback", retries=2))), "Hello?")
    look(app)
    assert [badge.split("[")[0] for badge in badges(app)] == [":red-badge", ":green-badge"]


@pytest.mark.parametrize(("http", "remark"), [(401, "key refused"), (402, "no credit"), (404, "model not found")])
def test_a_model_whose_last_call_was_refused_is_not_green(
    upstream: Upstream, open_app: OpenApp, http: int, remark: str
) -> None:
    upstream.script("primary", status(http))
    app = ask(open_app(chain_yaml(upstream, "primary", "fallback")), "Hello?")
    assert badges(look(app))[0].endswith(f"primary · {remark}]")
    assert badges(look(app))[0].startswith(":orange-badge[")
    upstream.script("primary", answer(SAID))
    assert badges(look(ask(app, "Again?")))[0].startswith(":green-badge[")


def test_every_lasting_error_has_its_remark() -> None:
    assert REFUSALS.keys() == {error.kind for error, decision in DECISIONS.items() if decision.lasting}


@pytest.mark.parametrize(("failing", "looks"), [(False, [None]), (True, [None, FOLLOW_EVERY])])
def test_only_a_page_with_an_open_breaker_looks_at_it_again(
    upstream: Upstream, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, failing: bool, looks: list[float | None]
) -> None:
    seen: list[float | None] = []
    fragment = st.fragment

    def spy(draw: Callable[[], None], *, run_every: float | None) -> Callable[[], None]:
        if draw.__module__ == "components.shared.chain":
            seen.append(run_every)
        return fragment(draw, run_every=run_every)

    monkeypatch.setattr("streamlit.fragment", spy)
    upstream.script("primary", then=status(500) if failing else answer(SAID))
    look(ask(open_app(chain_yaml(upstream, "primary", "fallback", retries=2)), "Hello?"))
    assert list(dict.fromkeys(seen)) == looks


def test_a_models_yaml_that_is_not_there_is_said(home: Path, open_app: OpenApp) -> None:
    app = open_app("")
    (home / "models.yaml").unlink()
    (error,) = look(app).error
    assert error.value.replace("\\", "").startswith(f"{home / 'models.yaml'} does not exist.")


@pytest.mark.parametrize(
    "text",
    ["", "chains: [", "chains: {chat: []}", "nonsense: 1", "{chains: {chat: [x]}, default_provider: nobody}"],
    ids=["empty", "no YAML", "an empty chain", "an unknown key", "an unknown provider"],
)
def test_a_bad_models_yaml_is_one_sentence(open_app: OpenApp, text: str) -> None:
    app = look(open_app(text))
    (error,) = app.error
    assert "models.yaml" in error.value
    assert "Traceback" not in error.value
    assert not app.chat_input


def test_a_fixed_models_yaml_is_used_by_try_again(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app("chains: ["))
    (home / "models.yaml").write_text(chain_yaml(upstream, "primary"), encoding="utf-8")
    press(app, "Try again")
    assert not app.error
    assert app.chat_input


def test_a_bad_edit_leaves_the_last_good_one_in_force(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=answer(SAID))
    app = look(open_app(chain_yaml(upstream, "primary")))
    (home / "models.yaml").write_text("chains: [", encoding="utf-8")
    ask(app, "Hello?")
    assert answers(app) == [SAID]


def test_a_bad_edit_is_said(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary")))
    (home / "models.yaml").write_text("chains: [", encoding="utf-8")
    look(app)
    (warning,) = app.warning
    assert "models.yaml" in warning.value
    assert "last valid version" in warning.value


def test_a_removed_models_yaml_is_said(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary")))
    (home / "models.yaml").unlink()
    look(app)
    (warning,) = app.warning
    assert "last valid version" in warning.value


def test_a_removed_category_that_was_chosen_is_no_crash(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(with_chains(upstream, conversation=["one"], code=["four"])))
    app.button_group(key="chat_category").set_value("code")
    look(app)
    (home / "models.yaml").write_text(with_chains(upstream, conversation=["one"], tools=["two"]), encoding="utf-8")
    assert drawn_chain(look(app)) == ["one"]


# --- Keys ------------------------------------------------------------------------------------------


def test_a_missing_key_shows_the_line_to_add(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY)))
    assert [code.value for code in app.code] == [f"{VARIABLE}=…"]
    assert any(str(home / ".env") in text for text in texts(app))


def password_fields(app: AppTest) -> list[Any]:
    return [field for field in app.text_input if field.proto.type == field.proto.PASSWORD]


def test_a_missing_key_is_asked_for_in_a_password_field(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY)))
    assert len(password_fields(app)) == 1


def test_a_key_in_dotenv_is_taken_up_without_a_restart(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY)))
    (home / ".env").write_text(f"{VARIABLE}={KEY}\n", encoding="utf-8")
    ask(app, "Hello?")
    assert upstream.received("primary")[-1].headers["authorization"] == f"Bearer {KEY}"


def type_key(app: AppTest, key: str = KEY) -> AppTest:
    password_fields(app)[0].set_value(key)
    return press(app, "Use this key")


def test_a_typed_key_is_used(upstream: Upstream, open_app: OpenApp) -> None:
    app = type_key(look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY))))
    ask(app, "Hello?")
    assert upstream.received("primary")[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_typed_key_is_not_asked_for_again(upstream: Upstream, open_app: OpenApp) -> None:
    app = type_key(look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY))))
    assert not password_fields(app)


def test_a_typed_key_is_not_on_the_page(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(401, f"Incorrect API key provided: {KEY}."))
    app = type_key(look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY))))
    ask(app, "Hello?")
    assert app.error
    assert not [text for text in texts(app) if KEY in text]


def test_a_typed_key_is_not_in_the_environment(upstream: Upstream, open_app: OpenApp) -> None:
    type_key(look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY))))
    assert not [name for name, value in os.environ.items() if KEY in value]


def test_a_typed_key_is_in_no_file(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", status(401, f"Incorrect API key provided: {KEY}."), then=answer(SAID))
    app = type_key(look(open_app(chain_yaml(upstream, "primary", "fallback", provider=NEEDS_KEY))))
    ask(app, "Hello?")
    close_lab()  # everything is on disk now
    assert files_with(home, "Hello?")
    assert files_with(home, KEY) == []


def test_a_key_that_cannot_be_one_is_said(upstream: Upstream, open_app: OpenApp) -> None:
    app = type_key(look(open_app(chain_yaml(upstream, "primary", provider=NEEDS_KEY))), "sk one\u2028two")
    (expander,) = app.expander
    assert "set it again" in expander.label


# --- Asking ----------------------------------------------------------------------------------------


def test_a_prompt_gets_its_answer(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=answer(SAID))
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    assert answers(app) == [SAID]


def test_the_answer_says_which_model_gave_it_and_which_did_not(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(402))
    app = ask(look(open_app(chain_yaml(upstream, "primary", "fallback"))), "Hello?")
    (strip,) = strips(app)
    way = r"primary :red\[✕ 402 · .+\] → fallback :green\[✓ .+\]"
    assert re.fullmatch(rf"{way} · :small\[total .+ · \$0.00042\]", strip)


def test_a_model_of_the_strip_opens_what_its_provider_said(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(503, "The kitchen is closed."))
    app = ask(look(open_app(chain_yaml(upstream, "primary", "fallback", retries=1))), "Hello?")
    model, first, again, *facts = open_chip(app, 0)
    assert model == "**primary** · primary"
    assert "Failed: The kitchen is closed." in first
    assert "Failed (try 2): The kitchen is closed." in again
    assert [fact.startswith("HTTP 503 · took ") for fact in facts] == [True, True]


def test_a_model_of_the_strip_says_nothing_until_it_is_opened(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(503, "The kitchen is closed."))
    app = ask(look(open_app(chain_yaml(upstream, "primary", "fallback", retries=0))), "Hello?")
    assert [len(chip.children) for chip in chips(app)] == [0, 0]


def test_a_chain_that_failed_has_a_strip_too(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(402))
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    assert [strip.split(" · ")[0] for strip in strips(app)] == ["primary :red[✕ 402"]


def test_what_a_strip_quotes_is_text(upstream: Upstream, open_app: OpenApp) -> None:
    hostile = "x:red[y] :tada: ![z](http://127.0.0.1:9/z)"
    upstream.script("a:blue[b]", then=status(402, hostile))
    app = ask(look(open_app(chain_yaml(upstream, "a:blue[b]"))), "Hello?")
    open_chip(app, 0)
    (chip,) = chips(app)
    assert ":blue[" not in chip.proto.popover.label
    assert not [text.value for text in chip.markdown if re.search(r":tada:|(?<!\\):red\[y|!\[z", text.value)]


def test_the_trace_has_a_sentence_for_each_attempt(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(503))
    app = ask(look(open_app(chain_yaml(upstream, "primary", "fallback", retries=1))), "Hello?")
    lines = [line.value for line in trace(app).markdown]
    assert [next(word for word in ("failed", "answered") if word in line) for line in lines] == [
        "failed",
        "failed",
        "answered",
    ]


def test_the_trace_has_a_time_line_of_the_calls(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(503))
    app = ask(look(open_app(chain_yaml(upstream, "primary", "fallback", retries=0))), "Hello?")
    (chart,) = trace(app).get("vega_lite_chart")
    names = json.loads(chart.proto.spec)["encoding"]["y"]["sort"]
    assert names == ["1. primary", "2. fallback"]


def test_a_trace_is_drawn_when_it_is_opened(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    assert not app.get("vega_lite_chart")
    assert trace(app).get("vega_lite_chart")


def test_what_is_sent_meanwhile_is_sent_when_the_answer_has_ended(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", silent)
    app = look(open_app(chain_yaml(upstream, "primary")))
    for prompt in ("First", "Second", "and more"):
        app.chat_input(key="chat_prompt").set_value(prompt)
        look(app)
    assert len(upstream.received("primary")) == 1
    wait_for_end(press(app, "Stop"))
    assert upstream.received("primary")[-1].body["messages"][-1]["content"] == "Second\n\nand more"


def test_what_waits_can_be_taken_back_into_the_prompt_box(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", silent)
    app = look(open_app(chain_yaml(upstream, "primary")))
    for prompt in ("First", "Second"):
        app.chat_input(key="chat_prompt").set_value(prompt)
        look(app)
    press(app, "Don't send")
    wait_for_end(press(app, "Stop"))
    assert len(upstream.received("primary")) == 1


def trace(app: AppTest) -> Any:
    """The last answer's trace, opened."""
    (expander,) = [expander for expander in app.expander if expander.label == "Trace"]
    app.session_state[str(expander.key)] = True
    return next(expander for expander in look(app).expander if expander.label == "Trace")


def test_a_chain_that_fails_says_why(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(402, "No credits are left."))
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    (error,) = app.error
    assert "No credits are left" in error.value


def test_a_failed_chain_can_be_asked_again(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", status(402), then=answer(SAID))
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    wait_for_end(press(app, "Regenerate"))
    assert answers(app) == [SAID]


def test_what_a_provider_writes_in_an_error_is_text(upstream: Upstream, open_app: OpenApp) -> None:
    hostile = "Pay $5 or $6 :tada: ![x](http://127.0.0.1:9/x)"
    upstream.script("primary", then=status(402, hostile))
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    (error,) = app.error
    assert "](" not in error.value.replace(r"\](", "")
    assert ":tada:" not in error.value
    assert "$5 or $6" not in error.value


def test_a_prompt_is_shown_as_text(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Is $5 less than $6 :tada:?")
    (message,) = [message for message in app.chat_message if message.name == "user"]
    assert message.markdown[0].value == "Is \\$5 less than \\$6 :color[\\:]tada\\:?"


def test_stop_ends_the_call_and_keeps_what_arrived(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=silent)
    app = look(open_app(chain_yaml(upstream, "primary", first_token=60)))
    app.chat_input(key="chat_prompt").set_value("Hello?")
    assert is_running(look(app))
    upstream.wait_received("primary")
    wait_for_end(press(app, "Stop"))
    assert upstream.wait_closed("primary").disconnected
    assert any("was stopped" in warning.value for warning in app.warning)


def test_the_same_prompt_again_comes_from_the_cache(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    ask(press(app, "New"), "Hello?")
    assert len(upstream.received("primary")) == 1
    assert strips(app)[0].startswith("primary :green[✓ cached]")


def test_regenerate_goes_past_the_cache(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", answer("The first."), answer("The second."))
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    wait_for_end(press(app, "Regenerate"))
    assert answers(app) == ["The second."]


def test_a_single_model_is_asked_alone(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("fallback", then=status(402))
    app = look(open_app(chain_yaml(upstream, "primary", "fallback")))
    app.button_group(key="chat_category").set_value("Single model")
    look(app)
    app.selectbox(key="chat_model").select("fallback")
    ask(look(app), "Hello?")
    assert [call.model for call in upstream.requests] == ["fallback"]


def test_a_new_conversation_asks_whom_the_old_one_asked(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(with_chains(upstream, conversation=["one"], code=["four"])))
    app.button_group(key="chat_category").set_value("code")
    press(ask(look(app), "Hello?"), "New")
    assert app.button_group(key="chat_category").value == "code"


# --- Answers that were cut at a token limit --------------------------------------------------------


def cut_at(app: AppTest, limit: int | None) -> AppTest:
    field(app.number_input, "Max tokens").set_value(limit)
    return ask(look(app), "Count.")


@pytest.mark.parametrize(
    ("limit", "said"), [(25, "Cut at max tokens (25)."), (None, "Cut at the model's token limit.")]
)
def test_an_answer_that_was_cut_says_so(upstream: Upstream, open_app: OpenApp, limit: int | None, said: str) -> None:
    upstream.script("primary", answer("One, two,", finish_reason="length"))
    app = cut_at(look(open_app(chain_yaml(upstream, "primary"))), limit)
    assert said in texts(app)
    assert not [caption.value for caption in app.caption if "check_circle" in caption.value]


def test_continue_asks_for_the_rest_with_a_larger_limit(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", answer("One, two,", finish_reason="length"), answer("three."))
    app = wait_for_end(press(cut_at(look(open_app(chain_yaml(upstream, "primary"))), 25), "Continue"))
    body = upstream.received("primary")[-1].body
    assert [message["content"] for message in body["messages"]] == ["Count.", "One, two,", "Continue."]
    assert answers(app) == ["One, two,", "three."]
    assert (body["max_tokens"], set_here(app)) == (50, ["max 50"])


def test_the_conversation_goes_along(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", answer(SAID))
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "First?")
    ask(app, "Second?")
    said = [(message["role"], message["content"]) for message in upstream.received("primary")[-1].body["messages"]]
    assert said == [("user", "First?"), ("assistant", SAID), ("user", "Second?")]


# --- Prompts that are refused ----------------------------------------------------------------------


def refused(upstream: Upstream, open_app: OpenApp) -> AppTest:
    app = look(open_app(chain_yaml(upstream, "primary")))
    app.chat_input(key="chat_prompt").set_value("Hel\0lo")
    return look(app)


def test_a_refused_prompt_says_why(upstream: Upstream, open_app: OpenApp) -> None:
    (error,) = refused(upstream, open_app).error
    assert "NUL" in error.value


def test_a_refused_prompt_is_not_sent(upstream: Upstream, open_app: OpenApp) -> None:
    refused(upstream, open_app)
    assert upstream.requests == []


def test_a_refused_prompt_stays_as_a_draft(upstream: Upstream, open_app: OpenApp) -> None:
    assert refused(upstream, open_app).chat_input(key="chat_prompt").value == "Hel\0lo"


# --- Conversations and their links -----------------------------------------------------------------


def test_a_new_conversation_is_empty_and_has_a_link_of_its_own(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    before = app.query_params["c"]
    press(app, "New")
    assert not app.chat_message
    assert ask(app, "And this?").query_params["c"] != before


def test_a_new_conversation_tells_the_model_nothing_of_the_old(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(look(open_app(chain_yaml(upstream, "primary"))), "First?")
    ask(press(app, "New"), "Second?")
    assert [message["content"] for message in upstream.received("primary")[-1].body["messages"]] == ["Second?"]


def test_a_link_brings_its_conversation_back(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=answer(SAID))
    text = chain_yaml(upstream, "primary")
    link = ask(look(open_app(text)), "Hello?").query_params["c"]
    assert answers(look(open_app(text, c=link))) == [SAID]


def test_a_link_brings_its_conversation_back_after_a_restart(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=answer(SAID))
    text = chain_yaml(upstream, "primary")
    link = ask(look(open_app(text)), "Hello?").query_params["c"]
    close_lab()
    assert answers(look(open_app(text, c=link))) == [SAID]


def test_a_link_brings_the_conversation_s_settings_back(upstream: Upstream, open_app: OpenApp) -> None:
    text = with_chains(upstream, conversation=["one"], code=["four"])
    app = look(open_app(text))
    app.button_group(key="chat_category").set_value("code")
    field(app.text_area, "System prompt").set_value("Be brief.")
    link = ask(look(app), "Hello?").query_params["c"]
    app = look(open_app(text, c=link))
    assert app.button_group(key="chat_category").value == "code"
    assert field(app.text_area, "System prompt").value == "Be brief."


@pytest.mark.parametrize("link", ["nonsense", "", "../../etc/passwd", "' or 1=1 --", "0" * 5000, "ABCDEFABCDEF", "\0"])
def test_a_link_that_names_no_conversation_begins_a_new_one(upstream: Upstream, open_app: OpenApp, link: str) -> None:
    app = look(open_app(chain_yaml(upstream, "primary"), c=link))
    assert not app.error
    assert answers(ask(app, "Hello?"))
    assert app.query_params["c"] != [link]


def test_a_link_of_a_conversation_that_never_was_is_an_empty_one(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary"), c="0123456789ab"))
    assert app.query_params["c"] == "0123456789ab"
    assert not app.chat_message


def test_the_model_of_an_old_conversation_may_be_gone(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary", "fallback")))
    app.button_group(key="chat_category").set_value("Single model")
    look(app)
    app.selectbox(key="chat_model").select("fallback")
    link = ask(look(app), "Hello?").query_params["c"]
    app = look(open_app(chain_yaml(upstream, "primary"), c=link))
    assert app.selectbox(key="chat_model").value == "fallback"
