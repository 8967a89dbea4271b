"""What the dashboard takes in a real browser, beside a bare Streamlit page measured in the same run.

uv run python -m tests.benchmarks.dashboard_browser [attempts, 1,000,000] [--profile]

Times are the browser's own, from the start of a navigation or from a click: until the first figure is in the page, and
until the last chart was drawn, of those in view and of all. Each cold visit is to a process that has just begun to
answer. The bare page has a metric, a chart and a choice of ranges: what it takes is Streamlit's, Vega-Lite's and the
machine's share. With --profile, the functions that a change of range spends its time in are printed too.
"""

from __future__ import annotations

import contextlib
import cProfile
import os
import pstats
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

from router.lab import Lab, close_lab
from tests.benchmarks.dashboard import home, opened_page
from tests.benchmarks.harness import ROOT, report
from tests.browser.conftest import CHROMIUM, FLAGS

COLD, VISITS, CLICKS = 3, 5, 12
RANGES = ("24 h", "30 d", "7 d")
SEPARATE = [flag for flag in FLAGS if flag != "--process-per-site"]
"""As for people, each tab is a process of its own."""

QUIET = 1.0
"""Seconds without a change after which a page is taken to be drawn."""

BARE = """
import random
import streamlit as st

length = st.segmented_control("Time", ["24 h", "7 d", "30 d"], default="7 d", key="range", bind="query-params")
st.metric("Requests", random.random())
bars = [{"model": f"m{number}", "value": random.random()} for number in range(6)]
channels = {"x": {"field": "value", "type": "quantitative"}, "y": {"field": "model", "type": "nominal"}}
st.vega_lite_chart(spec={"layer": [{"data": {"values": bars}, "mark": "bar", "encoding": channels}]})
"""

WATCH = """
const seen = window.seen = {from: 0, figure: 0, view: 0, chart: 0};
const figures = "[data-testid=stMetricValue]", charts = ".stVegaLiteChart svg";
const within = (node, selector) => {
    const element = node.nodeType === 1 ? node : node.parentElement;
    return element && (element.closest(selector) || element.querySelector(selector));
};
const begin = () => Object.assign(seen, {from: performance.now(), figure: 0, view: 0, chart: 0});
document.addEventListener("click", begin, true);
new MutationObserver(changes => {
    for (const change of changes)
        for (const node of change.type === "characterData" ? [change.target] : change.addedNodes) {
            if (!seen.figure && within(node, figures)) seen.figure = performance.now();
            const chart = within(node, charts);
            if (chart) seen.chart = performance.now();
            if (chart && chart.getBoundingClientRect().top < innerHeight) seen.view = seen.chart;
        }
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
DRAWN = f"seen.figure && seen.chart && performance.now() - Math.max(seen.figure, seen.chart) > {1000 * QUIET}"


class Seen(NamedTuple):
    """Seconds until the first figure, the last chart in view and the last of all, and of CPU that both sides took."""

    figure: float
    view: float
    charts: float
    tab: float
    server: float


class Tab:
    """An empty tab in a window of its own."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self._context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=server.url)
        self._context.add_init_script(WATCH)
        self._server = server
        self.open()

    def open(self) -> None:
        """Open a tab, which leaves any earlier one of this window."""
        self.page = self._context.new_page()
        self._counters = self._context.new_cdp_session(self.page)
        self._counters.send("Performance.enable")

    def seen(self, act: Callable[[], object]) -> Seen:
        """Do something, and wait until the page is drawn."""
        tab, server = self._cpu(), self._server.cpu()
        act()
        self.page.wait_for_function(DRAWN, timeout=120_000)
        found = self.page.evaluate("seen")
        figure, view, charts = ((found[name] - found["from"]) / 1000 for name in ("figure", "view", "chart"))
        return Seen(figure, view, charts, self._cpu() - tab, self._server.cpu() - server)

    def close(self) -> None:
        self._context.close()

    def _cpu(self) -> float:
        metrics = self._counters.send("Performance.getMetrics")["metrics"]
        return next(float(metric["value"]) for metric in metrics if metric["name"] == "ProcessTime")


def visited(browser: Browser, server: Server, path: str) -> Seen:
    """A visit by somebody new."""
    with contextlib.closing(Tab(browser, server)) as tab:
        return tab.seen(lambda: tab.page.goto(path, wait_until="commit"))


def visited_twice(browser: Browser, server: Server, path: str) -> tuple[Seen, Seen]:
    """A visit by somebody new, and another one after it, in a new tab of the same window."""
    with contextlib.closing(Tab(browser, server)) as tab:
        first = tab.seen(lambda: tab.page.goto(path, wait_until="commit"))
        tab.open()
        return first, tab.seen(lambda: tab.page.goto(path, wait_until="commit"))


