"""What the chain's loop costs, beside a bare httpx client on the same transport.

uv run python -m tests.benchmarks.chain
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx
import msgspec
from httpx_sse import EventSource

from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab
from router.providers.http import new_transport
from tests.benchmarks.harness import Measured, lab_on, measure_in_turns, report, upstream_process

Way = Callable[[int], Awaitable[object]]


def through(lab: Lab, *, stream: bool = False) -> Way:
    """One request through the chain, on the Lab's loop, with everything that Lab.start does there."""
    config = lab.config()
    options = Options(stream=stream)

    async def way(number: int) -> object:
        request = _request(number)
        return await lab._runtime.run(
            config, config.chain("chat"), request, options, offline=None, faults=None, events=[]
        )

    return way


def bare(client: httpx.AsyncClient, url: str) -> Way:
    """One request with the client alone: the same body, the answer parsed."""

    async def way(number: int) -> object:
        body = {**_request(number).body(), "model": "good"}
        response = await client.post(f"{url}/chat/completions", content=msgspec.json.encode(body), headers=_JSON)
        return msgspec.json.decode(response.content)["choices"][0]["message"]["content"]

    return way


def bare_stream(client: httpx.AsyncClient, url: str) -> Way:
    """One streamed request with the client alone: each event parsed, the text joined."""

    async def way(number: int) -> object:
        body = {**_request(number).body(), "model": "good", "stream": True}
        text = []
        async with client.stream(
            "POST", f"{url}/chat/completions", content=msgspec.json.encode(body), headers=_JSON
        ) as response:
            async for event in EventSource(response).aiter_sse():
                if event.data == "[DONE]":
                    break
                choices = msgspec.json.decode(event.data)["choices"]
                if choices and (content := choices[0]["delta"].get("content")):
                    text.append(content)
        return "".join(text)

    return way


_JSON = {"Content-Type": "application/json"}


def _request(number: int) -> Request:
    return Request(messages=({"role": "user", "content": f"Prompt number {number}"},))


def on_lab(lab: Lab, ways: dict[str, Way], **size: int) -> dict[str, Measured]:
    """Measure on the Lab's own loop."""
    return lab._portal.call(lambda: measure_in_turns(ways, **size))


def _versus(one: Measured, other: Measured) -> str:
    return (
        f"CPU {one.cpu / other.cpu:.2f} x ({one.cpu * 1e6:.0f} / {other.cpu * 1e6:.0f} µs),"
        f" p50 {one.p50 / other.p50:.2f} x ({one.p50 * 1e6:.0f} / {other.p50 * 1e6:.0f} µs)"
    )


def main() -> None:
    rows = []
    with upstream_process() as url:
        with lab_on(url, ["good"], cache={"enabled": False}) as lab:
            client = lab._portal.call(_client)
            seen = on_lab(lab, {"chain": through(lab), "bare": bare(client, url)}, rounds=10, times=300)
            rows.append(
                (
                    "chain call, store on, cache off, beside bare httpx",
                    "at most 1.3 x",
                    _versus(seen["chain"], seen["bare"]),
                )
            )
            concurrent = lab._portal.call(lambda: _throughput(through(lab)))
            rows.append(("chain calls with 64 at once", "", f"{concurrent:.0f}/s"))
            lab._portal.call(client.aclose)
        with lab_on(url, ["good"]) as lab:
            client = lab._portal.call(_client)
            seen = on_lab(lab, {"chain": through(lab), "bare": bare(client, url)}, rounds=10, times=300)
            rows.append(
                ("the same, cache on (every call a miss, then kept)", "reported", _versus(seen["chain"], seen["bare"]))
            )
            way = through(lab)
            hits = lab._portal.call(lambda: _hits(way))
            rows.append(("cache hit through the whole loop", "p50 at most 0.3 ms", f"p50 {hits * 1e3:.3f} ms"))
            lab._portal.call(client.aclose)
        for name, first in (("answers 503", "refuse-a"), ("refuses the connection", "closed:a")):
            with (
                lab_on(url, ["good"], cache={"enabled": False}) as one,
                lab_on(url, [first, "good"], cache={"enabled": False}, retries=0, breaker={"min_calls": 10**6}) as two,
            ):
                single = on_lab(one, {"one": through(one)}, rounds=6, times=200)["one"]
                double = on_lab(two, {"two": through(two)}, rounds=6, times=200)["two"]
                single = min(single, on_lab(one, {"one": through(one)}, rounds=6, times=200)["one"])
                rows.append(
                    (f"primary {name}, fallback answers, beside one call", "at most 2.3 x", _versus(double, single))
                )
    with upstream_process(tokens=200) as url, lab_on(url, ["good"], cache={"enabled": False}) as lab:
        client = lab._portal.call(_client)
        seen = on_lab(lab, {"chain": through(lab, stream=True), "bare": bare_stream(client, url)}, rounds=10, times=40)
        rows.append(
            (
                "stream of 200 chunks, beside a bare loop that parses them",
                "CPU at most 1.25 x",
                _versus(seen["chain"], seen["bare"]),
            )
        )
        lab._portal.call(client.aclose)
    report(rows)


async def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=new_transport())


async def _throughput(way: Way, *, total: int = 4000, at_once: int = 64) -> float:
    numbers = iter(range(10**6, 10**6 + total))

    async def worker() -> None:
        for number in numbers:
            await way(number)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return total / (time.perf_counter() - began)


async def _hits(way: Way, times: int = 2000) -> float:
    await way(0)
    laps: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await way(0)
        laps.append(time.perf_counter() - began)
    return statistics.median(laps)


if __name__ == "__main__":
    main()
