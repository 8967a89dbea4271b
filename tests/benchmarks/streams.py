"""Very many streams at once through `fallback-lab serve`, and a reader who hardly reads.

    uv run python -m tests.benchmarks.streams [--streams 2000] [--seconds 60]

Each stream is one token a `--delay`, for so many seconds. It is lost where it does not end with `[DONE]` and all its
tokens. Then one caller reads a byte a second of a large answer while others ask: with it and without it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from tests.benchmarks.harness import Target, machine, serving, upstream_process

TOKENS_BYTE = b'"content":"word'


def memory_of(pid: int | None) -> float:
    """Resident memory of a process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


class Streamed(NamedTuple):
    """What became of the streams; seconds and MiB."""

    whole: int
    lost: int
    first: list[float]
    took: float
    memory: float


def body_of(model: str, number: int) -> bytes:
    prompt = [{"role": "user", "content": f"Prompt {number} {time.time_ns()}"}]
    return json.dumps({"model": model, "stream": True, "messages": prompt}).encode()


async def streams(target: Target, count: int, tokens: int) -> Streamed:
    """So many streams at once, all read to their ends."""
    first: list[float] = []
    whole = lost = 0
    most = 0.0
    headers = {"content-type": "application/json"}
    limit = aiohttp.ClientTimeout(total=600)
    begun = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=count), timeout=limit) as session:

        async def one(number: int) -> None:
            nonlocal whole, lost
            sent, seen, tail = time.perf_counter(), 0, b""
            try:
                url = f"{target.url}/chat/completions"
                async with session.post(url, data=body_of("slow", number), headers=headers) as response:
                    async for line in response.content:
                        if TOKENS_BYTE in line:
                            seen += 1
                            if seen == 1:
                                first.append(time.perf_counter() - sent)
                        tail = line.strip() or tail
            except aiohttp.ClientError:
                pass
            if seen == tokens and tail == b"data: [DONE]":
                whole += 1
            else:
                lost += 1

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, memory_of(target.pid))
                await asyncio.sleep(0.5)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(one(number) for number in range(count)))
        watching.cancel()
    return Streamed(whole, lost, first, time.perf_counter() - begun, most)


@contextlib.asynccontextmanager
async def slow_reader(target: Target) -> AsyncIterator[None]:
    """Reads a byte a second of a large answer."""
    port = int(target.url.split(":")[2].split("/")[0])
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", port))
        body = body_of("large", 0)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        await loop.sock_sendall(connection, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        async def read() -> None:
            while True:
                await loop.sock_recv(connection, 1)
                await asyncio.sleep(1)

        reading = asyncio.create_task(read())
        await asyncio.sleep(2)  # until its answer fills all buffers
        try:
            yield
        finally:
            reading.cancel()


async def others(target: Target, seconds: float, at_once: int = 8) -> list[float]:
    """How long each of their whole streams took, seconds."""
    laps: list[float] = []
    begun = time.perf_counter()
    async with aiohttp.ClientSession() as session:

        async def ask(number: int) -> None:
            while (sent := time.perf_counter()) < begun + seconds:
                headers = {"content-type": "application/json"}
                url = f"{target.url}/chat/completions"
                async with session.post(url, data=body_of("good", number), headers=headers) as response:
                    await response.read()
                laps.append(time.perf_counter() - sent)

        await asyncio.gather(*(ask(number) for number in range(at_once)))
    return laps


def models_yaml(**upstreams: str) -> dict[str, Any]:
    """A chain and a provider of one model for each upstream."""
    providers = {
        name: {"protocol": "openai", "base_url": url, "max_concurrency": 5_000} for name, url in upstreams.items()
    }
    return {
        "providers": providers, "default_provider": next(iter(upstreams)), "offline": None,
        "policy": {"cache": {"enabled": False}, "first_token": 60, "stall": 60, "deadline": 120},
        "chains": {name: [f"{name}:{name}-m"] for name in upstreams}, "server": {"max_in_flight": 5_000},
    }  # fmt: skip


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] * 1_000


async def measure(count: int, seconds: float, delay: float) -> None:
    tokens = round(seconds / delay)
    with upstream_process(tokens=tokens, token_delay=delay) as base_url, serving(models_yaml(slow=base_url)) as target:
        before = memory_of(target.pid)
        found = await streams(target, count, tokens)
    print(
        "| streams at once | tokens each | whole | lost | seconds | first token, p50 and p95 | memory before, at most |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    first = f"{statistics.median(found.first) * 1_000:.0f}, {p95(found.first):.0f} ms"
    memory = f"{before:.0f}, {found.memory:.0f} MiB"
    print(f"| {count:,} | {tokens} | {found.whole:,} | {found.lost} | {found.took:.1f} | {first} | {memory} |\n")

    print("| others' streams, 8 at once | p50 | p95 |")
    print("| --- | ---: | ---: |")
    with (
        upstream_process() as good,
        upstream_process(tokens=100_000) as large,
        serving(models_yaml(good=good, large=large)) as target,
    ):
        await others(target, 2)
        for turn in range(2):
            alone = await others(target, 6)
            async with slow_reader(target):
                beside = await others(target, 6)
            for name, laps in (("alone", alone), ("beside the slow reader", beside)):
                print(f"| {name}, turn {turn + 1} | {statistics.median(laps) * 1_000:.0f} ms | {p95(laps):.0f} ms |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--delay", type=float, default=2, help="seconds before each token")
    arguments = parser.parse_args()
    print(machine())
    asyncio.run(measure(arguments.streams, arguments.seconds, arguments.delay))
