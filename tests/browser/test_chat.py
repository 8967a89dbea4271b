"""The Chat page's promises, kept in a real browser against the real app."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chat_page import (
    answer_of,
    button,
    config,
    expect_end,
    overflow,
    send,
    target_of,
    time_line_of,
    visit,
)
from tests.browser.conftest import ROOT, App, OpenContext, Tracker, eventually, held
from tests.upstream import PIXEL, Answer, Upstream, answer, silent, stall_after, status, words

WHOLE = "".join(words(20)).strip()
HALF = "".join(words(10)).strip()
CLOSES_WITHIN = 1.0
"""Seconds from Stop until the upstream sees that its client is gone."""


# --- No key: the embedded model answers ------------------------------------------------------------


def open_shipped(app: App, page: Page, *, max_tokens: int) -> Page:
    """The app with the shipped models.yaml, the same answer every time, and a limit to how long it can last."""
    app.use((ROOT / "models.yaml").read_text(encoding="utf-8"))
    button(visit(page), "Parameters").click()
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Max tokens").fill(str(max_tokens))
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Max tokens")).to_be_hidden()
    return page


def test_without_a_key_a_real_model_answers_token_by_token(app: App, page: Page) -> None:
    """Looks at the text whenever the page changes; from outside the browser, a fast answer would be over too soon.

    At temperature 0 the model takes all of its 900 tokens for this prompt: seconds, also where the first drawing of
    Markdown is slow.
    """
    open_shipped(app, page, max_tokens=900).evaluate(
        """() => {
            window.lengths = [];
            new MutationObserver(() => {
                const text = document.querySelector(
                    '[aria-label="Chat message from assistant"] [data-testid="stMarkdownContainer"]');
                const stop = document.querySelector('.st-key-chat_stop');
                if (text && stop && !stop.contains(text)) window.lengths.push(text.textContent.length);
            }).observe(document.body, {subtree: true, childList: true, characterData: true});
        }"""
    )
    send(page, "Write a story of ten sentences about a lighthouse.")
    page.wait_for_function("new Set(window.lengths).size >= 3", timeout=60_000)
    lengths = page.evaluate("window.lengths")
    assert lengths == sorted(lengths)


def test_without_a_key_a_skipped_model_says_which_key_is_not_set(app: App, page: Page) -> None:
    message = send(open_shipped(app, page, max_tokens=20), "What is one and one?")
    expect_end(page)
    message.get_by_role("button", name="no key").first.click()
    expect(page.get_by_test_id("stPopoverBody")).to_contain_text("Skipped: OPENROUTER_API_KEY is not set")


def test_without_a_key_the_trace_shows_who_answered_instead(app: App, page: Page) -> None:
    send(open_shipped(app, page, max_tokens=20), "What is two and two?")
    expect_end(page)
    page.get_by_text("Trace", exact=True).click()
    trace = page.get_by_label("Chat message from assistant").last
    expect(trace).to_contain_text("z-ai/glm-5 skipped: OPENROUTER_API_KEY is not set")
    expect(trace).to_contain_text("embedded:smollm2-135m-instruct answered in")
    expect(time_line_of(trace)).to_be_visible()


def test_without_a_key_one_click_shows_a_fallback(app: App, page: Page) -> None:
    button(open_shipped(app, page, max_tokens=20), "See a fallback happen").click()
    expect_end(page)
    message = answer_of(page)
    expect(message).to_contain_text("glm-5 ×3 ✕ injected fault")
    page.get_by_text("Trace", exact=True).click()
    expect(message).to_contain_text("z-ai/glm-5 failed (injected fault): The server failed.")
    expect(message).to_contain_text("embedded:smollm2-135m-instruct answered in")


# --- Stopping --------------------------------------------------------------------------------------


def closed_after(upstream: Upstream, model: str, moment: float) -> float:
    """Seconds from a moment until the upstream saw that its client was gone."""
    call = upstream.wait_closed(model)
    assert call.disconnected
    assert call.closed is not None
    return call.closed - moment


def test_stop_closes_the_connection_while_no_token_comes(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("silent", then=silent)
    app.use(config(upstream, "silent"))
    send(visit(page))
    eventually(lambda: upstream.received("silent"))
    button(page, "Stop").click()
    assert closed_after(upstream, "silent", time.monotonic()) < CLOSES_WITHIN


def test_stop_keeps_what_has_arrived_and_says_that_it_is_cut(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("stalled", then=stall_after(10))
    app.use(config(upstream, "stalled"))
    message = send(visit(page))
    expect(message).to_contain_text(HALF)
    button(page, "Stop").click()
    expect(message.get_by_test_id("stAlert")).to_contain_text("was stopped")
    expect(message).to_contain_text(HALF)


def test_escape_stops(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("silent-too", then=silent)
    app.use(config(upstream, "silent-too"))
    send(visit(page))
    expect(button(page, "Stop")).to_be_visible()
    eventually(lambda: upstream.received("silent-too"))
    page.keyboard.press("Escape")
    assert closed_after(upstream, "silent-too", time.monotonic()) < CLOSES_WITHIN


# --- Looking away ----------------------------------------------------------------------------------


def click_another_category(page: Page) -> None:
    target_of(page).click()
    page.get_by_role("radio", name="other").click()
    expect(page.get_by_text("of-the-other-category").first).to_be_visible()


def change_a_parameter(page: Page) -> None:
    button(page, "Parameters").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Max tokens").fill("99")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")  # closes the popover
    expect(page.get_by_label("System prompt")).to_be_hidden()


@pytest.mark.parametrize("elsewhere", [click_another_category, change_a_parameter])
def test_a_click_elsewhere_neither_ends_an_answer_nor_starts_another(
    app: App, upstream: Upstream, page: Page, gate: threading.Event, elsewhere: Any
) -> None:
    model = f"held-{elsewhere.__name__}"
    upstream.script(model, then=held(gate))
    app.use(config(upstream, model))
    message = send(visit(page))
    expect(message).to_contain_text(HALF)
    elsewhere(page)
    gate.set()
    expect(message).to_contain_text(WHOLE)
    expect_end(page)
    assert [call.model for call in upstream.requests] == [model]


def test_a_reload_finds_the_answer_in_progress(app: App, upstream: Upstream, page: Page, gate: threading.Event) -> None:
    upstream.script("reloaded", then=held(gate))
    app.use(config(upstream, "reloaded"))
    expect(send(visit(page))).to_contain_text(HALF)
    link = page.url
    page.reload()
    expect(answer_of(page)).to_contain_text(HALF)
    assert page.url == link
    gate.set()
    expect(answer_of(page)).to_contain_text(WHOLE)
    expect_end(page)
    assert len(upstream.requests) == 1


def test_a_closed_tab_ends_its_request_and_a_reload_does_not(
    app: App, upstream: Upstream, open_context: OpenContext
) -> None:
    """Takes 15 s, the time that a lost session has to come back: the reload comes first, and its time is over too."""
    upstream.script("stays", then=stall_after(10))
    upstream.script("closed", then=stall_after(10))
    stays, closed = open_context().new_page(), open_context().new_page()
    for page, model in ((stays, "stays"), (closed, "closed")):
        app.use(config(upstream, model))
        expect(send(visit(page))).to_contain_text(HALF)
    stays.reload()
    expect(answer_of(stays)).to_contain_text(HALF)
    closed.close()
    assert upstream.wait_closed("closed", within=25).disconnected
    (call,) = upstream.received("stays")
    assert call.closed is None


def share_held_up(app: App, seconds: float = 3) -> float:
    """How much of some time the server lets plain requests wait that take a millisecond otherwise."""
    began, waited = time.monotonic(), 0.0
    while (started := time.monotonic()) < began + seconds:
        with urllib.request.urlopen(f"{app.url}/_stcore/health", timeout=30) as response:
            assert response.status == 200
        took = time.monotonic() - started
        waited += took if took > 0.03 else 0
    return waited / (time.monotonic() - began)


def test_an_answer_in_progress_does_not_hold_up_the_server(app: App, upstream: Upstream, page: Page) -> None:
    """With a full garbage collection after each look at the answer, Streamlit's default, nothing else gets a turn."""
    upstream.script("holding-up", then=stall_after(10))
    app.use(config(upstream, "holding-up"))
    visit(page)
    before = share_held_up(app)
    expect(send(page)).to_contain_text(HALF)
    assert share_held_up(app) < before + 0.3


