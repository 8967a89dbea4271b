"""The choice of a single model: what is known of each, and a search among the providers' lists."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import OpenApp, ask, look, texts
from tests.upstream import Upstream, chain_yaml

FACTS: dict[str, dict[str, Any]] = {
    "seeing": {"context": 200_000, "images": True, "tools": False, "price": {"input": 0.5, "output": 2}},
    "acting": {"context": 8_000, "images": False, "tools": True},
}


@pytest.fixture
def page(upstream: Upstream, open_app: OpenApp) -> AppTest:
    """The app, with a single model that answers."""
    models = {f"local:{name}": facts for name, facts in FACTS.items()}
    app = open_app(json.dumps({**json.loads(chain_yaml(upstream, "seeing", "acting", "unknown")), "models": models}))
    app.button_group(key="chat_category").set_value("Single model")
    return look(app)


def offered(app: AppTest) -> list[str]:
    return list(app.selectbox(key="chat_model").options)


def type_in(app: AppTest, name: str) -> None:
    """Type a model that is not offered."""
    box = app.selectbox(key="chat_model")
    box.options.append(name)
    box.set_value(name)


def test_each_model_says_its_context_its_price_and_what_it_can(page: AppTest) -> None:
    assert offered(page) == ["seeing · 200k · $0.50 / $2.00 · images", "acting · 8k · tools", "unknown"]


def test_what_is_known_of_the_chosen_model_is_said_in_full(page: AppTest) -> None:
    said = "200,000 tokens of context · no tools · images · $0.50 in and $2.00 out per million tokens"
    assert said in " ".join(texts(page))


def test_only_models_that_are_known_to_support_something_are_offered(page: AppTest) -> None:
    page.button_group(key="chat_model_can").set_value(["tools"])
    chosen, *others = offered(look(page))
    assert (chosen.partition(" ")[0], others) == ("seeing", ["acting · 8k · tools"])


def test_the_chosen_model_answers(upstream: Upstream, page: AppTest) -> None:
    page.selectbox(key="chat_model").select_index(1)
    ask(look(page), "Hello?")
    assert [call.model for call in upstream.requests] == ["acting"]


def test_a_model_can_be_typed(upstream: Upstream, page: AppTest) -> None:
    type_in(page, " local:typed ")
    ask(look(page), "Hello?")
    assert [call.model for call in upstream.requests] == ["typed"]


def test_the_words_of_an_older_list_name_the_same_model(upstream: Upstream, page: AppTest) -> None:
    """The browser sends back what it was shown, though more is known since."""
    type_in(page, "acting · 4k")
    ask(look(page), "Hello?")
    assert [call.model for call in upstream.requests] == ["acting"]


@pytest.mark.parametrize("name", [" ", "zero\u200bwidth"])
def test_a_name_that_cannot_be_one_is_said(page: AppTest, name: str) -> None:
    type_in(page, name)
    assert any("Name a model, such as" in error.value for error in look(page).error)
