"""The Evaluate page's promises, kept in a real browser against the real app."""

from __future__ import annotations

import re
import threading
import uuid
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from router.evaluate.results import Results
from tests.browser.chat_page import button, config, link, overflow
from tests.browser.conftest import App, OpenContext, eventually, held
from tests.evaluate import written
from tests.upstream import Upstream, answer, silent

CASES = 4


def put_suite(app: App) -> str:
    """A suite of the Lab's own; returns its name."""
    name = f"suite-{uuid.uuid4().hex[:8]}"
    folder = app.home / ".lab" / "suites"
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    cases = "".join(f"  - {{id: case-{n}, prompt: Question {n}, checks: [equals: 'yes']}}\n" for n in range(CASES))
    (folder / f"{name}.yaml").write_text(f"name: {name}\ncases:\n{cases}", encoding="utf-8")
    return name


def begin(app: App, upstream: Upstream, page: Page) -> None:
    """Run a suite through a chain and its primary, by mouse."""
    app.use(config(upstream, "one", "two"))
    name = put_suite(app)
    page.goto("/evaluate")
    page.get_by_role("tab", name="Suites").click()
    page.locator(f".st-key-evaluate_use_{name}").get_by_role("button").click()
    expect(page.get_by_text(re.compile(f"{2 * CASES} calls")).first).to_be_visible()
    page.locator(".st-key-evaluate_start").get_by_role("button").click()
    expect(button(page, "New run")).to_be_visible()


def suite_file(app: App, name: str) -> Path:
    return app.home / ".lab" / "suites" / f"{name}.yaml"


def edit_suite(page: Page, name: str) -> Locator:
    """Open a suite of the list; returns the editor's field."""
    page.get_by_role("tab", name="Suites").click()
    opens = page.locator(f".st-key-evaluate_edit_{name}").get_by_role("button")
    expect(opens).to_have_count(1)  # while the list is drawn, an older one may stand below it
    opens.click()
    return page.get_by_role("textbox", name="The suite as YAML")


def expect_end(page: Page) -> None:
    expect(button(page, "Grade again")).to_be_visible(timeout=60_000)


def matrix(page: Page) -> Locator:
    return page.locator(".st-key-evaluate_matrix .dvn-scroller")


def open_cell(page: Page) -> Locator:
    """Click the first case's cell in the last lane: at the right, below the header."""
    page.get_by_role("radio", name="Cases").click()
    box = matrix(page).bounding_box()
    assert box is not None
    matrix(page).click(position={"x": box["width"] - 60, "y": 55})
    cell = page.locator(".st-key-evaluate_cell")
    expect(cell).to_be_visible()
    return cell


def results(app: App, page: Page) -> Results:
    named = re.search(r"[?&]run=([\w-]+)", page.url)
    assert named is not None
    return Results(app.home / ".lab" / "runs" / f"{named[1]}.jsonl").refresh()


def finished(app: App, *, cases: int = 30) -> str:
    """A run of three lanes that another process has made; one passes all, one half, one has failures."""
    run = f"20260101-000000-{uuid.uuid4().hex[:4]}"
    plan = written.planned(
        *(written.case(f"case-{n}", f"Question {n}", category="code" if n % 2 else "tools") for n in range(cases)),
        lanes=[written.A, written.B, written.C],
    )
    names = [case.id for case in plan.suite.cases]
    written.write(
        app.home / ".lab" / "runs" / f"{run}.jsonl",
        plan,
        {
            "a": dict.fromkeys(names, True),
            "b": {name: n % 2 == 0 for n, name in enumerate(names)},
            "c": {name: "failed" if n == 3 else n % 5 != 0 for n, name in enumerate(names)},
        },
        {"b": written.attempt(cost=0.001, latency=3.0), "c": written.attempt(cost=0.05, latency=0.5)},
    )
    return run