# --- Hostile answers -------------------------------------------------------------------------------

HOSTILE = r"""It costs $5 and $10 in $HOME/$PATH.

Euler: \(e^{i\pi}\) and

\[ \int_0^1 x\,dx \]

:material/home: :tada: :red[alarm] x[a:b[zero]] answer:yes{attribute}

::leaf[label]

:::note
a -> b
:::

![image]({url}/markdown-image.png) <img src="{url}/html-image.png" onerror="window.hacked=1">

<script>window.hacked = 1</script> <script src="{url}/script.js"></script>

<style>@import url("{url}/import.css"); body { background: url({url}/background.png) }</style>

<div style="background-image:url({url}/style.png)">box</div> <iframe src="{url}/frame.html"></iframe>
<link rel="stylesheet" href="{url}/link.css"> <meta http-equiv="refresh" content="0; url={url}/refresh">

[link]({url}/link) [script](javascript:window.hacked=1) [data](data:text/html,<script>window.hacked=1</script>)

![svg](data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20onload='window.hacked=1'/%3E) last
"""


@pytest.fixture
def hostile_answer(app: App, upstream: Upstream, tracker: Tracker, page: Page) -> Locator:
    """A hostile answer, drawn to its end."""
    text = HOSTILE.replace("{url}", tracker.url)
    upstream.script("hostile", then=Answer((text,), reasoning=f"![thought]({tracker.url}/thought.png)"))
    app.use(config(upstream, "hostile"))
    message = send(visit(page))
    expect_end(page)
    expect(message).to_contain_text("last")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return message


