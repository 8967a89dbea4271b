"""One model's calls: limits, retries, what is whole, and waiting for a place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from router.config.policy import BreakerPolicy
from router.core.attempts import Completion, Routing, UpstreamAttempt
from router.core.errors import (
    DECISIONS,
    BadRequest,
    ConnectionReset,
    ContentFiltered,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from router.core.events import (
    Began,
    Ended,
    Finished,
    ImageDelta,
    Queued,
    ReasoningDelta,
    ReasoningDetail,
    Restarted,
    Served,
    TextDelta,
    Token,
    ToolCallDelta,
    Waiting,
)
from router.core.messages import Usage
from router.core.requests import Request
from tests.fakes import FOREVER, Bench, Step, chain_of, good, story
from tests.virtual_time import run_virtual

DONE = Finished("stop")


def other(text: str) -> Request:
    return Request(messages=({"role": "user", "content": text},))


# --- Retries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ConnectionReset("lost"), ServerFailed("500"), RateLimited("429")])
def test_a_passing_failure_is_retried_on_the_same_model(error: ProviderError) -> None:
    completion = Bench(a=[[error], good()], b=[good()]).run("a", "b")
    assert story(completion.attempts) == [("a", 1, "failed", error.kind), ("a", 2, "answered", None)]


FINAL = [cls for cls, decision in DECISIONS.items() if not decision.retry and decision.next]


@pytest.mark.parametrize("cls", FINAL, ids=lambda cls: cls.__name__)
def test_a_lasting_failure_is_never_retried_on_the_same_model(cls: type[ProviderError]) -> None:
    completion = Bench(a=[[cls("Why.")]], b=[good()]).run("a", "b")
    assert story(completion.attempts) == [("a", 1, "failed", cls.kind), ("b", 1, "answered", None)]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_model_is_retried_at_most_so_often(retries: int) -> None:
    bench = Bench(breaker=BreakerPolicy(min_calls=20), a=[[ServerFailed("500")]], b=[good()])
    bench.run("a", "b", retries=retries)
    assert bench.provider.count("a") == retries + 1


def test_the_wait_before_a_retry_is_the_one_that_is_told() -> None:
    bench = Bench(a=[[ServerFailed("500")], good()])
    completion = bench.run("a")
    waited = bench.provider.calls[1][0] - bench.provider.calls[0][0]
    told = [event.seconds for event in bench.events if isinstance(event, Waiting)]
    assert [*told, completion.attempts[1].wait] == pytest.approx([waited, waited])


def test_a_retry_after_is_honoured() -> None:
    bench = Bench(a=[[RateLimited("429", retry_after=7)], good()])
    bench.run("a")
    assert 7 <= bench.provider.calls[1][0] - bench.provider.calls[0][0] <= 7.7 + 1e-6


def test_a_long_retry_after_cools_the_model_down_and_the_next_one_answers() -> None:
    bench = Bench(a=[[RateLimited("429", retry_after=7)]], b=[good()])

    async def twice() -> tuple[Completion, Completion]:
        chain = chain_of("a", "b")
        other = Request(messages=({"role": "user", "content": "Another"},))
        return await bench.ask(chain), await bench.ask(chain, other)

    first, second = run_virtual(twice())
    assert story(first.attempts) == [("a", 1, "failed", "rate_limited"), ("b", 1, "answered", None)]
    assert story(second.attempts) == [("a", 0, "skipped", "breaker_open"), ("b", 1, "answered", None)]
    assert bench.provider.calls[0][0] == bench.provider.calls[1][0]


def test_a_short_retry_after_is_waited_for_although_others_are_left() -> None:
    bench = Bench(a=[[RateLimited("429", retry_after=2)], good()], b=[good()])
    assert story(bench.run("a", "b").attempts)[-1] == ("a", 2, "answered", None)


def test_a_long_retry_after_is_waited_for_where_nobody_else_is_left() -> None:
    bench = Bench(a=[[ServerFailed("500")]], b=[[RateLimited("429", retry_after=20)], good()])
    assert story(bench.run("a", "b", retries=1).attempts)[-1] == ("b", 2, "answered", None)


def test_a_retry_after_of_a_day_removes_a_model_for_the_cap_alone() -> None:
    bench = Bench(a=[[RateLimited("429", retry_after=86_400)], good()], b=[good()])

    async def later() -> Completion:
        chain = chain_of("a", "b", cooldown_cap=60)
        await bench.ask(chain)
        await asyncio.sleep(61)
        return await bench.ask(chain)

    assert story(run_virtual(later()).attempts) == [("a", 1, "answered", None)]


def test_a_retry_after_that_does_not_fit_moves_on_at_once() -> None:
    bench = Bench(a=[[RateLimited("429", retry_after=100)]], b=[good()])
    bench.run("a", "b")
    assert [model for _, model in bench.provider.calls] == ["a", "b"]
    assert bench.provider.calls[0][0] == bench.provider.calls[1][0]


def test_tries_of_one_model_share_one_limit() -> None:
    slow: list[Step] = [5, ServerFailed("500")]
    bench = Bench(a=[slow], b=[good()])
    bench.run("a", "b", first_token=10, deadline=12)
    assert bench.provider.calls[-1][0] - bench.provider.calls[0][0] == pytest.approx(6)


def test_a_model_whose_breaker_opens_meanwhile_is_not_retried_any_more() -> None:
    bench = Bench(a=[[ServerFailed("500")]], b=[good()])
    bench.run("a", "b", retries=9)
    assert bench.provider.count("a") == 3


# --- Silence and length ----------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [[], [Served("a-1")], [Usage(prompt_tokens=3)]], ids=["nothing", "name", "usage"])
def test_a_silent_model_is_left_after_its_limit_and_not_retried(noise: list[Step]) -> None:
    bench = Bench(a=[[*noise, FOREVER]], b=[good()])
    completion = bench.run("a", "b", first_token=10)
    assert story(completion.attempts)[0] == ("a", 1, "failed", "first_token_timeout")
    assert bench.provider.calls[1][0] - bench.provider.calls[0][0] == pytest.approx(10)


@pytest.mark.parametrize(
    "token",
    [
        TextDelta("x"),
        ReasoningDelta("x"),
        ReasoningDetail({"data": "x"}),
        ToolCallDelta(0, "i", "f", "{"),
        ImageDelta("data:image/png;base64,AA=="),
    ],
)
def test_a_token_of_any_kind_ends_the_silence(token: Token) -> None:
    steps: list[Step] = [9, token, 9, ToolCallDelta(1, "j", "g", "{}"), TextDelta("x"), DONE]
    if isinstance(token, ToolCallDelta):
        steps.insert(-1, ToolCallDelta(0, None, None, "}"))
    assert story(Bench(a=[steps]).run("a", first_token=10).attempts) == [("a", 1, "answered", None)]


def test_a_healthy_long_answer_is_never_cut_by_the_deadline() -> None:
    steps: list[Step] = [step for number in range(40) for step in (TextDelta(str(number)), 5)]
    completion = Bench(a=[[*steps, DONE]]).run("a", deadline=30)
    assert completion.attempts[0].latency == pytest.approx(200)


def test_a_stalled_stream_is_left_after_its_limit() -> None:
    bench = Bench(a=[[TextDelta("Hal"), FOREVER]], b=[good()])
    completion = bench.run("a", "b", stall=10)
    assert story(completion.attempts)[0] == ("a", 1, "failed", "stream_stalled")
    assert 10 <= bench.provider.calls[1][0] - bench.provider.calls[0][0] <= 11


def test_tokens_just_within_the_stall_limit_are_no_stall() -> None:
    steps: list[Step] = [step for number in range(40) for step in (TextDelta(str(number)), 0.3 if number % 2 else 9.9)]
    assert story(Bench(a=[[*steps, DONE]]).run("a", stall=10).attempts) == [("a", 1, "answered", None)]


@pytest.mark.parametrize("pause", [0.1, 1, 7])
def test_an_answer_without_end_is_left_after_its_limit(pause: float) -> None:
    steps: list[Step] = [step for number in range(2000) for step in (TextDelta(str(number)), pause)]
    error = Bench(a=[steps]).run_failed("a", max_answer=100)
    assert story(error.attempts) == [("a", 1, "failed", "answer_timeout")]
    assert error.attempts[0].latency == pytest.approx(100)


@pytest.mark.parametrize(("after", "outcome"), [(59, "answered"), (61, "failed")])
def test_an_answer_that_comes_whole_has_a_limit_of_its_own(after: float, outcome: str) -> None:
    async def main() -> Completion:
        chain = chain_of("a", "b", answer=60, first_token=10, deadline=240)
        return await Bench(a=[good(after=after)], b=[good()]).ask(chain, stream=False)

    assert run_virtual(main()).attempts[0].outcome == outcome


# --- What is whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([TextDelta("x")], "stream_cut"),
        ([], "stream_cut"),
        ([DONE], "invalid_answer"),
        ([TextDelta(" \n"), DONE], "invalid_answer"),
        ([ReasoningDelta("Hmm."), DONE], "invalid_answer"),
        ([ToolCallDelta(0, "i", "f", '{"x": '), Finished("tool_calls")], "invalid_answer"),
        ([ToolCallDelta(0, "i", "f", "[1]"), Finished("tool_calls")], "invalid_answer"),
        ([ToolCallDelta(0, "i", None, "{}"), Finished("tool_calls")], "invalid_answer"),
        ([ToolCallDelta(0, "i", "f", "{}"), ToolCallDelta(1, "j", "g", "{"), Finished("tool_calls")], "invalid_answer"),
        ([*[ToolCallDelta(n, "i", "f", "{}") for n in range(257)], Finished("tool_calls")], "invalid_answer"),
        ([TextDelta("x"), *[ReasoningDetail({"data": "x"})] * 257, DONE], "invalid_answer"),
        ([TextDelta("x"), *[ImageDelta("http://host/a.png")] * 257, DONE], "invalid_answer"),
        ([TextDelta("x"), ServerFailed("503")], "stream_cut"),
        ([TextDelta("x"), RateLimited("429")], "stream_cut"),
        ([TextDelta("x"), BadRequest("400")], "bad_request"),
    ],
)
def test_an_answer_that_is_not_whole_is_a_failure_and_the_next_model_answers(steps: list[Step], reason: str) -> None:
    completion = Bench(a=[steps], b=[good("whole")]).run("a", "b")
    assert story(completion.attempts) == [("a", 1, "failed", reason), ("b", 1, "answered", None)]
    assert completion.answer.text == "whole"


@pytest.mark.parametrize("arguments", ["{}", "", '{"x": [1]}'])
def test_tool_calls_without_text_are_whole(arguments: str) -> None:
    completion = Bench(a=[[ToolCallDelta(0, "i", "f", arguments), Finished("tool_calls")]]).run("a")
    assert completion.answer.tool_calls[0].arguments == arguments


def test_what_broke_off_is_voided_before_the_next_model_begins() -> None:
    bench = Bench(a=[[TextDelta("Hal"), ServerFailed("503")]], b=[good("Hello")])
    bench.run("a", "b")
    kinds = [type(event) for event in bench.events]
    assert kinds == [Queued, Began, TextDelta, Ended, Restarted, Queued, Began, TextDelta, Finished, Ended]


@pytest.mark.parametrize(("after", "cost"), [(1.9, 0.5), (2.1, None)])
def test_usage_may_come_shortly_after_the_finish_reason(after: float, cost: float | None) -> None:
    completion = Bench(a=[[TextDelta("x"), DONE, after, Usage(cost=0.5), FOREVER]]).run("a")
    assert (completion.attempts[0].outcome, completion.cost) == ("answered", cost)


# --- Waiting for a place ---------------------------------------------------------------------------


def queued_behind(busy: float, **policy: Any) -> tuple[Bench, Completion]:
    """A request that finds its provider's only place taken for so many seconds; its answer takes two more."""
    bench = Bench(slots=1, a=[good(after=busy), good(after=2)], b=[good()])

    async def main() -> Completion:
        first = asyncio.create_task(
            bench.ask(chain_of("a", first_token=1000, deadline=1000), other("first"), events=[])
        )
        await asyncio.sleep(0)
        completion = await bench.ask(chain_of("a", "b", **policy), other("second"))
        await first
        return completion

    return bench, run_virtual(main())


