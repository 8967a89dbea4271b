"""The Chains page's promises, kept in a real browser against the real app."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chat_page import button, link, overflow
from tests.browser.conftest import App, OpenContext, eventually
from tests.upstream import Upstream, chain_yaml, status

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
TOLD = "has changed since you opened it"


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
    moving_down(page).nth(number).click()


def moving_down(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("^Move .* down$"))


def give_reason(page: Page, words: str) -> None:
    button(page, "Review").click()
    page.get_by_role("textbox", name="Reason").fill(words)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def diff(page: Page) -> list[str]:
    """The lines that Save would change."""
    shown = reviewed(page).inner_text()
    page.keyboard.press("Escape")
    return [line for line in shown.splitlines() if re.match(r"[+-] ", line)]


def reviewed(page: Page) -> Locator:
    """The diff, opened."""
    button(page, "Review").click()
    return page.get_by_test_id("stPopoverBody").get_by_test_id("stCode")


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
    other.locator(".st-key-chat_target button").click()
    other.get_by_role("radio", name="tools").click()
    other.keyboard.press("Escape")  # the same chain stands in the popover
    expect_order(other, "two", "one", "three")


def test_of_two_who_save_at_once_one_wins_and_the_other_loses_nothing(app: App, open_context: OpenContext) -> None:
    app.use(TEXT)
    pages = [visit(open_context().new_page()) for _ in range(2)]
    move_down(pages[0], 0)
    pages[1].get_by_role("button", name="Remove three").click()
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
    button(pages[loser], "Merge their changes").click()
    expect(button(pages[loser], "Merge their changes")).to_be_hidden()
    button(pages[loser], "Save").click()
    expect(button(pages[loser], "Save")).to_be_hidden()
    assert saved(app) == SWAPPED.replace("    - three\n", "")


def test_the_limits_are_there_when_they_are_opened_after_another_change(app: App, page: Page) -> None:
    app.use(TEXT.replace("code: [one]", "code: {models: [one], policy: {stall: 7, deadline: 90}}"))
    move_down(visit(page), 0)
    expect(button(page, "Save")).to_be_visible()
    button(page, "Limits").nth(1).click()
    stall = page.get_by_role("spinbutton", name="Gap between two tokens")
    expect(stall).to_have_value("7")
    stall.fill("8")
    stall.press("Enter")
    page.keyboard.press("Escape")
    expect(reviewed(page)).to_contain_text("+  code: {models: [one], policy: {stall: 8, deadline: 90}}")


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
    expect(page.get_by_role("alert")).to_have_text(re.compile("line 9: `two` is in this chain twice. Remove one.$"))
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
    link(page, "Dashboard").click(delay=100)
    expect(text).to_be_hidden()
    visit_by_link(page)
    expect_order(page, "two", "one", "three", "one")


def visit_by_link(page: Page) -> None:
    """Within the same session."""
    link(page, "Chains").click()
    expect(button(page, "Add a model").first).to_be_visible()


def test_nothing_that_is_typed_is_lost_while_the_page_is_redrawn(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.press("Control+Home")
    for key in "# quickly, key by key, and each of them sent":
        text.press_sequentially(key)
        text.blur()  # sends it, while the page is drawn with the one before
    text.press("Enter")
    expect(reviewed(page)).to_contain_text("# quickly, key by key, and each of them sent")
    expect(text).to_have_value(f"# quickly, key by key, and each of them sent\n{TEXT}")


def test_what_is_typed_while_others_save_stays_and_does_not_take_theirs_away(app: App, page: Page) -> None:
    app.use(TEXT)
    text = opened_text(page)
    text.press("Control+Home")
    mine = "# mine, typed for longer than it takes until theirs are seen"
    text.press_sequentially(mine[:6], delay=60)
    expect(button(page, "Save")).to_be_visible()
    (app.home / "models.yaml").write_text(f"{TEXT}# theirs\n", encoding="utf-8")
    text.press_sequentially(f"{mine[6:]}\n", delay=60)
    expect(page.get_by_text(TOLD)).to_be_visible()
    button(page, "Merge their changes").click()
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


def test_unsaved_changes_take_one_line_and_nothing_remains_of_it_without_them(
    app: App, open_context: OpenContext
) -> None:
    app.use(TEXT)
    for width in (1440, 390):
        page = visit(open_context(viewport={"width": width, "height": 450}).new_page())
        expect(page.get_by_test_id("stBottom")).to_have_count(0)
        move_down(page, 0)
        expect(button(page, "Save")).to_be_visible()
        box = page.locator(".st-key-chains_unsaved").bounding_box()
        assert box is not None
        assert box["height"] < 60
        button(page, "Discard").click()
        expect(page.get_by_test_id("stBottom")).to_have_count(0)


def test_a_file_that_somebody_broke_can_be_fixed_here(app: App, page: Page) -> None:
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


# --- A reload --------------------------------------------------------------------------------------


def test_unsaved_changes_outlive_a_reload_with_their_reason_and_say_what_others_saved(app: App, page: Page) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    give_reason(page, "one is slow")
    expect_kept(page, "one is slow")
    app.use(f"{TEXT}# theirs\n")
    page.reload()
    expect(page.get_by_text(TOLD)).to_be_visible()
    button(page, "Merge their changes").click()
    save(page)
    assert saved(app) == f"{SWAPPED}# theirs\n"
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_text("one is slow").first).to_be_visible()


def test_unsaved_changes_outlive_a_visit_to_another_page_with_their_reason(app: App, page: Page) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    give_reason(page, "one is slow")
    expect_kept(page, "one is slow")
    page.get_by_role("link", name="Dashboard").first.click()
    expect(button(page, "Review")).to_have_count(0)
    page.get_by_role("link", name="Chains").first.click()
    expect_order(page, "two", "one", "three", "one")
    button(page, "Review").click()
    expect(page.get_by_role("textbox", name="Reason")).to_have_value("one is slow")


def test_what_is_typed_and_not_valid_yet_outlives_a_reload(app: App, page: Page) -> None:
    app.use(TEXT)
    opened_text(page).fill(TEXT.replace("code: [one]", "code: ["))
    expect(page.get_by_role("alert")).to_be_visible()
    page.reload()
    expect(button(page, "Discard")).to_be_visible()
    page.get_by_role("tab", name="models.yaml").click()
    expect(page.get_by_role("textbox", name="models.yaml")).to_have_value(TEXT.replace("code: [one]", "code: ["))


def test_unsaved_changes_are_shown_to_nobody_else(app: App, open_context: OpenContext) -> None:
    app.use(TEXT)
    mine = open_context()
    move_down(visit(mine.new_page()), 0)
    expect_kept(mine.pages[0], "two")
    for other in (mine.new_page(), open_context().new_page()):
        expect_order(visit(other), "one", "two", "three", "one")
        expect_nothing_kept(other)
        expect(button(other, "Discard")).to_have_count(0)


@pytest.mark.parametrize("end", ["Save", "Discard"])
def test_what_was_saved_or_discarded_does_not_come_back(app: App, page: Page, end: str) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    expect_kept(page, "two")
    button(page, end).click()
    expect_nothing_kept(page)
    page.reload()
    expect_order(page, *(("two", "one") if end == "Save" else ("one", "two")), "three", "one")
    expect(button(page, "Discard")).to_have_count(0)


def test_what_another_version_left_unsaved_is_no_error(app: App, page: Page) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    expect_kept(page, "two")
    page.evaluate("for (const name in sessionStorage) if (name.startsWith('unsaved')) sessionStorage[name] = '{}'")
    page.reload()
    expect_order(page, "one", "two", "three", "one")
    expect_nothing_kept(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def expect_kept(page: Page, words: str) -> None:
    page.wait_for_function("words => Object.values(sessionStorage).some(text => text.includes(words))", arg=words)


def expect_nothing_kept(page: Page) -> None:
    page.wait_for_function("!Object.keys(sessionStorage).some(name => name.startsWith('unsaved'))")


# --- The way back, the keyboard, breakers ----------------------------------------------------------


def test_an_earlier_version_is_one_click_away(app: App, page: Page) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    give_reason(page, "one is slow")
    button(page, "Save").click()
    expect(button(page, "Save")).to_be_hidden()
    page.get_by_role("tab", name="History").click()
    page.get_by_text("one is slow").first.click()
    button(page, "Undo this change and later ones").first.click()
    eventually(lambda: saved(app) == TEXT)
    page.get_by_role("tab", name="Chains").click()
    expect_order(page, "one", "two", "three", "one")


def test_an_earlier_version_that_is_put_in_force_takes_no_unsaved_change_away(app: App, page: Page) -> None:
    app.use(TEXT)
    move_down(visit(page), 0)
    save(page)
    page.get_by_role("button", name="Remove three").click()
    expect_order(page, "two", "one", "one")
    page.get_by_role("tab", name="History").click()
    page.get_by_text("tools: one below two").first.click()
    button(page, "Undo this change and later ones").first.click()
    eventually(lambda: saved(app) == TEXT)
    expect(page.get_by_text(TOLD)).to_be_visible()
    button(page, "Merge their changes").click()
    page.get_by_role("tab", name="Chains").click()
    expect_order(page, "one", "two", "one")


def test_another_order_is_saved_by_keyboard_alone(app: App, page: Page) -> None:
    app.use(TEXT)
    visit(page)
    tab_to(page, "Move one down")
    page.keyboard.press("Enter")
    expect_order(page, "two", "one", "three", "one")
    tab_to(page, "Save")
    page.keyboard.press("Enter")
    eventually(lambda: saved(app) == SWAPPED)


def test_a_second_click_on_the_same_spot_moves_the_same_model_on(app: App, page: Page) -> None:
    app.use(TEXT)
    box = moving_down(visit(page)).first.bounding_box()
    assert box is not None
    spot = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for order in (("two", "one", "three", "one"), ("two", "three", "one", "one")):
        page.mouse.click(*spot)
        expect_order(page, *order)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.mouse.move(spot[0] + 100, spot[1])
    page.mouse.click(*spot)  # by somebody who has looked at it again
    expect_order(page, "three", "two", "one", "one")


def test_the_focus_follows_a_model_that_is_moved_by_keyboard(app: App, page: Page) -> None:
    app.use(TEXT)
    tab_to(visit(page), "Move one down")
    for order in (("two", "one", "three", "one"), ("two", "three", "one", "one")):
        page.keyboard.press("Enter")
        expect_order(page, *order)


def tab_to(page: Page, name: str) -> None:
    expect(page.get_by_role("button", name=name).first).to_be_visible()
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
    expect(page.get_by_text("No details: the provider's model list is not loaded")).to_be_visible()
    button(page, "Add as fallback 3").click()
    expect_order(page, "one", "two", "three", "p:new", "one")
    assert diff(page) == ["+    - p:new"]


def test_a_model_that_cannot_be_meant_is_refused_and_the_chains_stay(app: App, page: Page) -> None:
    app.use(TEXT)
    button(visit(page), "Add a model").first.click()
    page.get_by_role("combobox", name="Model").fill("p:")
    page.keyboard.press("Enter")
    button(page, "Add as fallback 3").click()
    expect(page.get_by_role("alert")).to_contain_text("`p:` names a provider but no model.")
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
    expect(page.get_by_text("skipped until")).to_be_visible()
    button(page, "Reset").click()
    expect(page.get_by_text("skipped until")).to_be_hidden()
    expect(button(page, "Reset")).to_have_count(0)


def test_the_page_fits_a_phone(app: App, open_context: OpenContext) -> None:
    app.use(TEXT.replace("- two", f"- {'x' * 80}"))
    phone = open_context(viewport={"width": 390, "height": 800}, color_scheme="dark").new_page()
    move_down(visit(phone), 0)
    expect(button(phone, "Save")).to_be_visible()
    assert overflow(phone) == {}
