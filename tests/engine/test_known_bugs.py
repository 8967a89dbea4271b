"""Twenty bugs of well-known gateways (wire facts, "What goes wrong elsewhere"), each impossible here."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest

from router.config.chains import ModelRef
from router.core.attempts import Completion
from router.core.errors import AllModelsFailed, Cancelled
from router.core.messages import ToolCall, Usage
from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab
from tests.conftest import MakeLab
from tests.upstream import (
    BAD_FRAMING,
    Step,
    Upstream,
    answer,
    chain_yaml,
    cut_after,
    error_in_stream,
    error_inside_200,
    malformed_end,
    no_finish_reason,
    put_after,
    refuse_prefill,
    stall_after,
    status,
    when,
)

GOOD = "A whole answer."
WEATHER = {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
BROKEN = {**WEATHER, "function": {"name": "weather", "arguments": '{"city": "Os'}}

each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


def prompt(text: str = "Hello?") -> Request:
    return Request(messages=({"role": "user", "content": text},))


def ask(lab: Lab, request: Request = prompt(), **options: Any) -> Completion:
    return lab.start(request, category="chat", options=Options(**options)).result(timeout=30)


def refused(lab: Lab, **options: Any) -> AllModelsFailed:
    """The failure of a request that no model answers."""
    with pytest.raises(AllModelsFailed) as failed:
        ask(lab, **options)
    return failed.value


def reasons(completion: Completion | AllModelsFailed) -> list[tuple[str, str | None]]:
    """Each attempt's model and why it failed; None where it answered."""
    return [(attempt.model, attempt.reason) for attempt in completion.attempts]


def ref(model: str) -> ModelRef:
    return ModelRef(provider="local", model=model, text=model)


# --- Streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(cut_after(2), id="cut"),
        pytest.param(stall_after(2), id="stalled"),
        pytest.param(put_after(2, 0.1, BAD_FRAMING), id="bad framing"),
        pytest.param(malformed_end(), id="bad chunk in place of the finish reason"),
    ],
)
def test_01_stream_cut_stalled_or_with_a_bad_chunk_falls_back(
    upstream: Upstream, make_lab: MakeLab, fault: Step
) -> None:
    upstream.script("primary", then=fault)
    upstream.script("fallback", then=answer(GOOD))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", stall="500ms")))
    assert [attempt.model for attempt in completion.attempts] == ["primary", "fallback"]
    assert completion.answer.text == GOOD


@each_way
def test_02_end_without_a_finish_reason_is_no_made_up_stop(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", then=no_finish_reason())
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")), stream=stream)
    assert reasons(completion) == [("primary", "stream_cut"), ("fallback", None)]


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        pytest.param(error_in_stream(502, after=0), True, id="before the first token"),
        pytest.param(error_in_stream(502, after=5), True, id="after five tokens"),
        pytest.param(error_inside_200(502), True, id="a body instead of a stream"),
        pytest.param(error_inside_200(502), False, id="a whole body"),
        pytest.param(answer(finish_reason="error"), True, id="a finish reason"),
    ],
)
def test_03_error_inside_a_200_is_no_empty_success(
    upstream: Upstream, make_lab: MakeLab, fault: Step, stream: bool
) -> None:
    upstream.script("primary", then=fault)
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback", retries=0)), stream=stream)
    assert [model for model, _ in reasons(completion)] == ["primary", "fallback"]


def test_03_error_inside_the_stream_keeps_its_words(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=error_in_stream(502, after=5, message="GPU 7 fell off the bus."))
    assert "GPU 7 fell off the bus." in str(refused(make_lab(chain_yaml(upstream, "primary"))))


@pytest.mark.parametrize(("after", "calls"), [(0, 3), (5, 1)])
def test_04_429_in_mid_stream_does_not_spin(upstream: Upstream, make_lab: MakeLab, after: int, calls: int) -> None:
    """Before the first token it is a 429 like any other, with two retries; after it, this model is done."""
    upstream.script("primary", then=error_in_stream(429, after))
    refused(make_lab(chain_yaml(upstream, "primary", retries=2)))
    assert len(upstream.received("primary")) == calls


