"""Where the Chat page's controls are, where it scrolls, and where the focus goes."""

from __future__ import annotations

import threading

from playwright.sync_api import Locator, Page, expect

from tests.browser.chat_page import button, config, expect_end, link, overflow, prompt_of, send, target_of, visit
from tests.browser.conftest import App, OpenContext, held
from tests.upstream import Upstream, answer

LONG = "\n\n".join(f"Line {number}" for number in range(80))
AT_THE_END = """(() => {
    const page = document.querySelector("#stMain");
    return page.scrollHeight - page.clientHeight - page.scrollTop < 4;
})()"""
WHERE_IT_RESTS = """async () => {
    const page = document.querySelector("#stMain");
    let before = null;
    while (before !== page.scrollTop) {
        before = page.scrollTop;
        await new Promise(done => setTimeout(done, 200));
    }
    return before;
}"""
TABLE = f"|{'a_column_that_is_wide|' * 20}\n|{'-|' * 20}\n|{'a_cell_that_is_wide|' * 20}\n"


def top_of(page: Page) -> int:
    """Where the page is scrolled to, in pixels from its top."""
    return int(page.evaluate("document.querySelector('#stMain').scrollTop"))


def long_conversation(app: App, upstream: Upstream, page: Page, model: str, gate: threading.Event) -> Page:
    """A page with one long answer, after which the next one halts in its middle."""
    upstream.script(model, answer(LONG), held(gate, LONG, after=80))
    app.use(config(upstream, model))
    send(visit(page), "The first")
    expect_end(page)
    return page


def held_at_the_end(app: App, upstream: Upstream, page: Page, model: str, gate: threading.Event) -> Locator:
    """The second answer of a long conversation: it has halted in its middle, and the page has followed it to there."""
    message = send(long_conversation(app, upstream, page, model, gate), "The second")
    expect(message.get_by_text("Line 39")).to_be_in_viewport()
    page.wait_for_function(AT_THE_END)
    return message


# --- Scrolling -------------------------------------------------------------------------------------


