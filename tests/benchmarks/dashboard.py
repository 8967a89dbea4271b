"""What the dashboard costs: drawn on much, and drawn while much is written.

uv run python -m tests.benchmarks.dashboard [attempts of the largest database, 1,000,000]
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from router.core.attempts import Attempt
from router.core.messages import Usage
from router.core.records import Observation
from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab, close_lab, open_lab
from router.store import Store
from tests.benchmarks.harness import ROOT, report, upstream_process
from tests.traffic import write_traffic

CHAINS = "chains: {tools: [a], code: [b], reasoning: [c], conversation: [d]}\n"
RATE, SECONDS, EVERY = 5000, 60, 2.0
"""Attempts a second, for so long, while the page is redrawn this often."""
RIDERS = 16
"""Requests in progress at once, each a stream of one second."""


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def opened_page() -> AppTest:
    """The app in this process, at the dashboard, not yet drawn."""
    sys.path.append(str(ROOT / "pages"))
    app = AppTest.from_file(ROOT / "pages" / "main.py", default_timeout=300)
    app.run()
    app.switch_page(str(ROOT / "pages" / "dashboard.py"))
    vars(importlib.import_module("components.dashboard.in_view"))["is_seen"] = lambda _: True  # there is no browser
    return app


def drawn() -> dict[str, Any]:
    """One process's life: the page is drawn, and drawn again after each change of filter."""
    app = opened_page()
    first = seconds(app.run)
    changes = {}
    for length in ("30 d", "24 h", "All", "7 d"):
        app.button_group(key="range").set_value(length)
        changes[length] = seconds(app.run)
    app.multiselect(key="categories").set_value(["tools"])
    changes["one category"] = seconds(app.run)
    assert not app.exception, app.exception
    close_lab()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"first": first, "changes": changes, "peak": int(status["VmHWM"].split()[0]) / 1024}


def home(folder: Path, attempts: int) -> Path:
    """A models.yaml with so many attempts beside it."""
    (folder / ".lab").mkdir(parents=True, mode=0o700)
    (folder / "models.yaml").write_text(CHAINS)
    write_traffic(folder / ".lab" / "lab.sqlite", attempts, until=time.time() - 60)
    return folder / "models.yaml"


def in_a_process(config: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.dashboard", "--drawn"]
    environ = {**os.environ, "FALLBACK_LAB_CONFIG": str(config)}
    process = subprocess.run(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    found: dict[str, Any] = json.loads(process.stdout)
    return found


# --- While much is written -------------------------------------------------------------------------


def asked(lab: Lab, until: float, numbers: itertools.count[int]) -> list[float]:
    """What requests took, one after the other until then."""
    took = []
    while time.monotonic() < until:
        request = Request(messages=({"role": "user", "content": f"Prompt {next(numbers)}"},))
        took.append(seconds(lab.start(request, model="slow-good", options=Options()).result))
    return took


def wrote(store: Store, until: float) -> int:
    """Write attempts at the rate; returns how many."""
    usage = Usage(prompt_tokens=10, completion_tokens=20)
    attempt = Attempt(model="a", provider="p", place=0, number=1, outcome="answered", started=time.time(), offset=0,
                      latency=1.0, ttft=0.2, usage=usage, cost=0.001)  # fmt: skip
    began, count = time.monotonic(), 0
    while (now := time.monotonic()) < until:
        while count < (now - began) * RATE:
            store.observations.add(Observation(request_id=f"{count:032x}", prompt_hash="h", category="tools",
                                               chain="c", source="chat", sample=0, attempt=attempt))  # fmt: skip
            count += 1
        time.sleep(0.01)
    return count


def during_writes(lab: Lab) -> tuple[list[float], list[float], int, int]:
    """Requests' times in quiet and under load, attempts written and attempts found."""
    store, numbers = lab.store, itertools.count()
    quiet: list[float] = []
    loaded: list[float] = []
    drawn_times: list[float] = []
    app = opened_page()
    app.run()
    before = _count(lab)
    written = 0
    with ThreadPoolExecutor(RIDERS + 1) as pool:
        for load in (False, True, False):
            until = time.monotonic() + (SECONDS if load else SECONDS / 2)
            riders = [pool.submit(asked, lab, until, numbers) for _ in range(RIDERS)]
            writer = pool.submit(wrote, store, until) if load else None
            while load and time.monotonic() < until:
                drawn_times.append(seconds(app.run))
                time.sleep(max(0.0, EVERY - drawn_times[-1]))
            (loaded if load else quiet).extend(each for rider in riders for each in rider.result())
            written += writer.result() if writer is not None else 0
    store.writer.flush(60)
    asked_of = len(quiet) + len(loaded)
    print(f"page drawn {len(drawn_times)} times, {statistics.median(drawn_times):.2f} s in the median", file=sys.stderr)
    return quiet, loaded, written, _count(lab) - before - asked_of


def _count(lab: Lab) -> int:
    lab.store.writer.flush(60)
    with lab.store.database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM observations").scalar_one())


def main(largest: int) -> None:
    rows = []
    slowest: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for attempts in sorted({10_000, largest}):
            config = home(Path(folder) / str(attempts), attempts)
            unread = in_a_process(config)  # leaves the snapshot behind
            found = in_a_process(config)
            slowest[attempts] = max(found["changes"].values())
            took = ", ".join(f"{name}: {each:.2f} s" for name, each in found["changes"].items())
            rows += [
                (f"{attempts:,} attempts, the dashboard's first render", "2 s", f"{found['first']:.2f} s"),
                (f"{attempts:,} attempts, the same without a snapshot", "2 s", f"{unread['first']:.2f} s"),
                (f"{attempts:,} attempts, change of filter", "0.7 s, 5 s at ten million", took),
                (f"{attempts:,} attempts, memory at the most", "1.5 GiB at ten million", f"{found['peak']:.0f} MiB"),
            ]
    small, large = min(slowest), max(slowest)
    rows.append((f"change of filter, {large:,} beside {small:,}", "10 x", f"{slowest[large] / slowest[small]:.1f} x"))
    with tempfile.TemporaryDirectory() as folder, upstream_process() as base_url:
        path = Path(folder) / "models.yaml"
        provider = {"protocol": "openai", "base_url": base_url, "max_concurrency": 1000}
        path.write_text(json.dumps({"default_provider": "local", "providers": {"local": provider}, "offline": None,
                                    "chains": {"tools": ["slow-good"]}}))  # fmt: skip
        os.environ["FALLBACK_LAB_CONFIG"] = str(path)
        quiet, loaded, written, found_rows = during_writes(open_lab())
        close_lab()
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        ratio = _quantile(loaded, share) / _quantile(quiet, share)
        rows.append((f"a request of 1 s while {RATE:,} attempts/s are written and the page is drawn, {name}", "1.05 x",
                     f"{ratio:.3f} x ({_quantile(loaded, share):.3f} s)"))  # fmt: skip
    rows.append((f"attempts written in {SECONDS} s, and found", "all", f"{written:,} and {found_rows:,}"))
    report(rows)


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--drawn"]:
        result = drawn()
        print(json.dumps(result))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
