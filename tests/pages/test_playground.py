"""What the Chat page has beyond a prompt and its answer: branches, tools, files, faults, the list of conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from router.core.conversations import Settings, Turn
from router.lab import open_lab
from tests.pages.conftest import OpenApp, ask, field, look, open_chip, press, texts, wait_for_end
from tests.upstream import Upstream, answer, chain_yaml, silent, status

from components.chat.conversations import SHOWN

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
    field(page.text_area, "Your tools, as JSON").set_value(WEATHER)
    ask(look(page), "What is the weather in Rome?")
    next(area for area in page.text_area if "get" in area.label).set_value("sunny")
    wait_for_end(press(page, "Send results"))
    assert sent(upstream)["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    assert answers(page)[-1] == "It is sunny."


def test_a_tool_that_answers_by_itself_has_its_result_filled_in(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("", tool_calls=(SUM,), finish_reason="tool_calls"))
    field(page.multiselect, "Built-in tools").set_value(["calculator"])
    ask(look(page), "What is six times seven?")
    assert next(area for area in page.text_area if "calculator" in area.label).value == "42"


def test_a_stored_reply_is_filled_in(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("", tool_calls=(CALL,), finish_reason="tool_calls"))
    field(page.text_area, "Your tools, as JSON").set_value(WEATHER)
    field(look(page).text_input, "Mock result of `get_weather`").set_value("rain")
    ask(look(page), "What is the weather in Rome?")
    assert next(area for area in page.text_area if "get" in area.label).value == "rain"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("Your tools, as JSON", "[{", "The tools: not valid JSON"),
        ("Your tools, as JSON", '[\n{"name": x}]', "The tools: not valid JSON on line 2"),
        ("Your tools, as JSON", '[{"name": "a b"}]', "needs a"),
        ("Schema", '{"type": "objekt"}', "no usable JSON schema at"),
        ("Other request fields, as JSON", "[]", "must be a JSON object"),
        ("Other request fields, as JSON", '{"model": "x"}', "has its own setting"),
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
    assert any("Fix the parameters first" in error.value for error in page.error)


# --- JSON answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"), [('{"a": 1}', "matches its schema"), ('{"a": "x"}', "does not fit"), ("Hi", "is not JSON")]
)
def test_an_answer_is_checked_against_its_schema(upstream: Upstream, page: AppTest, said: str, words: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    upstream.script("primary", answer(said))
    field(page.text_area, "Schema").set_value(json.dumps(schema))
    ask(look(page), "Give me an a.")
    assert sent(upstream)["response_format"]["json_schema"]["schema"] == schema
    assert any(words in text for text in texts(page))


def test_an_unknown_tool_is_named_below_the_answer_and_in_its_attempt(upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("", tool_calls=(CALL,), finish_reason="tool_calls"))
    ask(page, "What is the weather in Rome?")
    named = "It called `get_weather`, which is not one of the tools."
    assert named in texts(page)
    assert any(named in said for said in open_chip(page, 0))


def test_an_answer_that_no_policy_accepts_is_shown_with_the_reason(upstream: Upstream, open_app: OpenApp) -> None:
    page = open_app(chain_yaml(upstream, "primary", on_invalid_json="next"))
    upstream.script("primary", answer("No JSON."))
    field(page.text_area, "Schema").set_value("{}")
    ask(look(page), "Give me an a.")
    assert answers(page) == ["No JSON."]
    assert any("is not JSON" in error.value for error in page.error)
    assert "The answer above was not accepted." in texts(page)


# --- Injected faults -------------------------------------------------------------------------------


def test_after_an_injected_fault_the_fallback_answers(upstream: Upstream, page: AppTest) -> None:
    page.selectbox(key="fault_kind").set_value("server error")
    click(page, "fault_add")
    ask(page, "Hello?")
    assert (upstream.received("primary"), len(upstream.received("fallback"))) == ([], 1)


def test_a_fault_is_for_one_session_alone(upstream: Upstream, page: AppTest, open_app: OpenApp) -> None:
    page.selectbox(key="fault_kind").set_value("server error")
    click(page, "fault_add")
    ask(open_app(chain_yaml(upstream, "primary")), "Hello?")
    assert len(upstream.received("primary")) == 1


def test_a_removed_fault_affects_nothing(upstream: Upstream, page: AppTest) -> None:
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
    next(area for area in page.text_area if area.label == "Text").set_value("Greet {{user-name}} {{}}.")
    press(page, "Save template")
    next(field for field in page.text_input if field.label == "user-name").set_value("Ada")
    click(page, "template_use")
    assert draft(page) == "Greet Ada {{}}."


def test_a_template_with_an_empty_variable_is_not_used(page: AppTest) -> None:
    fields = {field.label: field for field in page.text_input}
    fields["Name"].set_value("greeting")
    next(area for area in page.text_area if area.label == "Text").set_value("Greet {{who}}.")
    click(press(page, "Save template"), "template_use")
    assert any("needs a value" in error.value for error in page.error)


def test_a_link_opens_a_prompt(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(chain_yaml(upstream, "primary"), prompt="What is $5?")
    assert draft(app) == "What is $5?"


def test_the_request_is_shown_without_its_key(upstream: Upstream, open_app: OpenApp) -> None:
    app = ask(open_app(chain_yaml(upstream, "primary")), "Hello?")
    click(app, "request_")
    shown = [block.value for block in app.code]
    assert any(text.startswith("curl ") and "Hello?" in text for text in shown)


def test_the_request_is_shown_with_what_the_chain_sets_for_its_model(upstream: Upstream, open_app: OpenApp) -> None:
    text = json.loads(chain_yaml(upstream, "primary"))
    text["chains"]["chat"] = [{"model": "primary", "params": {"seed": 7}, "system": "Think."}]
    app = ask(open_app(json.dumps(text)), "Hello?")
    click(app, "request_")
    [shown] = [json.loads(block.value) for block in app.code if block.language == "json"]
    assert (shown["seed"], shown["messages"]) == (7, sent(upstream)["messages"])


def test_an_answer_is_made_a_test_case(home: Path, upstream: Upstream, page: AppTest) -> None:
    upstream.script("primary", answer("It is 42."))
    ask(page, "What is 6 times 7?")
    next(area for area in page.text_area if area.label == "Expected answer").set_value("42")
    press(page, "Save test case")
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
    assert "Attach its files again." in error.value
    assert draft(page) == "What is this?"


# --- Thumbs ----------------------------------------------------------------------------------------


def rated(app: AppTest, thumb: int | None) -> AppTest:
    """Click a thumb of the newest answer, or the one that is set, to take it back."""
    app.feedback[-1].set_value(thumb)
    return stored(look(app))


def test_a_thumb_is_kept_with_the_answer_and_with_its_request(page: AppTest) -> None:
    rated(ask(page, "Hello?"), 1)
    store = open_lab().store
    assert (page.feedback[0].value, store.feedback.of_answers()) == (1, {1: True})


def test_a_thumb_can_be_changed_and_taken_back(page: AppTest) -> None:
    log = open_lab().store.feedback
    assert rated(rated(ask(page, "Hello?"), 1), 0).feedback[0].value == 0
    assert log.of_answers() == {1: False}
    assert rated(page, None).feedback[0].value is None
    assert log.of_answers() == {}


def test_a_thumb_given_in_another_tab_is_shown(page: AppTest) -> None:
    rated(ask(page, "Hello?"), 0)
    chat = open_lab().chat
    chat.rate(chat.turns(chat.entries()[0].id)[0], True)
    assert look(page).feedback[0].value == 1


def test_a_thumb_leaves_the_order_of_the_list_as_it_is(two: AppTest) -> None:
    click(two, f"open_{open_lab().chat.entries()[1].id}")
    assert listed(rated(two, 1)) == ["The second one", "The first one"]


def test_an_answer_that_failed_has_no_thumbs(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(500))
    assert not ask(open_app(chain_yaml(upstream, "primary", retries=0)), "Hello?").feedback


# --- Totals ----------------------------------------------------------------------------------------


def with_context(upstream: Upstream, context: int | None) -> str:
    """models.yaml with one model, whose context is known or not."""
    known = {"models": {"primary": {"context": context}}} if context is not None else {}
    return json.dumps({**json.loads(chain_yaml(upstream, "primary", cache={"enabled": False})), **known})


def test_all_branches_of_a_conversation_are_added_up(page: AppTest) -> None:
    edited(ask(page, "one"), "two")
    assert "Conversation: $0.00084 · 22 tokens in · 14 out" in texts(page)


@pytest.mark.parametrize(("context", "filled"), [(180, ["10% of the context"]), (None, [])])
def test_the_context_is_drawn_where_it_is_known(
    upstream: Upstream, open_app: OpenApp, context: int | None, filled: list[str]
) -> None:
    app = ask(open_app(with_context(upstream, context)), "Hello?")
    assert [text for text in texts(app) if "of the context" in text] == filled
    assert len(app.get("progress")) == len(filled)


def test_the_context_is_that_of_the_last_answer_where_the_next_one_failed(
    upstream: Upstream, open_app: OpenApp
) -> None:
    app = ask(open_app(with_context(upstream, 180)), "Hello?")
    upstream.script("primary", then=status(400))
    assert "10% of the context" in texts(ask(app, "Again?"))


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
    store.writer.flush()
    return look(app)


def test_conversations_are_listed_at_once_the_last_one_first(two: AppTest) -> None:
    assert listed(two) == ["The second one", "The first one"]


def test_where_nothing_can_be_stored_the_list_says_that_it_ends_with_the_app(
    home: Path, upstream: Upstream, open_app: OpenApp
) -> None:
    (home / ".lab").write_text("in the way")
    app = ask(open_app(chain_yaml(upstream, "primary")), "Hello?")
    assert any("Kept until the app stops" in caption.value for caption in app.sidebar.caption)
    assert listed(look(app)) == ["Hello?"]


def headings(app: AppTest) -> list[str]:
    """The headings of the list."""
    return [caption.value for caption in app.sidebar.caption][:-1]


def test_a_pinned_conversation_stands_above_the_others_until_it_is_unpinned(two: AppTest) -> None:
    stored(two).menu_button[1].set_value("Pin")
    look(two)
    assert (headings(two), listed(two)) == (["Pinned", "Today"], ["The first one", "The second one"])
    two.menu_button[0].set_value("Unpin")
    look(two)
    assert (headings(two), listed(two)) == (["Today"], ["The second one", "The first one"])


def test_a_new_chat_begins_from_the_list(two: AppTest) -> None:
    assert prompts(press(two, "New chat")) == []


def test_of_many_conversations_a_part_is_listed_and_more_on_request(page: AppTest) -> None:
    log = open_lab().store.conversations
    for number in range(SHOWN + 2):
        name = f"c{number}"
        log.save(Turn(id=name, conversation=name, parent=None, created=number, prompt="Hello?", settings=Settings()))
    assert len(listed(stored(page))) == SHOWN
    assert len(listed(press(page, "Show more"))) == SHOWN + 2


def test_who_comes_back_from_another_page_finds_the_conversation(page: AppTest) -> None:
    look(ask(page, "one").switch_page("compare.py"))
    assert prompts(look(page.switch_page("chat.py"))) == ["one"]


def test_who_comes_back_before_a_prompt_can_still_ask(page: AppTest) -> None:
    look(page.switch_page("compare.py"))
    assert prompts(ask(look(page.switch_page("chat.py")), "one")) == ["one"]


def test_a_conversation_is_opened_again(two: AppTest) -> None:
    next(button for button in two.button if button.label == "The first one").click()
    assert prompts(look(two)) == ["The first one"]


def test_another_session_does_not_see_a_conversation_whose_answer_is_in_progress(
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
