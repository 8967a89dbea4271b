"""A large run with faults whose process is killed three times: is every case there once, and what was paid for nothing?

uv run python -m tests.benchmarks.killed
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from router.core.attempts import is_call
from router.evaluate.results import Results
from tests.benchmarks.harness import ROOT, report
from tests.upstream import (
    Exchange,
    Step,
    Upstream,
    answer,
    chain_yaml,
    cut_after,
    error_in_stream,
    error_inside_200,
    malformed_event,
    no_finish_reason,
    reset_before_headers,
    running_upstream,
    silent,
    stall_after,
    status,
)

CASES, LANES, IN_FLIGHT, KILLS = 1_000, ("a", "b", "chat", "other"), 16, 3
SHARE = 0.05
"""Of the calls, for each fault."""

FAULTS: tuple[Step, ...] = (
    status(500), status(429), status(404), reset_before_headers, silent, cut_after(2), stall_after(2),
    error_in_stream(502, after=1), error_inside_200(), malformed_event(1), no_finish_reason(),
)  # fmt: skip


def faulty(seed: int, faults: Sequence[Step]) -> Step:
    """A server whose calls fail in each of these ways, each 5% of them."""
    dice, good = random.Random(seed), answer("token")

    async def step(exchange: Exchange) -> None:
        at = int(dice.random() / SHARE)
        await (faults[at] if at < len(faults) else good)(exchange)

    return step


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    program = (
        "import resource, sys\n"
        "from router.cli import main\n"
        "try: main()\n"
        "finally: print('MiB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "--config", str(folder / "models.yaml"), "eval", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def run_with_kills(upstream: Upstream, folder: Path, faults: Sequence[Step]) -> tuple[Path, str, float]:
    """The journal, what the last process said, and seconds in all."""
    for number, model in enumerate(("a", "b", "c", "d")):
        upstream.script(model, then=faulty(number, faults))
    config = json.loads(
        chain_yaml(upstream, "c", "d", retries=0, first_token=1, stall=1, cache={"enabled": False},
                   breaker={"min_calls": 20, "failure_rate": 1.0}, provider={"max_concurrency": 64})
    )  # fmt: skip
    config["chains"]["other"] = ["d", "c"]
    (folder / "models.yaml").write_text(json.dumps(config), encoding="utf-8")
    cases = "".join(f"  - {{prompt: Question {number}, checks: [contains: token]}}\n" for number in range(CASES))
    (folder / "s.yaml").write_text(f"name: s\ncases:\n{cases}", encoding="utf-8")
    began = time.monotonic()
    limit = ("--in-flight", str(IN_FLIGHT))
    process = started(folder, str(folder / "s.yaml"), "--lanes", ",".join(LANES), *limit)
    for number in range(1, KILLS + 1):
        while len(upstream.requests) < number * CASES and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.communicate()
        [path] = (folder / ".lab" / "runs").glob("*.jsonl")
        process = started(folder, "--resume", path.stem, *limit)
    _, said = process.communicate(timeout=600)
    return path, said, time.monotonic() - began


def main() -> None:
    # A call on a kept connection that is reset before its answer is sent again: one attempt, two calls.
    without_resets = [fault for fault in FAULTS if fault is not reset_before_headers]
    report([*measured("all faults", FAULTS), *measured("without resets", without_resets)])


def measured(title: str, faults: Sequence[Step]) -> list[tuple[str, str, str]]:
    with running_upstream() as upstream, tempfile.TemporaryDirectory() as name:
        path, said, seconds = run_with_kills(upstream, Path(name), faults)
        results = Results(path).refresh()
        plan, calls, paid = results.planned, len(upstream.requests), attempts_of(results)
        states = Counter(asked.state for asked in results.asked.values())
    return [
        (f"{title}: cells over", f"{plan.cells:,}", f"{results.over:,} ({dict(states)})"),
        (f"{title}: calls that no answer in the journal has", f"at most {2 * KILLS * IN_FLIGHT}, and those sent again",
         f"{calls - paid:,} of {calls:,}"),
        (f"{title}: cells possibly paid twice", f"at most {KILLS * IN_FLIGHT}", f"{len(results.possibly_paid):,}"),
        (f"{title}: duration, peak memory", "", f"{seconds:.0f} s, {said.split('MiB')[-1].strip()} MiB"),
    ]  # fmt: skip


def attempts_of(results: Results) -> int:
    """Calls in the answers that were written."""
    result = [results.answer(cell) for cell in results.asked]
    return sum(is_call(attempt) for each in result if each is not None for attempt in each.attempts)


if __name__ == "__main__":
    main()
