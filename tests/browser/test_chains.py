"""The Chains page's promises, kept in a real browser against the real app."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chat_page import button, overflow
from tests.browser.conftest import App, OpenContext, eventually
from tests.upstream import Upstream, chain_yaml, status

pytestmark = pytest.mark.browser

TEXT = """\
default_provider: p
providers:
  p: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}
offline: null
chains:
  tools:
    - one   # the first
    - two
    - three
  code: [one]  # short
"""
SWAPPED = TEXT.replace("    - one   # the first\n    - two\n", "    - two\n    - one   # the first\n")
WITHOUT_THREE = TEXT.replace("    - three\n", "")
TOLD = "has changed since you read it"


def visit(page: Page) -> Page:
    page.goto("/chains")
    expect(button(page, "Add a model").first).to_be_visible()
    return page


def models(page: Page) -> Locator:
    """The models as they are drawn, from the first chain's primary on."""
    return page.locator(".stMarkdownBadge").filter(visible=True)


def expect_order(page: Page, *names: str) -> None:
    expect(models(page)).to_have_text([re.compile(rf"{name}$") for name in names])


def move_down(page: Page, number: int) -> None:
    page.get_by_role("button", name="arrow_downward").nth(number).click()


def diff(page: Page) -> list[str]:
    """The lines that Save would change."""
    expect(button(page, "Save")).to_be_visible()
    shown = page.get_by_test_id("stBottom").get_by_test_id("stCode").inner_text()
    return [line for line in shown.splitlines() if re.match(r"[+-] ", line)]


def saved(app: App) -> str:
    return (app.home / "models.yaml").read_text(encoding="utf-8")


def test_another_order_is_shown_saved_and_in_force_in_every_session(app: App, open_context: OpenContext) -> None:
    app.use(TEXT)
    page, other = (visit(open_context().new_page()) for _ in range(2))
    move_down(page, 0)
    expect_order(page, "two", "one", "three", "one")
    assert diff(page) == ["+    - two", "-    - two"]
    assert saved(app) == TEXT
    expect_order(other, "one", "two", "three", "one")
    button(page, "Save").click()
    expect(button(page, "Save")).to_be_hidden()
    assert saved(app) == SWAPPED
    expect_order(other, "two", "one", "three", "one")
    other.goto("/")
    other.get_by_role("radio", name="tools").click()
    expect_order(other, "two", "one", "three")


def test_of_two_who_save_at_once_one_wins_and_the_other_loses_nothing(app: App, open_context: OpenContext) -> None:
    app.use(TEXT)
    pages = [visit(open_context().new_page()) for _ in range(2)]
    move_down(pages[0], 0)
    pages[1].get_by_role("button", name="close").nth(2).click()
    wanted = [SWAPPED, WITHOUT_THREE]
    for page in pages:
        expect(button(page, "Save")).to_be_visible()
    at = (time.time() + 0.5) * 1000
    for page in pages:
        button(page, "Save").evaluate("(save, at) => { setTimeout(() => save.click(), at - Date.now()) }", at)
    eventually(lambda: sum(page.get_by_text(TOLD).count() for page in pages) == 1)
    loser = 0 if pages[0].get_by_text(TOLD).count() else 1
    expect(pages[loser].get_by_role("alert")).to_have_count(1)
    assert saved(app) == wanted[1 - loser]
    button(pages[loser], "Take theirs in").click()
    expect(button(pages[loser], "Take theirs in")).to_be_hidden()
    button(pages[loser], "Save").click()
    expect(button(pages[loser], "Save")).to_be_hidden()
    assert saved(app) == SWAPPED.replace("    - three\n", "")


def test_the_limits_are_there_when_they_are_opened_after_another_change(app: App, page: Page) -> None:
    app.use(TEXT.replace("code: [one]", "code: {models: [one], policy: {stall: 7, deadline: 90}}"))
    move_down(visit(page), 0)
    expect(button(page, "Save")).to_be_visible()
    button(page, "Limits").nth(1).click()
    stall = page.get_by_role("spinbutton", name="Silence between two tokens")
    expect(stall).to_have_value("7")
    stall.fill("8")
    stall.press("Enter")
    expect(page.get_by_test_id("stBottom")).to_contain_text(
        "+  code: {models: [one], policy: {stall: 8, deadline: 90}}"
    )


# --- The whole file as text ------------------------------------------------------------------------


def opened_text(page: Page) -> Locator:
    """The field with the file."""
    visit(page).get_by_role("tab", name="models.yaml").click()
    return page.get_by_role("textbox", name="models.yaml")


