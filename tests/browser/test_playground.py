"""Tools, faults, branches and the list of conversations, by hand in a real browser."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.chat_page import answer_of, button, config, expect_end, link, overflow, prompt_of, send, visit
from tests.browser.conftest import App, OpenContext
from tests.upstream import Answer, Upstream, answer, status

WEATHER = json.dumps([{"name": "get_weather", "parameters": {"type": "object", "properties": {}}}])
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
SCRIPT = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def ask_for_fault(page: Page, kind: str) -> None:
    """Make the next call of the chain's first model fail."""
    button(page, "Faults").click()
    page.get_by_label("Failure").click()
    page.get_by_role("option", name=kind).click()
    button(page, "Add fault").click()
    expect(page.locator(".st-key-chat_set")).to_contain_text(kind.lower())
    page.keyboard.press("Escape")
    expect(button(page, "Add fault")).to_be_hidden()


def conversations(page: Page) -> Locator:
    """The list's buttons that open a conversation."""
    return page.locator("[class*='st-key-open_'] button")


def do(page: Page, action: str, title: str) -> None:
    """Choose what is done with a conversation of the list."""
    row = page.get_by_test_id("stSidebar").get_by_test_id("stHorizontalBlock").filter(has_text=title)
    row.get_by_test_id("stMenuButton").get_by_role("button").last.click()
    page.get_by_role("menuitem", name=action).or_(page.get_by_role("option", name=action)).click()


# --- Tools and faults ------------------------------------------------------------------------------


def test_a_tool_is_called_answered_by_hand_and_the_model_goes_on(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("caller", answer("", tool_calls=(CALL,), finish_reason="tool_calls"), then=answer("It is sunny."))
    app.use(config(upstream, "caller"))
    button(visit(page), "Parameters").click()
    page.get_by_role("tab", name="Tools").click()
    page.get_by_label("Your tools, as JSON").fill(WEATHER)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_label("Mock result of")).to_be_visible()
    page.keyboard.press("Escape")
    send(page, "What is the weather in Rome?")
    page.get_by_label("Result of").fill("sunny")
    button(page, "Send results").click()
    expect(answer_of(page)).to_contain_text("It is sunny.")
    assert upstream.received("caller")[-1].body["messages"][-1]["content"] == "sunny"


def test_an_injected_fault_is_answered_by_the_fallback_and_told(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "failing", "rescuer"))
    ask_for_fault(visit(page), "Bad answer")
    message = send(page)
    expect_end(page)
    page.get_by_text("Trace", exact=True).click()
    expect(message).to_contain_text("failing failed (injected fault): The server answered")
    expect(message).to_contain_text("rescuer answered in")


def test_a_fault_is_for_one_browser_session_alone(app: App, upstream: Upstream, open_context: OpenContext) -> None:
    app.use(config(upstream, "spared", "rescuer"))
    ask_for_fault(visit(open_context().new_page()), "Server error")
    other = visit(open_context().new_page())
    send(other)
    expect_end(other)
    assert len(upstream.received("spared")) == 1


def test_an_open_breaker_s_badge_changes_without_a_click(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("broken", then=status(500))
    app.use(config(upstream, "broken", "rescuer", breaker={"open_for": 2}))
    badge = visit(page).get_by_test_id("stMarkdownContainer").filter(has_text=re.compile("broken$")).first
    expect(badge).to_contain_text("check_circle")
    send(page)
    expect_end(page)
    expect(badge).to_contain_text("help")  # half-open


# --- Back and forth --------------------------------------------------------------------------------


def test_the_back_button_goes_from_a_new_conversation_to_the_one_before(
    app: App, upstream: Upstream, page: Page
) -> None:
    app.use(config(upstream, "remembered"))
    said = page.get_by_label("Chat message from user")
    send(visit(page), "The one before")
    expect_end(page)
    button(page, "New chat").click()
    expect(said).to_have_count(0)
    send(page, "The one after")
    expect_end(page)
    page.go_back()  # to the empty page
    expect(said).to_have_count(0)
    page.go_back()
    expect(said).to_contain_text("The one before")
    page.go_forward()
    expect(said).to_have_count(0)
    page.go_forward()
    expect(said).to_contain_text("The one after")


# --- Parameters ------------------------------------------------------------------------------------


def set_system_prompt(page: Page, text: str) -> None:
    """Type a system prompt, and close the popover again."""
    button(page, "Parameters").click()
    page.get_by_label("System prompt").fill(text)
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_label("System prompt")).to_be_hidden()


