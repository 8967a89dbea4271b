"""What a comparison has beyond lanes and prompts: tools, a schema, files, faults, a CSV file; and the ways to Chat."""

from __future__ import annotations

import base64
import json
from typing import Any

from streamlit.testing.v1 import AppTest

from router.core.conversations import Settings
from router.core.faults import Fault
from tests.pages.compare_page import choose, compare, comparison, link, rows, wait_for_end
from tests.pages.conftest import OpenApp, ask, field, look, press, texts
from tests.upstream import PIXEL, Answer, Upstream, answer

WEATHER = json.dumps([{"name": "get_weather", "parameters": {"type": "object", "properties": {}}}])
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
PICTURE = base64.b64decode(PIXEL.partition(",")[2])


def bodies(upstream: Upstream) -> list[Any]:
    return [call.body for call in upstream.received("one")]


def set_up(app: AppTest) -> AppTest:
    """Set for all lanes what can be set: a system prompt, tools, a schema, a file and a fault of another model."""
    app.text_area(key="compare_common_system").set_value("Be brief.")
    app.text_area(key="compare_tools_own").set_value(WEATHER)
    app.text_area(key="compare_schema").set_value('{"type": "object"}')
    attach(app, "notes.txt", b"Some notes.")
    app.selectbox(key="fault_model").set_value("two")
    return press(app, "Add fault")


def attach(app: AppTest, name: str, data: bytes) -> AppTest:
    field(app.file_uploader, "Attach to every prompt").upload(name, data)
    return look(app)


# --- For all lanes ---------------------------------------------------------------------------------


def test_all_lanes_are_asked_with_what_is_set_for_all(open_compare: OpenApp, upstream: Upstream) -> None:
    compare(set_up(open_compare()))
    for body in bodies(upstream):
        system, asked = body["messages"]
        assert system["content"] == "Be brief."
        assert [part["text"] for part in asked["content"]] == ["notes.txt:\n\nSome notes.", "Hello?"]
        assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]
        assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_a_comparison_says_what_it_was_asked_with(open_compare: OpenApp) -> None:
    app = compare(set_up(open_compare()))
    assert [e.label for e in app.expander if e.label.startswith("Asked")] == [
        "Asked with: system prompt, 1 tool, JSON, 1 file, 1 injected fault"
    ]


def test_a_comparison_that_is_used_again_has_all_that_was_set(open_compare: OpenApp) -> None:
    app = compare(set_up(open_compare()))
    first = comparison(app).plan
    assert compare_again(app) == first
    assert (first.common.system, first.faults) == ("Be brief.", {"two": Fault(kind="silence")})


def compare_again(app: AppTest) -> Any:
    press(app, "Use again")
    return comparison(wait_for_end(press(app, "Compare"))).plan


def test_a_lane_s_own_fields_go_out_with_its_requests_alone(open_compare: OpenApp, upstream: Upstream) -> None:
    app = open_compare()
    app.text_area(key="compare_params_1").set_value('{"logprobs": true}')
    app.number_input(key="compare_top_p_1").set_value(0.5)
    compare(app)
    asked = [(body.get("top_p"), body.get("logprobs")) for body in bodies(upstream)]
    assert sorted(asked, key=str) == [(0.5, True), (None, None)]
    assert "**one, top\\_p 0.5, logprobs true**" in [text.value for text in app.markdown]


def test_parameters_that_cannot_be_read_are_named_and_nothing_is_asked(
    open_compare: OpenApp, upstream: Upstream
) -> None:
    app = open_compare()
    app.text_area(key="compare_schema").set_value("{")
    app.text_area(key="compare_prompt").set_value("Hello?")
    press(app, "Compare")
    assert app.error[-1].value.startswith("Fix the parameters first. The schema: not valid JSON")
    assert upstream.requests == []


def test_what_is_set_for_all_lanes_outlives_a_visit_to_another_page(open_compare: OpenApp) -> None:
    app = set_up(open_compare())
    app.text_area(key="compare_schema").set_value("{ half")
    look(app).switch_page("chat.py")
    look(app).switch_page("compare.py")
    look(app)
    assert app.text_area(key="compare_schema").value == "{ half"
    assert "get_weather" in str(app.text_area(key="compare_tools_own").value)
    assert [each.proto.popover.label for each in app.get("popover") if "(1)" in each.proto.popover.label] == [
        "Files (1)",
        "Faults (1)",
    ]


def test_a_tool_call_is_shown_in_its_lane(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=Answer((), tool_calls=[CALL], finish_reason="tool_calls"))
    app = open_compare()
    app.text_area(key="compare_tools_own").set_value(WEATHER)
    app = compare(app)
    assert [text for text in texts(app) if "calls **get_weather**" in text.replace("\\", "")] != []
    assert [block.value for block in app.code].count('{"city": "Rome"}') == 2


def test_an_injected_fault_affects_each_lane(open_compare: OpenApp, upstream: Upstream) -> None:
    app = open_compare()
    app.selectbox(key="fault_model").set_value("one")
    app.selectbox(key="fault_kind").set_value("server error")
    compare(press(app, "Add fault"))
    cells = comparison(app).cells.values()
    assert [cell.attempts[0].injected for cell in cells] == [True, True]
    assert upstream.received("one") == []


