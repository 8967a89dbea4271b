"""The loop over a chain's models: who is asked, who answers, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.config.chains import Chain, Link
from router.config.policy import BreakerPolicy, CachePolicy
from router.core.attempts import Attempt, Completion
from router.core.errors import (
    AllModelsFailed,
    BadRequest,
    Cancelled,
    ContentFiltered,
    InvalidRequest,
    ServerFailed,
)
from router.core.events import (
    Finished,
    ReasoningDelta,
    Served,
    TextDelta,
    ToolCallDelta,
    Waiting,
)
from router.core.messages import ToolCall, Usage
from router.core.requests import Request
from router.engine.cache import ResponseCache
from tests.conftest import MakeLab
from tests.fakes import FOREVER, HELLO, Bench, Step, chain_of, good, ref, stop, story
from tests.virtual_time import run_virtual

DOWN = ServerFailed("It is down.", status=503)
POLICY_SAYS_NO = ContentFiltered("Not about that.", status=400)


# --- One after the other ---------------------------------------------------------------------------


def test_the_primary_answers_where_it_can() -> None:
    bench = Bench(a=[good()], b=[good()])
    assert (bench.run("a", "b").answer.text, bench.provider.count("b")) == ("Hi", 0)


def test_the_first_fallback_that_can_answers() -> None:
    completion = Bench(a=[[BadRequest("no")]], b=[[DOWN]], c=[good("from c")]).run("a", "b", "c", retries=0)
    assert (completion.answer.text, [a.model for a in completion.attempts]) == ("from c", ["a", "b", "c"])


def test_where_none_can_all_attempts_and_the_last_error_are_told() -> None:
    error = Bench(a=[[BadRequest("no")]], b=[[DOWN]]).run_failed("a", "b", retries=0)
    assert str(error) == "All models failed. Last error: It is down."
    assert story(error.attempts) == [("a", 1, "failed", "bad_request"), ("b", 1, "failed", "server_failed")]


def test_a_content_policy_ends_the_chain_with_the_provider_s_reason() -> None:
    bench = Bench(a=[[POLICY_SAYS_NO]], b=[good()])
    error = bench.run_failed("a", "b")
    sentence = "The content policy of a refused the prompt and ended the chain. Last error: Not about that."
    assert (str(error), bench.provider.calls[1:]) == (sentence, [])


def test_a_content_policy_moves_on_where_the_chain_says_so() -> None:
    completion = Bench(a=[[POLICY_SAYS_NO]], b=[good()]).run("a", "b", on_content_filter="next")
    assert story(completion.attempts) == [("a", 1, "failed", "content_filtered"), ("b", 1, "answered", None)]


def test_a_request_that_no_model_can_take_is_not_sent() -> None:
    bench = Bench(a=[good()])
    with pytest.raises(InvalidRequest):
        run_virtual(bench.ask(chain_of("a"), Request(messages=())))
    assert (bench.provider.calls, bench.observed) == ([], [])


def test_a_chain_s_parameters_go_along() -> None:
    bench = Bench(a=[good()])
    run_virtual(bench.ask(chain_of("a", params={"temperature": 0.2, "seed": 7})))
    sent = bench.provider.requests[0].request
    assert (sent.temperature, sent.params) == (0.2, {"seed": 7})


def test_every_attempt_is_observed_under_one_request() -> None:
    bench = Bench(a=[[3, DOWN]], b=[good()])
    completion = bench.run("a", "b", retries=0)
    assert tuple(seen.attempt for seen in bench.observed) == completion.attempts
    assert {seen.request_id for seen in bench.observed} == {completion.request_id}


def test_attempts_know_their_place_and_when_they_began() -> None:
    attempts = Bench(a=[[3, DOWN]], b=[good()]).run("a", "b", retries=0).attempts
    assert [(attempt.place, attempt.offset) for attempt in attempts] == [(0, 0), (1, pytest.approx(3))]


# --- The deadline ----------------------------------------------------------------------------------


def test_silent_models_share_the_deadline_equally() -> None:
    bench = Bench(a=[[FOREVER]], b=[[FOREVER]], c=[[FOREVER]])
    bench.run_failed("a", "b", "c", first_token=20, deadline=30)
    began = bench.provider.calls[0][0]
    assert [time - began for time, _ in bench.provider.calls] == pytest.approx([0, 10, 20])


def test_time_that_one_model_does_not_need_is_the_others() -> None:
    bench = Bench(a=[[BadRequest("no")]], b=[good(after=14)], c=[good()])
    completion = bench.run("a", "b", "c", first_token=20, deadline=30)
    assert completion.attempts[-1].model == "b"


def chain_without_key(*models: str, **policy: Any) -> Chain:
    """A chain that begins with a model whose provider has no key."""
    return chain_of(Link(ref=ref("keyless", provider="q")), *models, **policy)


def test_time_of_a_model_without_a_key_is_the_others() -> None:
    bench = Bench(a=[good(after=29)])
    bench.offline.key = False
    assert run_virtual(bench.ask(chain_without_key("a", first_token=30, deadline=30))).attempts[-1].model == "a"


def test_no_request_outlasts_its_deadline_before_its_first_token() -> None:
    bench = Bench(a=[[4, DOWN]], b=[[FOREVER]], c=[[7, DOWN]])

    async def main() -> float:
        began = bench.now()
        await bench.failed(chain_of("a", "b", "c", deadline=20, first_token=15))
        return bench.now() - began

    assert run_virtual(main()) <= 20.001


def test_an_answer_that_breaks_off_after_the_deadline_still_has_its_fallback() -> None:
    trickle: list[Step] = [step for number in range(30) for step in (TextDelta(str(number)), 5)]
    completion = Bench(a=[[*trickle, DOWN]], b=[good("whole")]).run("a", "b", deadline=120)
    assert (completion.attempts[-1].model, completion.answer.text) == ("b", "whole")


# --- Open breakers ---------------------------------------------------------------------------------

TRIPS = BreakerPolicy(min_calls=1, open_for=20)


def opened(bench: Bench, *models: str) -> None:
    """Let each model's breaker open."""
    run_virtual(
        bench.failed(chain_of(*models, retries=0), request=Request(messages=({"role": "user", "content": "?"},)))
    )
    bench.provider.calls.clear()


