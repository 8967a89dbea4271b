"""The endpoint beside its upstream, and beside other gateways on the same upstream, in turns.

    uv run python -m tests.benchmarks.endpoint [--seconds 4] [--rounds 3] [--upstream URL] [--beside NAME=URL …]

`--beside` takes the /v1 of a gateway that runs already, on the upstream that `--upstream` names
(`python -m tests.upstream --port 9900`); a header for it: `--header 'NAME=Header: value'`.
Portkey: `TRUSTED_CUSTOM_HOSTS=127.0.0.1 npx @portkey-ai/gateway --port=8787 --headless`, with the headers
`x-portkey-provider: openai` and `x-portkey-custom-host: URL`. LiteLLM: `litellm --config config.yaml --port 4000`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from tests.benchmarks.harness import Target, machine, serving, upstream_process

TICK = os.sysconf("SC_CLK_TCK")
AT_ONCE = (1, 64)


class Lap(NamedTuple):
    """Requests a second; median and 99th percentile, seconds; CPU seconds of one request; how many failed."""

    rate: float
    p50: float
    p99: float
    cpu: float
    failed: int


def models_yaml(base_url: str) -> dict[str, Any]:
    """Store on, cache off."""
    return {
        "default_provider": "local",
        "providers": {"local": {"protocol": "openai", "base_url": base_url, "max_concurrency": 1000}},
        "offline": None,
        "policy": {"cache": {"enabled": False}},
        "chains": {"good": ["good", "other"]},
    }


def cpu_of(pid: int | None) -> float:
    """CPU seconds of a process and its children so far."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if pid in (int(entry.name), int(fields[1])):
                total += (int(fields[11]) + int(fields[12])) / TICK
    return total


async def load(target: Target, at_once: int, seconds: float, *, stream: bool) -> Lap:
    """Ask for so many seconds; of a stream, the time to its first chunk is measured."""
    laps: list[float] = []
    failed = 0
    headers = {"content-type": "application/json", **target.headers}
    began, cpu = time.perf_counter(), cpu_of(target.pid)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once + 8)) as session:

        async def ask(number: int) -> None:
            nonlocal failed
            while (sent := time.perf_counter()) < began + seconds:
                prompt = [{"role": "user", "content": f"Prompt {number} {time.time_ns()}"}]
                body = json.dumps({"model": "good", "stream": stream, "messages": prompt})
                try:
                    async with session.post(f"{target.url}/chat/completions", data=body, headers=headers) as response:
                        if stream:
                            await response.content.readuntil(b"\n\n")
                            laps.append(time.perf_counter() - sent)
                        await response.read()
                        failed += response.status != 200
                except aiohttp.ClientError:
                    failed += 1
                if not stream:
                    laps.append(time.perf_counter() - sent)

        await asyncio.gather(*map(ask, range(at_once)))
    laps.sort()
    used = (cpu_of(target.pid) - cpu) / len(laps)
    return Lap(len(laps) / (time.perf_counter() - began), laps[len(laps) // 2], laps[-len(laps) // 100], used, failed)


async def measure(targets: Mapping[str, Target], seconds: float, rounds: int) -> None:
    """Print a table: medians over the rounds, in each of which every target has its turn."""
    print("| asked | at once | requests/s | p50 | p99 | CPU of a request | beside the upstream |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for stream in (False, True):
        for at_once in AT_ONCE:
            found: defaultdict[str, list[Lap]] = defaultdict(list)
            for turn in range(rounds + 1):
                for name, target in targets.items():
                    lap = await load(target, at_once, seconds if turn else 1, stream=stream)
                    found[name] += [lap] * (turn > 0)  # the first turn warms up
            first = _median(found["upstream"])
            for name, laps in found.items():
                lap = _median(laps)
                print(
                    f"| {name}{', first chunk of a stream' * stream} | {at_once} | {lap.rate:.0f}"
                    f" | {lap.p50 * 1e3:.2f} ms | {lap.p99 * 1e3:.2f} ms | {lap.cpu * 1e3:.2f} ms"
                    f" | {lap.rate / first.rate:.2f} x, {(lap.p50 - first.p50) * 1e3:+.2f} ms |"
                    + f" {lap.failed} FAILED"
                    * (lap.failed > 0),
                    flush=True,
                )


def _median(laps: list[Lap]) -> Lap:
    return Lap(*(statistics.median(column) for column in zip(*laps, strict=True)))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--upstream")
    parser.add_argument("--beside", action="append", default=[])
    parser.add_argument("--header", action="append", default=[])
    asked = parser.parse_args()
    others = dict(pair.split("=", 1) for pair in asked.beside)
    headers: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for pair in asked.header:
        name, line = pair.split("=", 1)
        headers[name].update([line.split(": ", 1)])
    print(machine())
    with contextlib.ExitStack() as stack:
        base_url = asked.upstream or stack.enter_context(upstream_process())
        targets = {"upstream": Target(base_url)}
        for workers in (1, 2):
            targets[f"ours, {workers} workers"] = stack.enter_context(serving(models_yaml(base_url), workers))
        targets |= {name: Target(url, headers[name]) for name, url in others.items()}
        asyncio.run(measure(targets, asked.seconds, asked.rounds))


if __name__ == "__main__":
    main()
