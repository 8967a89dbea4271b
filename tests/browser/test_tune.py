"""The Tune page's promises, kept in a real browser against the real app."""

from __future__ import annotations

import re
import time
from contextlib import closing

from playwright.sync_api import Page, expect

from router.core.attempts import Attempt
from router.core.records import Observation, RequestSummary, Step
from router.store import Store
from tests.browser.chat_page import button, config
from tests.browser.conftest import App, eventually
from tests.evaluated import Skill, plain_suite, write_run
from tests.upstream import Upstream

MODELS = ("one", "two")
CALLS, CASES = 25, 60


def with_evidence(app: App, upstream: Upstream, models: tuple[str, str] = MODELS) -> None:
    """A chain whose fallback is the better model by far, with the calls and the evaluation that show it."""
    app.use(config(upstream, *models))
    lab = app.home / ".lab"
    lab.mkdir(mode=0o700, exist_ok=True)
    with closing(Store(lab / "lab.sqlite")) as store:
        for number in range(CALLS * len(models)):
            _observe(store, models[number % len(models)], f"tune-{time.time_ns()}-{number}")
    skills = dict(zip(models, (Skill(0.3, 0.5, 0.002), Skill(0.9, 0.5, 0.001)), strict=True))
    path, suite = lab / "runs" / f"20260101-{time.time_ns()}.jsonl", plain_suite("chat", CASES)
    write_run(path, suite, skills, at=time.time(), default_provider="local")


def _observe(store: Store, model: str, request: str) -> None:
    started = time.time() - 60
    attempt = Attempt(
        model=model, provider="local", place=0, number=1, outcome="answered", started=started, offset=0.0, latency=0.5,
        ttft=0.2, cost=0.001,
    )  # fmt: skip
    store.observations.add(
        Observation(
            request_id=request, prompt_hash=request, category="chat", chain="c", source="cli", sample=0, attempt=attempt
        )
    )
    store.requests.add(
        RequestSummary(
            request_id=request, started=started, category="chat", chain="c", source="cli", outcome="answered",
            path=(Step(model, "local", 0, "answered", None, 200),), model=model, place=0, latency=0.5, ttft=0.2,
            cost=0.001, cached=False, shared=False, injected=False, stand_in=False, keyless=False,
        )
    )  # fmt: skip


def visit(page: Page, category: str = "chat") -> Page:
    page.goto(f"/tune?category={category}")
    expect(
        page.get_by_text("Simulated: the engine itself").or_(page.get_by_text("Nothing was observed"))
    ).to_be_visible()
    return page


def try_primary(page: Page, model: str) -> None:
    """Choose another primary in what-if."""
    box = page.get_by_role("combobox", name="Primary")
    box.evaluate("box => box.scrollIntoView({block: 'center'})")  # a list closes where a click scrolls the page
    box.click()
    page.get_by_role("option", name=model).click()


def test_a_better_chain_goes_from_its_verdict_through_review_into_the_file(
    app: App, upstream: Upstream, page: Page
) -> None:
    with_evidence(app, upstream)
    visit(page)
    expect(page.get_by_text("Swap primary and fallback 1 in chat")).to_be_visible()
    button(page, "Review and save").click()
    page.get_by_role("button", name="Review", exact=True).click()
    reason = page.get_by_label("Reason, for the history")
    expect(reason).to_have_value(re.compile("Swap primary and fallback 1 in chat.*Evidence .*16 of 16"))
    page.keyboard.press("Escape")
    button(page, "Save").click()
    eventually(lambda: _order(app) == ["two", "one"])


def _order(app: App) -> list[str]:
    """The models of the chain in the file."""
    text = (app.home / "models.yaml").read_text(encoding="utf-8")
    return sorted(MODELS, key=text.index)


def test_what_if_shows_both_chains_and_hands_the_other_one_over(app: App, upstream: Upstream, page: Page) -> None:
    with_evidence(app, upstream)
    visit(page)
    expect(button(page, "Review this chain")).to_have_count(0)
    try_primary(page, "two")
    button(page, "Review this chain").click()
    expect(button(page, "Save")).to_be_visible()


def test_what_was_entered_outlives_a_reload(app: App, upstream: Upstream, page: Page) -> None:
    with_evidence(app, upstream)
    visit(page)
    try_primary(page, "two")
    expect(button(page, "Review this chain")).to_be_visible()
    page.reload()
    expect(button(page, "Review this chain")).to_be_visible()


def test_what_if_becomes_narrower_by_itself_until_it_says_why_it_cannot(
    app: App, upstream: Upstream, page: Page
) -> None:
    few, known = (f"{name}-{time.time_ns()}" for name in ("few", "known"))  # with earlier evidence, it ends at once
    with_evidence(app, upstream, (few, known))
    visit(page)
    going_on = page.get_by_text("Simulating longer makes it narrower")
    try_primary(page, known)
    expect(going_on).to_be_visible()
    expect(page.get_by_text("comes from few measurements")).to_be_visible(timeout=90_000)
    expect(going_on).to_have_count(0)
    expect(button(page, "Review this chain")).to_be_visible()


def test_without_evidence_the_page_says_what_to_run(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, *MODELS))
    visit(page, "other")
    expect(page.get_by_text("Not enough evidence.")).to_be_visible()