def test_a_model_whose_breaker_is_open_is_skipped() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN]], b=[good()])
    opened(bench, "a")
    completion = bench.run("a", "b")
    assert story(completion.attempts) == [("a", 0, "skipped", "breaker_open"), ("b", 1, "answered", None)]


def test_where_all_breakers_are_open_the_first_to_close_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = iter([1, 0.75, 1])
    bench = Bench(breaker=TRIPS, a=[[DOWN]], b=[[DOWN]], c=[[DOWN]])
    monkeypatch.setattr("random.uniform", lambda low, high: next(factors, 1.0))
    opened(bench, "a", "b", "c")
    error = bench.run_failed("a", "b", "c")
    assert [model for _, model in bench.provider.calls] == ["b"]
    assert story(error.attempts)[-1] == ("b", 1, "failed", "server_failed")


def test_a_forced_call_that_fails_is_not_waited_on_for_another_try() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN]])
    opened(bench, "a")
    bench.run_failed("a")
    assert not [event for event in bench.events if isinstance(event, Waiting)]


def test_a_forced_call_that_is_answered_answers() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN], good()])
    run_virtual(bench.failed(chain_of("a", retries=0)))
    assert story(bench.run("a").attempts) == [("a", 0, "skipped", "breaker_open"), ("a", 1, "answered", None)]


def test_missing_keys_aside_an_open_breaker_is_tried() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN], good()])
    bench.offline.key = False

    async def main() -> Completion:
        await bench.failed(chain_of("a", retries=0))
        return await bench.ask(chain_without_key("a"))

    assert run_virtual(main()).attempts[-1].model == "a"


def test_a_model_that_was_called_and_failed_leaves_open_breakers_alone() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN]], b=[[BadRequest("no")]])
    opened(bench, "a")
    bench.run_failed("a", "b")
    assert [model for _, model in bench.provider.calls] == ["b"]


def test_one_forced_call_is_shared_by_all_who_wait_for_it() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN], [3, DOWN]])

    async def main() -> list[AllModelsFailed]:
        await bench.failed(chain_of("a", retries=0))
        requests = [Request(messages=({"role": "user", "content": str(number)},)) for number in range(5)]
        return await asyncio.gather(*(bench.failed(chain_of("a"), request=request) for request in requests))

    errors = run_virtual(main())
    assert bench.provider.count("a") == 2
    assert {str(error) for error in errors} == {"All models failed. Last error: It is down."}