def test_05_next_model_gets_the_original_request_and_no_prefill(upstream: Upstream, make_lab: MakeLab) -> None:
    messages = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "Count to ten."},
    )
    upstream.script("primary", then=cut_after(2))
    ask(make_lab(chain_yaml(upstream, "primary", "fallback")), Request(messages=messages, temperature=0.5))
    [first], [second] = upstream.received("primary"), upstream.received("fallback")
    assert second.body["messages"] == list(messages)
    assert second.body == {**first.body, "model": "fallback"}


def test_05_error_of_the_last_model_is_its_own(upstream: Upstream, make_lab: MakeLab) -> None:
    """A refused prefill would show its 400 in place of what is wrong with that model."""
    upstream.script("primary", then=cut_after(2))
    upstream.script("fallback", then=refuse_prefill(status(402, "Out of credit.")))
    assert "Out of credit." in str(refused(make_lab(chain_yaml(upstream, "primary", "fallback"))))


def test_16_state_of_one_attempt_is_not_in_the_next(upstream: Upstream, make_lab: MakeLab) -> None:
    """Neither its text, reasoning, tool calls and finish reason, nor who served it and what it used."""
    begun = answer("Lost.", reasoning="Hmm.", tool_calls=[BROKEN], finish_reason="tool_calls", model="one")
    upstream.script("primary", then=begun)
    upstream.script("fallback", then=answer(GOOD, usage=None, model="two"))
    handle = make_lab(chain_yaml(upstream, "primary", "fallback")).start(prompt(), category="chat")
    completion = handle.result(timeout=30)
    first, second = completion.attempts
    assert first.usage is not None
    assert (second.served_model, second.usage, second.cost, second.wait) == ("two", None, None, 0)
    assert msgspec.to_builtins(completion.answer) == {"text": GOOD, "finish_reason": "stop"}
    assert handle.snapshot().answer == completion.answer


def test_16_retry_after_of_one_try_is_not_waited_for_after_the_next(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", status(429, headers={"Retry-After": "0.5"}), status(500))
    completion = ask(make_lab(chain_yaml(upstream, "primary")))
    assert [attempt.wait >= 0.5 for attempt in completion.attempts] == [False, True, False]


def test_17_cut_stream_is_not_closed_as_a_clean_answer(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=cut_after(5))
    handle = make_lab(chain_yaml(upstream, "primary")).start(prompt(), category="chat")
    with pytest.raises(AllModelsFailed, match="lost"):
        handle.result(timeout=30)
    assert handle.snapshot().state == "failed"


# --- Retries, waits and breakers -------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        *(pytest.param(status(code), id=str(code)) for code in (400, 401, 402, 403, 404, 413, 422)),
        pytest.param(status(429, code="insufficient_quota"), id="429 for an exhausted quota"),
        pytest.param(error_inside_200(400), id="400 inside a 200"),
        pytest.param(error_inside_200("400"), id="400 inside a 200, as text"),
    ],
)
def test_06_400_and_its_kin_are_not_retried_on_the_same_model(
    upstream: Upstream, make_lab: MakeLab, refusal: Step
) -> None:
    upstream.script("primary", then=refusal)
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")))
    assert [attempt.model for attempt in completion.attempts] == ["primary", "fallback"]
    assert len(upstream.received("primary")) == 1


def test_07_second_429_does_not_shorten_a_cooldown(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "primary", retries=0))
    upstream.script(
        "primary",
        when(lambda: len(upstream.received("primary")) == 2, status(429, headers={"Retry-After": "60"})),
        when(lambda: lab.breaker(ref("primary")).opens_in > 0, status(429, headers={"Retry-After": "1"})),
    )
    for handle in [lab.start(prompt(text), category="chat") for text in ("One?", "Two?")]:
        with pytest.raises(AllModelsFailed):
            handle.result(timeout=30)
    assert lab.breaker(ref("primary")).opens_in > 30


@pytest.mark.parametrize(("waits", "first_to_close"), [((90, 60), "fallback"), ((60, 90), "primary")])
def test_08_all_models_cooling_down_the_one_that_closes_first_is_tried(
    upstream: Upstream, make_lab: MakeLab, waits: tuple[int, int], first_to_close: str
) -> None:
    lab = cooling(upstream, make_lab, waits)
    upstream.script(first_to_close, then=answer(GOOD))
    completion = ask(lab)
    assert reasons(completion) == [
        ("primary", "breaker_open"),
        ("fallback", "breaker_open"),
        (first_to_close, None),
    ]
    assert completion.answer.text == GOOD


