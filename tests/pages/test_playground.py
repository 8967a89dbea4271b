"""What the Chat page has beyond a prompt and its answer: branches, tools, files, faults, the list of conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from router.lab import open_lab
from tests.pages.conftest import OpenApp, ask, field, look, press, texts, wait_for_end
from tests.upstream import Upstream, answer, chain_yaml, silent

WEATHER = json.dumps([{"name": "get_weather", "parameters": {"type": "object", "properties": {}}}])
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
SUM = {"id": "call_2", "type": "function", "function": {"name": "calculator", "arguments": '{"expression": "6*7"}'}}


@pytest.fixture
def page(upstream: Upstream, open_app: OpenApp) -> AppTest:
    """The Chat page on a chain of two models, without a cache."""
    return open_app(chain_yaml(upstream, "primary", "fallback", retries=0, cache={"enabled": False}))


def answers(app: AppTest) -> list[str]:
    return [message.markdown[0].value for message in app.chat_message if message.name == "assistant"]


def prompts(app: AppTest) -> list[str]:
    return [message.markdown[0].value for message in app.chat_message if message.name == "user"]


def sent(upstream: Upstream, model: str = "primary") -> Any:
    return upstream.received(model)[-1].body


def click(app: AppTest, key: str) -> AppTest:
    """Press the button whose key begins so."""
    next(button for button in app.button if (button.key or "").startswith(key)).click()
    return look(app)


# --- Branches --------------------------------------------------------------------------------------


def edited(app: AppTest, prompt: str) -> AppTest:
    """Ask another prompt in the place of the first one."""
    click(app, "edit_")
    next(area for area in app.text_area if (area.key or "").startswith("edited_")).set_value(prompt)
    return wait_for_end(click(app, "edit_ask"))


def test_another_prompt_in_the_place_of_one_begins_a_branch(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("To one."), answer("To two."))
    edited(ask(page, "one"), "two")
    assert (prompts(page), answers(page)) == (["two"], ["To two."])


def test_the_branch_before_can_be_shown_again(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("To one."), answer("To two."))
    click(edited(ask(page, "one"), "two"), "branch_")
    assert (prompts(page), answers(page)) == (["one"], ["To one."])


def test_a_prompt_goes_on_along_the_branch_that_is_shown(upstream: Upstream, page: AppTest) -> None:
    ask(click(edited(ask(page, "one"), "two"), "branch_"), "three")
    assert [message["content"] for message in sent(upstream)["messages"] if message["role"] == "user"] == [
        "one",
        "three",
    ]


# --- Tools -----------------------------------------------------------------------------------------


def test_a_call_is_answered_by_hand_and_the_chain_goes_on(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("", tool_calls=(CALL,), finish_reason="tool_calls"), answer("It is sunny."))
    field(page.text_area, "Your own, as JSON").set_value(WEATHER)
    ask(look(page), "What is the weather in Rome?")
    next(area for area in page.text_area if "get" in area.label).set_value("sunny")
    wait_for_end(press(page, "Send the results"))
    assert sent(upstream)["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    assert answers(page)[-1] == "It is sunny."


def test_a_tool_that_answers_by_itself_has_its_result_filled_in(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("", tool_calls=(SUM,), finish_reason="tool_calls"))
    field(page.multiselect, "Tools that answer by themselves").set_value(["calculator"])
    ask(look(page), "What is six times seven?")
    assert next(area for area in page.text_area if "calculator" in area.label).value == "42"


def test_a_stored_reply_is_filled_in(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("", tool_calls=(CALL,), finish_reason="tool_calls"))
    field(page.text_area, "Your own, as JSON").set_value(WEATHER)
    field(look(page).text_input, "Stored reply of `get_weather`").set_value("rain")
    ask(look(page), "What is the weather in Rome?")
    assert next(area for area in page.text_area if "get" in area.label).value == "rain"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("Your own, as JSON", "[{", "The tools: no JSON"),
        ("Your own, as JSON", '[\n{"name": x}]', "The tools: no JSON in line 2"),
        ("Your own, as JSON", '[{"name": "a b"}]', "needs a"),
        ("Schema", '{"type": "objekt"}', "no JSON schema at"),
        ("Other fields, as JSON", "[]", "must be a JSON object"),
        ("Other fields, as JSON", '{"model": "x"}', "has a place of its own"),
    ],
)
def test_what_cannot_be_used_is_said_as_it_is_typed(page: AppTest, name: str, text: str, words: str) -> None:
    field(page.text_area, name).set_value(text)
    (error,) = look(page).error
    assert words in error.value.replace("\\", "")


def test_nothing_is_sent_while_the_parameters_are_wrong(upstream: Upstream, page: AppTest) -> None:
    field(page.text_area, "Schema").set_value("{")
    page.chat_input(key="chat_prompt").set_value("Hello?")
    look(page)
    assert upstream.requests == []
    assert draft(page) == "Hello?"
    assert any("Mend the parameters first" in error.value for error in page.error)


# --- JSON answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"), [('{"a": 1}', "fits its schema"), ('{"a": "x"}', "does not fit"), ("Hi", "is no JSON")]
)
def test_an_answer_is_checked_against_its_schema(upstream: Upstream, page: AppTest, said: str, words: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    upstream.script("primary", answer(said))
    field(page.text_area, "Schema").set_value(json.dumps(schema))
    ask(look(page), "Give me an a.")
    assert sent(upstream)["response_format"]["json_schema"]["schema"] == schema
    assert any(words in text for text in texts(page))


# --- Faults on demand ------------------------------------------------------------------------------


def test_a_fault_befalls_the_next_call_and_the_fallback_answers(upstream: Upstream, page: AppTest) -> None:
    page.selectbox(key="fault_kind").set_value("server error")
    click(page, "fault_add")
    ask(page, "Hello?")
    assert (upstream.received("primary"), len(upstream.received("fallback"))) == ([], 1)


def test_a_fault_is_for_one_session_alone(upstream: Upstream, page: AppTest, open_app: OpenApp) -> None:
    page.selectbox(key="fault_kind").set_value("server error")
    click(page, "fault_add")
    ask(open_app(chain_yaml(upstream, "primary")), "Hello?")
    assert len(upstream.received("primary")) == 1


def test_a_fault_that_is_taken_back_befalls_nothing(upstream: Upstream, page: AppTest) -> None:
    page.selectbox(key="fault_kind").set_value("server error")
    ask(click(click(page, "fault_add"), "fault_remove_"), "Hello?")
    assert len(upstream.received("primary")) == 1


# --- Files, templates, links, the request ----------------------------------------------------------


def test_a_file_goes_along_with_the_prompt(upstream: Upstream, page: AppTest) -> None:
    page.chat_input(key="chat_prompt").set_value("Read this.").upload("notes.txt", b"Some notes." * 10)
    wait_for_end(page)
    (message,) = sent(upstream)["messages"]
    assert [part["text"] for part in message["content"]] == [f"notes.txt:\n\n{'Some notes.' * 10}", "Read this."]
    assert any("notes.txt" in text and "0.0 kB" not in text for text in texts(page))


def draft(app: AppTest) -> str:
    """What stands in the prompt's field, not sent yet."""
    return str(app.chat_input(key="chat_prompt").proto.value)


