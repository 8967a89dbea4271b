"""The Compare page's promises, kept in a real browser against the real app."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from router.core.attempts import Attempt
from router.core.comparisons import (
    Cell,
    Comparison,
    Plan,
    Prompt,
)
from router.core.conversations import Settings
from router.core.messages import Answer as Answered
from router.core.messages import Usage
from router.store import Store
from tests.browser.chat_page import config as chat_config
from tests.browser.chat_page import link, overflow, send
from tests.browser.conftest import ROOT, App, OpenContext, eventually, held
from tests.browser.test_chat import WIDE
from tests.upstream import Answer, Upstream, answer, chain_yaml, silent, stall_after, status, words

expect.set_options(timeout=30_000)

WHOLE = "".join(words(20)).strip()
HALF = "".join(words(10)).strip()


def config(upstream: Upstream, *models: str) -> str:
    """models.yaml with a chain of one model each, and no answers from the cache."""
    text = json.loads(chain_yaml(upstream, "unused", first_token=60, stall=600, retries=0, cache={"enabled": False}))
    return json.dumps({**text, "chains": {model: [model] for model in models}})


def visit(page: Page, *lanes: str) -> Page:
    """Open the form, and fill in its lanes."""
    page.goto("/compare")
    for number, lane in enumerate(lanes):
        if number >= 2:
            button(page, "Add a lane").click()
        box = page.get_by_role("combobox", name=f"Lane {number + 1}")
        box.click()
        box.fill(lane)
        page.keyboard.press("Enter")
        expect(box).to_have_value(lane)
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def compare(page: Page, text: str = "Hello?") -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill(text)
    page.keyboard.press("Tab")
    button(page, "Compare").last.click()


def text_of(page: Page, lane: int) -> Locator:
    return page.locator(f".st-key-compare_text_{lane}")


def expect_end(page: Page) -> None:
    expect(page.get_by_role("radio", name="Summary")).to_be_visible(timeout=120_000)


# --- Lanes -----------------------------------------------------------------------------------------


def test_three_lanes_on_the_embedded_model_answer(app: App, page: Page) -> None:
    app.use((ROOT / "models.yaml").read_text(encoding="utf-8"))
    visit(page, "conversation chain", "embedded:smollm2-135m-instruct", "code chain")
    limit_tokens(page, lanes=3, tokens=30)
    compare(page, "Why is the sky blue?")
    expect_end(page)
    for lane in range(3):
        expect(text_of(page, lane)).to_have_text(re.compile(r"\w"))
    expect(page.get_by_text("Trace", exact=True)).to_have_count(3)


def limit_tokens(page: Page, *, lanes: int, tokens: int) -> None:
    for lane in range(lanes):
        button(page, "Parameters").nth(lane).click()
        page.get_by_role("spinbutton", name="Max tokens").fill(str(tokens))
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("spinbutton", name="Max tokens")).to_be_hidden()


def test_all_lanes_stream_at_once(app: App, upstream: Upstream, page: Page, gate: threading.Event) -> None:
    models = ["red", "green", "blue"]
    for model in models:
        upstream.script(model, then=held(gate))
    app.use(config(upstream, *models))
    compare(visit(page, *(f"{model} chain" for model in models)))
    for lane in range(3):
        expect(text_of(page, lane)).to_contain_text(HALF)
    gate.set()
    for lane in range(3):
        expect(text_of(page, lane)).to_contain_text(WHOLE)
    expect_end(page)
    assert len(upstream.requests) == 3


def test_stop_of_a_lane_closes_its_connection_alone(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    for model in ("stopped", "goes-on"):
        upstream.script(model, then=held(gate))
    app.use(config(upstream, "stopped", "goes-on"))
    compare(visit(page, "stopped chain", "goes-on chain"))
    expect(text_of(page, 0)).to_contain_text(HALF)
    button(page, "Stop lane 1").click()
    assert upstream.wait_closed("stopped").disconnected
    gate.set()
    expect_end(page)
    expect(text_of(page, 1)).to_contain_text(WHOLE)
    expect(page.get_by_text("Incomplete: the answer was stopped")).to_have_count(1)


def test_escape_stops_all_lanes(app: App, upstream: Upstream, page: Page) -> None:
    for model in ("mute", "dumb"):
        upstream.script(model, then=silent)
    app.use(config(upstream, "mute", "dumb"))
    compare(visit(page, "mute chain", "dumb chain"))
    expect(button(page, "Stop all")).to_be_visible()
    for model in ("mute", "dumb"):
        upstream.wait_received(model)
    page.keyboard.press("Escape")
    for model in ("mute", "dumb"):
        assert upstream.wait_closed(model).disconnected


def test_a_closed_tab_ends_its_comparison_and_a_reload_does_not(
    app: App, upstream: Upstream, open_context: OpenContext
) -> None:
    """Takes 15 s, the time that a lost session has to come back."""
    pages = {}
    for name in ("stays", "closes"):
        models = [f"{name}-1", f"{name}-2"]
        for model in models:
            upstream.script(model, then=stall_after(10))
        app.use(config(upstream, *models))
        pages[name] = open_context().new_page()
        compare(visit(pages[name], *(f"{model} chain" for model in models)))
        expect(text_of(pages[name], 0)).to_contain_text(HALF)
    pages["stays"].reload()
    expect(text_of(pages["stays"], 0)).to_contain_text(HALF)
    pages["closes"].close()
    assert upstream.wait_closed("closes-1", within=25).disconnected
    (call,) = upstream.received("stays-1")
    assert call.closed is None


# --- Links and votes -------------------------------------------------------------------------------


def test_a_link_shows_the_answers_to_somebody_else(app: App, upstream: Upstream, open_context: OpenContext) -> None:
    upstream.script("linked", then=answer("An answer to be shared."))
    app.use(config(upstream, "linked", "other"))
    mine, other = open_context().new_page(), open_context().new_page()
    compare(visit(mine, "linked chain", "other chain"))
    expect_end(mine)
    other.goto(mine.url)
    expect(text_of(other, 0)).to_contain_text("An answer to be shared.")


def test_a_blind_vote_by_keyboard_can_be_undone_reveals_the_names_and_counts(
    app: App, upstream: Upstream, page: Page
) -> None:
    upstream.script("masked", then=answer("Another answer."))
    app.use(config(upstream, "veiled", "masked"))
    visit(page, "veiled chain", "masked chain")
    page.get_by_text("Vote blind", exact=True).click()
    compare(page)
    expect(button(page, "Left is better")).to_be_visible()
    expect(page.get_by_text(re.compile("veiled|masked"))).to_have_count(0)
    place = button(page, "Left is better").bounding_box()
    page.keyboard.press("2")
    expect(page.get_by_text(re.compile("You preferred (veiled|masked) chain"))).to_be_visible()
    page.keyboard.press("u")
    expect(button(page, "Left is better")).to_be_visible()
    expect(page.get_by_text(re.compile("veiled|masked"))).to_have_count(0)
    assert button(page, "Left is better").bounding_box() == place
    page.keyboard.press("1")
    expect(page.get_by_text(re.compile("You preferred (veiled|masked) chain"))).to_be_visible()
    page.goto("/compare")
    page.get_by_role("tab", name="Leaderboard").click()
    expect(page.get_by_test_id("stDataFrame").last).to_be_visible()
    expect(page.get_by_text("Too few votes for a rating")).to_be_visible()


# --- Size ------------------------------------------------------------------------------------------


def test_eight_lanes_of_fifty_prompts_open_about_as_fast_as_an_empty_page(
    app: App, upstream: Upstream, page: Page
) -> None:
    """The best of three each: the machine may be busy with other things."""
    app.use(config(upstream, "one"))
    empty = best_of_three(lambda: page.goto("/compare"), button(page, "Add a lane"))
    comparison = finished(app, lanes=8, prompts=50)
    answer = page.get_by_role("region", name="Answers to prompts").get_by_text("Answer 0").first
    full = best_of_three(lambda: page.goto(f"/compare?comparison={comparison}"), answer)
    assert full < 4 * empty


def best_of_three(go: Callable[[], object], seen: Locator) -> float:
    """Seconds until something is there."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        go()
        expect(seen).to_be_attached()
        took.append(time.monotonic() - began)
    return min(took)


