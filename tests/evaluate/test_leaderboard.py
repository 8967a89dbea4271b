"""The lanes of a run in tiers: the Pareto fronts, repeats that disagree, and lanes that were asked a part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from router.core.attempts import Attempt, Spent
from router.core.runs import LEAST_SCREENED
from router.evaluate.leaderboard import Standing, flaky, front, notes, screened, standings
from router.evaluate.statistics import Screening
from router.evaluate.summary import LaneSummary, mean_cost, summary
from tests.evaluate.written import A, B, C, Came, attempt, case, planned, write


def lane(name: str, passed: float | None, cost: float | None) -> LaneSummary:
    return LaneSummary(name, 1, passed, passed, 0.0, 1.0, 0, 0, Spent(cost, 0), None, None)


@pytest.mark.parametrize(
    ("lanes", "best"),
    [
        ([("good", 0.9, 2.0), ("cheap", 0.5, 1.0)], {"good", "cheap"}),
        ([("good", 0.9, 1.0), ("bad", 0.5, 2.0)], {"good"}),
        ([("cheap", 0.9, 1.0), ("dear", 0.9, 2.0)], {"cheap"}),
        ([("good", 0.9, 1.0), ("bad", 0.5, 1.0)], {"good"}),
        ([("one", 0.9, 1.0), ("twin", 0.9, 1.0)], {"one", "twin"}),
        ([("good", 0.9, None), ("bad", 0.5, 2.0)], {"bad"}),
        ([("unscored", None, 0.0), ("bad", 0.5, 2.0)], {"bad"}),
        ([("free", 0.5, 0.0), ("dear", 0.5, 0.1)], {"free"}),
        ([], set()),
    ],
    ids=["both", "dominated", "as good for less", "better for as much", "twins", "unknown", "no score", "free", "none"],
)
def test_on_the_front_are_the_lanes_that_no_other_one_dominates(
    lanes: list[tuple[str, float | None, float | None]], best: set[str]
) -> None:
    assert front([lane(*each) for each in lanes], lambda each: each.cost.cost) == best


def board(path: Path, a: Sequence[Came], b: Sequence[Came], category: str | None = None) -> dict[str, Standing]:
    """Lanes a and b on as many cases; the first half is code, the second tools."""
    half = len(a) // 2
    plan = planned(*(case(f"c{n}", category="code" if n < half else "tools") for n in range(len(a))))
    came = {name: {f"c{n}": each for n, each in enumerate(all_came)} for name, all_came in (("a", a), ("b", b))}
    calls = {"a": attempt(cost=0.02, latency=1.0), "b": attempt(cost=0.01, latency=2.0)}
    results = write(path / "r.jsonl", plan, came, calls)
    return {each.summary.name: each for each in standings(results, plan, category)}


def test_a_lane_that_is_worse_by_verdict_stands_in_the_next_tier(tmp_path: Path) -> None:
    found = board(tmp_path, [False] * 30, [True] * 30)
    assert [(name, each.tier) for name, each in found.items()] == [("b", 1), ("a", 2)]


def test_lanes_that_are_not_separable_share_a_tier_the_higher_score_first(tmp_path: Path) -> None:
    found = board(tmp_path, [True] * 9 + [False], [True] * 10)
    assert [(name, each.tier) for name, each in found.items()] == [("b", 1), ("a", 1)]


def test_a_lane_without_a_score_has_no_tier_and_comes_last(tmp_path: Path) -> None:
    found = board(tmp_path, ["failed"] * 10, [False] * 10)
    assert [(name, each.tier) for name, each in found.items()] == [("b", 1), ("a", None)]


def test_the_cheapest_and_the_fastest_of_equals_are_told(tmp_path: Path) -> None:
    found = board(tmp_path, [True] * 4, [True] * 4)
    assert (found["a"].is_cheapest, found["a"].is_fastest) == (False, True)
    assert (found["b"].is_cheapest, found["b"].is_fastest) == (True, False)


def test_a_category_counts_its_own_cases_alone(tmp_path: Path) -> None:
    found = board(tmp_path, [True, True, False, False], [True] * 4, "tools")
    assert {name: (each.summary.cases, each.summary.passed) for name, each in found.items()} == {
        "a": (2, 0),
        "b": (2, 1),
    }


def test_with_one_repeat_nothing_is_said_of_every_repeat(tmp_path: Path) -> None:
    assert board(tmp_path, [True] * 4, [True] * 4)["a"].every is None


def test_the_chance_that_every_repeat_passes_is_below_the_share_of_passes(tmp_path: Path) -> None:
    plan = planned(case("one"), case("two"), lanes=[A], repeats=2)
    results = write(tmp_path / "r.jsonl", plan, {"a": {"one": [True, True], "two": [True, False]}})
    [standing] = standings(results, plan)
    assert standing.summary.passed == 0.75
    assert standing.every is not None
    assert standing.every.value == 0.5


def test_a_case_whose_repeats_disagree_is_flaky(tmp_path: Path) -> None:
    plan = planned(case("steady"), case("unsteady"), lanes=[A], repeats=2)
    results = write(tmp_path / "r.jsonl", plan, {"a": {"steady": [False, False], "unsteady": [True, False]}})
    assert [each.case for each in flaky(results, plan, A).flaky] == ["unsteady"]


# --- Screening -------------------------------------------------------------------------------------


def estimates(path: Path, asked: int, *, whole: bool = True) -> dict[str, Screening]:
    """Lane a passes the first 40 of 60 cases, b the same ones of every third case, of which `asked` are asked."""
    right = {f"c{n}": n < 40 for n in range(60)}
    some = [f"c{n}" for n in range(0, 60, 60 // asked)][:asked]
    plan = planned(*map(case, right), screen=asked)
    first = dict(right) if whole else dict(list(right.items())[:-1])
    results = write(path / "r.jsonl", plan, {"a": first, "b": {name: right[name] for name in some}})
    return screened(results, plan)


def test_a_lane_that_was_asked_a_part_is_estimated_on_the_whole_suite(tmp_path: Path) -> None:
    found = estimates(tmp_path, LEAST_SCREENED)["b"]
    assert (found.score.rows, found.score.unknown) == (20, 40)
    assert found.score.value == pytest.approx(2 / 3)


def test_the_lane_that_was_asked_all_is_not_estimated(tmp_path: Path) -> None:
    assert "a" not in estimates(tmp_path, LEAST_SCREENED)


def test_nothing_is_estimated_from_too_few_cases(tmp_path: Path) -> None:
    assert estimates(tmp_path, 12) == {}


def test_nothing_is_estimated_while_no_lane_was_asked_all(tmp_path: Path) -> None:
    assert estimates(tmp_path, LEAST_SCREENED, whole=False) == {}


# --- Costs -----------------------------------------------------------------------------------------


def paid(path: Path, call: Attempt, came: Sequence[Came] = (True, True)) -> LaneSummary:
    plan = planned(*(case(f"c{n}") for n in range(len(came))), lanes=[C])
    by_case = {f"c{n}": each for n, each in enumerate(came)}
    return summary(write(path / "r.jsonl", plan, {"c": by_case}, {"c": call}), plan, C)


def test_an_answer_of_the_cache_says_nothing_of_cost_and_latency(tmp_path: Path) -> None:
    found = paid(tmp_path, attempt(cached=True))
    assert (found.cost, found.latency) == (Spent(None, 0), None)


def test_one_cached_answer_does_not_make_the_others_look_cheaper(tmp_path: Path) -> None:
    plan = planned(case("one"), case("two"), lanes=[A, B])
    came: dict[str, dict[str, Came]] = {"a": {"one": True}, "b": {"two": True}}
    results = write(tmp_path / "r.jsonl", plan, came, {"a": attempt(cost=0.5), "b": attempt(cached=True)})
    assert mean_cost(results.asked.values()) == 0.5


def test_a_call_of_unknown_cost_is_counted_and_not_free(tmp_path: Path) -> None:
    assert paid(tmp_path, attempt(cost=None)).cost == Spent(None, 2)


def test_a_failed_call_that_was_paid_counts(tmp_path: Path) -> None:
    call = attempt(cost=0.25, outcome="failed")
    assert paid(tmp_path, call, ["failed", "failed"]).cost == Spent(0.25, 0)


def test_the_cost_of_a_case_is_that_of_all_its_repeats(tmp_path: Path) -> None:
    plan = planned(case("one"), lanes=[A], repeats=3)
    results = write(tmp_path / "r.jsonl", plan, {"a": {"one": [True] * 3}}, {"a": attempt(cost=0.5)})
    assert summary(results, plan, A).cost == Spent(1.5, 0)


# --- Failed calls ----------------------------------------------------------------------------------


def test_why_calls_failed_is_noted(tmp_path: Path) -> None:
    plan = planned(case("c0"), case("c1"))
    results = write(tmp_path / "r.jsonl", plan, {"a": {"c0": "failed", "c1": "failed"}, "b": {"c0": True, "c1": True}})
    assert notes(results, plan)[0] == "2 calls failed. The reason: No."