def test_a_run_shows_its_progress_and_then_its_verdict(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    upstream.script("one", *[answer("yes")] * 5, then=held(gate))
    begin(app, upstream, page)
    expect(page.get_by_text(re.compile(f"5 of {2 * CASES} answers"))).to_be_visible()
    gate.set()
    expect_end(page)
    expect(page.get_by_text("are not separable yet")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_the_first_answers_come_after_the_page_was_drawn_and_get_a_verdict_on_the_way(
    app: App, upstream: Upstream, page: Page, gate: threading.Event
) -> None:
    end = threading.Event()
    upstream.script("one", *[held(gate, "yes", after=0)] * 5, then=held(end, "yes", after=0))
    begin(app, upstream, page)
    expect(page.get_by_text(re.compile(f"0 of {2 * CASES} answers"))).to_be_visible()
    gate.set()
    expect(page.get_by_text(re.compile(f"5 of {2 * CASES} answers"))).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    end.set()
    expect_end(page)


def test_escape_stops_a_run(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("one", then=silent)
    begin(app, upstream, page)
    upstream.wait_received("one")
    page.keyboard.press("Escape")
    assert upstream.wait_closed("one").disconnected
    expect(button(page, "Go on")).to_be_visible()


def test_a_click_on_a_cell_opens_its_answer_and_takes_a_grade(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("one", then=answer("yes"))
    begin(app, upstream, page)
    expect_end(page)
    cell = open_cell(page)
    expect(cell).to_contain_text("case-0")
    expect(cell.get_by_text("yes", exact=True).first).to_be_visible()
    cell.get_by_role("radio", name="Wrong").click()
    cell.get_by_role("textbox", name="Comment").fill("Too short")
    button(page, "Save grade").click()
    eventually(lambda: [grade.reason for grade in results(app, page).people.values()] == ["Too short"])
    expect(cell.get_by_role("radio", name="Wrong")).to_be_checked()


def test_a_reload_keeps_the_run_and_asks_nothing_again(app: App, upstream: Upstream, page: Page) -> None:
    begin(app, upstream, page)
    expect_end(page)
    link = page.url
    page.reload()
    expect_end(page)
    assert page.url == link
    assert len(upstream.received("one")) == 2 * CASES


def test_a_run_in_progress_outlives_a_reload(app: App, upstream: Upstream, page: Page, gate: threading.Event) -> None:
    upstream.script("one", *[answer("yes")] * 5, then=held(gate))
    begin(app, upstream, page)
    page.reload()
    expect(page.get_by_text(re.compile(f"5 of {2 * CASES} answers"))).to_be_visible()
    gate.set()
    expect_end(page)
    assert len(upstream.received("one")) == 2 * CASES


def test_the_answers_behind_a_cell_do_not_scroll_sideways_on_a_phone(
    app: App, upstream: Upstream, open_context: OpenContext
) -> None:
    app.use(config(upstream, "one", "two"))
    page = open_context(viewport={"width": 390, "height": 800}).new_page()
    page.goto(f"/evaluate?run={finished(app)}")
    page.get_by_role("radio", name="Cases").click()
    matrix(page).evaluate("grid => grid.scrollLeft = 400")
    matrix(page).click(position={"x": 300, "y": 55})
    expect(page.locator(".st-key-evaluate_cell")).to_be_visible()
    assert overflow(page) == {}


def test_a_run_is_deleted_in_its_dialog(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    run = finished(app)
    page.goto(f"/evaluate?run={run}")
    button(page, "Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".st-key-evaluate_start")).to_be_visible()
    assert not (app.home / ".lab" / "runs" / f"{run}.jsonl").exists()


def test_a_suite_is_typed_validated_and_saved(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    name = put_suite(app)
    page.goto("/evaluate")
    text = edit_suite(page, name)
    good = text.input_value()
    text.fill(good.replace("equals", "equal", 1))
    expect(page.get_by_text(re.compile("line 3"))).to_be_visible()
    expect(button(page, "Save")).to_be_disabled()
    text.fill(good.replace("Question 0", "Question zero"))
    button(page, "Save").click()
    expect(page.get_by_text(f"Saved {name}: {CASES} cases.")).to_be_visible()
    saved = (app.home / ".lab" / "suites" / f"{name}.yaml").read_text(encoding="utf-8")
    assert "Question zero" in saved


def test_a_suite_that_is_not_saved_yet_outlives_a_reload(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    name = put_suite(app)
    page.goto("/evaluate")
    text = edit_suite(page, name)
    mine = text.input_value().replace("Question 0", "Question zero")
    text.fill(mine)
    expect(button(page, "Save")).to_be_enabled()
    page.reload()
    expect(text).to_have_value(mine)
    button(page, "Save").click()
    expect(page.get_by_text(f"Saved {name}: {CASES} cases.")).to_be_visible()
    assert "Question zero" in suite_file(app, name).read_text(encoding="utf-8")
    page.wait_for_function("Object.keys(sessionStorage).length === 0")


def test_a_new_suite_outlives_a_visit_to_another_page_with_its_name(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    page.goto("/evaluate")
    page.get_by_role("tab", name="Suites").click()
    button(page, "New suite").click()
    name, text = page.get_by_role("textbox", name="Name"), page.get_by_role("textbox", name="The suite as YAML")
    name.fill("mine")
    page.keyboard.press("Enter")
    mine = f"{text.input_value()}# mine\n"
    text.fill(mine)
    page.wait_for_function("Object.values(sessionStorage).some(text => text.includes('# mine'))")
    link(page, "Chains").click()
    expect(text).to_have_count(0)
    link(page, "Evaluate").click()
    page.get_by_role("tab", name="Suites").click()
    expect(name).to_have_value("mine")
    expect(text).to_have_value(mine)


PROMPTFOO = b"""\
prompts: ['Say {{word}}.']
tests:
  - {vars: {word: hello}, assert: [{type: contains, value: hello}]}
  - {vars: {word: bye}, assert: [{type: javascript, value: 'output.length > 3'}]}
"""


def test_a_file_is_imported_in_its_dialog_and_stands_in_the_list(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    name = f"sent-{uuid.uuid4().hex[:8]}"
    page.goto("/evaluate")
    page.get_by_role("tab", name="Suites").click()
    button(page, "Import a file").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(
        {"name": "eval.yaml", "mimeType": "application/yaml", "buffer": PROMPTFOO}
    )
    expect(
        dialog.get_by_text("Read as a promptfoo configuration: 1 of 2 cases taken. 1 case is left out.")
    ).to_be_visible()
    expect(dialog.get_by_text(re.compile(r"eval\.yaml:4: Its `javascript` assertion runs code"))).to_be_visible()
    dialog.get_by_role("textbox", name="Name").fill("tools/x")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog.get_by_text(re.compile("cannot name a suite"))).to_be_visible()
    dialog.get_by_role("textbox", name="Name").fill(name)
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog.get_by_text(f"Kept as {name}: 1 case.")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(f".st-key-evaluate_use_{name}")).to_be_visible()
    assert "Say hello." in suite_file(app, name).read_text(encoding="utf-8")


def test_a_suite_is_deleted_in_its_dialog_and_leaves_the_list(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    name, other = put_suite(app), put_suite(app)
    page.goto("/evaluate")
    expect(edit_suite(page, name)).to_be_visible()
    button(page, "Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"{name} is deleted from .lab/suites.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert suite_file(app, name).exists()
    button(page, "Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(f".st-key-evaluate_use_{other}")).to_be_visible()
    expect(page.locator(f".st-key-evaluate_use_{name}")).to_have_count(0)
    assert not suite_file(app, name).exists()