def test_waiting_for_a_place_is_no_latency() -> None:
    attempt = queued_behind(5)[1].attempts[0]
    assert (attempt.queued, attempt.ttft, attempt.latency) == pytest.approx((5, 2, 2))


def test_waiting_for_a_place_is_shown() -> None:
    bench, _ = queued_behind(5)
    assert [type(event) for event in bench.events[:2]] == [Queued, Began]


@pytest.mark.parametrize("policy", [{"first_token": 3}, {"deadline": 6}], ids=str)
def test_waiting_for_a_place_counts_against_no_limit(policy: dict[str, float]) -> None:
    assert story(queued_behind(50, **policy)[1].attempts) == [("a", 1, "answered", None)]


def test_a_deadline_goes_on_where_it_stood_when_the_waiting_began() -> None:
    bench = Bench(slots=1, a=[good(after=50), [FOREVER]], b=[[FOREVER]])

    async def main() -> float:
        first = asyncio.create_task(bench.ask(chain_of("a", first_token=99, deadline=99), other("first"), events=[]))
        await asyncio.sleep(0)
        began = bench.now()
        await bench.failed(chain_of("a", "b", first_token=99, deadline=20))
        await first
        return bench.now() - began

    assert run_virtual(main()) == pytest.approx(50 + 20)


