"""The sixteen faults that a failover benchmark injects, each over a real socket through a real Lab."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest

from router.config.chains import Chain, Link, ModelRef
from router.config.policy import BreakerPolicy, ChainPolicy
from router.core.attempts import Completion
from router.core.errors import AllModelsFailed, ServerFailed
from router.core.events import (
    Finished,
    ProviderEvent,
    Restarted,
    Served,
    TextDelta,
)
from router.core.messages import Usage
from router.core.requests import Request
from router.engine.breaker import Breakers
from router.engine.call import AFTER_FINISH, ModelRoute
from router.engine.chain import Engine, run_chain
from router.engine.options import Options
from router.engine.shared_call import SharedCalls
from router.lab import Lab
from router.providers import Call
from router.providers.slots import Slots
from tests.conftest import MakeLab
from tests.fakes import WirelessProvider
from tests.upstream import (
    SILENCE,
    USAGE,
    Upstream,
    answer,
    chain_yaml,
    cut_after,
    late,
    malformed_event,
    no_done,
    refuse_prefill,
    reset_before_headers,
    silent,
    stall_after,
    status,
    words,
)
from tests.virtual_time import run_virtual

GOOD = "A whole answer from the next."
PROMPT = Request(messages=({"role": "user", "content": "Hello?"},))

each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


def ask(lab: Lab, *, stream: bool = True) -> Completion:
    return lab.start(PROMPT, category="chat", options=Options(stream=stream, cache="off")).result(timeout=30)


def reasons(completion: Completion) -> list[tuple[str, str | None]]:
    """Each attempt's model and why it failed; None where it answered."""
    return [(attempt.model, attempt.reason) for attempt in completion.attempts]


# --- Before the answer begins: 429, 5xx, reset -----------------------------------------------------


@each_way
def test_429_with_retry_after_once_is_honoured(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", status(429, headers={"Retry-After": "1"}), then=answer(GOOD))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")), stream=stream)
    first, second = upstream.received("primary")
    assert second.arrived - first.arrived >= 1
    assert completion.answer.text == GOOD
    assert reasons(completion) == [("primary", "rate_limited"), ("primary", None)]


@each_way
def test_429_for_ever_is_tried_a_bounded_number_of_times(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", then=status(429))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", retries=1)), stream=stream)
    assert reasons(completion) == [("primary", "rate_limited")] * 2 + [("fallback", None)]
    assert len(upstream.received("primary")) == 2


def test_429_for_ever_is_retried_with_full_jitter(upstream: Upstream, make_lab: MakeLab) -> None:
    models = [f"limited-{number}" for number in range(5)]
    for model in models:
        upstream.script(model, then=status(429))
    backoff = {"base": "20ms", "cap": "1s"}
    completion = ask(make_lab(chain_yaml(upstream, *models, "fallback", retries=2, backoff=backoff)))
    waits = {number: [a.wait for a in completion.attempts if a.number == number and a.reason] for number in (1, 2, 3)}
    assert waits[1] == [0.0] * 5
    assert all(0 <= wait <= 0.02 for wait in waits[2])
    assert all(0 <= wait <= 0.04 for wait in waits[3])
    assert len({*waits[2], *waits[3]}) == 10


@each_way
def test_500_once_asks_the_same_model_again(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", status(500), then=answer(GOOD))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")), stream=stream)
    assert reasons(completion) == [("primary", "server_failed"), ("primary", None)]
    assert completion.answer.text == GOOD


@each_way
def test_503_for_ever_goes_on_to_the_next(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=answer(GOOD))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", retries=1)), stream=stream)
    assert reasons(completion) == [("primary", "server_failed")] * 2 + [("fallback", None)]
    assert completion.answer.text == GOOD


@each_way
def test_reset_before_headers_once_asks_the_same_model_again(
    upstream: Upstream, make_lab: MakeLab, stream: bool
) -> None:
    upstream.script("primary", reset_before_headers, then=answer(GOOD))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")), stream=stream)
    assert reasons(completion) == [("primary", "connection_reset"), ("primary", None)]
    assert completion.answer.text == GOOD


# --- Silence ---------------------------------------------------------------------------------------


def test_no_answer_at_all_is_one_attempt_then_the_next(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=silent)
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", first_token="400ms")))
    assert reasons(completion) == [("primary", "first_token_timeout"), ("fallback", None)]
    assert len(upstream.received("primary")) == 1


def test_no_whole_answer_at_all_is_one_attempt_then_the_next(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=silent)
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", answer="400ms")), stream=False)
    assert reasons(completion) == [("primary", "answer_timeout"), ("fallback", None)]
    assert len(upstream.received("primary")) == 1


