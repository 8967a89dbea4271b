"""What the Tune page takes in a real browser on a million observations, beside a bare Streamlit page of the same run.

uv run python -m tests.benchmarks.tune_browser [attempts, 1,000,000]

Times are the browser's own, from the start of a navigation: until the verdict and until the figures of what-if are in
the page. Cold visits are to a process that has just begun to answer.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

from router.lab import Lab
from tests.benchmarks.dashboard_browser import BARE, SEPARATE, Server, served
from tests.benchmarks.harness import ROOT, report
from tests.browser.conftest import CHROMIUM
from tests.evaluated import plain_suite, write_run
from tests.screenshots import GRADED, TRAFFIC_YAML
from tests.traffic import write_traffic

COLD, AGAIN = 3, 5
VERDICT, FIGURES, METRIC = ".st-key-tune_verdict", ".st-key-tune_figures", "[data-testid=stMetricValue]"

WATCH = """
const seen = window.seen = {};
new MutationObserver(() => {
    for (const selector of %s)
        if (!(selector in seen) && document.querySelector(selector)) seen[selector] = performance.now() / 1000;
}).observe(document, {subtree: true, childList: true});
"""


class Visits(NamedTuple):
    """Seconds until something is in the page, on first visits to new processes and on later ones."""

    cold: list[float]
    again: list[float]

    def __str__(self) -> str:
        said = (f"{statistics.median(of):.2f} s ({min(of):.2f} to {max(of):.2f})" for of in self)
        return ", again ".join(said)


def visited(browser: Browser, server: Server, path: str, selectors: list[str]) -> dict[str, float]:
    """A visit by somebody new."""
    with browser.new_context(viewport={"width": 1440, "height": 900}, base_url=server.url) as context:
        context.add_init_script(WATCH % selectors)
        page = context.new_page()
        page.goto(path, wait_until="commit")
        page.wait_for_function(f"Object.keys(seen).length == {len(selectors)}", timeout=120_000)
        found: dict[str, float] = page.evaluate("seen")
        return found


def measured(browser: Browser, script: Path, path: str, selectors: list[str], **environ: str) -> dict[str, Visits]:
    """How long a page takes to show what has these selectors."""
    cold, again = [], []
    for number in range(COLD):
        with served(script, **environ) as server:
            cold.append(visited(browser, server, path, selectors))
            if number == COLD - 1:
                again = [visited(browser, server, path, selectors) for _ in range(AGAIN)]
    return {name: Visits([each[name] for each in cold], [each[name] for each in again]) for name in selectors}


def main(attempts: int) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home, bare = Path(folder) / "home", Path(folder) / "bare.py"
        (home / ".lab").mkdir(mode=0o700, parents=True)
        (home / "models.yaml").write_text(TRAFFIC_YAML)
        write_traffic(home / ".lab" / "lab.sqlite", attempts, until=time.time() - 60)
        write_run(
            home / ".lab" / "runs" / "20260101-000000-0000.jsonl", plain_suite("code", 300), GRADED, at=time.time()
        )
        lab = Lab(home / "models.yaml", environ={})
        lab.observed.rows()
        lab.close()  # leaves the snapshot behind
        bare.write_text(BARE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SEPARATE)
        theirs = measured(browser, bare, "/", [METRIC])
        config = str(home / "models.yaml")
        ours = measured(browser, ROOT / "app.py", "/tune?category=code", [VERDICT, FIGURES], FALLBACK_LAB_CONFIG=config)
        browser.close()
    report(
        [
            ("a bare page, its figure", "", str(theirs[METRIC])),
            ("Tune, the verdict", "2 s", str(ours[VERDICT])),
            ("Tune, what-if's first figures", "", str(ours[FIGURES])),
        ]
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
