"""What the measurements share: an upstream process, a Lab on it, and a table of ratios."""

from __future__ import annotations

import contextlib
import json
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from router.lab import Lab

ROOT = Path(__file__).parents[2]


class Measured(NamedTuple):
    """One way of doing a thing, many times: CPU seconds and median wall seconds of one time."""

    cpu: float
    p50: float


@contextlib.contextmanager
def upstream_process(*, tokens: int = 20, token_delay: float = 0.05) -> Iterator[str]:
    """The fast upstream in its own process; yields its base URL."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.upstream",
            "--port",
            "0",
            "--tokens",
            str(tokens),
            "--token-delay",
            str(token_delay),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=10)


@contextlib.contextmanager
def lab_on(base_url: str, chain: list[str], **policy: Any) -> Iterator[Lab]:
    """A Lab in a folder of its own with the one chain `chat`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        path.write_text(
            json.dumps(
                {
                    "default_provider": "local",
                    "providers": {
                        "local": {"protocol": "openai", "base_url": base_url, "max_concurrency": 1000},
                        "closed": {"protocol": "openai", "base_url": "http://127.0.0.1:9/v1"},
                    },
                    "offline": None,
                    "policy": policy,
                    "chains": {"chat": chain},
                }
            )
        )
        lab = Lab(path, environ={})
        try:
            yield lab
        finally:
            lab.close()


class Target(NamedTuple):
    """Where to ask, and whose processor time counts."""

    url: str
    headers: Mapping[str, str] = {}
    pid: int | None = None


@contextlib.contextmanager
def serving(models_yaml: Mapping[str, Any], workers: int = 1) -> Iterator[Target]:
    """`fallback-lab serve` in a process of its own, on a models.yaml in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        path.write_text(json.dumps(models_yaml), encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = ["fallback-lab", "--config", str(path), "serve", "--port", str(port), "--workers", str(workers)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield Target(f"http://127.0.0.1:{port}/v1", pid=process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(port: int) -> None:
    """Until something listens there."""
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("The endpoint did not start.")


async def measure_in_turns(
    ways: Mapping[str, Callable[[int], Awaitable[object]]], *, rounds: int, times: int
) -> dict[str, Measured]:
    """Measure each way in turns, so that the machine's moods fall on all of them alike; medians over the rounds."""
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    number = 0
    for lap in range(rounds + 1):
        for name, way in ways.items():
            began_cpu = time.process_time()
            laps = []
            for _ in range(times):
                number += 1
                began = time.perf_counter()
                await way(number)
                laps.append(time.perf_counter() - began)
            if lap:  # the first lap warms up
                cpu[name].append((time.process_time() - began_cpu) / times)
                walls[name].extend(laps)
    return {name: Measured(statistics.median(cpu[name]), statistics.median(walls[name])) for name in ways}


def machine() -> str:
    """The machine in a few words."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    import os

    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"


def report(rows: Iterable[tuple[str, str, str]]) -> None:
    """Print a Markdown table of what was asked and what was seen, row by row as each is known."""
    print(f"\n{machine()}\n")
    print("| measured | asked | seen |\n| --- | --- | --- |", flush=True)
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
