"""Everybody can use every page: with a screen reader, weak eyes, a phone, a zoomed window.

Each state of a page is visited once; the tests of this module look at it one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.chat_page import overflow
from tests.browser.conftest import PATIENCE, App, eventually
from tests.browser.states import STATES
from tests.upstream import Upstream


class Known(NamedTuple):
    """What axe finds in elements that Streamlit makes and the pages cannot change.

    Attributes:
        states: where it is found; where it is not any more, its entry must go.
    """

    rule: str
    selector: str
    states: frozenset[str]
    why: str


KNOWN = [
    Known(
        "svg-img-alt",
        ".zoom_brush, .zoom_brush_bg",
        frozenset({"dashboard, without failures", "dashboard, table", "dashboard, alerts"}),
        "The frame of drag to zoom: Vega-Lite gives it a role, takes no name for it, and draws it only while dragging.",
    ),
]

_AXE = """
async ({rules, known}) => {
    const only = rules.length ? {runOnly: {type: "rule", values: rules}} : {}
    const {violations} = await axe.run({elementRef: true, resultTypes: ["violations"], ...only})
    const why = ({any, all, none}) => [...any, ...all, ...none].map(({message}) => message).join("; ")
    return violations.flatMap(({id, impact, nodes}) => nodes.map((node) => ({
        known: known.findIndex(([rule, selector]) => rule === id && node.element.matches(selector)),
        said: `${impact} ${id}: ${node.html.slice(0, 300)}: ${why(node)}`,
    })))
}
"""

_OVERLAPS = """
() => {
    const CONTROLS = "a[href], button, input, textarea, [role=button], [role=tab], [role=radio], [role=spinbutton]"
    const shown = (one) => one.checkVisibility({opacityProperty: true, visibilityProperty: true})
        && !one.closest("[aria-hidden=true], [inert]")
    // What is in front of the page on purpose, such as a popover, is compared with itself alone.
    const isLayer = (one) => one.matches("header, [role=dialog], [data-testid=stSidebar]")
        || ["fixed", "sticky"].includes(getComputedStyle(one).position)
    const layerOf = (one) => !one || isLayer(one) ? one : layerOf(one.parentElement)
    const found = [...document.querySelectorAll(CONTROLS)].filter(shown)
        .map((one) => ({one, layer: layerOf(one), box: one.getBoundingClientRect()}))
        .filter(({box}) => box.width > 4 && box.height > 4)  // smaller ones are for screen readers alone
        .filter(({box}) => box.right > 0)  // a sidebar that is closed lies beside the window
    const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1
    const name = ({one}) => one.ariaLabel || one.innerText || one.placeholder || one.outerHTML.slice(0, 120)
    return found.flatMap((a, at) => found.slice(at + 1)
        .filter((b) => a.layer === b.layer && !a.one.contains(b.one) && !b.one.contains(a.one) && meet(a.box, b.box))
        .map((b) => `${name(a)} and ${name(b)}`))
}
"""

_SCROLLED = """
() => {
    const isStray = (more, overflow) => more > 0 && more < 24 && ["auto", "scroll"].includes(overflow)
    return [...document.querySelectorAll(".stApp *")]
        .filter((one) => one.clientWidth && one.clientHeight)
        .filter((one) => !one.matches(".dvn-scroller, #stMain"))  // tables, and the page itself
        .filter((one) => one.getBoundingClientRect().right > 0)  // a sidebar that is closed lies beside the window
        .filter((one) => isStray(one.scrollWidth - one.clientWidth, getComputedStyle(one).overflowX)
            || isStray(one.scrollHeight - one.clientHeight, getComputedStyle(one).overflowY))
        .map((one) => one.className)
}
"""
"""What has a scrollbar for less than a line."""

_COVERED = """
() => {
    const isSticky = (one) => one && !one.matches("[role=dialog]") && (one.matches("header")
        || ["fixed", "sticky"].includes(getComputedStyle(one).position) || isSticky(one.parentElement))
    let covered = 0, all = 0
    for (let x = 5; x < innerWidth; x += 30)
        for (let y = 5; y < innerHeight; y += 15) {
            all += 1
            covered += Boolean(isSticky(document.elementFromPoint(x, y)))
        }
    return covered / all
}
"""


@pytest.fixture(scope="module")
def tab(app: App, chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(base_url=app.url, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module", params=[*STATES])
def state(request: pytest.FixtureRequest, app: App, upstream_server: Upstream, tab: Page) -> str:
    """The state that the tab is in: light, on a desk."""
    upstream_server.reset()
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(color_scheme="light")
    tab.goto("/_stcore/health")
    tab.evaluate("sessionStorage.clear()")  # unsaved changes of the state before
    STATES[request.param](app, upstream_server, tab)
    tab.mouse.move(0, 0)
    expect(tab.get_by_role("tooltip")).to_have_count(0)
    tab.evaluate(Axe().axe_script)
    name: str = request.param
    return name


def violations(page: Page, state: str, *rules: str) -> list[str]:
    """What axe finds by these rules, or by all: without what is known, which has to be there."""
    expected = [each for each in KNOWN if state in each.states and (not rules or each.rule in rules)]
    known = [(each.rule, each.selector) for each in expected]
    found: list[dict[str, Any]] = page.evaluate(_AXE, {"rules": rules, "known": known})
    gone = {*range(len(known))} - {each["known"] for each in found}
    return [each["said"] for each in found if each["known"] < 0] + [f"not found: {known[number]}" for number in gone]


def test_axe_finds_nothing(state: str, tab: Page) -> None:
    assert violations(tab, state) == []


def test_all_text_has_contrast_in_the_dark_theme(state: str, tab: Page) -> None:
    tab.emulate_media(color_scheme="dark")
    expect(tab.locator(".stApp")).to_have_css("color-scheme", "dark")
    assert violations(tab, state, "color-contrast") == []


def test_nothing_has_a_scrollbar_for_less_than_a_line(state: str, tab: Page) -> None:
    assert once_settled(lambda: tab.evaluate(_SCROLLED), []) == []


@pytest.fixture
def phone(tab: Page, state: str) -> Page:
    """The tab, as wide as a phone."""
    return _resized(tab, 390, 800)


@pytest.fixture
def zoomed(tab: Page, state: str) -> Page:
    """The tab, as large as a laptop's window at 200%."""
    return _resized(tab, 720, 450)


def _resized(page: Page, width: int, height: int) -> Page:
    page.set_viewport_size({"width": width, "height": height})
    return page


def once_settled(look: Callable[[], object], wanted: object) -> object:
    """What is seen as soon as it is as wanted, or some seconds later: a page adapts to its window in steps."""
    with suppress(AssertionError):
        eventually(lambda: look() == wanted, within=5)
    return look()


def test_no_page_scrolls_sideways_on_a_phone(phone: Page) -> None:
    assert once_settled(lambda: overflow(phone), {}) == {}


def test_nothing_has_a_scrollbar_for_less_than_a_line_on_a_phone(phone: Page) -> None:
    assert once_settled(lambda: phone.evaluate(_SCROLLED), []) == []


def test_no_control_lies_under_another_on_a_phone(phone: Page) -> None:
    assert once_settled(lambda: phone.evaluate(_OVERLAPS), []) == []


def test_what_stays_in_place_covers_at_most_a_third_of_a_zoomed_window(zoomed: Page) -> None:
    assert once_settled(lambda: zoomed.evaluate(_COVERED) <= 1 / 3, True)
