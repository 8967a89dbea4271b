"""What the browser's tests do on the Chat page."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.upstream import Upstream, chain_yaml

expect.set_options(timeout=30_000)


def config(upstream: Upstream, *models: str, **policy: Any) -> str:
    """models.yaml with these models in one chain, another category beside it, and no answers from the cache."""
    patient = {"first_token": 60, "stall": 600, "cache": {"enabled": False}, **policy}
    text = json.loads(chain_yaml(upstream, *models, **patient))
    return json.dumps({**text, "chains": {**text["chains"], "other": ["of-the-other-category"]}})


def visit(page: Page) -> Page:
    """Open the app, up to its prompt."""
    page.goto("/")
    expect(prompt_of(page)).to_be_enabled()
    return page


def prompt_of(page: Page) -> Locator:
    return page.get_by_placeholder("Type a prompt")


def send(page: Page, text: str = "Hello?") -> Locator:
    """Send a prompt; the message that answers it."""
    prompt_of(page).fill(text)
    prompt_of(page).press("Enter")
    return answer_of(page)


def answer_of(page: Page) -> Locator:
    return page.get_by_label("Chat message from assistant").last


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def link(page: Page, name: str) -> Locator:
    """A page's link in the navigation of a wide window; one for phones may be there too, before it is hidden."""
    return page.get_by_test_id("stTopNav").get_by_role("link", name=name)


def expect_end(page: Page) -> None:
    """Wait until the answer is over."""
    expect(button(page, "Regenerate")).to_be_visible(timeout=120_000)


def target_of(page: Page) -> Locator:
    """The button that says what answers, and opens the choice."""
    return page.locator(".st-key-chat_target").get_by_role("button")


def time_line_of(trace: Locator) -> Locator:
    return trace.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first


def overflow(page: Page) -> dict[str, int]:
    """Pixels that each of the page's frames can be scrolled sideways by."""
    return dict(
        page.evaluate(
            """() => Object.fromEntries(
                ['html', 'body', '#stMain']
                    .map(name => [name, document.querySelector(name)])
                    .map(([name, element]) => [name, element.scrollWidth - element.clientWidth])
                    .filter(([, excess]) => excess > 0))"""
        )
    )
