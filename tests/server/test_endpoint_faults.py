"""The sixteen faults of a failover benchmark through the endpoint: the verdicts of tests/engine/test_faults.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import httpx
import pytest

from tests.server.conftest import Serve
from tests.server.serving import Served, data_of
from tests.upstream import (
    USAGE,
    Step,
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

GOOD = "A whole answer from the next."
FROM_PRIMARY = "".join(words(3))

Way: TypeAlias = Literal["whole", "streamed", "buffered"]

each_way = pytest.mark.parametrize("way", get_args(Way))


class Seen(NamedTuple):
    """What a caller gets.

    Attributes:
        text: None where there is no whole answer.
        attempts: each one's model, and why it failed; None where it answered.
        error: the error's object.
    """

    status: int
    text: str | None
    model: str | None
    attempts: list[tuple[str, str | None]]
    error: Mapping[str, Any] | None


def ask(served: Served, way: Way) -> Seen:
    headers = {"x-fallback-lab-trace": "true", "x-fallback-lab-buffer": str(way == "buffered").lower()}
    response = served.ask(headers=headers, stream=way != "whole")
    return _whole(response) if "json" in response.headers["content-type"] else _streamed(response)


def _attempts(trace: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    return [(attempt["model"], attempt["reason"]) for attempt in trace.get("attempts", ())]


def _whole(response: httpx.Response) -> Seen:
    body = response.json()
    text = body["choices"][0]["message"]["content"] if "choices" in body else None
    return Seen(response.status_code, text, body.get("model"), _attempts(body["fallback_lab"]), body.get("error"))


def _streamed(response: httpx.Response) -> Seen:
    *chunks, last = data_of(response.text)
    if last != "[DONE]":
        return Seen(response.status_code, None, None, [], last["error"])
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    return Seen(response.status_code, text, chunks[0]["model"], _attempts(chunks[-1]["fallback_lab"]), None)


class Fault(NamedTuple):
    """A script, and the verdict.

    Attributes:
        primary: what the first model does; its last step for ever.
        reasons: of the primary's failed attempts.
        text: the whole answer, by the primary where it is its own.
        policy: the chain's.
        breaks: the stream fails after its first token, so that only who waits for the whole is answered by the next.
    """

    primary: tuple[Step, ...]
    reasons: tuple[str, ...] = ()
    text: str = GOOD
    policy: Mapping[str, Any] = {}
    breaks: bool = False
    fallback: Step = answer(GOOD)


ONCE = {"retries": 1}
FAULTS = {
    "429 with Retry-After once": Fault(
        (status(429, headers={"Retry-After": "1"}), answer()), ("rate_limited",), FROM_PRIMARY
    ),
    "429 for ever": Fault((status(429),), ("rate_limited",) * 2, policy=ONCE),
    "500 once": Fault((status(500), answer()), ("server_failed",), FROM_PRIMARY),
    "503 for ever": Fault((status(503),), ("server_failed",) * 2, policy=ONCE),
    "reset before headers once": Fault((reset_before_headers, answer()), ("connection_reset",), FROM_PRIMARY),
    "no answer at all": Fault((silent,), ("first_token_timeout",), policy={"first_token": "400ms", "answer": "400ms"}),
    "first token after 20 s": Fault((late(20),), ("first_token_timeout",), policy={"first_token": "400ms"}),
    "cut after 40 of 60 tokens": Fault((cut_after(40),), ("stream_cut",), breaks=True),
    "stalled after 20 tokens": Fault((stall_after(20),), ("stream_stalled",), policy={"stall": "400ms"}, breaks=True),
    "one malformed event": Fault((malformed_event(after=20),), (), "".join(words(60))),
    "no [DONE]": Fault((no_done(),), (), FROM_PRIMARY),
    "no [DONE] and no end": Fault((no_done(math.inf),), (), FROM_PRIMARY, policy={"stall": "60s"}),
    "400 context length": Fault(
        (status(400, "The maximum context length is 8192 tokens.", code="context_length_exceeded"),),
        ("context_length_exceeded",),
    ),
    "cut, and a next model that refuses prefill": Fault(
        (cut_after(40),), ("stream_cut",), breaks=True, fallback=refuse_prefill(answer(GOOD))
    ),
}
STREAMS_ONLY = {name for name, fault in FAULTS.items() if fault.breaks} | {
    "first token after 20 s", "one malformed event", "no [DONE]", "no [DONE] and no end",
}  # fmt: skip
"""What can only happen to a stream."""


@pytest.mark.parametrize(
    ("name", "way"),
    [(name, way) for name in FAULTS for way in get_args(Way) if way != "whole" or name not in STREAMS_ONLY],
)
def test_a_fault_is_answered_as_it_is_in_process(serve: Serve, upstream: Upstream, name: str, way: Way) -> None:
    fault = FAULTS[name]
    upstream.script("primary", *fault.primary[:-1], then=fault.primary[-1])
    upstream.script("fallback", then=fault.fallback)
    served = serve(chain_yaml(upstream, "primary", "fallback", **fault.policy))
    seen = ask(served, way)
    assert seen.status == 200
    if fault.breaks and way == "streamed":
        assert seen.error is not None and seen.error["code"] == fault.reasons[-1]
        assert (seen.text, upstream.received("fallback")) == (None, [])
        return
    answers = "fallback" if fault.text == GOOD else "primary"
    # Who reads a whole answer has one limit, that of the whole.
    reasons = [r.replace("first_token", "answer") if way == "whole" else r for r in fault.reasons]
    assert seen == Seen(200, fault.text, answers, [*(("primary", r) for r in reasons), (answers, None)], None)
    assert len(upstream.received("primary")) == len(reasons) + (answers == "primary")


def test_retry_after_is_honoured(serve: Serve, upstream: Upstream) -> None:
    upstream.script("primary", status(429, headers={"Retry-After": "1"}), then=answer(GOOD))
    ask(serve(chain_yaml(upstream, "primary", "fallback")), "streamed")
    first, second = upstream.received("primary")
    assert second.arrived - first.arrived >= 1


@each_way
def test_400_content_policy_is_one_attempt_and_passes_the_reason_on(serve: Serve, upstream: Upstream, way: Way) -> None:
    policy = status(400, "Violates our usage policy, section 7.", code="content_policy_violation")
    upstream.script("primary", then=policy)
    seen = ask(serve(chain_yaml(upstream, "primary", "fallback")), way)
    assert (seen.status, seen.attempts) == (400, [("primary", "content_filtered")])
    assert seen.error is not None and "Violates our usage policy, section 7." in seen.error["message"]
    assert [call.model for call in upstream.requests] == ["primary"]


@pytest.mark.parametrize("way", ["whole", "buffered"])
def test_accounting_names_the_served_model_its_usage_and_its_cost(serve: Serve, upstream: Upstream, way: Way) -> None:
    upstream.script("primary", then=status(402))
    upstream.script("fallback", then=answer(model="vendor/fallback-2026-01"))
    served = serve(chain_yaml(upstream, "primary", "fallback"))
    streamed = way == "buffered"
    more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    response = served.ask(headers={"x-fallback-lab-buffer": "true"}, **more)
    last = data_of(response.text)[-2] if streamed else response.json()
    assert last["model"] == "vendor/fallback-2026-01"
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert {name: last["usage"][name] for name in names} == {name: USAGE[name] for name in names}
    assert response.headers["x-fallback-lab-model"] == "fallback"


def test_an_outage_is_bridged_with_few_probes_and_left_soon_after_it_ends(serve: Serve, upstream: Upstream) -> None:
    """A fiftieth of the real thing: down for 1.2 s, a request every 80 ms (the fallback's delay), open for 0.4 s."""
    served = serve(chain_yaml(upstream, "primary", "fallback", breaker={"open_for": "400ms"}))
    upstream.script("fallback", then=answer(GOOD, delay=0.08))
    upstream.script("primary", then=status(503))
    during = [ask(served, "streamed") for _ in range(15)]
    assert {seen.model for seen in during} == {"fallback"}
    calls = upstream.received("primary")
    # The first request's three tries open the breaker; a probe then comes 0.3 s (400 ms less a quarter) apart at least.
    assert 3 < len(calls) <= 3 + (calls[-1].arrived - calls[0].arrived) / 0.3
    upstream.script("primary", then=answer())
    after = [ask(served, "streamed").model for _ in range(20)]
    back = after.index("primary")
    assert back <= 7
    assert set(after[back:]) == {"primary"}
