"""What is set beside a prompt: it is sent, shown as chips, emptied again, and belongs to its conversation."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import OpenApp, ask, field, look, press, set_here
from tests.upstream import Upstream, chain_yaml


def test_parameters_are_sent(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary")))
    field(app.text_area, "System prompt").set_value("Be brief.")
    field(app.number_input, "Temperature").set_value(0.3)
    field(app.number_input, "Max tokens").set_value(99)
    ask(look(app), "Hello?")
    (call,) = upstream.received("primary")
    assert call.body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (call.body["temperature"], call.body["max_tokens"]) == (0.3, 99)


def test_parameters_that_are_not_set_are_not_sent(upstream: Upstream, open_app: OpenApp) -> None:
    ask(look(open_app(chain_yaml(upstream, "primary"))), "Hello?")
    (call,) = upstream.received("primary")
    assert call.body.keys().isdisjoint({"temperature", "max_tokens"})
    assert [message["role"] for message in call.body["messages"]] == ["user"]


SAMPLED = {"top_p": 0.9, "stop": ["END", " ", "\n"], "seed": 7, "reasoning_effort": "high"}


def sample(app: AppTest) -> AppTest:
    """Set what `SAMPLED` says."""
    field(app.number_input, "Top-p").set_value(0.9)
    field(app.text_area, "Stop sequences").set_value("END\n \n\\n")
    field(app.number_input, "Seed").set_value(7)
    field(app.selectbox, "Reasoning effort").select("high")
    return look(app)


def test_sampling_is_sent(upstream: Upstream, open_app: OpenApp) -> None:
    ask(sample(look(open_app(chain_yaml(upstream, "primary")))), "Hello?")
    (call,) = upstream.received("primary")
    assert {name: call.body.get(name) for name in SAMPLED} == SAMPLED


def test_other_request_fields_go_along_with_sampling(upstream: Upstream, open_app: OpenApp) -> None:
    app = sample(look(open_app(chain_yaml(upstream, "primary"))))
    field(app.text_area, "Other request fields, as JSON").set_value('{"top_k": 5}')
    ask(look(app), "Hello?")
    (call,) = upstream.received("primary")
    assert (call.body["top_p"], call.body["top_k"]) == (0.9, 5)


@pytest.mark.parametrize("chip", ["top-p 0.9", "3 stop sequences", "seed 7", "effort high"])
def test_a_chip_empties_its_sampling_alone(upstream: Upstream, open_app: OpenApp, chip: str) -> None:
    app = sample(look(open_app(chain_yaml(upstream, "primary"))))
    before = set_here(app)
    assert set_here(press(app, chip)) == [each for each in before if each != chip]


def test_other_request_fields_are_emptied_without_the_sampling(upstream: Upstream, open_app: OpenApp) -> None:
    app = sample(look(open_app(chain_yaml(upstream, "primary"))))
    field(app.text_area, "Other request fields, as JSON").set_value('{"logprobs": true}')
    assert "logprobs" not in set_here(press(look(app), "logprobs"))
    ask(app, "Hello?")
    (call,) = upstream.received("primary")
    assert {name: call.body.get(name) for name in [*SAMPLED, "logprobs"]} == {**SAMPLED, "logprobs": None}


def test_sampling_of_an_old_conversation_is_shown_again(upstream: Upstream, open_app: OpenApp) -> None:
    text = chain_yaml(upstream, "primary")
    link = ask(sample(look(open_app(text))), "Hello?").query_params["c"]
    app = look(open_app(text, c=link))
    assert field(app.number_input, "Top-p").value == 0.9
    assert field(app.text_area, "Stop sequences").value == "END\n \n\\n"
    assert field(app.number_input, "Seed").value == 7
    assert field(app.selectbox, "Reasoning effort").value == "high"


def test_a_field_with_its_own_control_is_refused_as_json(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary")))
    field(app.text_area, "Other request fields, as JSON").set_value('{"seed": 1}')
    assert [error.value for error in look(app).error] == ["\\`seed\\` has its own setting; remove it here."]


def set_some(app: AppTest) -> AppTest:
    """Set a temperature, a limit, tools and a schema."""
    field(app.number_input, "Temperature").set_value(0.3)
    field(app.number_input, "Max tokens").set_value(25)
    field(app.multiselect, "Built-in tools").set_value(["clock", "calculator"])
    field(app.text_area, "Schema").set_value('{"type": "object"}')
    return look(app)


def test_what_is_set_stands_beside_the_prompt_box(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary")))
    assert set_here(app) == []
    assert set_here(set_some(app)) == ["temperature 0.3", "max 25", "2 tools", "JSON"]


@pytest.mark.parametrize(
    ("chip", "left"),
    [
        ("temperature 0.3", {"max_tokens", "tools", "response_format"}),
        ("2 tools", {"temperature", "max_tokens", "response_format"}),
    ],
)
def test_what_is_set_is_emptied_alone(upstream: Upstream, open_app: OpenApp, chip: str, left: set[str]) -> None:
    ask(press(set_some(look(open_app(chain_yaml(upstream, "primary")))), chip), "Hello?")
    (call,) = upstream.received("primary")
    assert call.body.keys() & {"temperature", "max_tokens", "tools", "response_format"} == left


def test_a_parameter_of_an_old_conversation_can_be_emptied(upstream: Upstream, open_app: OpenApp) -> None:
    text = chain_yaml(upstream, "primary")
    link = ask(set_some(look(open_app(text))), "Hello?").query_params["c"]
    app = press(look(open_app(text, c=link)), "temperature 0.3")
    assert field(app.number_input, "Temperature").value is None


def test_a_new_conversation_sets_nothing_of_the_old(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(set_some(look(open_app(chain_yaml(upstream, "primary")))), "Hello?")
    assert set_here(press(app, "New")) == []
    ask(app, "And this?")
    assert upstream.received("primary")[-1].body.keys().isdisjoint({"temperature", "max_tokens", "tools"})


def test_parameters_outlive_a_visit_to_another_page(upstream: Upstream, open_app: OpenApp) -> None:
    app = set_some(look(open_app(chain_yaml(upstream, "primary"))))
    look(app.switch_page("chains.py"))
    assert set_here(look(app.switch_page("chat.py"))) == ["temperature 0.3", "max 25", "2 tools", "JSON"]


# --- Presets ---------------------------------------------------------------------------------------


def save(app: AppTest, name: str) -> AppTest:
    """Save what is set now as a preset."""
    field(app.text_input, "Save what is set now as").set_value(name)
    return press(app, "Save preset")


def test_a_preset_sets_in_another_conversation_what_was_saved(upstream: Upstream, open_app: OpenApp) -> None:
    app = save(sample(set_some(look(open_app(chain_yaml(upstream, "primary"))))), "careful")
    saved = set_here(app)
    press(ask(app, "Hello?"), "New")
    assert set_here(press(app, "Use")) == saved
    ask(app, "And now?")
    assert {name: upstream.received("primary")[-1].body.get(name) for name in SAMPLED} == SAMPLED


def test_a_preset_replaces_all_that_is_set(upstream: Upstream, open_app: OpenApp) -> None:
    app = save(sample(look(open_app(chain_yaml(upstream, "primary")))), "careful")
    saved = set_here(app)
    assert set_here(press(set_some(app), "Use")) == saved


def test_a_preset_leaves_the_category_alone(upstream: Upstream, open_app: OpenApp) -> None:
    app = save(sample(look(open_app(chain_yaml(upstream, "primary")))), "careful")
    app.button_group(key="chat_category").set_value("Single model")
    press(look(app), "Use")
    assert app.button_group(key="chat_category").value == "Single model"


def test_a_preset_is_renamed_and_deleted(upstream: Upstream, open_app: OpenApp) -> None:
    app = save(sample(look(open_app(chain_yaml(upstream, "primary")))), "careful")
    field(app.text_input, "Rename to").set_value("exact")
    assert field(press(app, "Rename").selectbox, "Preset").options == ["exact"]
    press(app, "Delete")
    assert not any(box.label == "Preset" for box in app.selectbox)


def test_where_nothing_is_set_nothing_can_be_saved(upstream: Upstream, open_app: OpenApp) -> None:
    app = look(open_app(chain_yaml(upstream, "primary")))
    assert field(app.button, "Save preset").disabled


def test_a_preset_without_a_name_is_said(upstream: Upstream, open_app: OpenApp) -> None:
    app = save(sample(look(open_app(chain_yaml(upstream, "primary")))), " ")
    assert [error.value for error in app.error] == ["Enter a name for the preset."]


def test_wrong_parameters_are_not_saved(upstream: Upstream, open_app: OpenApp) -> None:
    app = sample(look(open_app(chain_yaml(upstream, "primary"))))
    field(app.text_area, "Schema").set_value("{")
    save(look(app), "careful")
    assert any("Fix the parameters first" in error.value for error in app.error)
    assert not any(box.label == "Preset" for box in app.selectbox)