def finished(app: App, *, lanes: int, prompts: int) -> str:
    """A comparison that another process has run."""
    plan = Plan(
        lanes=tuple(Settings(model=f"model-{n}") for n in range(lanes)),
        prompts=tuple(Prompt(text=f"Question {n}", category=f"category {n % 3}") for n in range(prompts)),
    )
    comparison = Comparison(id=uuid.uuid4().hex[:12], name="", created=time.time(), plan=plan, cells={})
    usage = Usage(prompt_tokens=20, completion_tokens=100)
    store = Store(app.home / ".lab" / "lab.sqlite")
    store.comparisons.save(comparison)
    for lane in range(lanes):
        attempt = Attempt(
            model=f"model-{lane}", provider="local", place=0, number=1, outcome="answered", started=0, offset=0,
            latency=1.0 + lane, ttft=0.5, usage=usage, cost=0.001,
        )  # fmt: skip
        for prompt in range(prompts):
            text = f"Answer {prompt} of lane {lane}. " * 100
            store.comparisons.save_cell(
                comparison.id,
                Cell(
                    lane=lane, prompt=prompt, repeat=0, state="answered", answer=Answered(text=text),
                    attempts=(attempt,),
                ),
            )  # fmt: skip
    store.close()
    return comparison.id


def test_a_letter_does_not_wait_for_eight_lanes_that_stream(app: App, upstream: Upstream, page: Page) -> None:
    models = [f"fast-{n}" for n in range(8)]
    for model in models:
        upstream.script(model, then=Answer(words(3_000), token_delay=0.02))
    app.use(config(upstream, *models))
    compare(visit(page, *(f"{model} chain" for model in models)))
    expect(text_of(page, 7)).to_contain_text("word10")
    button(page, "Save").click()
    page.get_by_role("textbox", name="Name").click()
    page.evaluate(
        """() => {
            window.waits = [];
            document.addEventListener('keydown', event => {
                requestAnimationFrame(() => requestAnimationFrame(
                    () => window.waits.push(performance.now() - event.timeStamp)));
            }, true);
        }"""
    )
    page.keyboard.type("x" * 50, delay=100)
    waits: list[float] = page.evaluate("window.waits")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("x" * 50)
    # A busy machine takes its time: what must not happen is that letters wait for the lanes.
    assert sorted(waits)[len(waits) // 2] < 1000
    page.keyboard.press("Escape")
    button(page, "Stop all").click()


# --- Small screens ---------------------------------------------------------------------------------


@pytest.fixture(params=["light", "dark"])
def phone(request: pytest.FixtureRequest, open_context: OpenContext) -> Page:
    """A tab as wide as a phone."""
    return open_context(viewport={"width": 390, "height": 800}, color_scheme=request.param).new_page()


def test_wide_answers_fit_a_phone_in_every_view(app: App, upstream: Upstream, phone: Page) -> None:
    upstream.script("wide", then=Answer((WIDE,)))
    upstream.script("failing", then=status(402, "x" * 300))
    app.use(config(upstream, "wide", "failing", "plain"))
    compare(visit(phone, "wide chain", "failing chain", "plain chain"), "y" * 300)
    assert overflow(phone) == {}
    expect_end(phone)
    for view, shows in (("Answers", "Trace"), ("Differences", "of the words are the same"), ("Summary", "Cost")):
        phone.get_by_role("radio", name=view).click()
        expect(phone.get_by_text(shows).first).to_be_visible()
        assert overflow(phone) == {}
    button(phone, "Vote blind").click()
    expect(button(phone, "Left is better")).to_be_visible()
    assert overflow(phone) == {}


def test_the_run_bar_stays_in_view_while_long_answers_are_read(
    app: App, upstream: Upstream, phone: Page, gate: threading.Event
) -> None:
    upstream.script("long", then=Answer(("A line of a long answer.\n\n" * 100,)))
    upstream.script("slow", then=held(gate))
    app.use(config(upstream, "long", "slow"))
    visit(phone, "long chain", "slow chain")
    expect(button(phone, "Compare").last).to_be_in_viewport(ratio=1)
    compare(phone)
    expect(phone.get_by_text("1 of 2 answers finished.")).to_be_in_viewport(ratio=1)
    text_of(phone, 1).scroll_into_view_if_needed()
    expect(text_of(phone, 0).get_by_text("A line").first).not_to_be_in_viewport()
    button(phone, "Stop all").click()
    expect_end(phone)
    assert text_of(phone, 0).evaluate("element => element.clientHeight") > 3000
    assert overflow(phone) == {}


def test_the_matrix_keeps_its_prompts_in_view_and_opens_an_answer_by_keyboard(
    app: App, upstream: Upstream, phone: Page
) -> None:
    app.use(config(upstream, "left", "middle", "right"))
    visit(phone, "left chain", "middle chain", "right chain")
    phone.get_by_text("Several", exact=True).click()
    button(phone, "Upload CSV").click()
    phone.get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(
        {"name": "p.csv", "mimeType": "text/csv", "buffer": b"prompt\nFirst question\nSecond question\n"}
    )
    expect(phone.get_by_text("6 calls.")).to_be_visible()
    phone.keyboard.press("Escape")
    button(phone, "Compare").last.click()
    expect_end(phone)
    last = phone.get_by_role("row", name=re.compile("Second question")).get_by_role("button").last
    last.focus()
    expect(phone.get_by_role("rowheader", name="Second question")).to_be_in_viewport(ratio=0.9)
    expect(last).to_be_in_viewport()
    phone.keyboard.press("Enter")
    expect(phone.get_by_text("Prompt 2", exact=True)).to_be_visible()
    assert overflow(phone) == {}


# --- Chat and back ---------------------------------------------------------------------------------


def test_an_answer_goes_to_compare_and_back_and_no_draft_is_lost(app: App, upstream: Upstream, page: Page) -> None:
    app.use(chat_config(upstream, "asked", "another"))
    page.goto("/compare")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("Half a thought")
    page.keyboard.press("Tab")
    link(page, "Chat").click()
    send(page, "Who are you?")
    button(page, "Ask the others this").click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("Who are you?")
    button(page, "Compare").last.click()
    expect_end(page)
    button(page, "Go on").last.click()
    expect(page.get_by_label("Chat message from user")).to_have_text(re.compile("Who are you\\?"))
    expect(page.locator(".st-key-chat_target")).to_contain_text("another")
    link(page, "Compare").click()
    button(page, "Restore it").click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("Half a thought")


# --- A reload --------------------------------------------------------------------------------------


def expect_kept(page: Page, words: str) -> None:
    page.wait_for_function("words => Object.values(sessionStorage).some(text => text.includes(words))", arg=words)


def expect_nothing_kept(page: Page) -> None:
    page.wait_for_function("!Object.keys(sessionStorage).some(name => name.startsWith('unsaved'))")


def test_a_form_that_a_reload_ended_is_set_aside_where_an_answer_comes_first(
    app: App, upstream: Upstream, page: Page
) -> None:
    app.use(chat_config(upstream, "asked", "another"))
    page.goto("/compare")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("Half a thought")
    page.keyboard.press("Tab")
    expect_kept(page, "Half a thought")
    page.goto("/chat")
    send(page, "Who are you?")
    button(page, "Ask the others this").click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("Who are you?")
    button(page, "Restore it").click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("Half a thought")
    button(page, "Restore it").click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("Who are you?")


def filled(page: Page) -> Page:
    """The form with three lanes, a system prompt, a file, and a template with a value for its variable."""
    visit(page, "three chain", "two chain", "one chain")
    button(page, "For all lanes").click()
    page.get_by_role("textbox", name="System prompt for all lanes").fill("Be brief.")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    button(page, "Files").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Some notes."}
    )
    expect(button(page, "Files (1)")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_text("Template", exact=True).click()
    page.get_by_role("textbox", name="Template").fill("Where is {{place}}?")
    page.keyboard.press("Tab")
    button(page, "Upload CSV").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(
        {"name": "p.csv", "mimeType": "text/csv", "buffer": b"place\nRome\n"}
    )
    expect_kept(page, "Rome")
    page.keyboard.press("Escape")
    return page


def test_the_form_outlives_a_reload_with_its_lanes_settings_files_and_prompts(
    app: App, upstream: Upstream, page: Page
) -> None:
    app.use(config(upstream, "one", "two", "three"))
    filled(page).reload()
    expect(page.get_by_role("textbox", name="Template")).to_have_value("Where is {{place}}?")
    for number, lane in enumerate(("three chain", "two chain", "one chain"), start=1):
        expect(page.get_by_role("combobox", name=f"Lane {number}")).to_have_value(lane)
    button(page, "Compare").last.click()
    expect_end(page)
    assert [call.body["messages"] for call in upstream.received("three")] == [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": asked_with_file("Where is Rome?")}]
    ]


def asked_with_file(prompt: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": "notes.txt:\n\nSome notes."}, {"type": "text", "text": prompt}]


def test_a_form_that_was_sent_or_left_alone_does_not_come_back(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    visit(page)
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_be_visible()
    expect_nothing_kept(page)
    page.get_by_role("textbox", name="Prompt", exact=True).fill("Sent once")
    page.keyboard.press("Tab")
    expect_kept(page, "Sent once")
    button(page, "Compare").last.click()
    expect_end(page)
    expect_nothing_kept(page)
    page.goto("/compare")
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("")


# --- The keyboard ----------------------------------------------------------------------------------


def test_a_comparison_is_started_by_keyboard(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "typed", "keyed"))
    visit(page, "typed chain", "keyed chain")
    page.get_by_role("textbox", name="Prompt", exact=True).focus()
    page.keyboard.type("Hello by keyboard")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText.includes('Compare')"):
            break
    page.keyboard.press("Enter")
    eventually(lambda: upstream.received("typed") and upstream.received("keyed"))
    assert upstream.received("keyed")[0].body["messages"][-1]["content"] == "Hello by keyboard"
