"""The grid of evaluation runs: which answers are in it, and what is told of those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from router.core.conversations import Settings
from router.tune.graded import FEWEST, Evaluated, Graded, evaluated, graded
from router.tune.grid import Grid
from router.tune.joint import Both, Failures
from tests.tune.logs import RunLog, attempt

NEVER_FAILS = Failures({}, {}, {})
CHAIN = ("a", "b")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def one(log: RunLog, category: str = "code") -> Graded:
    (found,) = graded([log.results()], category)
    return found


# --- Answers ---------------------------------------------------------------------------------------


def test_an_answer_has_its_grade_time_and_cost(path: Path) -> None:
    answer = attempt("a", latency=2.0, ttft=0.5, cost=0.003)
    found = one(RunLog(path, ["q"], ["a"], suite="easy").answer("q", "a", answer))
    assert (found.model, found.provider, found.suite, found.quality) == ("a", "a", "easy", 1)
    assert (found.seconds, found.first_token, found.cost, found.fault) == (2, 0.5, 0.003, False)


def test_a_wrong_answer_is_an_answer(path: Path) -> None:
    assert one(RunLog(path, ["q"], ["a"]).answer("q", "a", passed=False)).quality == 0


def test_a_person_s_word_counts_more_than_a_check_s(path: Path) -> None:
    log = RunLog(path, ["q"], ["a"]).answer("q", "a", passed=True).answer("q", "a", passed=False, by="Eva")
    assert one(log).quality == 0


def test_an_answer_that_could_not_be_graded_is_left_out(path: Path) -> None:
    assert not [*graded([RunLog(path, ["q"], ["a"]).answer("q", "a", passed=None).results()], "code")]


def test_an_answer_that_was_stopped_is_left_out(path: Path) -> None:
    assert not [*graded([RunLog(path, ["q"], ["a"]).answer("q", "a", state="cut").results()], "code")]


def test_retries_cost_time_and_money(path: Path) -> None:
    first = attempt("a", "server_failed", latency=1.0, cost=0.001)
    second = attempt("a", number=2, latency=2.0, wait=0.5, ttft=0.25, cost=0.002)
    found = one(RunLog(path, ["q"], ["a"]).answer("q", "a", first, second))
    assert (found.seconds, found.first_token, found.cost) == (3.5, 1.75, pytest.approx(0.003))
    assert found.quality == 1


def test_a_failed_call_whose_cost_nobody_told_is_free_and_an_answer_is_not(path: Path) -> None:
    failed, answer = attempt("a", "server_failed", cost=None), attempt("a", number=2, cost=0.002)
    assert one(RunLog(path, ["q"], ["a"]).answer("q", "a", failed, answer)).cost == 0.002
    assert one(RunLog(path, ["q"], ["a"]).answer("q", "a", attempt("a", cost=None))).cost is None


@pytest.mark.parametrize(
    ("reason", "fault"),
    [("server_failed", True), ("rate_limited", True), ("context_length_exceeded", False), ("content_filtered", False)],
)
def test_a_failure_that_says_nothing_of_the_prompt_is_told_apart(path: Path, reason: str, *, fault: bool) -> None:
    found = one(RunLog(path, ["q"], ["a"]).answer("q", "a", attempt("a", reason)))
    assert (found.quality, found.fault) == (None, fault)


@pytest.mark.parametrize("reason", ["authentication_failed", "quota_exhausted", "payment_required"])
def test_an_expired_key_or_an_empty_account_says_nothing_of_the_prompt(path: Path, reason: str) -> None:
    assert one(RunLog(path, ["q"], ["a"]).answer("q", "a", attempt("a", reason))).fault


def test_of_a_chain_only_the_primary_is_judged(path: Path) -> None:
    log = RunLog(path, ["q", "r"], ["chain"], settings={"chain": Settings(category="code")})
    log.answer("q", "chain", attempt("a", "invalid_json"), attempt("b", place=1))
    log.answer("r", "chain", attempt("a"))
    found = {each.prompt: (each.model, each.quality) for each in graded([log.results()], "code")}
    assert sorted(found.values(), key=str) == [("a", 1.0), ("a", None)]


def test_of_a_primary_that_was_skipped_nothing_is_known(path: Path) -> None:
    skipped = attempt("a", "breaker_open", outcome="skipped", number=0, latency=None)
    log = RunLog(path, ["q"], ["a"]).answer("q", "a", skipped, attempt("b", place=1))
    assert not [*graded([log.results()], "code")]


def test_a_lane_with_parameters_of_its_own_is_another_model(path: Path) -> None:
    warm = {"a": Settings(model="a", temperature=1)}
    assert not [*graded([RunLog(path, ["q"], ["a"], settings=warm).answer("q", "a").results()], "code")]


def test_cases_of_other_categories_are_left_out(path: Path) -> None:
    log = RunLog(path, ["q"], ["a"], category="tools").answer("q", "a")
    assert not [*graded([log.results()], "code")]
    assert one(log, "tools").quality == 1


# --- The grid --------------------------------------------------------------------------------------


def answers(model: str, prompts: Sequence[int], quality: float | None = 1.0, **more: object) -> list[Graded]:
    fields = {"suite": "s", "at": 0.0, "fault": False, "seconds": 1.0, "first_token": 0.5, "cost": 0.001, **more}
    return [
        Graded(model=model, provider=model, prompt=f"p{number:03}", quality=quality, **fields)  # type: ignore[arg-type]
        for number in prompts
    ]


def grid_in(found: Evaluated) -> Grid:
    assert found.grid is not None
    return found.grid


def test_prompts_that_all_have_seen_are_in_the_grid() -> None:
    found = evaluated([*answers("a", range(10)), *answers("b", range(1, 10))], CHAIN, NEVER_FAILS)
    assert len(grid_in(found).prompts) == 9
    assert grid_in(found).primary.all()


def test_samples_of_one_prompt_are_its_mean() -> None:
    twice = [*answers("a", [0], 1.0, cost=0.001), *answers("a", [0], 0.0, cost=0.003), *answers("a", [0], None, cost=0)]
    found = grid_in(evaluated(twice, ("a",), NEVER_FAILS))
    assert (found.answered.item(), found.quality.item()) == (pytest.approx(2 / 3), 0.5)
    assert found.cost.item() == pytest.approx(0.004 / 3)


def test_what_a_prompt_makes_fail_counts_against_the_model() -> None:
    found = grid_in(evaluated([*answers("a", [0], None), *answers("a", [1])], ("a",), NEVER_FAILS))
    assert found.answered[:, 0].tolist() == [0, 1]


def test_a_model_with_too_few_grades_leaves_no_grid_and_is_named() -> None:
    found = evaluated([*answers("a", range(40)), *answers("b", range(FEWEST - 1))], CHAIN, NEVER_FAILS)
    assert (found.grid, found.missing) == (None, {"b": 40 - FEWEST + 1})


def test_a_model_with_grades_on_some_prompts_is_a_fallback_alone() -> None:
    found = evaluated([*answers("a", range(100)), *answers("b", range(FEWEST), 0.5)], CHAIN, NEVER_FAILS)
    grid = grid_in(found)
    assert grid.primary.tolist() == [True, False]
    assert (grid.quality[99, 1], found.missing) == (0.5, {"b": 100 - FEWEST})


def test_a_model_that_was_graded_on_other_prompts_alone_does_what_it_did_there() -> None:
    found = evaluated([*answers("a", range(50)), *answers("b", range(50, 90), 0.25, cost=None)], CHAIN, NEVER_FAILS)
    grid = grid_in(found)
    assert (grid.answered[:, 1].tolist(), grid.quality[:, 1].tolist()) == ([1] * 50, [0.25] * 50)
    assert np.isnan(grid.cost[:, 1]).all()


def test_a_stranger_that_saw_most_prompts_can_be_asked_first() -> None:
    found = grid_in(evaluated([*answers("a", range(100)), *answers("z", range(80))], ("a",), NEVER_FAILS))
    assert (found.models, found.primary.tolist(), len(found.prompts)) == (("a", "z"), [True, True], 80)


def test_a_stranger_with_few_grades_is_left_out_and_counted() -> None:
    found = evaluated([*answers("a", range(100)), *answers("z", range(10))], ("a",), NEVER_FAILS)
    assert (grid_in(found).models, found.missing) == (("a",), {"z": 90})


def test_without_any_grade_there_is_no_grid() -> None:
    assert evaluated([], CHAIN, NEVER_FAILS) == Evaluated(None, 0, {}, 0)


def test_suites_are_the_strata() -> None:
    found = grid_in(
        evaluated([*answers("a", [0, 1], suite="easy"), *answers("a", [2], suite="hard")], ("a",), NEVER_FAILS)
    )
    assert found.kinds.tolist() == [0, 0, 1]


def test_how_often_providers_fail_holds_for_all_prompts() -> None:
    failures = Failures({"a": 99, "b": 99}, {"a": 9, "b": 9}, {("a", "b"): Both(9, 9)})
    found = grid_in(evaluated([*answers("a", range(3)), *answers("b", range(3))], CHAIN, failures))
    assert found.down == pytest.approx([0.095, 0.095])
    assert np.diag(found.down_together) == pytest.approx(found.down)
    assert found.down_together[0, 1] > 3 * found.down[0] * found.down[1]
