"""httpx's own transport beside httpx-aiohttp: throughput with 64 at once, and CPU a request.

uv run python -m tests.benchmarks.transports
"""

from __future__ import annotations

import asyncio
import time

import httpx
import msgspec

from router.providers.http import new_transport
from tests.benchmarks.harness import report, upstream_process

AT_ONCE = 64
TOTAL = 4000
BODY = msgspec.json.encode({"model": "good", "messages": [{"role": "user", "content": "Hello"}]})


async def measure(transport: httpx.AsyncBaseTransport, url: str) -> tuple[float, float]:
    """Requests a second and CPU seconds a request, the best of three laps."""
    async with httpx.AsyncClient(transport=transport) as client:

        async def worker(share: int) -> None:
            for _ in range(share):
                response = await client.post(
                    f"{url}/chat/completions", content=BODY, headers={"Content-Type": "application/json"}
                )
                response.raise_for_status()

        laps = []
        for _ in range(3):
            began, began_cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(worker(TOTAL // AT_ONCE) for _ in range(AT_ONCE)))
            laps.append((TOTAL / (time.perf_counter() - began), (time.process_time() - began_cpu) / TOTAL))
    return max(laps)


async def main() -> None:
    with upstream_process() as url:
        rows = []
        own = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None, max_keepalive_connections=None))
        for name, transport in (("httpx's own transport", own), ("httpx-aiohttp", new_transport())):
            rate, cpu = await measure(transport, url)
            rows.append((name, "the better is used", f"{rate:.0f} requests/s, {cpu * 1e3:.2f} ms of CPU each"))
    report(rows)


if __name__ == "__main__":
    asyncio.run(main())
