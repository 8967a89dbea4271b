"""What the dashboard's data cost, on generated traffic: from a cold process, after a change of filter, as rows come in.

uv run python -m tests.benchmarks.observed [attempts of the largest database, 1,000,000]
"""

from __future__ import annotations

import functools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from router.metrics import (
    FIGURES,
    Filter,
    Observed,
    View,
)
from router.store.database import Database
from tests.benchmarks.harness import ROOT, report
from tests.traffic import DAY, UNTIL, write_traffic

CHANGES = {
    "all": Filter(),
    "half of the time": Filter(since=UNTIL - 15 * DAY, until=UNTIL),
    "one category": Filter(categories=("tools",)),
    "one provider": Filter(providers=("openrouter",)),
    "failed": Filter(outcomes=("failed",)),
}
BUCKETS = 60


def page(view: View) -> None:
    """All that a page with every chart asks of a view: each figure, and some over time too."""
    for figure in FIGURES.values():
        figure.of(view)
    charted = [FIGURES[name] for name in ("endings", "failures", "failed_share", "call_latency", "cost")]
    for part in view.over_time(np.linspace(UNTIL - 31 * DAY, UNTIL + DAY, BUCKETS)).values():
        for figure in charted:
            figure.of(part)


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measured(path: Path) -> dict[str, Any]:
    """One process's life: it starts, draws, changes filters, and sees new rows."""
    database = Database(path)
    observed = Observed(database, path.with_name("observed"))
    read = seconds(observed.rows)
    view = View.of(observed.rows())
    first = seconds(lambda: page(view.where(Filter())))
    changes = {
        name: seconds(functools.partial(lambda its: page(view.where(its)), chosen)) for name, chosen in CHANGES.items()
    }
    again = statistics.median(seconds(observed.rows) for _ in range(5))
    write_traffic(path, 1000, seed=2, days=0.1, until=UNTIL + DAY)
    more = seconds(observed.rows)
    observed.close()
    database.close()
    # Not getrusage: its peak is the parent's too.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    return {"read": read, "first": first, "changes": changes, "again": again, "more": more, "peak": peak}


def cold(path: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.observed", "--measure", str(path)]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def main(largest: int) -> None:
    rows = []
    slowest: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for attempts in sorted({10_000, largest}):
            path = Path(folder) / str(attempts) / "lab.sqlite"
            path.parent.mkdir()
            writing = seconds(functools.partial(write_traffic, path, attempts))
            without, kept = cold(path), cold(path)
            slowest[attempts] = max(kept["changes"].values())
            name = f"{attempts:,} attempts"
            rows += [
                (f"{name}, written by the generator", "", f"{writing:.1f} s, {path.stat().st_size / 1e6:.0f} MB"),
                (f"{name}, read without a snapshot", "", f"{without['read']:.2f} s"),
                (
                    f"{name}, first render's data, cold process with a snapshot",
                    "2 s, 5 s at ten million",
                    f"{kept['read'] + kept['first']:.2f} s, {kept['read']:.2f} s of it reading",
                ),
                (
                    f"{name}, change of filter: every figure, five over time and by model",
                    "0.7 s, 5 s at ten million",
                    ", ".join(f"{each}: {took:.2f} s" for each, took in kept["changes"].items()),
                ),
                (f"{name}, nothing new", "", f"{kept['again'] * 1e3:.0f} ms"),
                (f"{name}, a thousand new ones", "not reread", f"{kept['more'] * 1e3:.0f} ms"),
                (
                    f"{name}, memory at the most, without and with a snapshot",
                    "1.5 GiB at ten million",
                    f"{without['peak']:.0f} and {kept['peak']:.0f} MiB",
                ),
            ]
            shutil.rmtree(path.parent)
    small, large = min(slowest), max(slowest)
    rows.append((f"change of filter, {large:,} beside {small:,}", "10 x", f"{slowest[large] / slowest[small]:.1f} x"))
    report(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measured(Path(sys.argv[2]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