def test_one_conversation_s_parameters_are_not_sent_in_another(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "private"))
    send(visit(page), "An open matter")
    expect_end(page)
    button(page, "New chat").click()
    expect(answer_of(page)).to_have_count(0)
    set_system_prompt(page, "A secret.")
    send(page, "A secret matter")
    expect_end(page)
    conversations(page).filter(has_text="An open matter").click()
    expect(page.get_by_label("Chat message from user")).to_contain_text("An open matter")
    for times in (1, 2):  # what the browser held of the other conversation came with its second look
        send(page, "More of it")
        expect(page.get_by_text("More of it")).to_have_count(times)
        expect_end(page)
    assert [call.body["messages"][0]["role"] for call in upstream.received("private")[-2:]] == ["user", "user"]


def test_parameters_that_are_sent_are_shown_after_a_reload(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "remembering"))
    set_system_prompt(visit(page), "Be brief.")
    send(page)
    expect_end(page)
    page.reload()
    send(page, "Again?")
    expect(page.get_by_text("Again?")).to_be_visible()
    expect_end(page)
    button(page, "Parameters").click()
    expect(page.get_by_label("System prompt")).to_have_value("Be brief.")


# --- Branches and the list -------------------------------------------------------------------------


def test_a_prompt_is_edited_and_the_branch_before_is_shown_again(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("branching", answer("To the first."), then=answer("To the second."))
    app.use(config(upstream, "branching"))
    send(visit(page), "The first prompt")
    expect_end(page)
    button(page, "Edit").click()
    page.get_by_label("Edit prompt").fill("The second prompt")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(answer_of(page)).to_contain_text("To the second.")
    expect_end(page)
    page.locator("[class*='st-key-branch_']").get_by_role("button").first.click()
    expect(answer_of(page)).to_contain_text("To the first.")


def test_a_conversation_is_renamed_exported_deleted_and_imported(
    app: App, upstream: Upstream, page: Page, tmp_path: Path
) -> None:
    app.use(config(upstream, "kept"))
    send(visit(page), "Zebra crossing")
    expect_end(page)
    do(page, "Rename", "Zebra crossing")
    page.get_by_role("dialog").get_by_label("Title").fill("Okapi crossing")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(conversations(page).filter(has_text="Okapi crossing")).to_be_visible()
    do(page, "Export", "Okapi crossing")
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("button", name="JSON").click()
    download.value.save_as(tmp_path / "kept.json")
    page.keyboard.press("Escape")
    do(page, "Delete", "Okapi crossing")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(conversations(page).filter(has_text="Okapi crossing")).to_have_count(0)
    button(page, "Import").click()
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(tmp_path / "kept.json")
    expect(page.get_by_label("Chat message from user")).to_contain_text("Zebra crossing")
    expect(conversations(page).filter(has_text="Okapi crossing")).to_be_visible()


def test_a_search_finds_what_was_said(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("searched", then=answer("About pangolins."))
    app.use(config(upstream, "searched"))
    send(visit(page), "Tell me")
    expect_end(page)
    page.get_by_test_id("stSidebar").get_by_label("Search").fill("PANGOLIN")
    page.keyboard.press("Enter")
    expect(conversations(page)).to_have_text(["Tell me"])


def test_a_draft_outlives_a_visit_to_another_page(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "primary"))
    send(visit(page))
    expect_end(page)
    prompt_of(page).fill("Not sent yet")
    link(page, "Chains").click()
    expect(prompt_of(page)).to_be_hidden()
    link(page, "Chat").click()
    expect(prompt_of(page)).to_have_value("Not sent yet")
    expect(page.get_by_label("Chat message from user")).to_have_count(1)


def test_a_draft_outlives_a_reload(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "primary"))
    prompt_of(visit(page)).fill("Not sent yet")
    page.reload()
    expect(prompt_of(page)).to_have_value("Not sent yet")
    prompt_of(page).press("Enter")
    expect_end(page)
    page.reload()
    expect(answer_of(page)).to_be_visible()
    expect(prompt_of(page)).to_have_value("")
    prompt_of(page).fill("Nor is this")
    page.reload()
    expect(prompt_of(page)).to_have_value("Nor is this")


