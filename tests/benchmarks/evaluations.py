"""What an evaluation costs beside the bare engine, and how soon the page shows a large run.

uv run python -m tests.benchmarks.evaluations
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from streamlit.testing.v1 import AppTest

from router.core.conversations import Settings
from router.core.requests import Request
from router.core.runs import Planned
from router.core.suites import Case, Check, Suite
from router.engine.options import Options
from router.lab import Lab, close_lab
from tests.benchmarks.harness import ROOT, lab_on, upstream_process
from tests.evaluated import Skill, write_run

CASES = 500
AT_ONCE = 16
LANES = 10
ROUNDS = 21


def suite(cases: int) -> Suite:
    return Suite(
        name="large",
        cases=tuple(
            Case(
                id=f"case-{number}",
                request=Request(messages=({"role": "user", "content": f"Prompt number {number}: what comes next?"},)),
                category=("tools", "code", "reasoning", "conversation")[number % 4],
                checks=(Check(type="contains", value="token"),),
            )
            for number in range(cases)
        ),
    )


# --- Throughput ------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """Seconds by the clock, and of the processor: the latter vary less where other processes run beside."""

    wall: float
    cpu: float


def taken(lab: Lab, work: Callable[[], object]) -> Taken:
    """What work takes until its last row is stored."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall = time.perf_counter() - wall
    lab.store.writer.flush()
    return Taken(wall, time.process_time() - cpu)


def by_engine(lab: Lab, cases: Suite, sample: int) -> None:
    """The engine alone, with as many requests in progress."""
    options = Options(source="eval", cache="off", sample=sample)

    def ask(case: Case) -> object:
        return lab.start(case.request, model="good", options=options).result()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(ask, cases.cases))


def by_run(lab: Lab, cases: Suite) -> None:
    """An evaluation of the same, with its journal, grades and scores."""
    plan = Planned(at=0.0, suite=cases, lanes=(lab.evaluations.lane(Settings(model="good")),), cache=False)
    run = lab.evaluations.begin(plan, in_flight=AT_ONCE)
    running = lab.evaluations.running(run)
    if running is not None:
        running.wait()
    results = lab.evaluations.results(run)
    assert (results.ended, len(results.scored)) == ("complete", len(cases.cases)), results.ended


def throughput() -> None:
    """Rounds in turns, so that both meet the same machine."""
    asked = suite(CASES)
    with upstream_process(token_delay=0.0) as url, lab_on(url, ["good"], cache={"enabled": False}) as lab:
        by_run(lab, suite(100))  # what is loaded at first
        rounds = [
            (taken(lab, functools.partial(by_engine, lab, asked, number)), taken(lab, lambda: by_run(lab, asked)))
            for number in range(ROUNDS)
        ]
    rates = sorted(CASES / run.wall for _, run in rounds)
    print(f"Runs of {CASES:,} cases, {AT_ONCE} at once: {rates[ROUNDS // 2]:,.0f} cases/s")
    for what, shares in (
        ("throughput", sorted(engine.wall / run.wall for engine, run in rounds)),
        ("cases a second of the processor", sorted(engine.cpu / run.cpu for engine, run in rounds)),
    ):
        low, middle, high = (shares[ROUNDS * quarter // 4] for quarter in (1, 2, 3))
        print(f"{middle:.0%} of the engine's {what} (quartiles {low:.0%} and {high:.0%})")


# --- The page --------------------------------------------------------------------------------------


def page(cells: int) -> None:
    """The first look at a run in a process that has not read it, then the cases, then a filter."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "models.yaml"
        config.write_text("chains: {code: [model-0]}\n", encoding="utf-8")
        lanes = {f"model-{number}": Skill(number / LANES) for number in range(LANES)}
        path = config.parent / ".lab" / "runs" / "20260101-000000-0000.jsonl"
        run = write_run(path, suite(cells // LANES), lanes)
        os.environ["FALLBACK_LAB_CONFIG"] = str(config)
        app = AppTest.from_file(ROOT / "pages" / "main.py", default_timeout=300)
        app.run()
        app.switch_page(str(ROOT / "pages" / "evaluate.py"))
        app.query_params["run"] = run
        first = seconds(app.run)
        matrix = seconds(lambda: app.segmented_control(key="evaluate_view").set_value("Cases").run())
        chosen = seconds(lambda: app.segmented_control(key="evaluate_show").set_value("differs").run())
        assert not app.exception, app.exception
        close_lab()
    print(f"{cells:,} cells: verdict {first:.2f} s, cases {matrix:.2f} s, a filter {chosen:.2f} s")


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.path.append(str(ROOT / "pages"))
    throughput()
    page(10_000)
    page(100_000)
