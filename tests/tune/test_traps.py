"""Ways in which evidence misleads, each with what keeps it from doing so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.intervals import wilson
from router.metrics.view import Filter
from router.tune.choice import choose
from router.tune.evidence import FEW, measured
from router.tune.goals import Goals, Limits
from router.tune.graded import Evaluated, evaluated, graded
from router.tune.grid import Grid
from router.tune.joint import Failures
from tests.tune.logs import RunLog, attempt, call, view_of
from tests.tune.test_evidence import HOUR, known, spread

NEVER_FAILS = Failures({}, {}, {})
CASES = [f"q{number:03}" for number in range(100)]
EASY, HARD = CASES[:50], CASES[50:]


def of_run(log: RunLog, *chain: str) -> Evaluated:
    return evaluated(graded([log.results()], "code"), chain, NEVER_FAILS)


def grid_of_run(log: RunLog, *chain: str) -> Grid:
    found = of_run(log, *chain).grid
    assert found is not None
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# --- A fallback that looks good because it saw leftovers, or bad -----------------------------------


def test_leftovers_do_not_enter_the_answered_share() -> None:
    found = known(*spread(10), *spread(30, "server_failed", since=10 * HOUR, place=1))
    assert (found.answered.value, found.calls) == (1, 10)
    assert (found.leftovers.value, found.leftovers.rows) == (0, 30)


def test_leftovers_do_not_enter_times_and_cost() -> None:
    found = known(*spread(10), *spread(30, since=10 * HOUR, place=1, latency=0.01, ttft=0.01, cost=0.0))
    assert (found.latency[0].value, found.first_token[0].value) == (1, 0.5)
    assert found.cost.value == pytest.approx(0.001)


def test_leftovers_are_not_simulated_where_enough_calls_came_first() -> None:
    calls = [*spread(FEW), *spread(100, since=FEW * HOUR, place=1, latency=0.01)]
    found = measured(view_of(calls), "code", {}).models["a"].calls
    assert (found.seen, found.seconds.min()) == (FEW, 1)


def test_leftovers_do_not_enter_the_grid(path: Path) -> None:
    log = RunLog(path, CASES, ["chain", "a", "b"], settings={"chain": Settings(category="code")})
    for case in CASES:
        log.answer(case, "a").answer(case, "b", passed=False)
        log.answer(case, "chain", attempt("a", "server_failed"), attempt("b", place=1), passed=True)
    grid = grid_of_run(log, "a", "b")
    assert grid.quality.mean(axis=0).tolist() == [1, 0]


# --- Answers from the cache, shared calls and injected faults --------------------------------------

NOT_ITS_OWN = [{"cached": True}, {"shared": True}, {"injected": True}]


@pytest.mark.parametrize("label", NOT_ITS_OWN, ids=lambda label: next(iter(label)))
def test_calls_that_are_not_the_model_s_own_look_fast_and_do_not_enter(label: dict[str, Any]) -> None:
    fast = spread(50, since=FEW * HOUR, latency=0.001, ttft=0.001, cost=0.0, **label)
    found = known(*spread(FEW), *fast)
    assert (found.calls, found.latency[0].value, found.cost.value) == (FEW, 1, pytest.approx(0.001))
    view = view_of([*spread(FEW), *fast]).where(Filter())
    assert measured(view, "code", {}).models["a"].calls.seconds.tolist() == [1] * FEW


def second_sample(path: Path, **fields: Any) -> Grid:
    """A grid of two samples of one prompt: a good call of its own, and another one."""
    log = RunLog(path, ["q"], ["a"], repeats=2)
    return grid_of_run(log.answer("q", "a").answer("q", "a", attempt("a", **fields), passed=False, repeat=1), "a")


def test_an_injected_fault_does_not_enter_the_grid(path: Path) -> None:
    assert second_sample(path, injected=True).quality.tolist() == [[1]]


def test_a_shared_call_does_not_enter_the_grid_where_its_cost_is_nobody_s(path: Path) -> None:
    grid = second_sample(path, shared=True, cost=None, latency=0.001, ttft=None)
    assert (grid.cost.tolist(), grid.seconds.tolist()) == ([[0.001]], [[1]])


def test_a_cached_answer_takes_the_time_and_money_of_the_original(path: Path) -> None:
    """As the engine keeps it: a hit has the figures of the call that it replays."""
    grid = second_sample(path, cached=True, latency=1.0, cost=0.001)
    assert (grid.cost.tolist(), grid.seconds.tolist()) == ([[0.001]], [[1]])


# --- A price list that lies ------------------------------------------------------------------------


def test_what_calls_cost_counts_and_not_a_list_of_prices(path: Path) -> None:
    def priced(model: str, cost: float) -> Attempt:
        return attempt(model, cost=cost, cost_source="computed" if model == "b" else "provider")

    log = RunLog(path, CASES, ["a", "b"])
    for case in CASES:  # by its list `b` is cheap; it thinks long, so that its calls are not
        log.answer(case, "a", priced("a", 0.001)).answer(case, "b", priced("b", 0.02))
    grid = grid_of_run(log, "b", "a")
    assert choose(grid, Goals(limits=Limits(links=1)), grid.numbered(("b",))).kind == "cheaper"
    assert grid.only(["a", "b"]).cost.mean(axis=0) == pytest.approx([0.001, 0.02])


# --- Two kinds of prompts (Simpson) ----------------------------------------------------------------


def simpson(path: Path) -> RunLog:
    """`a` was asked everything; `b` only what is easy, where it is worse than `a`, and looks better than `a` in all."""
    log = RunLog(path, CASES, ["a", "b"])
    for number, case in enumerate(EASY):
        log.answer(case, "a").answer(case, "b", passed=number % 5 > 0)
    for case in HARD:
        log.answer(case, "a", passed=False)
    return log


def test_a_model_that_was_only_graded_on_easy_prompts_is_not_asked_first(path: Path) -> None:
    grid = grid_of_run(simpson(path), "a")
    assert grid.quality.mean(axis=0) == pytest.approx([0.5, 0.8])
    assert choose(grid, Goals(limits=Limits(links=1)), grid.numbered(("a",))).proposed is None


def test_models_are_compared_on_the_prompts_that_both_saw(path: Path) -> None:
    log = RunLog(path, CASES, ["a", "b"])
    for number, case in enumerate(CASES):
        log.answer(case, "a", passed=case in EASY)
        if number < 80:
            log.answer(case, "b", passed=case in EASY and number % 5 > 0)
    grid = grid_of_run(log, "a")
    assert len(grid.prompts) == 80
    assert grid.only(["a", "b"]).quality.mean(axis=0) == pytest.approx([50 / 80, 40 / 80])


# --- An outage in the window -----------------------------------------------------------------------


def test_an_outage_in_a_run_does_not_count_against_the_prompts_that_it_hit(path: Path) -> None:
    log = RunLog(path, CASES, ["a", "b"])
    for number, case in enumerate(CASES):
        log.answer(case, "a", attempt("a", "server_failed") if 40 <= number < 60 else attempt("a")).answer(case, "b")
    found = of_run(log, "a", "b")
    assert found.faults == 20
    assert found.grid is not None
    assert (len(found.grid.prompts), found.grid.answered.min()) == (80, 1)


def test_an_outage_is_one_piece_of_evidence_however_many_calls_it_hit() -> None:
    outage = [call("a", "server_failed", at=HOUR * 100 + 600 * 7 + 5.0 * number) for number in range(100)]
    found = known(*spread(100), *outage, *spread(100, since=102 * HOUR)).answered
    naive = wilson(2 / 3, 300)
    assert found.value == pytest.approx(2 / 3)
    assert (found.high or 0) - (found.low or 0) > 4 * (naive[1] - naive[0])


def test_an_outage_does_not_make_single_calls_look_unreliable() -> None:
    outage = [call("a", "server_failed", at=HOUR * 100 + 5.0 * number) for number in range(100)]
    found = measured(view_of([*spread(100), *outage, *spread(100, since=102 * HOUR)]), "code", {}).models["a"]
    assert not any(found.calls.error.tolist())
    assert found.outages.share == pytest.approx(2 / 201, rel=0.1)


# --- The winner's curse ----------------------------------------------------------------------------


def test_the_luckiest_of_many_equal_models_is_not_told_with_its_luck() -> None:
    from tests.tune.worlds import NAMES, world

    told, seen = [], []
    for seed in range(12):
        grid = world([0.6] * len(NAMES), 60, seed)
        found = choose(grid, Goals(limits=Limits(links=1)), (0,), seed=seed)
        best = next((each for each in found.candidates if each.rule == "best"), None)
        if best is not None:
            told.append(best.expected.value or 0)
            seen.append(grid.quality[:, best.chain[0]].mean())
    assert np.mean(seen) > 0.65  # with its luck
    assert np.mean(told) < 0.63
