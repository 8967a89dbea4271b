"""What a lane's summary says: the unit is the prompt, the unknown stays unknown, the cache enters nothing."""

from __future__ import annotations

from typing import Any

import pytest

from router.compare.figures import LaneSummary, latency, summaries
from router.core.attempts import Attempt, Spent
from router.core.comparisons import (
    Cell,
    Comparison,
    Plan,
    Prompt,
)
from router.core.conversations import Settings
from router.core.errors import TIMED_OUT
from router.core.intervals import wilson
from router.core.messages import Usage

LANES = (Settings(model="a"), Settings(model="b"))


def attempt(outcome: Any = "answered", *, tokens: int = 7, **rest: Any) -> Attempt:
    """A call that took 2 s, the first of them without a token, for a tenth of a cent."""
    known = {"latency": 2.0, "ttft": 1.0, "cost": 0.001, "usage": Usage(prompt_tokens=11, completion_tokens=tokens)}
    base = {"model": "a", "provider": "p", "place": 0, "number": 1, "started": 0.0, "offset": 0.0}
    return Attempt(**{**base, **known, "outcome": outcome, **rest})


def cell(prompt: int = 0, *attempts: Attempt, repeat: int = 0, state: Any = "answered") -> Cell:
    return Cell(lane=0, prompt=prompt, repeat=repeat, state=state, attempts=attempts or (attempt(),))


def failed(prompt: int = 0, **rest: Any) -> Cell:
    return cell(prompt, attempt("failed", **{"latency": 9.0, "ttft": None, **rest}), state="failed")


def summary(*cells: Cell, prompts: int = 3, repeats: int = 1) -> LaneSummary:
    plan = Plan(lanes=LANES, prompts=tuple(Prompt(text=str(n)) for n in range(prompts)), repeats=repeats)
    by_key = {cell.key: cell for cell in cells}
    return summaries(Comparison(id="c", name="", created=0, plan=plan, cells=by_key))[0]


# --- Answers ---------------------------------------------------------------------------------------


def test_a_lane_without_cells_knows_nothing() -> None:
    found = summary()
    assert (found.name, found.cells, found.over) == ("a", 3, 0)
    assert {found.share, found.latency, found.first_token, found.rate, found.tokens, found.spent.cost} == {None}


def test_the_share_is_of_what_was_answered_or_failed() -> None:
    assert summary(cell(0), cell(1), failed(2), cell(3, state="cut"), prompts=9).share == pytest.approx(2 / 3)


def test_repeats_count_as_one_prompt() -> None:
    repeated = [cell(0, repeat=repeat) for repeat in range(9)]
    found = summary(*repeated, failed(1), repeats=9)
    assert (found.share, found.low) == (0.5, pytest.approx(wilson(0.5, 2)[0]))


@pytest.mark.parametrize(("share", "count", "low", "high"), [(17 / 20, 20, 0.640, 0.948), (0, 100, 0, 0.037)])
def test_the_interval_is_wilson_s(share: float, count: int, low: float, high: float) -> None:
    assert wilson(share, count) == pytest.approx((low, high), abs=5e-4)


# --- Latency ---------------------------------------------------------------------------------------


def test_latency_is_the_median_of_the_prompts() -> None:
    cells = [cell(n, attempt(latency=seconds)) for n, seconds in enumerate((1.5, 2.0, 9.0))]
    assert summary(*cells).latency == 2.0


def test_latency_holds_what_failed_before_and_not_the_queue() -> None:
    first = attempt("failed", queued=4.0, offset=4.0)
    assert latency(cell(0, first, attempt(offset=10.0, queued=1.0))) == 10.0 + 2.0 - 5.0


@pytest.mark.parametrize("reused", ["cached", "shared"])
def test_what_took_no_call_enters_no_latency(reused: str) -> None:
    found = summary(cell(0, attempt(latency=0.1, **{reused: True})), cell(1))
    assert (found.latency, getattr(found, reused)) == (2.0, 1)


@pytest.mark.parametrize("reason", sorted(TIMED_OUT))
def test_a_time_out_is_longer_than_any_answer(reason: str) -> None:
    late = failed(2, reason=reason)
    cells = [cell(0, attempt(latency=2.0)), cell(1, attempt(latency=3.0)), late]
    assert summary(*cells).latency == 3.0


def test_a_lane_that_mostly_timed_out_has_no_median() -> None:
    assert summary(cell(0), failed(1, reason="answer_timeout"), failed(2, reason="answer_timeout")).latency is None


def test_a_refusal_says_nothing_of_latency() -> None:
    assert summary(cell(0), failed(1, reason="permission_denied", latency=0.1)).latency == 2.0


def test_the_first_token_and_the_rate_are_medians_too() -> None:
    found = summary(cell(0, attempt(ttft=0.5, tokens=3)), cell(1), cell(2, attempt(ttft=1.5, tokens=5)))
    assert (found.first_token, found.rate) == (1.0, 7.0)


# --- Money -----------------------------------------------------------------------------------------


def test_failed_attempts_cost_too() -> None:
    found = summary(cell(0, attempt("failed", cost=0.002), attempt()), failed(1, cost=0.004))
    assert found.spent.cost == pytest.approx(0.007)


def test_calls_of_unknown_cost_are_counted_beside_the_sum() -> None:
    assert summary(cell(0), cell(1, attempt("failed", cost=None), attempt(cost=None))).spent == Spent(0.001, 2)


def test_a_sum_of_unknown_costs_is_unknown() -> None:
    assert summary(cell(0, attempt(cost=None))).spent == Spent(None, 1)


def test_the_cost_of_another_s_call_is_not_known() -> None:
    assert summary(cell(0, attempt(shared=True, cost=None))).spent == Spent(None, 0)


def test_the_cache_costs_nothing() -> None:
    found = summary(cell(0), cell(1, attempt(cached=True)))
    assert (found.spent.cost, found.tokens) == (0.001, 18)


def test_tokens_are_those_of_all_calls() -> None:
    assert summary(cell(0, attempt("failed", tokens=2), attempt())).tokens == 31


def test_unknown_tokens_make_the_sum_unknown() -> None:
    assert summary(cell(0), cell(1, attempt(usage=None))).tokens is None


def test_a_call_that_was_never_run_took_no_tokens() -> None:
    assert summary(cell(0, attempt("failed", usage=None, cost=0.0), attempt())).tokens == 18