def test_first_token_after_20_s_is_left_at_the_first_token_limit(upstream: Upstream, make_lab: MakeLab) -> None:
    """The comment lines that the server sends while it waits are no token."""
    upstream.script("primary", then=late(20))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", first_token="400ms")))
    assert reasons(completion) == [("primary", "first_token_timeout"), ("fallback", None)]
    silence = completion.attempts[0].latency
    assert silence is not None
    assert 0.4 <= silence < 5
    assert upstream.wait_closed("primary").disconnected


# --- Trouble in the middle of a stream -------------------------------------------------------------


def test_stream_cut_after_40_of_60_tokens_gives_the_whole_answer_of_the_next(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    upstream.script("primary", then=cut_after(40, of=60))
    upstream.script("fallback", then=answer(GOOD))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")))
    assert reasons(completion) == [("primary", "stream_cut"), ("fallback", None)]
    assert completion.answer.text == GOOD


def test_stream_that_stalls_after_20_tokens_gives_the_whole_answer_of_the_next(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    upstream.script("primary", then=stall_after(20))
    upstream.script("fallback", then=answer(GOOD))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", stall="400ms")))
    assert reasons(completion) == [("primary", "stream_stalled"), ("fallback", None)]
    assert completion.answer.text == GOOD


def test_broken_stream_tells_its_reader_to_drop_what_came(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=cut_after(40))
    upstream.script("fallback", then=answer(GOOD))
    handle = make_lab(chain_yaml(upstream, "primary", "fallback")).start(PROMPT, category="chat")
    handle.result(timeout=30)
    told = [event.text if isinstance(event, TextDelta) else event for event in handle.events()]
    restart = told.index(Restarted())
    assert [text for text in told[:restart] if isinstance(text, str)] == list(words(40))
    assert "".join(text for text in told[restart:] if isinstance(text, str)) == GOOD
    assert handle.snapshot().answer.text == GOOD


def test_one_malformed_event_is_skipped_and_the_rest_is_kept(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=malformed_event(after=20, of=60))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")))
    assert reasons(completion) == [("primary", None)]
    assert completion.answer.text == "".join(words(60))


def test_stream_without_done_is_finished_at_the_end_of_its_body(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=no_done())
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")))
    assert reasons(completion) == [("primary", None)]
    assert completion.attempts[0].latency is not None
    assert completion.attempts[0].latency < AFTER_FINISH


def test_stream_without_done_or_end_is_finished_by_its_finish_reason(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=no_done(SILENCE))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", stall="60s")))
    assert reasons(completion) == [("primary", None)]
    assert completion.attempts[0].usage is not None


def test_cut_stream_starts_afresh_at_a_next_model_that_refuses_prefill(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=cut_after(40))
    upstream.script("fallback", then=refuse_prefill(answer(GOOD)))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")))
    assert reasons(completion) == [("primary", "stream_cut"), ("fallback", None)]
    assert completion.answer.text == GOOD


# --- Refusals --------------------------------------------------------------------------------------

CONTEXT = status(400, "The maximum context length is 8192 tokens.", code="context_length_exceeded")
POLICY = status(400, "Violates our usage policy, section 7.", code="content_policy_violation")


@each_way
def test_400_context_length_never_asks_the_same_model_again(
    upstream: Upstream, make_lab: MakeLab, stream: bool
) -> None:
    upstream.script("primary", then=CONTEXT)
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")), stream=stream)
    assert reasons(completion) == [("primary", "context_length_exceeded"), ("fallback", None)]
    assert len(upstream.received("primary")) == 1


@each_way
def test_400_content_policy_is_one_attempt_and_passes_the_reason_on(
    upstream: Upstream, make_lab: MakeLab, stream: bool
) -> None:
    upstream.script("primary", then=POLICY)
    with pytest.raises(AllModelsFailed, match=r"Violates our usage policy, section 7\.") as failed:
        ask(make_lab(chain_yaml(upstream, "primary", "fallback")), stream=stream)
    assert [attempt.reason for attempt in failed.value.attempts] == ["content_filtered"]
    assert [call.model for call in upstream.requests] == ["primary"]


def test_400_content_policy_goes_on_where_the_chain_says_so(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=POLICY)
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", on_content_filter="next")))
    assert reasons(completion) == [("primary", "content_filtered"), ("fallback", None)]


# --- Accounting ------------------------------------------------------------------------------------


@each_way
def test_accounting_names_the_served_model_and_its_usage(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", then=status(402))
    upstream.script("fallback", then=answer(model="vendor/fallback-2026-01"))
    attempt = ask(make_lab(chain_yaml(upstream, "primary", "fallback")), stream=stream).attempt
    assert attempt is not None
    assert (attempt.model, attempt.served_model) == ("fallback", "vendor/fallback-2026-01")
    assert attempt.usage == Usage(prompt_tokens=11, completion_tokens=7, cost=0.00042)
    assert attempt.cost == USAGE["cost"]


# --- An outage: the primary is down for a while ----------------------------------------------------


def test_outage_is_bridged_with_few_probes_and_left_soon_after_it_ends(upstream: Upstream, make_lab: MakeLab) -> None:
    """A fiftieth of the real thing: down for 1.2 s, a request every 80 ms (the fallback's delay), open for 0.4 s."""
    lab = make_lab(chain_yaml(upstream, "primary", "fallback", breaker={"open_for": "400ms"}))
    upstream.script("fallback", then=answer(GOOD, delay=0.08))
    upstream.script("primary", then=status(503))
    during = [ask(lab) for _ in range(15)]
    assert {completion.attempts[-1].model for completion in during} == {"fallback"}
    calls = upstream.received("primary")
    # The first request's three tries open the breaker; a probe then comes 0.3 s (400 ms less a quarter) apart at least.
    assert 3 < len(calls) <= 3 + (calls[-1].arrived - calls[0].arrived) / 0.3

    upstream.script("primary", then=answer())
    after = [ask(lab).attempts[-1].model for _ in range(20)]
    back = after.index("primary")
    # An open breaker closes within 0.5 s (400 ms and a quarter): seven requests of 80 ms.
    assert back <= 7
    assert set(after[back:]) == {"primary"}
    assert lab.breaker(ModelRef(provider="local", model="primary", text="primary")).state == "closed"


# --- The same, and two races, on a clock that jumps -------------------------------------------------


class Wireless(WirelessProvider):
    """Each call takes some seconds, and the primary fails while it is down."""

    def __init__(self, seconds: float, down_until: float = 0) -> None:
        self._seconds = seconds
        self._down_until = down_until
        self.calls: list[tuple[float, str]] = []

    async def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        clock = asyncio.get_running_loop().time
        self.calls.append((clock(), call.model))
        await asyncio.sleep(self._seconds)
        if call.model == "primary" and clock() < self._down_until:
            raise ServerFailed("Down.", status=503)
        yield Served(call.model)
        yield TextDelta(GOOD)
        yield Finished("stop")


def asker(provider: Wireless, **policy: float) -> Callable[[], Coroutine[Any, Any, Completion]]:
    """What sends PROMPT through a chain of `primary` and `fallback` at this provider."""
    loop = asyncio.get_running_loop()
    slots = Slots(lambda: 8)
    breakers = Breakers(loop.time)

    def route(ref: ModelRef) -> ModelRoute:
        return ModelRoute(ref, provider, breakers.get(ref.provider, ref.model, BreakerPolicy.model_validate({})), slots)

    engine = Engine(
        route=route,
        cache=None,
        calls=SharedCalls(),
        observe=lambda _: None,
        conclude=lambda _: None,
        clock=loop.time,
    )
    models = [ModelRef(provider="fake", model=name, text=name) for name in ("primary", "fallback")]
    links = tuple(Link(ref=model) for model in models)
    chain = Chain(name="chat", links=links, policy=ChainPolicy.model_validate(policy), params={})
    return lambda: run_chain(engine, chain, PROMPT, Options())


def test_outage_of_60_s_with_a_request_every_4_s() -> None:
    async def outage() -> tuple[list[tuple[float, str]], list[float]]:
        clock = asyncio.get_running_loop().time
        start = clock()
        provider = Wireless(0.2, down_until=start + 60)
        ask = asker(provider)
        served: list[tuple[float, str]] = []
        for tick in range(40):
            await asyncio.sleep(start + 4 * tick - clock())
            served.append((4 * tick, (await ask()).attempts[-1].model))
        return served, [at - start for at, model in provider.calls if model == "primary"]

    served, calls = run_virtual(outage())
    assert {model for at, model in served if at < 60} == {"fallback"}
    # Three tries open the breaker; then a probe at most every 15 s (open_for is 20 s, less a quarter).
    assert len([at for at in calls if at < 60]) <= 3 + 60 / 15
    back = next(at for at, model in served if model == "primary")
    assert back <= 60 + 30
    assert {model for at, model in served if at >= back} == {"primary"}


AT_ONCE = 1e-10
"""Seconds; less than the clock can tell apart, so that two timers fire in one turn of the loop, in this order."""


def test_first_token_in_the_moment_of_the_limit_is_no_internal_error() -> None:
    async def race() -> Completion:
        return await asker(Wireless(10 - AT_ONCE), first_token=10, deadline=60)()

    with contextlib.suppress(AllModelsFailed):
        assert run_virtual(race()).answer.text == GOOD


def test_identical_request_in_the_moment_of_the_answer_is_answered() -> None:
    """The call has ended, and those who wait for it have not been told yet."""

    async def race() -> tuple[Completion, Completion]:
        ask = asker(Wireless(1))

        async def a_second_later() -> Completion:
            await asyncio.sleep(1 + AT_ONCE)
            return await ask()

        return await asyncio.gather(ask(), a_second_later())

    assert [completion.answer.text for completion in run_virtual(race())] == [GOOD, GOOD]