def test_who_waits_in_vain_for_a_forced_call_is_told_how_long() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN], [FOREVER]])
    patient = chain_of("a", first_token=100, deadline=100)

    async def main() -> str:
        await bench.failed(chain_of("a", retries=0))
        forced = asyncio.create_task(bench.ask(patient))
        await asyncio.sleep(1)
        error = await bench.failed(chain_of("a", deadline=10), request=Request(messages=HELLO.messages * 2))
        await stop(forced)
        return str(error)

    assert "within 10 s" in run_virtual(main())


def test_time_of_a_model_that_is_skipped_is_the_others() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN]], b=[good(after=29)])

    async def main() -> Completion:
        await bench.failed(chain_of("a", retries=0))
        return await bench.ask(chain_of("a", "b", first_token=30, deadline=30))

    assert run_virtual(main()).attempts[-1].model == "b"


def test_a_probe_that_is_stopped_does_not_block_the_model() -> None:
    bench = Bench(breaker=TRIPS, a=[[DOWN], [FOREVER], good()])

    async def main() -> Completion:
        await bench.failed(chain_of("a", retries=0))
        await asyncio.sleep(30)
        probe = asyncio.create_task(bench.ask(chain_of("a")))
        await asyncio.sleep(1)
        await stop(probe)
        return await bench.ask(chain_of("a"))

    assert story(run_virtual(main()).attempts) == [("a", 1, "answered", None)]


# --- The stand-in for missing keys -----------------------------------------------------------------

OFFLINE = ref("tiny", provider="embedded")


def test_where_no_provider_has_a_key_the_stand_in_answers() -> None:
    bench = Bench(a=[good()], b=[good()], tiny=[good("tiny")])
    bench.provider.key = False
    completion = run_virtual(bench.ask(chain_of("a", "b"), offline=OFFLINE))
    assert [(a.model, a.outcome, a.reason) for a in completion.attempts] == [
        ("a", "skipped", "no_key"),
        ("b", "skipped", "no_key"),
        ("tiny", "answered", None),
    ]


def test_the_stand_in_is_no_last_resort() -> None:
    bench = Bench(a=[[DOWN]], tiny=[good("tiny")])
    run_virtual(bench.failed(chain_of("a", retries=0), offline=OFFLINE))
    assert bench.offline.calls == []


def test_without_a_stand_in_the_missing_key_is_the_last_error() -> None:
    bench = Bench(a=[good()])
    bench.provider.key = False
    assert str(bench.run_failed("a")) == "No model was called: a was skipped because P_KEY is not set."


def test_nothing_stands_in_for_a_single_model(make_lab: MakeLab) -> None:
    lab = make_lab("chains: {chat: [a]}")
    with pytest.raises(AllModelsFailed, match="OPENROUTER_API_KEY is not set") as caught:
        lab.start(HELLO, model="a").result(10)
    assert [attempt.model for attempt in caught.value.attempts] == ["a"]


# --- The cache -------------------------------------------------------------------------------------

RICH: list[Step] = [
    1,
    Served("a-1", "host", "gen"),
    ReasoningDelta("Hmm."),
    TextDelta("Hello"),
    ToolCallDelta(0, "c", "add", '{"x": 1}'),
    1,
    Finished("tool_calls"),
    Usage(prompt_tokens=3, cost=0.5),
]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    cache = ResponseCache(tmp_path / "cache", CachePolicy())
    yield cache
    cache.close()


def twice(bench: Bench, **second: Any) -> Completion:
    """Ask the same twice; the second answer."""

    async def main() -> Completion:
        await bench.ask(chain_of("a"))
        return await bench.ask(chain_of("a"), **second)

    return run_virtual(main())


def test_an_identical_request_is_not_sent_again(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[RICH])
    twice(bench)
    assert bench.provider.count("a") == 1


def test_a_hit_has_reasoning_and_tool_calls(cache: ResponseCache) -> None:
    answer = twice(Bench(cache=cache, a=[RICH])).answer
    assert (answer.reasoning, answer.tool_calls) == ("Hmm.", (ToolCall(id="c", name="add", arguments='{"x": 1}'),))


def test_a_hit_replays_its_events(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[RICH])
    twice(bench)
    assert bench.events[:-1] == [
        Served("a-1", "host", "gen"),
        ReasoningDelta("Hmm."),
        TextDelta("Hello"),
        ToolCallDelta(0, "c", "add", '{"x": 1}'),
        Finished("tool_calls"),
    ]