def test_a_file_that_no_model_reads_is_one_sentence(open_compare: OpenApp) -> None:
    app = attach(open_compare(), "broken.png", b"\x89PNG\r\n\x1a\nno image")
    assert app.error[0].value.replace("\\", "").startswith("broken.png is")


# --- A CSV file ------------------------------------------------------------------------------------


def upload(app: AppTest, data: bytes) -> AppTest:
    field(app.file_uploader, "CSV file").upload("prompts.csv", data)
    return look(app)


def test_prompts_of_a_csv_file_are_added_to_those_in_the_table(open_compare: OpenApp) -> None:
    app = rows(choose(open_compare(), "Several"), "compare_rows", {"prompt": "Typed."})
    app = upload(app, b"prompt;word;category\nSpell {{word}}.;cat;code\n")
    press(app, "Compare")
    prompts = comparison(wait_for_end(app)).plan.prompts
    assert [(prompt.text, prompt.category) for prompt in prompts] == [("Typed.", None), ("Spell cat.", "code")]


def test_a_csv_file_that_cannot_be_used_is_one_sentence(open_compare: OpenApp) -> None:
    app = upload(choose(open_compare(), "Several"), b"prompt,x\nHello,1,2\n")
    (error,) = app.error
    assert error.value.startswith("Line 2 has 3 values, but there are 2 columns.")


# --- Between Chat and Compare ----------------------------------------------------------------------


def to(app: AppTest, label: str, page: str) -> AppTest:
    """Press the last button with that label, which leads to another page; AppTest itself would stay."""
    [button for button in app.button if button.label == label][-1].click()
    look(app).switch_page(page)
    return look(app)


def ask_others(app: AppTest) -> AppTest:
    return to(app, "Ask the others this", "compare.py")


def chat(app: AppTest, *prompts: str) -> AppTest:
    app.switch_page("chat.py")
    look(app)
    for prompt in prompts:
        ask(app, prompt)
    return app


def test_the_others_of_a_chain_are_asked_what_an_answer_was_asked(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", answer("A first answer."))
    app = press(ask_others(chat(open_compare(), "First?", "And then?")), "Compare")
    plan = comparison(wait_for_end(app)).plan
    assert [lane.model for lane in plan.lanes] == ["one", "two"]
    assert [message["content"] for message in upstream.received("two")[0].body["messages"]] == [
        "First?", "A first answer.", "And then?",
    ]  # fmt: skip


def test_a_draft_on_compare_is_set_aside_and_comes_back(open_compare: OpenApp) -> None:
    app = open_compare()
    app.text_area(key="compare_prompt").set_value("Half a thought")
    app.text_area(key="compare_common_system").set_value("Be brief.")
    app = ask_others(chat(look(app), "First?"))
    assert app.text_area(key="compare_prompt").value == "First?"
    press(app, "Restore it")
    assert field(app.text_area, "Prompt").value == "Half a thought"
    assert field(app.text_area, "System prompt for all lanes").value == "Be brief."


def test_a_draft_is_set_aside_where_another_comparison_is_begun_from_an_earlier_one(open_compare: OpenApp) -> None:
    app = compare(open_compare(), "Hello?")
    earlier = link(app)
    press(app, "New")
    assert not [button for button in app.button if button.label == "Restore it"]
    app.text_area(key="compare_prompt").set_value("Half a thought")
    look(app)
    app.query_params["comparison"] = earlier
    press(look(app), "New")
    assert field(app.text_area, "Prompt").value == ""
    press(app, "Restore it")
    assert field(app.text_area, "Prompt").value == "Half a thought"


def test_an_answer_goes_on_in_chat_with_the_model_that_gave_it(open_compare: OpenApp, upstream: Upstream) -> None:
    app = open_compare()
    app.text_area(key="compare_common_system").set_value("Be brief.")
    app = to(compare(app), "Go on", "chat.py")
    assert [message.markdown[0].value for message in app.chat_message] == ["Hello?", "word1 word2 word3"]
    ask(app, "Go on.")
    body = upstream.received("one")[-1].body
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert app.selectbox(key="chat_model").value == "one"


def test_the_files_of_a_conversation_go_along_both_ways(open_compare: OpenApp, upstream: Upstream) -> None:
    app = chat(open_compare())
    app.chat_input(key="chat_prompt").set_value("Look.").upload("dot.png", PICTURE)
    look(app)
    app = press(ask_others(chat(app, "And again?")), "Compare")
    to(wait_for_end(app), "Go on", "chat.py")
    ask(app, "Still there?")
    [parts] = [m["content"] for m in bodies(upstream)[-1]["messages"] if isinstance(m["content"], list)]
    assert [part["type"] for part in parts] == ["image_url", "text"]


def test_a_conversation_before_can_be_removed(open_compare: OpenApp) -> None:
    app = ask_others(chat(open_compare(), "First?", "And then?"))
    app.button(key="compare_remove_before").click()
    press(look(app), "Compare")
    plan = comparison(wait_for_end(app)).plan
    assert (plan.before, plan.common) == ((), Settings())