def clicked(browser: Browser, server: Server, path: str) -> list[Seen]:
    """Changes of the range, one after the other, in one tab."""
    with contextlib.closing(Tab(browser, server)) as tab:
        tab.seen(lambda: tab.page.goto(path))
        ranges = (RANGES[number % len(RANGES)] for number in range(CLICKS))
        return [tab.seen(tab.page.get_by_role("radio", name=each).click) for each in ranges]


# --- Servers ---------------------------------------------------------------------------------------


class Server(NamedTuple):
    """A running server."""

    url: str
    process: int

    def cpu(self) -> float:
        """Seconds of CPU that it has taken."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def served(script: Path, **environ: str) -> Iterator[Server]:
    """A server that has just begun to answer."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    # As on people's machines, a process finds its modules compiled.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**inherited, **environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/_stcore/health")
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.02)
    raise TimeoutError(url)


class Measured(NamedTuple):
    """One page: visits to new processes, of new and of known browsers to a known one; changes of its range."""

    cold: list[Seen]
    new: list[Seen]
    again: list[Seen]
    clicks: list[Seen]


def measured(browser: Browser, script: Path, path: str, **environ: str) -> Measured:
    """What a page takes."""
    cold = []
    for number in range(COLD):
        with served(script, **environ) as server:
            cold.append(visited(browser, server, path))
            if number == COLD - 1:
                new, again = zip(*(visited_twice(browser, server, path) for _ in range(VISITS)), strict=True)
                return Measured(cold, [*new], [*again], clicked(browser, server, path))
    raise AssertionError


# --- The table -------------------------------------------------------------------------------------

ROWS = (
    ("cold process, first figure", "2 s", "cold", "figure"),
    ("cold process, charts in view", "3 s", "cold", "view"),
    ("cold process, last chart", "", "cold", "charts"),
    ("new browser, first figure", "", "new", "figure"),
    ("new browser, charts in view", "", "new", "view"),
    ("new browser, last chart", "", "new", "charts"),
    ("second visit, first figure", "1.2 s", "again", "figure"),
    ("second visit, charts in view", "", "again", "view"),
    ("second visit, last chart", "", "again", "charts"),
    ("click on a range, new figures", "0.4 s", "clicks", "figure"),
    ("click on a range, charts in view", "0.8 s", "clicks", "view"),
    ("click on a range, last chart", "", "clicks", "charts"),
    *(
        (f"{words}, CPU of the {part}", "", kind, part)
        for words, kind in (
            ("cold visit", "cold"),
            ("new browser", "new"),
            ("second visit", "again"),
            ("click on a range", "clicks"),
        )
        for part in ("server", "tab")
    ),
)


def rows_of(dashboard: Measured, bare: Measured) -> list[tuple[str, str, str]]:
    """Each measure with the bare page's."""

    def several(of: Measured, kind: str, measure: str) -> list[float]:
        return [getattr(each, measure) for each in getattr(of, kind)]

    found = []
    for words, asked, kind, measure in ROWS:
        ours, theirs = several(dashboard, kind, measure), several(bare, kind, measure)
        ratio = statistics.median(ours) / max(statistics.median(theirs), 0.01)
        found.append((words, asked, f"{_said(ours)}; a bare page {_said(theirs)}; {ratio:.1f} x"))
    return found


def _said(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def profiled() -> None:
    """Where the script spends a change of the range; no browser is involved."""
    app = opened_page()
    app.run()
    profiles = []

    def begin(*_: object) -> None:
        """In the thread that runs the script, which is a new one for each run."""
        sys.setprofile(None)
        profiles.append(cProfile.Profile())
        profiles[-1].enable()

    threading.setprofile(begin)
    for length in RANGES:
        app.button_group(key="range").set_value(length)
        app.run()
    threading.setprofile(None)
    close_lab()
    pstats.Stats(*profiles).sort_stats("cumulative").print_stats("router|pages|vega|frame", 45)


def main(attempts: int, *, profile: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        config = home(Path(folder) / "home", attempts)
        lab = Lab(config, environ={})
        lab.observed.rows()
        lab.close()  # leaves the snapshot behind
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SEPARATE)
        theirs = measured(browser, bare, "/")
        ours = measured(browser, ROOT / "app.py", "/dashboard", FALLBACK_LAB_CONFIG=str(config))
        browser.close()
        report(rows_of(ours, theirs))
        if profile:
            os.environ["FALLBACK_LAB_CONFIG"] = str(config)
            profiled()


if __name__ == "__main__":
    numbers = [each for each in sys.argv[1:] if each.isdigit()]
    main(int(numbers[0]) if numbers else 1_000_000, profile="--profile" in sys.argv)