def test_08_all_models_cooling_down_that_one_is_tried_once(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = cooling(upstream, make_lab, (60, 90))
    upstream.script("primary", then=status(503))
    assert reasons(refused(lab))[2:] == [("primary", "server_failed")]
    assert [call.model for call in upstream.requests[2:]] == ["primary"]


def test_08_all_models_cooling_down_the_one_call_is_shared(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = cooling(upstream, make_lab, (60, 90))
    # Failing only when all three have passed both models over, and so wait for this call.
    upstream.script(
        "primary", then=when(lambda: all(len(h.snapshot().attempts) >= 2 for h in list(handles)), status(503))
    )
    handles = [lab.start(prompt(text), category="chat") for text in ("One?", "Two?", "Three?")]
    for handle in handles:
        with pytest.raises(AllModelsFailed):
            handle.result(timeout=30)
    assert [call.model for call in upstream.requests[2:]] == ["primary"]


def cooling(upstream: Upstream, make_lab: MakeLab, waits: tuple[int, int]) -> Lab:
    """A Lab whose primary and fallback have each asked to be left alone for so many seconds, in one call."""
    lab = make_lab(chain_yaml(upstream, "primary", "fallback", deadline=30))
    for model, seconds in zip(("primary", "fallback"), waits, strict=True):
        upstream.script(model, status(429, headers={"Retry-After": str(seconds)}))
    refused(lab)
    return lab


@each_way
def test_09_deadline_is_not_given_to_each_retry_again(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    """Twenty-one tries of 0.3 s would take six seconds."""
    upstream.script("primary", then=status(503, delay=0.3))
    lab = make_lab(chain_yaml(upstream, "primary", retries=20, deadline="1s", breaker={"min_calls": 100}))
    refused(lab, stream=stream)
    assert len(upstream.received("primary")) < 10


def test_09_retries_leave_the_last_model_its_share_of_the_deadline(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=status(503, delay=0.3))
    upstream.script("fallback", then=answer(GOOD, delay=0.3))
    lab = make_lab(chain_yaml(upstream, "primary", "fallback", retries=20, deadline="2s", breaker={"min_calls": 100}))
    assert ask(lab).answer.text == GOOD


def test_14_retries_end_when_the_client_leaves(upstream: Upstream, make_lab: MakeLab) -> None:
    """A request to another model, slower than the wait, is the clock."""
    lab = make_lab(chain_yaml(upstream, "primary", "fallback"))
    upstream.script("primary", then=status(429, headers={"Retry-After": "0.4"}))
    upstream.script("other", then=answer(GOOD, delay=1))
    waiting = threading.Event()
    handle = lab.start(prompt(), category="chat")
    handle.watch(lambda snapshot: waiting.set() if snapshot.attempts else None, every=0.01)
    assert waiting.wait(10)
    handle.cancel()
    with pytest.raises(Cancelled):
        handle.result(timeout=10)
    lab.start(prompt(), model="other").result(timeout=30)
    assert [call.model for call in upstream.requests] == ["primary", "other"]


def test_14_connection_is_closed_when_the_client_leaves(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "primary", "fallback"))
    upstream.script("primary", then=answer(tokens=1000, token_delay=0.05))
    answering = threading.Event()
    handle = lab.start(prompt(), category="chat")
    handle.watch(lambda snapshot: answering.set() if snapshot.answer.text else None, every=0.01)
    assert answering.wait(10)
    left = time.monotonic()
    handle.cancel()
    call = upstream.wait_closed("primary")
    assert call.disconnected
    assert call.closed is not None
    assert call.closed - left < 1


def test_14_client_that_left_is_no_failure_of_the_model(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "primary", "fallback"))
    upstream.script("primary", then=answer(tokens=1000, token_delay=0.05))
    answering = threading.Event()
    handle = lab.start(prompt(), category="chat")
    handle.watch(lambda snapshot: answering.set() if snapshot.answer.text else None, every=0.01)
    assert answering.wait(10)
    handle.cancel()
    with pytest.raises(Cancelled) as cancelled:
        handle.result(timeout=10)
    assert [attempt.outcome for attempt in cancelled.value.partial.attempts] == ["cancelled"]
    assert cancelled.value.partial.answer.text.startswith("word1 ")
    assert lab.breaker(ref("primary")).calls == 0


def in_two_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


@pytest.mark.parametrize("name", ["Retry-After", "Retry-After as a date", "retry-after-ms", "availability"])
@pytest.mark.parametrize("code", [429, 503])
def test_15_retry_after_is_waited_for(upstream: Upstream, make_lab: MakeLab, code: int, name: str) -> None:
    lab = make_lab(chain_yaml(upstream, "primary"))  # its back-off alone is at most 0.05 s
    told = {
        "Retry-After": lambda: status(code, headers={"Retry-After": "0.5"}),
        "Retry-After as a date": lambda: status(code, headers={"Retry-After": in_two_seconds()}),
        "retry-after-ms": lambda: status(code, headers={"retry-after-ms": "500"}),
        "availability": lambda: status(code, availability={"retryable": True, "retry_after": 0.5}),
    }
    upstream.script("primary", told[name]())
    ask(lab)
    first, second = upstream.received("primary")
    assert second.arrived - first.arrived >= 0.5


def test_15_retry_after_longer_than_the_time_left_goes_on_at_once(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=status(429, headers={"Retry-After": "600"}))
    completion = ask(make_lab(chain_yaml(upstream, "primary", "fallback")))
    assert reasons(completion) == [("primary", "rate_limited"), ("fallback", None)]


# --- Accounting ------------------------------------------------------------------------------------


@each_way
def test_10_model_that_served_is_not_masked_by_the_one_asked_for(
    upstream: Upstream, make_lab: MakeLab, stream: bool
) -> None:
    upstream.script("primary", then=answer(model="vendor/primary-mini"))
    attempt = ask(make_lab(chain_yaml(upstream, "primary")), stream=stream).attempt
    assert attempt is not None
    assert (attempt.model, attempt.served_model) == ("primary", "vendor/primary-mini")


@each_way
def test_13_cost_is_not_lost(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 6, "cost": 0.125}
    upstream.script("primary", then=answer(usage=usage))
    completion = ask(make_lab(chain_yaml(upstream, "primary")), stream=stream)
    assert completion.cost == 0.125
    assert completion.attempts[0].usage == Usage(prompt_tokens=5, completion_tokens=6, cost=0.125)


def test_13_cost_of_a_failed_attempt_is_counted(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=answer(tool_calls=[BROKEN], usage={"cost": 0.25}))
    upstream.script("fallback", then=answer(usage={"cost": 0.5}))
    assert ask(make_lab(chain_yaml(upstream, "primary", "fallback"))).cost == 0.75


# --- The cache -------------------------------------------------------------------------------------

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
BASE = Request(
    messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}),
    tools=(TOOL,),
    temperature=0.5,
    params={"top_p": 0.9, "seed": 1},
)
CHANGES: dict[str, dict[str, Any]] = {
    "messages": {"messages": (*BASE.messages, {"role": "user", "content": "Well?"})},
    "system": {"messages": ({"role": "system", "content": "Be long."}, BASE.messages[1])},
    "tools": {"tools": (TOOL, TOOL)},
    "tool_choice": {"tool_choice": "required"},
    "response_format": {"response_format": {"type": "json_object"}},
    "temperature": {"temperature": 0.6},
    "max_tokens": {"max_tokens": 9},
    "seed": {"params": {"top_p": 0.9, "seed": 2}},
    "a parameter more": {"params": {"top_p": 0.9, "seed": 1, "stop": ["."]}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_11_cache_key_leaves_no_parameter_out(upstream: Upstream, make_lab: MakeLab, change: dict[str, Any]) -> None:
    lab = make_lab(chain_yaml(upstream, "primary"))
    ask(lab, BASE)
    ask(lab, msgspec.structs.replace(BASE, **change))
    assert len(upstream.received("primary")) == 2


def test_11_cache_key_holds_the_model(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "primary"))
    for model in ("one", "two"):
        lab.start(prompt(), model=model).result(timeout=30)
    assert [call.model for call in upstream.requests] == ["one", "two"]


def test_11_cache_key_leaves_out_no_field_that_models_yaml_adds(upstream: Upstream, make_lab: MakeLab) -> None:
    """The provider's own `body` goes on the wire with each request."""
    for top_k in (1, 50):
        ask(make_lab(chain_yaml(upstream, "primary", provider={"body": {"top_k": top_k}})))
    assert [call.body["top_k"] for call in upstream.received("primary")] == [1, 50]


def test_11_cache_key_does_not_depend_on_key_order(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "primary"))
    ask(lab, BASE)
    turned = msgspec.structs.replace(
        BASE,
        messages=tuple(dict(reversed(list(message.items()))) for message in BASE.messages),
        tools=(dict(reversed(list(TOOL.items()))),),
        params={"seed": 1, "top_p": 0.9},
    )
    assert ask(lab, turned).attempts[0].cached


