"""The Dashboard page's promises, kept in a real browser against the real app."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from router.core.attempts import Attempt
from router.core.records import Observation, RequestSummary, Step
from router.store import Store
from tests.browser.chat_page import button, config, expect_end, send, visit
from tests.browser.conftest import App, OpenContext, held
from tests.upstream import Upstream, status

IDLE = 400
"""Milliseconds without a change after which the page draws what is not in view."""

expect.set_options(timeout=30_000)


@pytest.fixture
def category(app: App, upstream: Upstream) -> str:
    """One that no other test asks; the app is in use, its store is there."""
    app.use(config(upstream, "one", "two"))
    return f"category-{uuid.uuid4().hex[:8]}"


def observe(app: App, category: str, *, count: int, models: tuple[str, ...] = ("slow", "quick")) -> None:
    """Requests of the last minutes, as another process sees them: the first model times out, the second answers."""
    store = Store(app.home / ".lab" / "lab.sqlite")
    for number in range(count):
        of: dict[str, Any] = {"request_id": uuid.uuid4().hex, "category": category, "chain": "c", "source": "cli"}
        started = (time.time() // 300 - 1) * 300 + number  # one bucket of the charts
        failed = Attempt(
            model=models[0], provider="local", place=0, number=1, outcome="failed", reason="first_token_timeout",
            started=started, offset=0, latency=2.0,
        )  # fmt: skip
        answered = Attempt(
            model=models[1], provider="local", place=1, number=1, outcome="answered", started=started + 2, offset=2.0,
            latency=1.5, ttft=0.5, cost=0.001,
        )  # fmt: skip
        for attempt in (failed, answered):
            store.observations.add(Observation(**of, prompt_hash="p", sample=0, attempt=attempt))
        path = tuple(Step(a.model, a.provider, a.place, a.outcome, a.reason) for a in (failed, answered))
        store.requests.add(
            RequestSummary(
                **of, started=started, outcome="answered", path=path, model=models[1], place=1, latency=3.5, ttft=2.5,
                cost=0.001, cached=False, shared=False, injected=False, stand_in=False, keyless=False,
            )
        )  # fmt: skip
    store.close()


@pytest.fixture
def arrived(app: App, page: Page, category: str) -> Page:
    """The page on three requests of one category."""
    if not (app.home / ".lab" / "lab.sqlite").exists():
        visit(page)
    observe(app, category, count=3)
    page.goto(f"/dashboard?range=1+h&categories={category}")
    expect(tile(page, "Requests")).to_contain_text("3")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    return page


def tile(page: Page, title: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has=page.get_by_text(title, exact=True))


def chart(page: Page, name: str) -> Locator:
    return page.locator(f"[class*='st-key-chart_{name}_']")


def marks(page: Page, name: str, kind: str = "rect") -> Locator:
    """A chart's marks, less those of a drag and of saved changes of models.yaml: other tests may have left some."""
    drawn = chart(page, name).locator(f"svg.marks .mark-{kind}.role-mark:not([class*='brush'])")
    return drawn.locator("path:not([aria-label*='models.yaml'])")


def drawer(page: Page) -> Locator:
    return page.get_by_role("dialog")


# --- What is behind a mark -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "title"),
    [
        ("endings", "rect", "3 requests · fallback"),
        ("availability", "symbol", "3 requests · quick"),
        ("latency_over_time", "symbol", "3 calls · slow"),
        ("failures", "symbol", "3 calls · slow · first-token timeout"),
        ("together", "rect", "3 requests · slow · quick"),
    ],
    ids=lambda each: each if each.isidentifier() else "",
)
def test_a_click_on_a_mark_opens_as_many_rows_as_it_counts(arrived: Page, name: str, kind: str, title: str) -> None:
    marks(arrived, name, kind).last.click(force=True)  # a text may stand on it
    expect(drawer(arrived)).to_contain_text(title)


@pytest.mark.parametrize(("place", "title"), [(0.15, "{} · slow"), (-96, "answered")], ids=["an edge", "a node"])
def test_what_is_clicked_in_the_flow_opens_its_requests(arrived: Page, category: str, place: float, title: str) -> None:
    canvas = chart(arrived, "flow").locator("canvas").first
    expect(canvas).to_be_visible()
    for _ in range(10):  # the canvas is there before anything is drawn on it
        box = box_of(canvas)
        across = box["width"] + place if place < 0 else box["width"] * place
        canvas.click(position={"x": across, "y": box["height"] / 2})
        with contextlib.suppress(AssertionError):
            expect(drawer(arrived)).to_be_visible(timeout=6000)  # else the page is inert before the next click
            break
    expect(drawer(arrived)).to_contain_text(f"3 requests · {title.format(category)}")


