"""The chain beside LiteLLM's Router: throughput with 64 at once, and the price of a fallback.

uv run --group bench python -m tests.benchmarks.litellm_router
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.benchmarks.chain import through
from tests.benchmarks.harness import lab_on, report, upstream_process

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched

AT_ONCE = 64
Way = Callable[[int], Awaitable[object]]


def litellm_ways(url: str) -> tuple[Way, Way]:
    """One call through LiteLLM's Router, and one whose primary answers 503."""
    import litellm

    litellm.suppress_debug_info = True
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    logging.getLogger("LiteLLM Router").setLevel(logging.CRITICAL)

    def deployment(name: str, model: str) -> dict[str, Any]:
        return {
            "model_name": name,
            "litellm_params": {"model": f"openai/{model}", "api_base": url, "api_key": "none", "max_retries": 0},
        }

    router = litellm.Router(
        model_list=[deployment("good", "good"), deployment("bad", "refuse-a")],
        fallbacks=[{"bad": ["good"]}],
        num_retries=0,
        disable_cooldowns=True,
    )

    def way(name: str) -> Way:
        async def ask(number: int) -> object:
            return await router.acompletion(model=name, messages=[{"role": "user", "content": f"Prompt {number}"}])

        return ask

    return way("good"), way("bad")


async def throughput(way: Way, total: int) -> float:
    """Calls a second with AT_ONCE at once, after a warm-up."""
    for number in range(20):
        await way(number)
    numbers = iter(range(1000, 1000 + total))

    async def worker() -> None:
        for number in numbers:
            await way(number)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return total / (time.perf_counter() - began)


async def p50(way: Way, times: int) -> float:
    laps = []
    for number in itertools.islice(itertools.count(10**6), times):
        began = time.perf_counter()
        await way(number)
        laps.append(time.perf_counter() - began)
    return statistics.median(laps)


def main() -> None:
    no_cache = {"enabled": False}
    with (
        upstream_process() as url,
        lab_on(url, ["good"], cache=no_cache) as one,
        lab_on(url, ["refuse-a", "good"], cache=no_cache, retries=0, breaker={"min_calls": 10**6}) as two,
    ):
        ours = one._portal.call(throughput, through(one), 6000)
        our_one, our_two = one._portal.call(p50, through(one), 500), two._portal.call(p50, through(two), 500)
        good, bad = litellm_ways(url)

        async def theirs_measured() -> tuple[float, float, float]:
            return await throughput(good, 1000), await p50(good, 200), await p50(bad, 200)

        theirs, their_one, their_two = asyncio.run(theirs_measured())
    report(
        [
            (
                "throughput with 64 at once, beside LiteLLM's Router",
                "at least 10 x",
                f"{ours / theirs:.1f} x ({ours:.0f}/s, {theirs:.0f}/s)",
            ),
            (
                "primary answers 503, fallback answers, beside one call",
                "at most 2.3 x",
                f"{our_two / our_one:.2f} x ({our_two * 1e3:.2f} ms, {our_one * 1e3:.2f} ms)",
            ),
            (
                "the same with LiteLLM's Router",
                "reported",
                f"{their_two / their_one:.2f} x ({their_two * 1e3:.1f} ms, {their_one * 1e3:.1f} ms)",
            ),
        ]
    )


if __name__ == "__main__":
    main()
