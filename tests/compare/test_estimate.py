"""What a comparison will likely cost and take: the known is added up, the unknown is said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from router.compare.estimate import estimate
from router.config.policy import RetentionPolicy
from router.core.attempts import Attempt
from router.core.comparisons import Plan, Prompt, Usual
from router.core.conversations import Settings
from router.core.messages import Usage
from router.core.pricing import Price
from router.core.records import Observation
from router.runs.estimate import AskedFirst, Estimate
from router.store import Retention, Store
from router.store.hours import ERROR
from tests.conftest import MakeLab

DEAR = Price(input=1_000_000, output=2_000_000).cost_of
"""A dollar a token in, two a token out."""
FREE = Price(input=0, output=0).cost_of


def likely(*lanes: tuple[Any, Usual | None], prompts: int = 2, max_tokens: int | None = None, **rest: Any) -> Estimate:
    """Lanes by what their first model's tokens cost, and what it took before."""
    settings = tuple(Settings(model=f"m{n}", max_tokens=max_tokens) for n in range(len(lanes)))
    plan = Plan(lanes=settings, prompts=(Prompt(text="12345678"),) * prompts, **rest)
    known = {lane.model: lanes[n] for n, lane in enumerate(settings)}
    return estimate(
        plan,
        lambda lane: AskedFirst("p", lane.model or "", known[lane.model][0], lambda request: request),
        lambda _, name: known[name][1],
        lambda _: b"",
    )


def test_every_prompt_of_every_lane_is_a_call_as_often_as_it_repeats() -> None:
    assert likely((FREE, None), (FREE, None), prompts=3, repeats=4).calls == 24


def test_cost_is_that_of_the_prompts_and_of_answers_as_long_as_usual() -> None:
    assert likely((DEAR, Usual(9, 1.0, 10.0)), prompts=2).cost == 2 * (3 + 20)


def test_no_answer_is_thought_longer_than_it_may_be() -> None:
    assert likely((DEAR, Usual(9, 1.0, 10.0)), prompts=1, max_tokens=4).cost == 3 + 8


def test_a_model_without_a_price_is_named() -> None:
    found = likely((DEAR, Usual(9, 1.0, 10.0)), (None, Usual(9, 1.0, 10.0)), prompts=1)
    assert (found.cost, found.no_cost) == (23, ("m1",))


def test_a_model_without_a_known_length_is_named() -> None:
    assert likely((DEAR, None)).no_cost == ("m0",)


@pytest.mark.parametrize(
    ("cost_of", "tokens", "cost"),
    [
        (None, 10.0, 1.5),
        (DEAR, None, 1.5),
        (DEAR, 10.0, 2 * 3 * (3 + 20)),  # a known price knows this prompt's length
        (FREE, None, 0.0),
    ],
)
def test_where_the_price_or_the_length_is_unknown_earlier_answers_say_the_cost(
    cost_of: Any, tokens: float | None, cost: float
) -> None:
    found = likely((cost_of, Usual(9, 1.0, tokens, 0.25)), prompts=2, repeats=3)
    assert (found.cost, found.no_cost) == (cost, ())


def test_a_free_model_is_free_at_any_length() -> None:
    found = likely((FREE, None))
    assert (found.cost, found.no_cost) == (0, ())


def test_time_is_that_of_the_slowest_lane() -> None:
    found = likely((FREE, Usual(9, 1.5, 10.0)), (FREE, Usual(9, 3.0, 10.0)), prompts=9)
    assert found.time == 3 * 3.0  # four at once


def test_a_model_never_seen_is_named() -> None:
    assert likely((FREE, None), (FREE, Usual(9, 3.0, 10.0))).no_time == ("m0",)


def test_the_cost_has_an_interval_where_earlier_answers_vary() -> None:
    # 1.96 standard errors of the sum of 4 calls whose mean was estimated from 12: 92 * 0.5 * sqrt(1/4 + 1/12).
    found = likely((DEAR, Usual(12, 1.0, 10.0, spread=0.5)), prompts=4)
    assert (found.cost, found.error) == (92, pytest.approx(1.96 * 46 * math.sqrt(1 / 3), rel=1e-3))
    assert "Likely cost: $92.00 ($39.95 to $144.05)." in found.sentence()


def test_the_interval_is_left_out_where_a_lane_s_is_not_known() -> None:
    found = likely((DEAR, Usual(12, 1.0, 10.0, spread=0.5)), (DEAR, Usual(1, 1.0, 10.0)), prompts=4)
    assert found.error is None


def test_a_lane_that_costs_nothing_leaves_the_interval_as_it_is() -> None:
    found = likely((DEAR, Usual(12, 1.0, 10.0, spread=0.5)), (FREE, Usual(1, 1.0, 10.0)), prompts=4)
    assert found.error is not None


def test_the_sentence_says_what_is_not_known() -> None:
    text = likely((DEAR, Usual(9, 1.0, 10.0)), (None, None), prompts=1).sentence()
    assert text == (
        "2 calls. Likely cost: $23.00 without m1 (price or length unknown)."
        " Likely time: about 1.00 s without m1 (no earlier answers)."
    )


def test_the_sentence_makes_nothing_of_nothing() -> None:
    assert likely((None, None)).sentence() == "2 calls. Likely cost: unknown. Likely time: unknown."


# --- Who is asked first ----------------------------------------------------------------------------