def test_the_same_mark_opens_again(arrived: Page) -> None:
    for _ in range(2):
        marks(arrived, "endings").first.click()
        expect(drawer(arrived)).to_contain_text("3 requests")
        button(arrived, "Close").click()
        expect(drawer(arrived)).to_be_hidden()


def test_a_row_of_a_chart_s_table_opens_what_its_mark_opens(arrived: Page) -> None:
    button(arrived, "Availability and rescues as a table").click()
    table = arrived.get_by_test_id("stPopoverBody").locator(".dvn-scroller")
    expect(table).to_be_visible()
    table.click(position={"x": 15, "y": 55})
    expect(drawer(arrived)).to_contain_text("3 requests · slow")


def test_what_is_behind_a_mark_is_opened_by_keyboard_alone(arrived: Page) -> None:
    button(arrived, "Availability and rescues as a table").focus()
    arrived.keyboard.press("Enter")
    cells = arrived.get_by_test_id("stPopoverBody").locator("[role=gridcell]")
    expect(cells.first).to_be_attached()
    for _ in range(3):  # two buttons of the table, then its first cell
        arrived.keyboard.press("Tab")
    expect(cells.and_(arrived.locator(":focus"))).to_have_text("slow")
    arrived.keyboard.press("Shift+Space")
    expect(drawer(arrived)).to_contain_text("3 requests · slow")


def test_a_chosen_row_shows_its_trace_with_the_reason_of_the_fallback_and_as_json(arrived: Page, category: str) -> None:
    marks(arrived, "endings").first.click()
    drawer(arrived).locator(".dvn-scroller").click(position={"x": 15, "y": 55})
    expect(drawer(arrived)).to_contain_text("slow failed: first token timeout")
    expect(drawer(arrived)).to_contain_text("quick answered in 1.50 s")
    expect(drawer(arrived).locator("svg.marks .mark-rect path")).to_have_count(3)  # no answer, to first token, tokens
    button(arrived, "JSON").click()
    expect(arrived.get_by_test_id("stCode")).to_contain_text(f'"category": "{category}"')
    expect(arrived.get_by_test_id("stCode")).to_contain_text('"reason": "first_token_timeout"')


def test_a_model_of_a_trace_s_strip_opens_its_attempt(arrived: Page) -> None:
    marks(arrived, "endings").first.click()
    drawer(arrived).locator(".dvn-scroller").click(position={"x": 15, "y": 55})
    drawer(arrived).get_by_role("button", name="slow ✕ first token timeout · 2.0 s").click()
    expect(arrived.get_by_test_id("stPopoverBody")).to_contain_text("took 2.00 s")


def test_the_link_of_a_request_opens_its_trace_until_that_is_closed(arrived: Page) -> None:
    marks(arrived, "endings").first.click()
    drawer(arrived).locator(".dvn-scroller").click(position={"x": 15, "y": 55})
    arrived.goto(f"/dashboard{drawer(arrived).get_by_role('link').get_attribute('href')}")
    expect(drawer(arrived)).to_contain_text("slow failed: first token timeout")
    button(arrived, "Close").click()
    expect(arrived).not_to_have_url(re.compile("request="))


# --- Links -----------------------------------------------------------------------------------------


def test_a_link_shows_the_same_filters_to_somebody_else(
    app: App, arrived: Page, open_context: OpenContext, category: str
) -> None:
    page = arrived
    observe(app, category, count=2, models=("slow", f"model-of-{category}"))
    page.get_by_role("radio", name="24 h").click()
    button(page, "Filters").click()
    page.get_by_role("combobox", name="Model").fill(f"model-of-{category}")
    page.keyboard.press("Enter")
    expect(tile(page, "Requests")).to_contain_text("2")
    expect(page).to_have_url(re.compile(rf"(?=.*range=24\+h)(?=.*models=model-of-{category})"))
    other = open_context().new_page()
    other.goto(page.url)
    expect(tile(other, "Requests")).to_contain_text("2")
    expect(other.get_by_role("radio", name="24 h")).to_be_checked()


def test_the_link_of_an_exact_range_says_both_ends_and_their_zone(arrived: Page) -> None:
    arrived.get_by_role("radio", name="Exact").click()
    expect(arrived).to_have_url(re.compile(r"(?=.*from=\d{4}-\d\d-\d\dT00%3A00)(?=.*to=\d{4}-)(?=.*zone=)"))
    arrived.get_by_role("radio", name="All").click()
    expect(arrived).not_to_have_url(re.compile("zone="))


def test_new_requests_show_after_a_second_look(app: App, arrived: Page, category: str) -> None:
    observe(app, category, count=4)
    arrived.locator(".st-key-dashboard_refresh").get_by_role("button").click()
    expect(tile(arrived, "Requests")).to_contain_text("7")


