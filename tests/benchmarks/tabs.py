"""Many people at once: tabs whose answers stream, comparisons, and memory after tabs were closed.

uv run python -m tests.benchmarks.tabs            # 60 tabs, 10 comparisons of 8 lanes, 3 x 200 tabs
uv run python -m tests.benchmarks.tabs --tabs 20 --seconds 8 --comparisons 2 --opened 20
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.harness import ROOT, report, upstream_process
from tests.benchmarks.tab import Tab, cookie_of

LANES = 8
TOKENS, TOKEN_DELAY = 3_000, 0.02
ROUNDS = 3
SAME_LOOK = 0.02
"""Seconds between updates of one look at most."""


class App(NamedTuple):
    """The running app."""

    url: str
    pid: int

    def cpu(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """MiB."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def running_app(base_url: str) -> Iterator[App]:
    """The app in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        provider = {"protocol": "openai", "base_url": base_url, "max_concurrency": 1000}
        models = [f"page-{lane}" for lane in range(LANES)]
        config = Path(folder) / "models.yaml"
        config.write_text(json.dumps({"default_provider": "local", "providers": {"local": provider}, "offline": None,
                                      "chains": {"chat": models}}))  # fmt: skip
        probe.close()
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        environ = {**os.environ, "FALLBACK_LAB_CONFIG": str(config)}
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        app = App(f"http://127.0.0.1:{port}", process.pid)
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    cookie_of(app.url)
                    break
                time.sleep(0.1)
            yield app
        finally:
            process.terminate()
            process.wait(timeout=30)


class Seen(NamedTuple):
    """What people saw: seconds between updates, seconds to stop, updates a second, and CPU seconds a second."""

    gaps: Sequence[float]
    stops: Sequence[float]
    rate: float
    cpu: float

    def rows(self, what: str) -> list[tuple[str, str, str]]:
        """Rows for the report."""
        p50, p95 = _quantile(self.gaps, 0.5), _quantile(self.gaps, 0.95)
        return [
            (f"{what}: time between updates", "p95 0.3 s", f"p50 {p50:.2f} s, p95 {p95:.2f} s"),
            (f"{what}: Stop", "1 s", f"{max(self.stops):.2f} s at most of {len(self.stops)}"),
            (f"{what}: CPU", "", f"{self.cpu:.2f} cores, {self.cpu / self.rate * 1000:.2f} ms an update"),
        ]


async def streaming(app: App, count: int, seconds: float) -> Seen:
    """So many tabs whose answers stream; meanwhile another one starts answers and stops them."""

    async def stop(tab: Tab) -> float:
        await tab.submit(f"Stop me. {uuid.uuid4().hex}")
        await tab.until(lambda: tab.shows("chat_stop"))
        await asyncio.sleep(1)
        return await took(tab, "chat_stop", lambda: tab.shows("chat_regenerate"))

    async with opened(app, count) as tabs, Tab.open(app.url) as other:
        for tab in tabs:
            await tab.submit(f"Say something long. {uuid.uuid4().hex}")
            await asyncio.sleep(2 / count)  # people do not send at the same moment
        return await watched(app, tabs, seconds, lambda: stop(other))


async def comparing(app: App, count: int, seconds: float) -> Seen:
    """So many comparisons; at the end they are stopped."""
    async with opened(app, count, "compare") as tabs:
        for tab in tabs:
            for _ in range(LANES - 2):
                await tab.press("Add a lane")
            await tab.write("compare_prompt", f"Say something long. {uuid.uuid4().hex}")
            await tab.press("compare_start")
        stopping = iter(tabs)

        async def stop() -> float:
            await asyncio.sleep(seconds / count)
            tab = next(stopping)
            tab.counting = False
            return await took(tab, "compare_stop", lambda: tab.shows("compare_view"))

        return await watched(app, tabs, seconds, stop)


async def took(tab: Tab, button: str, so: Callable[[], bool]) -> float:
    """Seconds from a press to what it brings about."""
    began = time.monotonic()
    await tab.press(button)
    await tab.until(so)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def opened(app: App, count: int, page: str = "") -> AsyncIterator[list[Tab]]:
    """So many open tabs."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Tab.open(app.url, page)) for _ in range(count)]


async def watched(app: App, tabs: Sequence[Tab], seconds: float, stop: Callable[[], Awaitable[float]]) -> Seen:
    """What the tabs see for so long, while answers are stopped one after the other."""
    await asyncio.sleep(2)
    for tab in tabs:
        tab.counting = True
    stops: list[float] = []
    began, cpu = time.monotonic(), app.cpu()
    while time.monotonic() < began + seconds and len(stops) < len(tabs):
        stops.append(await stop())
    elapsed, cpu = time.monotonic() - began, app.cpu() - cpu
    # A look may finish one block and begin the next: that is one update.
    gaps = [
        gap
        for tab in tabs
        for times in tab.updates.values()
        for gap in (late - early for early, late in itertools.pairwise(times))
        if gap > SAME_LOOK
    ]
    return Seen(gaps, stops, len(gaps) / elapsed, cpu / elapsed)


async def memory(app: App, count: int) -> list[float]:
    """MiB after so many tabs were opened and closed, each time."""
    after = []
    for _ in range(ROUNDS):
        async with opened(app, count):
            pass
        await asyncio.sleep(2)
        after.append(app.memory())
    return after


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def main(tabs: int, comparisons: int, opened: int, seconds: float) -> None:
    rows = []
    with upstream_process(tokens=TOKENS, token_delay=TOKEN_DELAY) as base_url, running_app(base_url) as app:
        if tabs:
            rows += asyncio.run(streaming(app, tabs, seconds)).rows(f"{tabs} tabs")
        if comparisons:
            rows += asyncio.run(comparing(app, comparisons, seconds)).rows(f"{comparisons} comparisons")
        if opened:
            seen = ", ".join(f"{each:.0f}" for each in asyncio.run(memory(app, opened)))
            rows.append((f"memory after {opened} tabs were opened and closed, each time", "no growth", f"{seen} MiB"))
    report(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tabs", type=int, default=60)
    parser.add_argument("--comparisons", type=int, default=10)
    parser.add_argument("--opened", type=int, default=200, help="tabs that are opened and closed three times")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    main(**vars(parser.parse_args()))