@each_way
def test_12_reasoning_and_tool_calls_are_not_lost_on_a_hit(upstream: Upstream, make_lab: MakeLab, stream: bool) -> None:
    upstream.script("primary", answer(GOOD, reasoning="Hmm.", tool_calls=[WEATHER], finish_reason="tool_calls"))
    lab = make_lab(chain_yaml(upstream, "primary"))
    ask(lab, stream=stream)
    handle = lab.start(prompt(), category="chat")
    hit = handle.result(timeout=30)
    assert hit.attempts[0].cached
    assert hit.answer.reasoning == "Hmm."
    assert hit.answer.tool_calls == (ToolCall(id="call_7", name="weather", arguments='{"city": "Oslo"}'),)
    assert handle.snapshot().answer == hit.answer


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(error_inside_200(), id="error inside a 200"),
        pytest.param(error_in_stream(502, after=2), id="error in the stream"),
        pytest.param(status(503), id="503"),
        pytest.param(answer(""), id="empty"),
        pytest.param(no_finish_reason(), id="no finish reason"),
        pytest.param(cut_after(2), id="cut"),
        pytest.param(answer(finish_reason="content_filter"), id="refused by a content policy"),
        pytest.param(answer(tool_calls=[BROKEN]), id="broken tool call"),
    ],
)
def test_18_failure_is_not_cached_as_a_success(upstream: Upstream, make_lab: MakeLab, fault: Step) -> None:
    upstream.script("primary", fault, then=answer(GOOD))
    lab = make_lab(chain_yaml(upstream, "primary", retries=0))
    refused(lab)
    completion = ask(lab)
    assert completion.answer.text == GOOD
    assert not completion.attempts[0].cached