def save(page: Page) -> None:
    button(page, "Save").click()
    expect(button(page, "Save")).to_be_hidden()


def test_a_bad_edit_as_text_is_told_as_it_is_typed_with_its_line_and_is_not_saved(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.fill(TEXT.replace("- three", "- two"))
    expect(page.get_by_role("alert")).to_have_text(re.compile("line 9: `two` stands twice in this chain. Keep one.$"))
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(button(page, "Save")).to_be_disabled()
    text.fill(WITHOUT_THREE)
    expect(page.get_by_role("alert")).to_have_count(0)
    save(page)
    assert saved(app) == WITHOUT_THREE


def test_an_edit_as_text_keeps_the_file_s_line_ends(app: App, page: Page) -> None:
    app.use(TEXT.replace("\n", "\r\n"))
    opened_text(page).fill(WITHOUT_THREE)
    save(page)
    assert (app.home / "models.yaml").read_bytes() == WITHOUT_THREE.replace("\n", "\r\n").encode()


@pytest.fixture
def typed_just_now(app: App, page: Page) -> Locator:
    """The field, with a change that was drawn, and another that nobody knows of yet."""
    app.use(TEXT)
    text = opened_text(page)
    text.fill(SWAPPED)
    expect(button(page, "Save")).to_be_visible()
    text.fill(WITHOUT_THREE)
    return text


@pytest.mark.usefixtures("typed_just_now")
def test_what_is_typed_just_before_save_is_saved_too(app: App, page: Page) -> None:
    save(page)
    assert saved(app) == WITHOUT_THREE


def test_what_is_typed_just_before_discard_is_discarded_too(page: Page, typed_just_now: Locator) -> None:
    button(page, "Discard").click()
    expect(button(page, "Discard")).to_be_hidden()
    expect(typed_just_now).to_have_value(TEXT)


def test_what_is_typed_just_before_another_page_is_opened_is_kept(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.fill(SWAPPED)
    page.get_by_role("link", name="Dashboard").click(delay=100)
    expect(text).to_be_hidden()
    visit_by_link(page)
    expect_order(page, "two", "one", "three", "one")


def visit_by_link(page: Page) -> None:
    """Within the same session."""
    page.get_by_role("link", name="Chains").click()
    expect(button(page, "Add a model").first).to_be_visible()


def test_nothing_that_is_typed_is_lost_while_the_page_is_drawn_anew(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.press("Control+Home")
    for key in "# quickly, key by key, and each of them sent":
        text.press_sequentially(key)
        text.blur()  # sends it, while the page is drawn with the one before
    text.press("Enter")
    expect(page.get_by_test_id("stBottom")).to_contain_text("# quickly, key by key, and each of them sent")
    expect(text).to_have_value(f"# quickly, key by key, and each of them sent\n{TEXT}")


def test_what_is_typed_while_others_save_stays_and_does_not_take_theirs_away(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.press("Control+Home")
    (app.home / "models.yaml").write_text(f"{TEXT}# theirs\n", encoding="utf-8")
    mine = "# mine, typed for longer than it takes until theirs are seen"
    text.press_sequentially(f"{mine}\n", delay=60)
    expect(page.get_by_text(TOLD)).to_be_visible()
    button(page, "Take theirs in").click()
    expect(text).to_have_value(f"{mine}\n{TEXT}# theirs\n")
    save(page)
    assert saved(app) == f"{mine}\n{TEXT}# theirs\n"


def test_what_is_discarded_leaves_the_text_too(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.fill(SWAPPED)
    button(page, "Discard").click()
    expect(text).to_have_value(TEXT)


def test_a_change_made_by_click_is_seen_in_the_text(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    page.get_by_role("tab", name="Chains").click()
    move_down(page, 0)
    expect_order(page, "two", "one", "three", "one")
    page.get_by_role("tab", name="models.yaml").click()
    expect(text).to_have_value(SWAPPED)


def test_the_caret_stays_in_its_line_when_others_change_another_one(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.press("Control+Home")
    text.press("End")
    (app.home / "models.yaml").write_text(f"{TEXT}# theirs\n", encoding="utf-8")
    expect(text).to_have_value(f"{TEXT}# theirs\n")
    text.press_sequentially("  # mine")
    expect(text).to_have_value(f"{TEXT}# theirs\n".replace("\n", "  # mine\n", 1))


def test_a_file_that_somebody_broke_can_be_mended_here(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    (app.home / "models.yaml").write_text("chains: [", encoding="utf-8")
    expect(text).to_have_value("chains: [")
    text.fill(TEXT)
    save(page)
    assert saved(app) == TEXT


def test_a_provider_that_is_not_in_force_yet_can_be_written_and_used(app: App, page: Page) -> None:
    app.use(TEXT)
    more = '  q: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}\noffline'
    opened_text(page).fill(TEXT.replace("offline", more).replace("- three", "- q:three"))
    page.get_by_role("tab", name="Chains").click()
    expect_order(page, "one", "two", "q:three", "one")


# --- The way back, the keyboard, breakers ----------------------------------------------------------


def test_an_earlier_version_is_one_click_away(app: App, page: Page) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    page.get_by_role("textbox", name="Why").fill("one is slow")
    button(page, "Save").click()
    expect(button(page, "Save")).to_be_hidden()
    page.get_by_role("tab", name="History").click()
    page.get_by_text("one is slow").first.click()
    button(page, "Go back to before this").first.click()
    eventually(lambda: saved(app) == TEXT)
    page.get_by_role("tab", name="Chains").click()
    expect_order(page, "one", "two", "three", "one")


def test_an_earlier_version_that_is_put_in_force_takes_no_unsaved_change_away(app: App, page: Page) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    save(page)
    page.get_by_role("button", name="close").nth(2).click()
    expect_order(page, "two", "one", "one")
    page.get_by_role("tab", name="History").click()
    page.get_by_text("no reason given").first.click()
    button(page, "Go back to before this").first.click()
    eventually(lambda: saved(app) == TEXT)
    expect(page.get_by_text(TOLD)).to_be_visible()
    button(page, "Take theirs in").click()
    page.get_by_role("tab", name="Chains").click()
    expect_order(page, "one", "two", "one")


def test_another_order_is_saved_by_keyboard_alone(app: App, page: Page) -> None:
    app.use(TEXT)
    visit(page)
    tab_to(page, "arrow_downward")
    page.keyboard.press("Enter")
    expect_order(page, "two", "one", "three", "one")
    tab_to(page, "Save")
    page.keyboard.press("Enter")
    eventually(lambda: saved(app) == SWAPPED)


def tab_to(page: Page, name: str) -> None:
    expect(page.get_by_role("button", name=name).first).to_be_visible()  # with its icon, which comes later than words
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(
            "name => document.activeElement.matches('button') && document.activeElement.innerText.includes(name)", name
        ):
            return
    raise AssertionError(f"Tab does not lead to {name}")


def test_a_model_that_no_list_has_is_typed_and_added(app: App, page: Page) -> None:
    app.use(TEXT)
    button(visit(page), "Add a model").first.click()
    page.get_by_role("combobox", name="Model").fill("p:new")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is known of it")).to_be_visible()
    button(page, "Add as fallback 3").click()
    expect_order(page, "one", "two", "three", "p:new", "one")
    assert diff(page) == ["+    - p:new"]


def test_a_model_that_cannot_be_meant_is_refused_and_the_chains_stay(app: App, page: Page) -> None:
    app.use(TEXT)
    button(visit(page), "Add a model").first.click()
    page.get_by_role("combobox", name="Model").fill("p:")
    page.keyboard.press("Enter")
    button(page, "Add as fallback 3").click()
    expect(page.get_by_role("alert")).to_contain_text("`p:` names a provider and no model.")
    expect_order(page, "one", "two", "three", "one")


def test_a_breaker_that_opens_is_shown_and_reset_by_one_click(
    app: App, upstream: Upstream, open_context: OpenContext
) -> None:
    upstream.script("failing", then=status(500))
    app.use(chain_yaml(upstream, "failing", "other", retries=2, cache={"enabled": False}, breaker={"open_for": 600}))
    page, chat = visit(open_context().new_page()), open_context().new_page()
    chat.goto("/")
    chat.get_by_placeholder("Type a prompt").fill("Hello?")
    chat.keyboard.press("Enter")
    expect(page.get_by_text("passed over until")).to_be_visible()
    button(page, "Reset").click()
    expect(page.get_by_text("passed over until")).to_be_hidden()
    expect(button(page, "Reset")).to_have_count(0)


def test_the_page_fits_a_phone(app: App, open_context: OpenContext) -> None:
    app.use(TEXT.replace("- two", f"- {'x' * 80}"))
    phone = open_context(viewport={"width": 390, "height": 800}, color_scheme="dark").new_page()
    move_down(visit(phone), 0)
    expect(button(phone, "Save")).to_be_visible()
    assert overflow(phone) == {}
