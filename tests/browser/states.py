"""What the pages can look like: each with data, and with what a person opens on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from playwright.sync_api import Page, expect

from tests.browser import test_chains, test_compare, test_dashboard, test_evaluate, test_tune
from tests.browser.chat_page import answer_of, button, config, expect_end, send, time_line_of, visit
from tests.browser.conftest import App
from tests.upstream import Upstream, answer, status

ANSWER = """\
A **circuit breaker** stops calls:

```python
def allow(failures: int) -> bool:  # of the last ten
    return failures < 5 and "closed" != "open"
```

Ask `allow()` before each call, [says the book](https://example.org).

| state | calls |
| --- | --- |
| open | none |
"""


def _chat_empty(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    visit(page)


def _chat_answered(app: App, upstream: Upstream, page: Page) -> None:
    upstream.script("one", then=status(500))
    upstream.script("two", then=answer(ANSWER))
    app.use(config(upstream, "one", "two", retries=0))
    send(visit(page), "What is a `circuit breaker`?")
    expect_end(page)
    page.get_by_text("Trace", exact=True).click()
    expect(time_line_of(answer_of(page))).to_be_visible()


def _begin_store(app: App, page: Page) -> None:
    app.use(test_chains.TEXT)
    if not (app.home / ".lab" / "lab.sqlite").exists():
        test_chains.visit(page)


def _compare_empty(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    page.goto("/compare")
    expect(button(page, "Add a lane")).to_be_visible()


def _compare_matrix(app: App, _: Upstream, page: Page) -> None:
    _begin_store(app, page)
    page.goto(f"/compare?comparison={test_compare.finished(app, lanes=3, prompts=3)}")
    expect(page.get_by_role("region", name="Answers to prompts")).to_be_visible()


def _compare_answers(app: App, upstream: Upstream, page: Page) -> None:
    _compare_matrix(app, upstream, page)
    page.get_by_role("radio", name="Answers").click()
    expect(page.get_by_text("Trace", exact=True)).to_have_count(3)


def _compare_differences(app: App, upstream: Upstream, page: Page) -> None:
    _compare_matrix(app, upstream, page)
    page.get_by_role("radio", name="Differences").click()
    expect(page.get_by_text("of the words are the same")).to_be_visible()


def _dashboard(app: App, page: Page, filters: str = "") -> None:
    _begin_store(app, page)
    category = f"category-{uuid.uuid4().hex[:8]}"
    test_dashboard.observe(app, category, count=3)
    page.goto(f"/dashboard?range=1+h&categories={category}{filters}")
    expect(test_dashboard.marks(page, "endings").first).to_be_visible()
    expect(test_dashboard.chart(page, "spent").locator("svg.marks")).to_be_visible()


def _dashboard_without_failures(app: App, _: Upstream, page: Page) -> None:
    _dashboard(app, page, "&models=quick")


def _dashboard_drilldown(app: App, _: Upstream, page: Page) -> None:
    _dashboard(app, page)
    test_dashboard.marks(page, "endings").first.click()
    drawer = test_dashboard.drawer(page)
    drawer.locator(".dvn-scroller").click(position={"x": 15, "y": 55})
    expect(drawer).to_contain_text("slow failed: first token timeout")
    expect(drawer.locator("svg.marks")).to_be_visible()


def _dashboard_table(app: App, _: Upstream, page: Page) -> None:
    _dashboard(app, page)
    button(page, "Availability and rescues as a table").click()
    expect(page.get_by_test_id("stPopoverBody").locator("canvas").first).to_be_visible()


def _dashboard_alerts(app: App, _: Upstream, page: Page) -> None:
    _begin_store(app, page)
    rules = ("requests > 0 over 7d", "answered < 99% over 15m", "drift")
    app.use(test_chains.TEXT + "alerts:\n" + "".join(f"  - {{when: {rule}, to: log}}\n" for rule in rules))
    category = f"category-{uuid.uuid4().hex[:8]}"
    test_dashboard.observe(app, category, count=3)
    page.goto(f"/dashboard?range=1+h&categories={category}")
    expect(test_dashboard.chart(page, "spent").locator("svg.marks")).to_be_visible()
    button(page, "Rules").click()
    expect(button(page, "Send a test")).to_be_visible()


def _evaluate_form(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    page.goto("/evaluate")
    expect(page.locator(".st-key-evaluate_start button")).to_be_enabled()


def _evaluate_suites(app: App, upstream: Upstream, page: Page) -> None:
    _evaluate_form(app, upstream, page)
    page.get_by_role("tab", name="Suites").click()
    expect(button(page, "Import a file")).to_be_visible()


def _evaluate_suite(app: App, upstream: Upstream, page: Page) -> None:
    name = test_evaluate.put_suite(app)
    _evaluate_form(app, upstream, page)
    expect(test_evaluate.edit_suite(page, name)).to_be_visible()


def _evaluate_verdict(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    page.goto(f"/evaluate?run={test_evaluate.finished(app)}")
    expect(page.locator("svg.marks").last).to_be_visible()


def _evaluate_answer(app: App, upstream: Upstream, page: Page) -> None:
    _evaluate_verdict(app, upstream, page)
    test_evaluate.open_cell(page)
    expect(button(page, "Save grade")).to_be_visible()


def _evaluate_changes(app: App, upstream: Upstream, page: Page) -> None:
    test_evaluate.finished(app)
    _evaluate_verdict(app, upstream, page)
    page.get_by_role("radio", name="Since an earlier run").click()
    expect(page.get_by_role("combobox", name="Earlier run")).to_be_visible()


def _tune_proposal(app: App, upstream: Upstream, page: Page) -> None:
    test_tune.with_evidence(app, upstream)
    test_tune.visit(page)
    expect(page.locator("svg.marks").last).to_be_visible()


def _tune_gap(app: App, upstream: Upstream, page: Page) -> None:
    app.use(config(upstream, "one", "two"))
    test_tune.visit(page, "other")


def _chains_changed(app: App, _: Upstream, page: Page) -> None:
    app.use(test_chains.TEXT)
    test_chains.move_down(test_chains.visit(page), 0)
    expect(test_chains.reviewed(page)).to_be_visible()


def _chains_broken(app: App, _: Upstream, page: Page) -> None:
    app.use(test_chains.TEXT)
    test_chains.visit(page)
    app.use("chains: [")
    expect(button(page, "Restore last good")).to_be_visible()


STATES: Mapping[str, Callable[[App, Upstream, Page], None]] = {
    "chat, empty": _chat_empty,
    "chat, answered": _chat_answered,
    "compare, empty": _compare_empty,
    "compare, matrix": _compare_matrix,
    "compare, answers": _compare_answers,
    "compare, differences": _compare_differences,
    "dashboard, without failures": _dashboard_without_failures,
    "dashboard, drill-down": _dashboard_drilldown,
    "dashboard, table": _dashboard_table,
    "dashboard, alerts": _dashboard_alerts,
    "evaluate, form": _evaluate_form,
    "evaluate, suites": _evaluate_suites,
    "evaluate, suite": _evaluate_suite,
    "evaluate, verdict": _evaluate_verdict,
    "evaluate, answer": _evaluate_answer,
    "evaluate, since a run": _evaluate_changes,
    "tune, proposal": _tune_proposal,
    "tune, without evidence": _tune_gap,
    "chains, changed": _chains_changed,
    "chains, broken": _chains_broken,
}
"""Each brings a tab there."""
