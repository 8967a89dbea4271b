"""The least speed that a policy asks of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from router.core.attempts import Completion
from router.core.events import (
    Finished,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    Restarted,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import Usage
from router.engine.pace import paced
from tests.fakes import Bench, Step, chain_of, good, story
from tests.virtual_time import run_virtual

DONE = Finished("stop")
MANY = 200
"""Deltas: more than any stream here needs to fall behind."""

FORTY = "four " * 32
"""Forty tokens' worth of text."""


def steps(*pattern: Step, times: int = MANY) -> list[Step]:
    return [*pattern * times, DONE]


def left_after(bench: Bench) -> float:
    return bench.provider.calls[1][0] - bench.provider.calls[0][0]


def test_a_stream_that_crawls_is_left_for_the_next_model_and_its_text_dropped() -> None:
    bench = Bench(a=[steps(TextDelta("word"), 1)], b=[good()])
    completion = bench.run("a", "b", min_tokens_per_s=10, stall=10)
    assert story(completion.attempts) == [("a", 1, "failed", "stream_too_slow"), ("b", 1, "answered", None)]
    assert (completion.answer.text, sum(isinstance(event, Restarted) for event in bench.events)) == ("Hi", 1)


@pytest.mark.parametrize(("rate", "seconds"), [(10, 12), (2, 20)], ids=["a tenth", "half"])
def test_it_is_left_once_it_is_a_stall_behind(rate: float, seconds: float) -> None:
    bench = Bench(a=[steps(TextDelta("word"), 1)], b=[good()])
    bench.run("a", "b", min_tokens_per_s=rate, stall=10)
    assert left_after(bench) == pytest.approx(seconds, abs=1.1)


def test_a_stream_that_starts_fast_may_not_crawl_for_longer() -> None:
    bench = Bench(a=[[TextDelta(FORTY * 100), *steps(TextDelta("word"), 1)]], b=[good()])
    bench.run("a", "b", min_tokens_per_s=10, stall=10)
    assert left_after(bench) == pytest.approx(12, abs=1.1)


@pytest.mark.parametrize(
    "pattern",
    [(TextDelta(FORTY), 4), (TextDelta(FORTY), TextDelta(FORTY), 8), (TextDelta(FORTY), 1, TextDelta(FORTY), 7)],
    ids=["every 4 s", "every 8 s", "unevenly"],
)
def test_a_stream_in_bursts_that_keeps_the_rate_passes(pattern: Sequence[Step]) -> None:
    bench = Bench(a=[steps(*pattern, times=30)])
    assert story(bench.run("a", min_tokens_per_s=10, stall=10).attempts) == [("a", 1, "answered", None)]


@pytest.mark.parametrize(
    "token",
    [
        TextDelta(FORTY),
        ReasoningDelta(FORTY),
        ReasoningDetail({"type": "reasoning.encrypted", "data": FORTY}),
        ToolCallDelta(0, arguments=FORTY),
        ImageDelta(FORTY),
    ],
    ids=lambda token: type(token).__name__,
)
def test_tokens_of_every_kind_count(token: ProviderEvent) -> None:
    assert run_virtual(seen([*(token, 2) * 30], rate=19)) == 30


async def seen(script: Sequence[Step], rate: float) -> int:
    """How many events of a script come through."""
    stream = paced(play(script), rate=rate, slack=10, clock=asyncio.get_running_loop().time)
    return len([event async for event in stream])


async def play(script: Sequence[Step]) -> AsyncGenerator[ProviderEvent, None]:
    for step in script:
        if isinstance(step, float | int):
            await asyncio.sleep(step)
        elif not isinstance(step, Exception):
            yield step


def test_what_carries_no_token_does_not_count() -> None:
    noise: list[Step] = [Served("a-1"), Usage(prompt_tokens=3), ReasoningDelta("")]
    bench = Bench(a=[steps(TextDelta("word"), 0.5, *noise, 0.5)], b=[good()])
    bench.run("a", "b", min_tokens_per_s=10, stall=10)
    assert left_after(bench) == pytest.approx(12, abs=1.1)


def test_waiting_for_the_first_token_does_not_count() -> None:
    bench = Bench(a=[[50, TextDelta("Hi"), 5, TextDelta("!"), DONE]])
    completion = bench.run("a", min_tokens_per_s=10, stall=10, first_token=60)
    assert story(completion.attempts) == [("a", 1, "answered", None)]


def test_a_short_answer_is_never_too_slow() -> None:
    bench = Bench(a=[[TextDelta("4"), 9, TextDelta("2"), DONE]])
    assert story(bench.run("a", min_tokens_per_s=1000, stall=10).attempts) == [("a", 1, "answered", None)]


def test_without_the_setting_no_stream_is_too_slow() -> None:
    bench = Bench(a=[steps(TextDelta("."), 3, times=100)])
    assert story(bench.run("a").attempts) == [("a", 1, "answered", None)]


def test_an_answer_that_comes_whole_is_not_measured() -> None:
    async def main() -> Completion:
        chain = chain_of("a", min_tokens_per_s=1000)
        return await Bench(a=[[TextDelta("a"), 9, TextDelta("b"), 9, TextDelta("c"), DONE]]).ask(chain, stream=False)

    assert story(run_virtual(main()).attempts) == [("a", 1, "answered", None)]


def test_a_reader_that_takes_its_time_does_not_count() -> None:
    async def main() -> int:
        stream = paced(play([TextDelta("word")] * 30), rate=10, slack=10, clock=asyncio.get_running_loop().time)
        events = 0
        async for _ in stream:
            events += 1
            await asyncio.sleep(5)
        return events

    assert run_virtual(main()) == 30