def test_an_answer_is_copied_with_one_click(app: App, upstream: Upstream, page: Page) -> None:
    text = "<b>x</b> **bold** and\n\n`code`"
    upstream.script("primary", then=answer(text))
    app.use(config(upstream, "primary"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    send(visit(page))
    expect_end(page)
    button(page, "Copy").click()
    expect(button(page, "Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text


def test_all_that_is_stored_is_deleted(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "forgotten"))
    send(visit(page), "A secret never to be kept")
    expect_end(page)
    button(page, "Delete all").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        re.compile(r"Deletes [1-9]\d* conversations?, \d+ comparisons?, \d+ votes?")
    )
    expect(button(page, "Delete everything")).to_be_disabled()
    page.get_by_text("Yes, delete all of this.").click()
    button(page, "Delete everything").click()
    expect(page.get_by_text("No conversations yet.")).to_be_visible()
    assert app.files_with("A secret never to be kept") == []


def test_what_cannot_be_deleted_now_is_said_and_can_be_later(app: App, page: Page) -> None:
    app.use("chains: {chat: [a]}")
    visit(page)
    with closing(sqlite3.connect(app.home / ".lab" / "lab.sqlite")) as database:
        database.execute("CREATE TRIGGER no BEFORE DELETE ON templates BEGIN SELECT RAISE(ABORT, 'no room'); END")
        try:
            database.execute("INSERT INTO templates VALUES ('x', 'x', 'x', 0)")
            database.commit()
            button(page, "Delete all").click()
            page.get_by_text("Yes, delete all of this.").click()
            button(page, "Delete everything").click()
            said = "The stored data could not be deleted: no room. Try again."
            expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text(re.compile(said))
        finally:
            database.execute("DROP TRIGGER no")
    button(page, "Delete everything").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


# --- Bad input, small screens ----------------------------------------------------------------------


def test_html_in_prompts_answers_and_titles_is_text(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script(SCRIPT, then=Answer((SCRIPT,)))
    app.use(config(upstream, SCRIPT))
    send(visit(page), SCRIPT)
    expect_end(page)
    page.reload()
    expect(conversations(page).filter(has_text="<script>").first).to_be_visible()
    assert page.evaluate("window.hacked") is None


def test_text_from_right_to_left_and_ten_thousand_lines_leave_the_page_usable(
    app: App, upstream: Upstream, page: Page
) -> None:
    lines = "".join(f"{number}. مرحبا بالعالم\n" for number in range(10_000))
    upstream.script("long", then=Answer((lines,)))
    app.use(config(upstream, "long"))
    send(visit(page), "שלום")
    expect_end(page)
    send(page, "Still there?")
    expect(page.get_by_label("Chat message from user").last).to_contain_text("Still there?")


def test_the_controls_fit_a_phone(app: App, upstream: Upstream, open_context: OpenContext) -> None:
    page = open_context(viewport={"width": 390, "height": 800}).new_page()
    app.use(config(upstream, "small"))
    send(visit(page), "A prompt " + "y" * 200)
    expect_end(page)
    for name in ("Parameters", "Templates", "Faults"):
        button(page, name).click()
        page.wait_for_function("document.querySelector('[data-testid=stPopoverBody]')")
        assert overflow(page) == {}
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    assert re.fullmatch("", prompt_of(page).input_value())