def test_a_hostile_answer_loads_nothing(hostile_answer: Locator, tracker: Tracker, page: Page) -> None:
    expect(hostile_answer.get_by_text(f"image ({tracker.url}/markdown-image.png)")).to_be_visible()
    expect(hostile_answer.locator("img")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    assert tracker.asked == []


def test_an_answer_s_image_is_seen_and_one_elsewhere_is_not_loaded(
    app: App, upstream: Upstream, tracker: Tracker, page: Page
) -> None:
    upstream.script("images", then=Answer((), images=(PIXEL, f"{tracker.url}/elsewhere.png")))
    app.use(config(upstream, "images"))
    message = send(visit(page))
    expect_end(page)
    expect(message).to_contain_text("/elsewhere.png")
    image = message.locator("img")
    expect(image).to_have_count(1)
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert image.evaluate("image => image.naturalWidth") == 1
    page.wait_for_load_state("networkidle")
    assert tracker.asked == []


def test_a_hostile_answer_runs_nothing(hostile_answer: Locator, page: Page) -> None:
    expect(hostile_answer.get_by_text("script (javascript:window.hacked=1)")).to_be_visible()
    expect(hostile_answer.get_by_role("link")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_the_browser_is_told_to_load_nothing_from_elsewhere(
    app: App, upstream: Upstream, tracker: Tracker, page: Page
) -> None:
    app.use(config(upstream, "unused"))
    response = page.goto("/")
    assert response is not None
    assert "default-src 'self'" in response.headers["content-security-policy"]
    loaded = page.evaluate("url => fetch(url).then(() => true, () => false)", f"{tracker.url}/fetched")
    assert (loaded, tracker.asked) == (False, [])


def test_prices_stay_text(hostile_answer: Locator) -> None:
    expect(hostile_answer.get_by_text("It costs $5 and $10 in $HOME/$PATH.")).to_be_visible()


def test_formulas_are_drawn(hostile_answer: Locator) -> None:
    drawn = hostile_answer.locator("p > .katex", has=hostile_answer.page.locator("annotation", has_text=r"e^{i\pi}"))
    expect(drawn).to_have_count(1)
    expect(hostile_answer.locator(".katex-display")).to_have_count(1)


def test_no_text_is_lost_to_streamlits_directives(hostile_answer: Locator) -> None:
    drawn = hostile_answer.inner_text()
    written = [
        ":material/home: :tada: :red[alarm] x[a:b[zero]] answer:yes{attribute}",
        "::leaf[label]",
        ":::note",
        "a -> b",
    ]
    assert [text for text in written if text not in drawn] == []


def test_what_a_provider_writes_in_an_error_loads_nothing(
    app: App, upstream: Upstream, tracker: Tracker, page: Page
) -> None:
    upstream.script("refusing", then=status(402, f"No. ![x]({tracker.url}/x.png) [pay]({tracker.url}/pay)"))
    app.use(config(upstream, "refusing"))
    message = send(visit(page))
    expect_end(page)
    expect(message.get_by_test_id("stAlert").get_by_role("link", name="pay", exact=True)).to_have_count(0)
    assert tracker.asked == []


# --- Small screens ---------------------------------------------------------------------------------

WIDE = """A sentence, and AWordThatDoesNotEnd{x}.

| {h} |
| {d} |
| {c} |

```python
print("{x}")
```

`{x}`

\\[ {f} = 0 \\]

https://example.org/{x}
""".format(
    x="x" * 300, h=" | ".join(["heading"] * 12), d=" | ".join(["---"] * 12), c=" | ".join(["cell"] * 12),
    f=" + ".join(f"a_{{{n}}} x^{{{n}}}" for n in range(40)),
)  # fmt: skip


@pytest.fixture(params=["light", "dark"])
def phone(request: pytest.FixtureRequest, open_context: OpenContext) -> Page:
    """A tab as wide as a phone."""
    return open_context(viewport={"width": 390, "height": 800}, color_scheme=request.param).new_page()


def test_the_empty_page_fits_a_phone(app: App, phone: Page) -> None:
    app.use((ROOT / "models.yaml").read_text(encoding="utf-8"))
    button(visit(phone), "Add a key").click()
    expect(phone.get_by_label("Or enter it here")).to_be_visible()
    assert overflow(phone) == {}


def test_a_wide_answer_fits_a_phone(app: App, upstream: Upstream, phone: Page) -> None:
    upstream.script("failing", then=status(402, "x" * 300))
    upstream.script("wide", then=Answer((WIDE,)))
    app.use(config(upstream, "failing", "wide"))
    message = send(visit(phone), "y" * 300)
    expect_end(phone)
    expect(message.locator(".katex-display")).to_be_visible()
    assert overflow(phone) == {}


def test_the_strip_wraps_on_a_phone_and_opens_an_attempt(app: App, upstream: Upstream, phone: Page) -> None:
    upstream.script("failing", then=status(402, "x" * 300))
    app.use(config(upstream, "failing", "a-model-with-a-name-that-goes-on-for-quite-a-while-really:free"))
    message = send(visit(phone))
    expect_end(phone)
    expect(message).to_contain_text("total ")
    button(phone, "failing ✕ 402").click()
    expect(phone.get_by_test_id("stPopoverBody")).to_contain_text("HTTP 402")
    assert overflow(phone) == {}


def test_the_trace_fits_a_phone(app: App, upstream: Upstream, phone: Page) -> None:
    upstream.script("failing", then=status(402, "x" * 300))
    app.use(config(upstream, "failing", "a-model-with-a-name-that-goes-on-for-quite-a-while-really:free"))
    send(visit(phone))
    expect_end(phone)
    phone.get_by_text("Trace", exact=True).click()
    body = phone.get_by_label("Chat message from assistant").last
    expect(time_line_of(body)).to_be_visible()
    assert overflow(phone) == {}


# --- The keyboard ----------------------------------------------------------------------------------


def test_a_prompt_is_reached_typed_and_sent_by_keyboard(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "typed-for"))
    visit(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()  # past the list of conversations
    page.keyboard.press("Enter")
    for _ in range(20):
        if page.evaluate("document.activeElement.tagName") == "TEXTAREA":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("Hello by keyboard")
    page.keyboard.press("Enter")
    eventually(lambda: upstream.received("typed-for"))
    assert upstream.received("typed-for")[0].body["messages"][-1]["content"] == "Hello by keyboard"


# --- Keys ------------------------------------------------------------------------------------------

VARIABLE = "FALLBACK_LAB_BROWSER_TEST_KEY"
KEY = "sk-typed-0123456789abcdef"


def test_a_typed_key_goes_upstream_and_nowhere_else(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("locked", status(401, f"Incorrect API key provided: {KEY}"), then=answer())
    text = json.loads(config(upstream, "locked"))
    text["providers"]["local"]["api_key"] = f"${{{VARIABLE}}}"
    app.use(json.dumps(text))
    visit(page).get_by_text("how to add it").click()
    page.get_by_label("Or enter it here").fill(KEY)
    button(page, "Use this key").click()
    expect(page.get_by_text("how to add it")).to_have_count(0)
    send(page, "A prompt with a typed key")
    expect_end(page)
    assert upstream.received("locked")[-1].headers["authorization"] == f"Bearer {KEY}"
    eventually(lambda: app.files_with("A prompt with a typed key"))  # what is stored is stored now
    assert app.files_with(KEY) == []
    assert KEY not in page.content()