def test_a_hit_is_marked_and_keeps_the_original_s_latency_tokens_and_cost(cache: ResponseCache) -> None:
    attempt: Attempt = twice(Bench(cache=cache, a=[RICH])).attempts[0]
    assert (attempt.cached, attempt.latency, attempt.usage, attempt.cost, attempt.served_model) == (
        True,
        pytest.approx(2),
        Usage(prompt_tokens=3, cost=0.5),
        0.5,
        "a-1",
    )


def test_a_hit_costs_nothing(cache: ResponseCache) -> None:
    assert twice(Bench(cache=cache, a=[RICH])).cost == 0


@pytest.mark.parametrize("options", [{"cache": "refresh"}, {"cache": "off"}, {"sample": 1}], ids=str)
def test_a_cached_answer_is_passed_by(cache: ResponseCache, options: dict[str, Any]) -> None:
    assert twice(Bench(cache=cache, a=[good("old"), good("new")]), **options).answer.text == "new"


@pytest.mark.parametrize(("mode", "kept"), [("refresh", "new"), ("off", "old")])
def test_a_regenerated_answer_is_kept_unless_the_cache_is_off(cache: ResponseCache, mode: str, kept: str) -> None:
    bench = Bench(cache=cache, a=[good("old"), good("new"), good("newest")])

    async def main() -> Completion:
        await bench.ask(chain_of("a"))
        await bench.ask(chain_of("a"), cache=mode)
        return await bench.ask(chain_of("a"))

    assert run_virtual(main()).answer.text == kept


@pytest.mark.parametrize(
    "bad",
    [[DOWN], [TextDelta("half")], [TextDelta("half"), POLICY_SAYS_NO], [Finished("stop")], [TextDelta("x"), FOREVER]],
    ids=["error", "cut", "refused", "empty", "stalled"],
)
def test_what_is_not_whole_and_good_is_not_kept(cache: ResponseCache, bad: list[Step]) -> None:
    bench = Bench(cache=cache, a=[bad, good("new")])

    async def main() -> Completion:
        await bench.failed(chain_of("a", retries=0))
        return await bench.ask(chain_of("a"))

    assert run_virtual(main()).attempts[0].cached is False


def test_a_fallback_s_answer_is_not_kept_as_the_primary_s(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[[BadRequest("no")], good("from a")], b=[good("from b")])

    async def main() -> Completion:
        await bench.ask(chain_of("a", "b"))
        return await bench.ask(chain_of("a", "b"))

    assert run_virtual(main()).answer.text == "from a"


def test_the_answer_of_a_forced_call_is_kept_too(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, breaker=TRIPS, a=[[DOWN], good("kept"), good("sent again")])

    async def main() -> Completion:
        await bench.failed(chain_of("a", retries=0))
        await bench.ask(chain_of("a"))
        return await bench.ask(chain_of("a"))

    assert run_virtual(main()).answer.text == "kept"


def test_a_hit_needs_no_key(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[good("old")])

    async def main() -> Completion:
        await bench.ask(chain_of("a"))
        bench.provider.key = False
        return await bench.ask(chain_of("a"))

    assert run_virtual(main()).answer.text == "old"


def test_an_answer_to_a_body_with_other_fields_added_is_passed_by(cache: ResponseCache) -> None:
    bench = Bench(cache=cache, a=[good("old"), good("new")])

    async def main() -> Completion:
        await bench.ask(chain_of("a"))
        bench.extra = b'{"top_k":1}'
        return await bench.ask(chain_of("a"))

    assert run_virtual(main()).answer.text == "new"


# --- Stopping --------------------------------------------------------------------------------------


def stopped(bench: Bench, after: float, *models: str, **policy: Any) -> Cancelled:
    """Ask, and stop after so many seconds."""

    async def main() -> Cancelled:
        task = asyncio.create_task(bench.ask(chain_of(*models, **policy)))
        await asyncio.sleep(after)
        [outcome] = await stop(task)
        await asyncio.sleep(1000)
        assert isinstance(outcome, Cancelled)
        return outcome

    return run_virtual(main())


def test_a_stopped_answer_is_kept_and_marked_as_cut() -> None:
    partial = stopped(Bench(a=[[ReasoningDelta("Hmm."), 1, TextDelta("Hel"), FOREVER]]), 2, "a").partial
    assert (partial.cut, partial.answer.text, partial.answer.reasoning, partial.attempt) == (True, "Hel", "Hmm.", None)