def test_sending_goes_to_the_new_turn_and_follows_its_answer(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    long_conversation(app, upstream, page, "followed", gate).evaluate("document.querySelector('#stMain').scrollTop = 0")
    expect(send(page, "The second")).to_contain_text("Line 39")
    page.wait_for_function(AT_THE_END)
    gate.set()
    expect_end(page)
    page.wait_for_function(AT_THE_END)


def test_who_scrolls_up_stays_there(app: App, upstream: Upstream, page: Page, gate: threading.Event) -> None:
    message = held_at_the_end(app, upstream, page, "read", gate)
    end = top_of(page)
    page.mouse.move(700, 300)
    page.mouse.wheel(0, -600)
    page.wait_for_function(f"document.querySelector('#stMain').scrollTop < {end - 500}")
    here = page.evaluate(WHERE_IT_RESTS)
    gate.set()
    expect(message).to_contain_text("Line 79")
    expect_end(page)
    assert top_of(page) == here


def test_who_scrolls_back_to_the_end_is_taken_along_again(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    message = held_at_the_end(app, upstream, page, "followed-again", gate)
    page.mouse.move(700, 300)
    page.mouse.wheel(0, -600)
    page.wait_for_function(f"!{AT_THE_END}")
    page.mouse.wheel(0, 5000)
    page.wait_for_function(AT_THE_END)
    gate.set()
    expect(message).to_contain_text("Line 79")
    page.wait_for_function(AT_THE_END)


def test_what_is_opened_after_an_answer_grows_where_it_is(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    long_conversation(app, upstream, page, "opened", gate)
    page.wait_for_function(AT_THE_END)
    here = top_of(page)
    page.get_by_text("Trace", exact=True).click()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    assert top_of(page) == here


def test_an_empty_conversation_begins_at_its_top(app: App, upstream: Upstream, open_context: OpenContext) -> None:
    page = open_context(viewport={"width": 390, "height": 500}).new_page()
    app.use(config(upstream, "top"))
    expect(button(visit(page), "See a fallback happen").or_(page.get_by_text("Ask something")).first).to_be_visible()
    assert top_of(page) == 0


def test_who_comes_back_from_another_page_is_at_the_newest_turn(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    long_conversation(app, upstream, page, "visited", gate)
    link(page, "Chains").click()
    expect(page).to_have_title("Chains · Fallback Lab")
    link(page, "Chat").click()
    expect(page.get_by_text("Line 79")).to_be_visible()
    page.wait_for_function(AT_THE_END)


def test_a_wide_table_scrolls_inside_its_message(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("wide", answer(TABLE))
    app.use(config(upstream, "wide"))
    table = send(visit(page)).locator("table")
    expect_end(page)
    assert table.evaluate("table => table.scrollWidth > table.clientWidth")
    assert overflow(page) == {}


# --- Focus -----------------------------------------------------------------------------------------


def test_after_a_click_on_send_the_prompt_box_has_the_focus(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    upstream.script("sent", held(gate))
    app.use(config(upstream, "sent"))
    prompt_of(visit(page)).fill("Hello?")
    page.get_by_test_id("stChatInputSubmitButton").click()
    expect(button(page, "Stop")).to_be_visible()
    expect(prompt_of(page)).to_be_focused()


def test_after_stop_the_prompt_box_has_the_focus(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    upstream.script("stopped", held(gate))
    app.use(config(upstream, "stopped"))
    send(visit(page))
    button(page, "Stop").click()
    expect_end(page)
    expect(prompt_of(page)).to_be_focused()


def test_who_types_elsewhere_keeps_the_focus_when_the_answer_ends(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    upstream.script("elsewhere", held(gate))
    app.use(config(upstream, "elsewhere"))
    send(visit(page))
    search = page.get_by_placeholder("Search")
    search.click()
    gate.set()
    expect_end(page)
    expect(search).to_be_focused()


def test_what_is_typed_while_an_answer_streams_is_there_when_it_has_ended(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    upstream.script("typed", held(gate))
    app.use(config(upstream, "typed"))
    send(visit(page))
    expect(button(page, "Stop")).to_be_visible()
    prompt_of(page).press_sequentially("And what ")
    gate.set()
    expect_end(page)
    page.keyboard.type("else?")
    expect(prompt_of(page)).to_have_value("And what else?")


def test_what_is_typed_stays_where_a_waiting_prompt_is_put_back(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    upstream.script("waiting", held(gate))
    app.use(config(upstream, "waiting"))
    send(visit(page))
    expect(button(page, "Stop")).to_be_visible()
    send(page, "Later")
    expect(button(page, "Don't send")).to_be_visible()
    prompt_of(page).press_sequentially("Something else")
    button(page, "Don't send").click()
    expect(prompt_of(page)).to_have_value("Later\n\nSomething else")


# --- On a phone ------------------------------------------------------------------------------------

OVERLAPS = """() => {
    const shown = [...document.querySelectorAll("button, a, textarea, input")].filter((element) => {
        const { width, height, left } = element.getBoundingClientRect();
        return width > 1 && height > 1 && left >= 0 && getComputedStyle(element).visibility === "visible";
    });
    const covered = (element) => {
        const { left, top, width, height } = element.getBoundingClientRect();
        const there = document.elementFromPoint(left + width / 2, top + height / 2);
        return there && !element.contains(there) && !there.contains(element);
    };
    return shown.filter(covered).map((element) => element.getAttribute("aria-label") || element.textContent);
}"""


def phone(open_context: OpenContext) -> Page:
    return open_context(viewport={"width": 390, "height": 844}).new_page()


def test_on_a_phone_all_controls_stand_in_one_row_above_the_prompt_box(
    app: App, upstream: Upstream, open_context: OpenContext
) -> None:
    app.use(config(upstream, "a-model-whose-name-is-much-longer-than-a-phone-is-wide"))
    page = visit(phone(open_context))
    target_of(page).click()
    page.get_by_role("radio", name="Single model").click()
    page.keyboard.press("Escape")
    boxes = [button.bounding_box() for button in page.locator(".st-key-toolbar button:visible").all()]
    assert len(boxes) == 5
    assert {box["y"] for box in boxes if box} == {boxes[0]["y"] if boxes[0] else None}
    assert all(box and box["x"] + box["width"] <= 390 for box in boxes)


def test_on_a_phone_nothing_scrolls_sideways_and_no_control_is_under_another(
    app: App, upstream: Upstream, open_context: OpenContext
) -> None:
    app.use(config(upstream, "narrow"))
    page = visit(phone(open_context))
    send(page, "A prompt " + "y" * 200)
    expect_end(page)
    assert overflow(page) == {}
    assert page.evaluate(OVERLAPS) == []


def test_on_a_phone_every_page_is_one_click_away(app: App, upstream: Upstream, open_context: OpenContext) -> None:
    app.use(config(upstream, "linked"))
    page = visit(phone(open_context))
    for name in ("Compare", "Dashboard", "Chains", "Chat"):
        page.get_by_test_id("stPageLink-NavLink").filter(has_text=name).click()
        expect(page).to_have_title(f"{name} · Fallback Lab")
        assert overflow(page) == {}