def test_a_template_is_put_into_the_prompt(page: AppTest) -> None:
    fields = {field.label: field for field in page.text_input}
    fields["Name"].set_value("greeting")
    next(area for area in page.text_area if area.label == "Text").set_value("Greet {{who}}.")
    press(page, "Keep")
    next(field for field in page.text_input if field.label == "who").set_value("Ada")
    click(page, "template_use")
    assert draft(page) == "Greet Ada."


def test_a_template_with_an_empty_variable_is_not_used(page: AppTest) -> None:
    fields = {field.label: field for field in page.text_input}
    fields["Name"].set_value("greeting")
    next(area for area in page.text_area if area.label == "Text").set_value("Greet {{who}}.")
    click(press(page, "Keep"), "template_use")
    assert any("needs a value" in error.value for error in page.error)


def test_a_link_opens_a_prompt(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(chain_yaml(upstream, "primary"), prompt="What is $5?")
    assert draft(app) == "What is $5?"


def test_the_request_is_shown_without_its_key(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(open_app(chain_yaml(upstream, "primary")), "Hello?")
    click(app, "request_")
    shown = [block.value for block in app.code]
    assert any(text.startswith("curl ") and "Hello?" in text for text in shown)


def test_an_answer_is_made_a_test_case(home: Path, upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("It is 42."))
    ask(page, "What is 6 times 7?")
    next(area for area in page.text_area if "good answer" in area.label).set_value("42")
    press(page, "Make it a test case")
    [line] = (home / ".lab" / "suites" / "tries.jsonl").read_text().splitlines()
    case = json.loads(line)
    assert (case["input"], case["target"]) == ([{"role": "user", "content": "What is 6 times 7?"}], "42")


def test_a_prompt_too_long_to_send_is_said_and_kept(page: AppTest) -> None:
    page.chat_input(key="chat_prompt").set_value("x" * 20_000_000)
    assert any("the limit is" in error.value for error in look(page).error)
    assert len(draft(page)) == 20_000_000


@pytest.mark.parametrize("name", ["broken.png", "<script>alert(1)</script>.png"])
def test_an_image_that_is_none_is_said(page: AppTest, name: str) -> None:
    page.chat_input(key="chat_prompt").set_value("What is this?").upload(name, b"\x89PNG\r\n\x1a\nno image")
    (error,) = look(page).error
    assert "image" in error.value
    assert "attached again" in error.value
    assert draft(page) == "What is this?"


# --- The list of conversations ---------------------------------------------------------------------


def listed(app: AppTest) -> list[str]:
    return [button.label for button in app.button if (button.key or "").startswith("open_")]


@pytest.fixture
def two(page: AppTest) -> AppTest:
    """Two conversations."""
    return look(ask(press(ask(page, "The first one"), "New"), "The second one"))


def stored(app: AppTest) -> AppTest:
    """Draw the page once all is written: rows are written behind requests, and a search sees what is written."""
    store = open_lab().store
    assert store is not None
    store.writer.flush()
    return look(app)


def test_conversations_are_listed_at_once_the_last_one_first(two: AppTest) -> None:
    assert listed(two) == ["The second one", "The first one"]


def test_where_nothing_can_be_stored_there_is_no_list(home: Path, upstream: Upstream, open_app: OpenApp) -> None:
    (home / ".lab").write_text("in the way")
    app = ask(open_app(chain_yaml(upstream, "primary")), "Hello?")
    assert any("cannot be kept" in caption.value for caption in app.sidebar.caption)
    assert not app.sidebar.text_input


def test_a_long_title_is_shortened_also_where_it_is_one_word(page: AppTest) -> None:
    ask(press(ask(page, "A title of many short words"), "New"), "https" + "x" * 40)
    assert listed(page) == ["https" + "x" * 19 + " …", "A title of many short wo …"]


def test_who_comes_back_from_another_page_finds_the_conversation(page: AppTest) -> None:
    look(ask(page, "one").switch_page("compare.py"))
    assert prompts(look(page.switch_page("chat.py"))) == ["one"]


def test_who_comes_back_before_a_prompt_can_still_ask(page: AppTest) -> None:
    look(page.switch_page("compare.py"))
    assert prompts(ask(look(page.switch_page("chat.py")), "one")) == ["one"]


def test_a_conversation_is_opened_again(two: AppTest) -> None:
    next(button for button in two.button if button.label == "The first one").click()
    assert prompts(look(two)) == ["The first one"]


def test_another_session_does_not_see_a_conversation_whose_answer_is_under_way(
    home: Path, upstream: Upstream, page: AppTest, open_app: OpenApp
) -> None:
    upstream.script("primary", then=silent)
    page.chat_input(key="chat_prompt").set_value("Not yet for others")
    look(page)
    other = open_app((home / "models.yaml").read_text(encoding="utf-8"))
    during = (listed(look(page)), listed(other))
    press(page, "Stop")
    wait_for_end(page)
    assert during == (["Not yet for others"], [])
    assert listed(look(other)) == ["Not yet for others"]


def test_a_search_finds_a_conversation(two: AppTest) -> None:
    stored(two).text_input(key="chat_search").set_value("FIRST")
    assert listed(look(two)) == ["The first one"]


def test_a_conversation_s_parameters_are_its_own(two: AppTest) -> None:
    field(two.text_area, "System prompt").set_value("Be brief.")
    ask(two, "And a third")
    next(button for button in two.button if button.label == "The first one").click()
    assert field(look(two).text_area, "System prompt").value == ""


def test_a_new_conversation_goes_on_with_the_parameters_of_the_page(upstream: Upstream, page: AppTest) -> None:
    field(page.text_area, "System prompt").set_value("Be brief.")
    ask(press(ask(page, "one"), "New"), "two")
    assert sent(upstream)["messages"][0] == {"role": "system", "content": "Be brief."}