def test_no_more_calls_than_places_are_in_progress() -> None:
    bench = Bench(slots=3, a=[good(after=1)])

    async def main() -> None:
        await asyncio.gather(*(bench.ask(chain_of("a"), other(str(number))) for number in range(10)))

    run_virtual(main())
    assert bench.provider.most == 3


@pytest.mark.parametrize("steps", [[BadRequest("400")], [TextDelta("x"), ContentFiltered("no")], [FOREVER]])
def test_a_failed_call_gives_its_place_back(steps: list[Step]) -> None:
    completion = Bench(slots=1, a=[steps], b=[good()]).run("a", "b", on_content_filter="next")
    assert completion.attempts[-1].outcome == "answered"


# --- What is recorded ------------------------------------------------------------------------------


def test_an_attempt_carries_what_the_provider_says() -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=2, cost=0.5)
    completion = Bench(a=[[1, Served("a-1", "host", "gen-1"), 1, TextDelta("x"), 1, DONE, usage]]).run("a")
    attempt = completion.attempts[0]
    assert (attempt.served_model, attempt.served_by, attempt.generation_id) == ("a-1", "host", "gen-1")
    assert (attempt.usage, attempt.cost, attempt.cost_source, attempt.status) == (usage, 0.5, "provider", 200)
    assert (attempt.ttft, attempt.latency) == pytest.approx((2, 3))