def test_an_auto_refresh_shows_new_requests_and_keeps_what_is_open(app: App, arrived: Page, category: str) -> None:
    arrived.goto(f"{arrived.url}&refresh=10+s")
    button(arrived, "Filters").click()
    scroll = arrived.get_by_test_id("stMain")
    scroll.evaluate("main => main.scrollTo(0, 100)")
    observe(app, category, count=4)
    expect(tile(arrived, "Requests")).to_contain_text("7")
    assert scroll.evaluate("main => main.scrollTop") == 100
    expect(arrived.get_by_role("combobox", name="Model")).to_be_visible()
    expect(arrived).to_have_url(re.compile(rf"(?=.*refresh=10\+s)(?=.*categories={category})"))


def test_a_drag_across_a_chart_zooms_in_and_one_click_leads_back(arrived: Page) -> None:
    expect(marks(arrived, "endings").first).to_be_visible()
    chart(arrived, "endings").scroll_into_view_if_needed()
    box = box_of(chart(arrived, "endings").locator("svg.marks"))
    arrived.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 100)
    arrived.mouse.down()
    arrived.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 100, steps=4)
    arrived.mouse.up()
    expect(arrived).to_have_url(re.compile(r"(?=.*range=Exact)(?=.*from=20)(?=.*to=20)"))
    expect(arrived.get_by_role("radio", name="Exact")).to_be_checked()
    button(arrived, "Back to 1 h").click()
    expect(arrived).to_have_url(re.compile(r"range=1\+h(?!.*from=)"))
    expect(tile(arrived, "Requests")).to_contain_text("3")


# --- What is drawn, and when -----------------------------------------------------------------------


def test_a_chart_below_the_view_is_drawn_when_it_comes_into_view(app: App, page: Page, category: str) -> None:
    visit(page)
    observe(app, category, count=3)
    # It is never idle, so that nothing else draws what nobody sees.
    never = f"const soon = setTimeout; setTimeout = (act, ms, ...rest) => ms === {IDLE} ? 0 : soon(act, ms, ...rest)"
    page.add_init_script(never)
    page.goto(f"/dashboard?range=1+h&categories={category}")
    expect(marks(page, "endings").first).to_be_visible()
    room = page.locator(".st-key-in_view_spent")
    expect(room).to_be_attached()
    room.scroll_into_view_if_needed()
    expect(marks(page, "spent").first).to_be_visible()


def test_a_page_that_is_left_alone_is_drawn_whole(arrived: Page) -> None:
    expect(marks(arrived, "spent").first).to_be_attached()
    assert arrived.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 0


# --- What goes on now ------------------------------------------------------------------------------


def box_of(element: Locator) -> FloatRect:
    box = element.bounding_box()
    assert box is not None
    return box


def test_a_request_in_flight_shows_without_moving_the_page(
    upstream: Upstream, open_context: OpenContext, arrived: Page, gate: threading.Event
) -> None:
    upstream.script("one", then=held(gate))
    expect(arrived.get_by_text("0 in progress")).to_be_visible()
    button(arrived, "Filters").click()
    scroll = arrived.get_by_test_id("stMain")
    scroll.evaluate("main => main.scrollTo(0, 200)")
    expect(marks(arrived, "endings").first).to_be_visible()
    before = box_of(chart(arrived, "endings"))
    send(visit(open_context().new_page()))
    expect(arrived.get_by_text("1 in progress")).to_be_visible()
    expect(arrived.get_by_text(re.compile("one is answering … "))).to_be_visible()
    assert box_of(chart(arrived, "endings")) == before
    assert scroll.evaluate("main => main.scrollTop") == 200
    expect(arrived.get_by_role("combobox", name="Model")).to_be_visible()  # the filters are open still
    gate.set()
    expect(arrived.get_by_text("0 in progress")).to_be_visible()


def test_an_open_breaker_shows_without_moving_the_page_and_one_click_resets_it(
    app: App, upstream: Upstream, open_context: OpenContext, arrived: Page
) -> None:
    upstream.script("broken", then=status(500))
    app.use(config(upstream, "broken", "two", retries=0, breaker={"min_calls": 1, "open_for": 600}))
    expect(marks(arrived, "endings").first).to_be_visible()
    before = box_of(chart(arrived, "endings"))
    asking = visit(open_context().new_page())
    send(asking)
    expect_end(asking)
    expect(arrived.get_by_text("broken: open, after failures")).to_be_visible()
    assert box_of(chart(arrived, "endings")) == before
    arrived.locator(".st-key-reset_broken").get_by_role("button").click()
    expect(arrived.get_by_text("broken: open, after failures")).to_be_hidden()
