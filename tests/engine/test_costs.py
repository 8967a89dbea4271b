"""What calls cost, from the wire to the store: as the provider says, else by list price, else unknown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from router.core.attempts import Attempt, Completion
from router.core.errors import AllModelsFailed
from router.core.requests import Request
from router.engine.options import Options
from tests.conftest import MakeLab
from tests.upstream import Answer as Step
from tests.upstream import Cut, Event, Upstream, answer, chain_yaml, cut_after, reset_before_headers, status

PRICE = {"input": 3, "output": 15}
TOKENS = {"prompt_tokens": 1000, "completion_tokens": 500}
BY_LIST = (1000 * 3 + 500 * 15) / 1e6
REPORTED = 0.00042
FREE = {"input": 0, "output": 0}

Told = tuple[float | None, str | None]


class Asked:
    """A request that is over, as its caller and the store know it."""

    def __init__(self, completion: Completion | None, attempts: tuple[Attempt, ...], rows: list[Mapping[str, Any]]):
        self.completion = completion
        self.attempts = attempts
        self.rows = rows

    @property
    def stored(self) -> list[Told]:
        return [(row["cost"], row["cost_source"]) for row in self.rows]

    @property
    def told(self) -> list[Told]:
        return [(attempt.cost, attempt.cost_source) for attempt in self.attempts]


Ask = Callable[..., Asked]


@pytest.fixture
def ask(upstream: Upstream, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks a chain of a and b; `prices` are what models.yaml says."""
    monkeypatch.setattr("router.store.writer.LINGER", 0)

    def run(*, stream: bool = True, times: int = 1, **prices: Mapping[str, float]) -> Asked:
        file = json.loads(chain_yaml(upstream, "a", "b", retries=0))
        file["models"] = {name: {"price": price} for name, price in prices.items()}
        lab = make_lab(json.dumps(file))
        completion, attempts = None, tuple[Attempt, ...]()
        for _ in range(times):
            request = Request(messages=({"role": "user", "content": "Hello?"},))
            try:
                completion = lab.start(request, category="chat", options=Options(stream=stream)).result(timeout=20)
                attempts = completion.attempts
            except AllModelsFailed as error:
                attempts = error.attempts
        assert lab.store.writer.flush()
        return Asked(completion, attempts, [dict(row) for row in lab.store.observations.last(100)])

    return run


# --- Answers ---------------------------------------------------------------------------------------

each_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@each_way
def test_what_the_provider_reports_is_the_cost(upstream: Upstream, ask: Ask, stream: bool) -> None:
    upstream.script("a", answer())
    assert ask(stream=stream).stored == [(REPORTED, "provider")]


@each_way
def test_what_the_provider_reports_wins_over_models_yaml(upstream: Upstream, ask: Ask, stream: bool) -> None:
    upstream.script("a", answer())
    assert ask(stream=stream, a=PRICE).stored == [(REPORTED, "provider")]


@each_way
def test_else_it_is_computed_from_models_yaml(upstream: Upstream, ask: Ask, stream: bool) -> None:
    upstream.script("a", answer(usage=TOKENS))
    assert ask(stream=stream, a=PRICE).stored == [(pytest.approx(BY_LIST), "computed")]


@each_way
def test_else_it_is_unknown(upstream: Upstream, ask: Ask, stream: bool) -> None:
    upstream.script("a", answer(usage=TOKENS))
    assert ask(stream=stream).stored == [(None, None)]


def test_a_reported_0_is_known(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", answer(usage={**TOKENS, "cost": 0}))
    assert ask(a=PRICE).stored == [(0, "provider")]


@pytest.mark.parametrize("cost", [-1, "x", None, True, []])
def test_a_reported_cost_that_is_none_is_computed(upstream: Upstream, ask: Ask, cost: object) -> None:
    upstream.script("a", answer(usage={**TOKENS, "cost": cost}))
    assert ask(a=PRICE).stored == [(pytest.approx(BY_LIST), "computed")]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 1000}, {"completion_tokens": 500}])
@pytest.mark.parametrize("price", [PRICE, FREE], ids=["priced", "free"])
def test_without_all_counts_it_is_unknown(
    upstream: Upstream, ask: Ask, usage: Mapping[str, int] | None, price: Mapping[str, float]
) -> None:
    upstream.script("a", answer(usage=usage))
    assert ask(a=price).stored == [(None, None)]


def test_a_free_model_is_known_to_cost_nothing(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", answer(usage=TOKENS))
    assert ask(a=FREE).stored == [(0, "computed")]


# --- Attempts that failed --------------------------------------------------------------------------


def with_usage(usage: Mapping[str, Any]) -> Step:
    """Some tokens and the usage, then the connection's end."""

    def cut(events: list[Event]) -> list[Event]:
        return [*events[:4], events[-2], Cut()]

    return answer(tokens=60, usage=usage, edit=cut)


@pytest.mark.parametrize("http", [400, 401, 402, 403, 404, 413, 422, 429])
def test_what_was_refused_costs_nothing(upstream: Upstream, ask: Ask, http: int) -> None:
    upstream.script("a", status(http))
    assert ask().stored[0] == (0, "computed")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(status(408), id="408"),
        pytest.param(status(500), id="500"),
        pytest.param(status(503), id="503"),
        pytest.param(reset_before_headers, id="reset"),
        pytest.param(cut_after(0), id="cut before its first token"),
        pytest.param(cut_after(3), id="cut"),
        pytest.param(answer("", usage=None), id="empty"),
    ],
)
def test_what_may_have_run_costs_an_unknown_sum(upstream: Upstream, ask: Ask, step: Step) -> None:
    upstream.script("a", step)
    assert ask(a=PRICE).stored[0] == (None, None)


def test_usage_that_came_before_the_cut_counts(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", with_usage(TOKENS))
    assert ask(a=PRICE).stored[0] == (pytest.approx(BY_LIST), "computed")


def test_a_cost_that_was_reported_before_the_cut_counts(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", with_usage({**TOKENS, "cost": 0.5}))
    assert ask(a=PRICE).stored[0] == (0.5, "provider")


def test_an_empty_answer_costs_what_its_tokens_cost(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", answer("", usage=TOKENS))
    assert ask(a=PRICE).stored[0] == (pytest.approx(BY_LIST), "computed")


def test_where_nothing_listens_nothing_is_charged(
    ask: Ask, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "base_url", "http://127.0.0.1:1/v1")
    assert ask().stored == [(0, "computed"), (0, "computed")]


# --- The whole request -----------------------------------------------------------------------------


def total(asked: Asked) -> float | None:
    assert asked.completion is not None
    return asked.completion.cost


def test_a_request_costs_the_sum_of_its_attempts(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", with_usage(TOKENS))
    upstream.script("b", answer())
    assert total(ask(a=PRICE)) == pytest.approx(BY_LIST + REPORTED)


def test_a_refusal_before_the_answer_adds_nothing(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", status(404))
    upstream.script("b", answer())
    assert total(ask()) == REPORTED


def test_where_one_attempt_is_unknown_the_sum_is(upstream: Upstream, ask: Ask) -> None:
    upstream.script("a", status(500))
    upstream.script("b", answer())
    assert total(ask()) is None


def test_an_answer_from_the_cache_costs_nothing_more(ask: Ask) -> None:
    assert total(ask(times=2)) == 0


def test_an_answer_from_the_cache_still_tells_what_it_cost_once(ask: Ask) -> None:
    assert ask(times=2).stored == [(REPORTED, "provider")] * 2