def test_a_stopped_call_is_observed_as_cancelled() -> None:
    bench = Bench(a=[[TextDelta("Hel"), FOREVER]])
    stopped(bench, 2, "a")
    seen = [(s.attempt.outcome, s.attempt.reason, s.attempt.latency) for s in bench.observed]
    assert seen == [("cancelled", None, pytest.approx(2))]


def test_stopping_ends_the_call() -> None:
    bench = Bench(a=[[TextDelta("Hel"), FOREVER]])
    stopped(bench, 2, "a")
    assert bench.provider.open == 0


@pytest.mark.parametrize(
    ("steps", "after"),
    [([FOREVER], 2), ([TextDelta("Hel"), FOREVER], 2), ([DOWN], 0.001)],
    ids=["silent", "answering", "waiting to retry"],
)
def test_nothing_is_sent_after_a_stop(steps: list[Step], after: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    bench = Bench(a=[steps], b=[good()])
    stopped(bench, after, "a", "b")
    assert len(bench.provider.calls) == 1


def test_a_stop_during_a_back_off_is_observed() -> None:
    bench = Bench(a=[[ServerFailed("500", retry_after=30)]])
    stopped(bench, 5, "a")
    assert isinstance(bench.events[-2], Waiting)
    assert story([seen.attempt for seen in bench.observed])[-1] == ("a", 0, "cancelled", "stopped")


def test_a_stop_while_waiting_for_a_place_leaves_the_place_to_others() -> None:
    bench = Bench(slots=1, a=[[10, TextDelta("x"), Finished("stop")]])
    request = Request(messages=({"role": "user", "content": "?"},))

    async def main() -> Completion:
        first = asyncio.create_task(bench.ask(chain_of("a", first_token=20)))
        await asyncio.sleep(1)
        second = asyncio.create_task(bench.ask(chain_of("a")))
        waiting = asyncio.create_task(bench.ask(chain_of("a", first_token=20), request))
        await asyncio.sleep(1)
        await stop(second)
        await first
        return await waiting

    assert run_virtual(main()).attempts[0].outcome == "answered"


def test_a_stop_is_not_held_against_the_model() -> None:
    bench = Bench(breaker=TRIPS, a=[[FOREVER], good()])
    stopped(bench, 2, "a")
    assert story(bench.run("a").attempts) == [("a", 1, "answered", None)]


def test_a_cut_answer_has_nothing_of_the_attempt_before() -> None:
    before: list[Step] = [Served("a-1"), Finished("stop")]
    partial = stopped(Bench(a=[before], b=[[TextDelta("Hel"), FOREVER]]), 2, "a", "b").partial
    assert (partial.answer.text, partial.answer.finish_reason) == ("Hel", None)


def test_what_was_spent_before_the_stop_is_told() -> None:
    partial = stopped(Bench(a=[[TextDelta("Hel"), Usage(cost=0.25), FOREVER]]), 2, "a").partial
    assert partial.cost == 0.25


# --- Whose fault it is -----------------------------------------------------------------------------


def test_a_prompt_that_fails_everywhere_is_told_and_counted_as_that() -> None:
    bench = Bench(a=[good(), [DOWN]], b=[[DOWN]])

    async def both() -> AllModelsFailed:
        await bench.ask(chain_of("a", "b", retries=0))
        return await bench.failed(
            chain_of("a", "b", retries=0), request=Request(messages=({"role": "user", "content": "Bad"},))
        )

    error = run_virtual(both())
    assert error.by_prompt and "this prompt fails everywhere" in str(error)
    assert [step.reason for step in bench.concluded[-1].path] == ["server_failed", "prompt_fails_everywhere"]
    assert [observed.attempt.reason for observed in bench.observed[1:]] == ["server_failed", "server_failed"]


def test_models_that_answer_nobody_do_not_make_it_the_prompt_s_fault() -> None:
    error = Bench(a=[[DOWN]], b=[[DOWN]]).run_failed("a", "b", retries=0)
    assert not error.by_prompt


def test_models_that_fail_in_different_ways_do_not_make_it_the_prompt_s_fault() -> None:
    bench = Bench(a=[good(), [DOWN]], b=[[FOREVER]])

    async def both() -> AllModelsFailed:
        await bench.ask(chain_of("a", "b", retries=0))
        return await bench.failed(
            chain_of("a", "b", retries=0), request=Request(messages=({"role": "user", "content": "Bad"},))
        )

    assert not run_virtual(both()).by_prompt