YAML = """
default_provider: keyed
providers:
  keyed: {protocol: openai, base_url: "http://127.0.0.1:9/v1", api_key: "${SOME_KEY}"}
  open: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}
  embedded: {protocol: embedded}
models: {"open:b": {price: {input: 1, output: 1}}}
chains: {one: [a, "open:b"], two: [a]}
"""


@pytest.mark.parametrize(
    ("lane", "no_cost"),
    [
        (Settings(category="one", max_tokens=1), ()),  # the second model, for the first one has no key
        (Settings(category="two", max_tokens=1), ()),  # the embedded one, which is free
        (Settings(model="a", max_tokens=1), ("a, at most 1 token",)),  # nothing stands in for a model asked by name
    ],
)
def test_the_price_is_that_of_the_first_model_that_can_be_asked(
    make_lab: MakeLab, lane: Settings, no_cost: tuple[str, ...]
) -> None:
    other = Settings(model="open:b", max_tokens=2)
    plan = Plan(lanes=(lane, other), prompts=(Prompt(text="Hello?"),))
    assert make_lab(YAML).comparisons.estimate(plan).no_cost == no_cost


LINKS = """
default_provider: open
providers: {open: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}}
models: {a: {price: {input: 1000000, output: 1000000}}}
chains:
  plain: [a]
  short: [{model: a, params: {max_tokens: 4}}]
  system: [{model: a, params: {max_tokens: 4}, system: "12345678"}]
  no_number: [{model: a, params: {max_tokens: many}}]
"""


@pytest.mark.parametrize(
    ("category", "max_tokens", "cost"),
    [
        ("short", None, 3 + 4),
        ("short", 2, 3 + 2),  # what the lane sets wins
        ("system", None, 5 + 4),
        ("no_number", 2, 3 + 2),
    ],
)
def test_what_a_link_sets_counts(make_lab: MakeLab, category: str, max_tokens: int | None, cost: float) -> None:
    lane, other = Settings(category=category, max_tokens=max_tokens), Settings(category="plain")
    plan = Plan(lanes=(lane, other), prompts=(Prompt(text="12345678"),))
    assert make_lab(LINKS).comparisons.estimate(plan).cost == cost


def test_a_limit_that_is_no_number_leaves_the_length_unknown(make_lab: MakeLab) -> None:
    plan = Plan(lanes=(Settings(category="no_number"), Settings(category="plain")), prompts=(Prompt(text="Hi"),))
    assert make_lab(LINKS).comparisons.estimate(plan).no_cost == ("no_number chain", "plain chain")


# --- What was seen ---------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = Store(tmp_path / "lab.sqlite")
    yield store
    store.close()


def see(store: Store, **rest: Any) -> None:
    base = {"model": "m", "provider": "p", "place": 0, "number": 1, "outcome": "answered", "started": 0, "offset": 0}
    attempt = Attempt(**{**base, "latency": 2.0, "usage": Usage(completion_tokens=10), **rest})
    store.observations.add(
        Observation(request_id="r", prompt_hash="h", category=None, chain="c", source="chat", sample=0, attempt=attempt)
    )


def test_what_is_usual_is_a_median_and_a_mean(store: Store) -> None:
    for latency, tokens, cost in ((1.0, 10, 0.5), (2.0, 20, None), (9.0, 60, 1.5)):
        see(store, latency=latency, cost=cost, usage=Usage(completion_tokens=tokens))
    store.writer.flush()
    assert store.comparisons.usual("p", "m") == Usual(3, 2.0, 30.0, 1.0, math.sqrt(700) / 30)


def summarize(store: Store) -> None:
    """Of all that is stored, only hourly summaries are left."""
    store.writer.flush()
    Retention(store.database, RetentionPolicy, lambda: 86_400.0).prune(0)


def test_what_is_usual_is_known_where_only_summaries_are_left(store: Store) -> None:
    for started, latency, cost in ((0, 1.0, 0.5), (9_000, 2.0, None), (9_000, 9.0, 1.5)):
        see(store, started=started, latency=latency, cost=cost)
    summarize(store)
    found = store.comparisons.usual("p", "m")
    assert found is not None
    assert (found.calls, found.completion_tokens, found.cost) == (3, None, 1.0)
    assert found.latency == pytest.approx(2.0, rel=ERROR)


@pytest.mark.parametrize("other", [{"cached": True}, {"outcome": "failed"}, {"model": "n"}, {"provider": "q"}])
def test_summaries_of_what_is_no_answer_of_its_own_are_not_usual(store: Store, other: dict[str, Any]) -> None:
    see(store, **other)
    summarize(store)
    assert store.comparisons.usual("p", "m") is None


def test_a_model_s_history_is_found_under_both_its_names(store: Store) -> None:
    see(store, model="p:m")
    see(store, model="m")
    store.writer.flush()
    assert store.comparisons.usual("p", "m") == Usual(2, 2.0, 10.0, spread=0.0)


@pytest.mark.parametrize(
    "other",
    [{"cached": True}, {"shared": True}, {"injected": True}, {"outcome": "failed"}, {"model": "n"}, {"provider": "q"}],
)
def test_what_is_no_answer_of_its_own_is_not_usual(store: Store, other: dict[str, Any]) -> None:
    see(store, **other)
    store.writer.flush()
    assert store.comparisons.usual("p", "m") is None
