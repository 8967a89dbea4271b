"""What a chain sets for one model alone: what that model is asked, how long it has, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.config.chains import Link
from router.config.policy import CachePolicy
from router.core.capabilities import ModelInfo
from router.core.errors import BadRequest
from router.core.formatting import attempt_sentence
from router.core.requests import Request
from router.engine.cache import ResponseCache
from tests.fakes import FOREVER, HELLO, Bench, chain_of, good, ref, stop, story
from tests.virtual_time import run_virtual

TOOL = {"type": "function", "function": {"name": "add"}}


def link(model: str, **own: Any) -> Link:
    return Link(ref=ref(model), **own)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    cache = ResponseCache(tmp_path / "cache", CachePolicy())
    yield cache
    cache.close()


# --- What is asked ---------------------------------------------------------------------------------


def test_each_model_is_asked_with_its_own_parameters() -> None:
    bench = Bench(a=[[BadRequest("no")]], b=[good()])
    chain = chain_of(link("a", params={"seed": 1}), "b", params={"seed": 7, "temperature": 0.2})
    run_virtual(bench.ask(chain))
    asked = [call.request for call in bench.provider.requests]
    assert [(request.params, request.temperature) for request in asked] == [({"seed": 1}, 0.2), ({"seed": 7}, 0.2)]


def test_what_the_request_sets_itself_wins_over_a_link() -> None:
    bench = Bench(a=[good()])
    own = Request(messages=HELLO.messages, temperature=0.9, params={"seed": 3})
    run_virtual(bench.ask(chain_of(link("a", params={"temperature": 0.1, "seed": 1, "top_p": 0.5})), own))
    asked = bench.provider.requests[0].request
    assert (asked.temperature, asked.params) == (0.9, {"seed": 3, "top_p": 0.5})


def test_a_null_of_a_link_leaves_out_a_parameter_of_its_chain() -> None:
    bench = Bench(a=[good()])
    run_virtual(bench.ask(chain_of(link("a", params={"temperature": None}), params={"temperature": 0.2})))
    assert "temperature" not in bench.provider.requests[0].request.body()


def test_a_system_prompt_of_a_link_is_for_its_model_alone() -> None:
    bench = Bench(a=[[BadRequest("no")]], b=[good()])
    run_virtual(bench.ask(chain_of(link("a", system="Think."), "b")))
    first, second = [call.request.messages for call in bench.provider.requests]
    assert (first, second) == (({"role": "system", "content": "Think."}, *HELLO.messages), HELLO.messages)


def test_tools_that_a_link_sets_are_needed_of_its_model_alone() -> None:
    bench = Bench(a=[good()], b=[good()], info={name: ModelInfo(tools=False) for name in "ab"})
    completion = run_virtual(bench.ask(chain_of(link("a", params={"tools": [TOOL]}), "b")))
    assert story(completion.attempts) == [("a", 0, "skipped", "no_tools"), ("b", 1, "answered", None)]


# --- How long it has -------------------------------------------------------------------------------


def test_a_link_s_first_token_replaces_the_chain_s() -> None:
    bench = Bench(a=[[FOREVER]], b=[[FOREVER]], c=[good()])
    run_virtual(bench.ask(chain_of(link("a", first_token=3), link("b", first_token=20), "c", first_token=10)))
    began = bench.provider.calls[0][0]
    assert [time - began for time, _ in bench.provider.calls] == pytest.approx([0, 3, 23])


def test_a_link_has_no_more_than_its_share_of_the_deadline() -> None:
    bench = Bench(a=[[FOREVER]], b=[good()])
    completion = run_virtual(bench.ask(chain_of(link("a", first_token=100), "b", deadline=30)))
    assert completion.attempts[1].offset == pytest.approx(15)


# --- Cache and shared calls ------------------------------------------------------------------------


@pytest.mark.parametrize("own", [{"params": {"seed": 1}}, {"system": "Think."}], ids=str)
def test_another_setting_of_a_link_is_another_answer(cache: ResponseCache, own: dict[str, Any]) -> None:
    bench = Bench(cache=cache, a=[good("plain"), good("set")])

    async def both() -> list[str]:
        return [(await bench.ask(chain_of(each))).answer.text for each in ("a", link("a", **own), link("a", **own))]

    assert run_virtual(both()) == ["plain", "set", "set"]


def test_a_link_s_parameter_that_a_request_overrides_makes_no_difference(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[good("first"), good("second")])
    request = Request(messages=HELLO.messages, temperature=0.9)

    async def both() -> list[str]:
        chains = (chain_of("a"), chain_of(link("a", params={"temperature": 0.1})))
        return [(await bench.ask(chain, request)).answer.text for chain in chains]

    assert run_virtual(both()) == ["first", "first"]


@pytest.mark.parametrize("chain_params", [{}, {"temperature": 0.2}], ids=str)
def test_requests_that_differ_at_a_link_do_not_share_its_answer(
    cache: ResponseCache, chain_params: dict[str, Any]
) -> None:
    """One sets the chain's own value, and so keeps it; the other leaves it open, and so gets the link's."""
    bench = Bench(cache=cache, a=[good("first"), good("second")])
    chain = chain_of(link("a", params={"temperature": 0.9}), params=chain_params)
    explicit = Request(messages=HELLO.messages, temperature=0.2)

    async def both() -> list[str]:
        return [(await bench.ask(chain, request)).answer.text for request in (explicit, HELLO)]

    assert run_virtual(both()) == ["first", "second"]


def test_calls_with_other_settings_are_not_shared() -> None:
    bench = Bench(a=[[FOREVER]])

    async def both() -> int:
        chains = [chain_of(each) for each in ("a", link("a", params={"seed": 1}), link("a", system="Think."))]
        tasks = [asyncio.create_task(bench.ask(chain, events=[])) for chain in chains]
        await asyncio.sleep(1)
        calls = bench.provider.count("a")
        await stop(*tasks)
        return calls

    assert run_virtual(both()) == 3


def test_one_prompt_is_one_prompt_whatever_a_link_sets() -> None:
    """A prompt that fails everywhere is found by its hash."""
    bench = Bench(a=[[BadRequest("no")]], b=[good()])
    run_virtual(bench.ask(chain_of(link("a", system="Think."), "b")))
    run_virtual(bench.ask(chain_of("b")))
    assert len({seen.prompt_hash for seen in bench.observed}) == 1


# --- The trace -------------------------------------------------------------------------------------


def test_an_attempt_tells_what_was_set_for_its_model() -> None:
    bench = Bench(a=[[BadRequest("no")]], b=[good()])
    chain = chain_of(link("a", params={"seed": 1}, system="Think.", first_token=5), "b")
    first, second = run_virtual(bench.ask(chain)).attempts
    assert attempt_sentence(first).endswith(" Set for this model alone: seed 1, system prompt, first_token 5 s.")
    assert "Set for" not in attempt_sentence(second)


def test_a_cached_answer_tells_what_this_chain_sets(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[good()])

    async def both() -> list[tuple[str, ...]]:
        chains = (chain_of(link("a", params={"seed": 1})), chain_of("a", params={"seed": 1}))
        return [(await bench.ask(chain)).attempts[0].own for chain in chains]

    assert run_virtual(both()) == [("seed 1",), ()]


def test_nothing_is_set_for_the_model_that_stands_in() -> None:
    bench = Bench(a=[good()], tiny=[good()])
    bench.provider.key = False
    chain = chain_of(link("a", system="Think."))
    completion = run_virtual(bench.ask(chain, offline=ref("tiny", provider="embedded")))
    assert completion.attempts[-1].own == ()
    assert bench.offline.requests[0].request.messages == HELLO.messages
