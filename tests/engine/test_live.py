"""What goes on in the process now, as people watch it."""

from __future__ import annotations

import contextlib

from router.core.errors import FallbackLabError
from router.core.requests import Request
from tests.conftest import MakeLab
from tests.upstream import Upstream, chain_yaml, stall_after, status

ASK = Request(messages=({"role": "user", "content": "?"},))


def test_a_request_is_in_flight_until_it_ends(make_lab: MakeLab, upstream: Upstream) -> None:
    upstream.script("one", then=stall_after(1))
    lab = make_lab(chain_yaml(upstream, "one"))
    handle = lab.start(ASK, category="chat")
    upstream.wait_received("one")
    during = lab.live().in_flight
    handle.cancel()
    with contextlib.suppress(FallbackLabError):
        handle.result(timeout=30)
    assert [(each.asked, each.snapshot) for each in during] == [("chat", handle.snapshot)]
    assert lab.live().in_flight == ()


def test_the_breakers_of_the_chains_come_first_and_then_those_of_other_models(
    make_lab: MakeLab, upstream: Upstream
) -> None:
    upstream.script("other", then=status(500))
    lab = make_lab(chain_yaml(upstream, "one", "two", retries=0))
    with contextlib.suppress(FallbackLabError):
        lab.start(ASK, model="other").result(timeout=30)
    seen = [(ref.model, breaker.failures) for ref, breaker in lab.live().breakers]
    assert seen == [("one", 0), ("two", 0), ("other", 1)]


def test_a_cooldown_that_the_provider_asked_for_is_told_apart(make_lab: MakeLab, upstream: Upstream) -> None:
    upstream.script("one", then=status(429, headers={"retry-after": "200"}))
    lab = make_lab(chain_yaml(upstream, "one", retries=0))
    with contextlib.suppress(FallbackLabError):
        lab.start(ASK, category="chat").result(timeout=30)
    [(_, breaker)] = lab.live().breakers
    assert (breaker.state, 150 < breaker.cooldown <= 200) == ("open", True)


def test_a_model_that_somebody_only_looks_at_gets_no_breaker(make_lab: MakeLab, upstream: Upstream) -> None:
    lab = make_lab(chain_yaml(upstream, "one"))
    lab.breaker(lab.config().single("a-draft").models[0])
    assert [ref.model for ref, _ in lab.live().breakers] == ["one"]
