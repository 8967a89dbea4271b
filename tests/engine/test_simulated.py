"""Hours of traffic in virtual time: how soon a model that has recovered is back, and whom a bad prompt harms."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest

from router.config.policy import BreakerPolicy
from router.core.errors import AllModelsFailed, BadRequest, InvalidAnswer, ProviderError, RateLimited, ServerFailed
from router.core.requests import Request
from router.providers import Call
from tests.fakes import Bench, FakeProvider, Step, chain_of, good
from tests.virtual_time import run_virtual

EVERY = 4.0
"""Seconds from one request to the next."""

Behavior = Callable[[str, str, float], ProviderError | None]
"""What ends a call, by its model, its prompt and the loop's time; None where it is answered."""


class Behaving(FakeProvider):
    """Models that fail as a rule says."""

    def __init__(self, behavior: Behavior) -> None:
        super().__init__()
        self._behavior = behavior

    def steps(self, call: Call) -> Sequence[Step]:
        prompt = str(call.request.messages[0]["content"])
        error = self._behavior(call.model, prompt, asyncio.get_running_loop().time())
        return good(after=0.1) if error is None else [0.1, error]


def bench_of(behavior: Behavior) -> Bench:
    bench = Bench()
    bench.provider = Behaving(behavior)
    return bench


async def ask(bench: Bench, prompt: str, *models: str) -> str | None:
    """The model that answers; None where none does."""
    try:
        completion = await bench.ask(chain_of(*models), Request(messages=({"role": "user", "content": prompt},)))
    except AllModelsFailed:
        return None
    return completion.attempts[-1].model


# --- An outage of a minute, with the shipped policy ------------------------------------------------

OUTAGE = 60.0
BENCHMARK = 20
"""Requests in a run of the public failover benchmark: five come after the recovery."""

FAILS: dict[str, Callable[[float], ProviderError]] = {
    "503": lambda _: ServerFailed("503"),
    "429": lambda _: RateLimited("429"),
    "429 for 1 s": lambda _: RateLimited("429", retry_after=1),
    "429 for 5 s": lambda _: RateLimited("429", retry_after=5),
    "429 for 20 s": lambda _: RateLimited("429", retry_after=20),
    "429 for the time that is left": lambda left: RateLimited("429", retry_after=left),
}
"""How the primary fails, by the seconds until it recovers."""


async def back_after(fails: Callable[[float], ProviderError], requests: int) -> float | None:
    """Seconds from the primary's recovery until it answers again; None where none of the requests meets that."""
    start = asyncio.get_running_loop().time()
    recovery = start + OUTAGE
    bench = bench_of(lambda model, _, at: fails(recovery - at) if model == "a" and at < recovery else None)
    for number in range(requests):
        await asyncio.sleep(max(start + number * EVERY - bench.now(), 0))
        if await ask(bench, str(number), "a", "b") == "a":
            return bench.now() - recovery
    return None


def simulated(fails: Callable[[float], ProviderError], requests: int, runs: int) -> list[float | None]:
    times = []
    for seed in range(runs):
        random.seed(seed)
        times.append(run_virtual(back_after(fails, requests)))
    return times


@pytest.mark.parametrize("fails", FAILS.values(), ids=FAILS)
def test_a_recovered_primary_is_back_within_30_seconds(fails: Callable[[float], ProviderError]) -> None:
    assert all(seconds is not None and seconds < 30 for seconds in simulated(fails, 30, runs=50))


def test_a_recovered_primary_is_back_before_the_benchmark_ends_in_more_than_99_of_100_runs() -> None:
    times = simulated(FAILS["503"], BENCHMARK, runs=300)
    assert sum(seconds is not None for seconds in times) > 297


# --- Prompts that fail everywhere, a tenth of all --------------------------------------------------

ENDS = {"empty": InvalidAnswer("The answer is empty."), "500": ServerFailed("500"), "400": BadRequest("400")}


def poisoned(error: ProviderError) -> Behavior:
    """Every model fails what is called bad."""
    return lambda _, prompt, __: error if prompt.startswith("bad") else None


@pytest.mark.parametrize("one", [True, False], ids=["the same one", "each another"])
@pytest.mark.parametrize("error", ENDS.values(), ids=ENDS)
def test_prompts_that_fail_everywhere_open_no_breaker(error: ProviderError, one: bool) -> None:
    async def traffic() -> set[str]:
        chance, bench, opened = random.Random(7), bench_of(poisoned(error)), set[str]()
        for number in range(1000):
            prompt = f"bad {0 if one else number}" if chance.random() < 0.1 else f"good {number}"
            await ask(bench, prompt, "a", "b", "c")
            opened |= {model for (_, model), breaker in bench.breakers if breaker.state != "closed"}
            await asyncio.sleep(EVERY)
        return opened

    assert run_virtual(traffic()) == set()


@pytest.mark.parametrize("order", ["good good bad bad", "bad bad good good good bad", "bad good good bad bad"])
def test_prompts_that_fail_everywhere_open_no_breaker_in_the_first_minute(order: str) -> None:
    async def states() -> set[str]:
        bench = bench_of(poisoned(ServerFailed("500")))
        for number, kind in enumerate(order.split()):
            await ask(bench, f"{kind} {number}", "a", "b", "c")
            await asyncio.sleep(EVERY)
        return {breaker.state for _, breaker in bench.breakers}

    assert run_virtual(states()) == {"closed"}


@pytest.mark.parametrize("seed", range(5))
def test_prompts_that_fail_everywhere_do_not_hide_an_outage(seed: int) -> None:
    async def calls() -> int:
        chance, down = random.Random(seed), False
        bad = ServerFailed("500")
        bench = bench_of(lambda model, prompt, _: bad if prompt == "bad" or (down and model == "a") else None)
        primary = bench.breakers.get("p", "a", BreakerPolicy())
        for number in range(40):
            await ask(bench, "bad" if chance.random() < 0.1 else f"good {number}", "a", "b", "c")
            await asyncio.sleep(EVERY)
        down, before = True, bench.provider.count("a")
        while primary.state == "closed":
            await ask(bench, f"good {bench.now()}", "a", "b", "c")
            await asyncio.sleep(EVERY)
        return bench.provider.count("a") - before

    assert run_virtual(calls()) <= 11  # as many as without them


@pytest.mark.parametrize("error", [InvalidAnswer("The answer is empty."), ServerFailed("500")], ids=["empty", "500"])
@pytest.mark.parametrize("models", [["a"], ["a", "b"], ["a", "b", "c"]], ids=["alone", "two", "three"])
def test_an_outage_opens_its_breaker_after_as_many_calls_as_ever(error: ProviderError, models: list[str]) -> None:
    async def calls() -> int:
        bench = bench_of(lambda model, _, __: error if model == "a" else None)
        for number in range(10):
            await ask(bench, str(number), *models)
            if bench.breakers.get("p", "a", BreakerPolicy()).state == "open":
                break
        return bench.provider.count("a")

    assert run_virtual(calls()) == 3


def test_an_outage_of_all_models_opens_their_breakers_after_three_prompts() -> None:
    async def states() -> list[str]:
        bench = bench_of(lambda *_: ServerFailed("500"))
        for number in range(3):
            await ask(bench, str(number), "a", "b")
        return [breaker.state for _, breaker in bench.breakers]

    assert run_virtual(states()) == ["open", "open"]