def test_19_cache_hit_does_not_overwrite_the_real_latency(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", then=answer(delay=0.3))
    lab = make_lab(chain_yaml(upstream, "primary"))
    original, *hits = (ask(lab).attempts[0] for _ in range(3))
    assert original.latency is not None
    assert original.latency >= 0.3
    assert [(hit.cached, hit.latency) for hit in hits] == [(True, original.latency)] * 2


def test_19_cache_hit_is_told_apart_in_the_store(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "primary"))
    for _ in range(3):
        ask(lab)
    assert lab.store.writer.flush()
    assert [bool(row["cached"]) for row in lab.store.observations.last(10)] == [False, True, True]


def test_19_cache_hit_costs_nothing_more(upstream: Upstream, make_lab: MakeLab) -> None:
    lab = make_lab(chain_yaml(upstream, "primary"))
    ask(lab)
    assert ask(lab).cost == 0


def test_20_repeats_of_one_prompt_are_answers_of_their_own(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", *(answer(f"Answer {number}.") for number in range(3)))
    lab = make_lab(chain_yaml(upstream, "primary"))
    asked = [ask(lab, sample=sample).answer.text for sample in (0, 1, 2, 0, 1, 2)]
    assert asked == [*(f"Answer {number}." for number in range(3))] * 2


def test_20_repeats_of_one_prompt_in_flight_at_once_are_calls_of_their_own(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    numbers = itertools.count()
    upstream.script("primary", *(answer(f"Answer {next(numbers)}.", delay=0.2) for _ in range(3)))
    lab = make_lab(chain_yaml(upstream, "primary"))
    handles = [lab.start(prompt(), category="chat", options=Options(sample=sample)) for sample in range(3)]
    assert len({handle.result(timeout=30).answer.text for handle in handles}) == 3