def test_what_a_server_calls_itself_has_an_end() -> None:
    attempt = Bench(a=[[Served(*["x" * 1_000_000] * 3), TextDelta("x"), DONE]]).run("a").attempts[0]
    assert {attempt.served_model, attempt.served_by, attempt.generation_id} == {"x" * 199 + "…"}


def test_the_attempts_of_a_provider_are_kept_and_what_they_are_called_has_an_end() -> None:
    routing = Routing(upstream=(UpstreamAttempt("x" * 1_000, "m", 429), UpstreamAttempt("Two", "m", 200)), endpoints=3)
    attempt = Bench(a=[[TextDelta("x"), DONE, routing]]).run("a").attempts[0]
    assert attempt.routing is not None
    assert [one.provider for one in attempt.routing.upstream] == ["x" * 199 + "…", "Two"]


def test_what_an_error_says_has_an_end() -> None:
    failed: list[Step] = [ToolCallDelta(0, "i", "f" * 1_000_000, "["), Finished("tool_calls")]
    attempt = Bench(a=[failed], b=[good("whole")]).run("a", "b").attempts[0]
    assert len(attempt.detail or "") == 500


def test_nothing_of_one_try_is_left_in_the_next() -> None:
    first: list[Step] = [Served("a-1", "host"), Usage(cost=9), TextDelta("old"), ServerFailed("503")]
    completion = Bench(a=[first], b=[good("new")]).run("a", "b")
    attempt = completion.attempts[1]
    assert (completion.answer.text, attempt.served_model, attempt.usage, attempt.cost) == ("new", None, None, None)


@pytest.mark.parametrize("cost", [None, 0.0, 0.5])
def test_an_unknown_cost_stays_unknown(cost: float | None) -> None:
    completion = Bench(a=[[TextDelta("x"), DONE, Usage(completion_tokens=1, cost=cost)]]).run("a")
    assert completion.cost == cost


def test_money_spent_on_a_failed_try_is_counted() -> None:
    failed: list[Step] = [TextDelta("x"), Usage(cost=0.25), ServerFailed("503")]
    completion = Bench(a=[failed], b=[[TextDelta("x"), DONE, Usage(cost=0.5)]]).run("a", "b")
    assert completion.cost == 0.75
