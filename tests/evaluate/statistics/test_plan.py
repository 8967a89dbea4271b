"""The plan: false verdicts although it is looked at all the time, power, and what counts when."""

from __future__ import annotations

import numpy as np
import pytest

from router.core.errors import InvalidRequest
from router.evaluate.statistics import Pair, Plan, Unit, verdict
from tests.evaluate.statistics.worlds import CATEGORIES, as_pairs, chances, decides, null_steps, right_or_wrong, units

NULLS = 5_000


def decided(wins: int, losses: int, ties: int = 0) -> list[Pair]:
    """Prompts that the first lane alone gets right, then the second alone, then both."""
    first = [1.0] * wins + [0.0] * losses + [1.0] * ties
    second = [0.0] * wins + [1.0] * losses + [1.0] * ties
    return as_pairs(np.array(first), np.array(second))


# --- How often it is false, and how often it sees --------------------------------------------------


@pytest.mark.parametrize("prompts", [40, 100, 300])
def test_exactly_the_plan_is_false_in_at_most_5_percent(prompts: int) -> None:
    assert max(chances(prompts, discordance).plan for discordance in (0.05, 0.15, 0.25, 0.4, 0.6)) <= 0.05


@pytest.mark.parametrize("discordance", [0.1, 0.25, 0.5])
def test_the_plan_is_false_in_at_most_5_percent_of_5000_null_pairs(discordance: float) -> None:
    steps = null_steps(np.random.default_rng(1), NULLS, 300, discordance)
    assert 0.025 * NULLS < decides(steps).sum() <= 0.05 * NULLS


def test_the_plan_is_what_was_simulated() -> None:
    plan, steps = Plan(units=units(120, categories=CATEGORIES)), null_steps(np.random.default_rng(2), 250, 120, 0.4)
    steps[:50] = np.abs(steps[:50])  # some that differ
    found = [verdict(plan.look(as_pairs((each + 1) // 2, each < 0))).kind != "not_separable" for each in steps]
    assert found == decides(steps).tolist()


def test_at_300_prompts_power_is_within_2_points_of_a_fixed_tests() -> None:
    found = chances(300, 0.25, 0.1)
    assert found.fixed - 0.02 <= found.plan
    assert found.prompts < 240


def test_the_published_yardstick_of_power() -> None:
    """94.5% at 300 prompts, for a difference that a fixed test sees in 95.4%."""
    assert chances(300, 0.25, 0.103).plan == pytest.approx(0.945, abs=0.005)


# --- Looking ---------------------------------------------------------------------------------------


def test_evidence_that_was_reached_is_the_same_however_often_one_looked() -> None:
    plan, rng = Plan(units=units(60)), np.random.default_rng(2)
    scores = as_pairs(*right_or_wrong(rng, 60, 0.9, 0.8))
    seen = [plan.look(scores[:count]).evidence for count in range(61)]
    assert seen == sorted(seen)
    assert plan.look(scores).evidence == seen[-1]


def test_a_clear_difference_decides_before_the_end() -> None:
    found = verdict(Plan(units=units(300)).look(decided(20, 2)))
    assert (found.kind, found.look.end) == ("better", None)


def test_before_the_end_what_would_do_at_the_end_does_not() -> None:
    scores = decided(16, 5)[::-1]
    assert [verdict(Plan(units=units(count)).look(scores)).kind for count in (300, 21)] == ["not_separable", "better"]


def test_evidence_for_the_lane_that_is_behind_now_does_not_count() -> None:
    scores = decided(12, 16)
    assert Plan(units=units(300)).look(scores[:12]).evidence > np.log(100)
    assert verdict(Plan(units=units(300)).look(scores)).kind == "not_separable"


def test_the_test_at_the_end_is_about_the_planned_prompts_however_far_a_run_is_extended() -> None:
    plan = Plan(units=units(200), planned=40)
    scores = decided(5, 4, 31)
    more = [Pair(str(40 + n), float(n % 3 != 0), float(n % 3 == 0)) for n in range(30)]  # 20 wins, 10 losses
    before, after = plan.look(scores), plan.look([*scores, *more])
    assert before.end is not None and before.end == after.end
    assert verdict(after).kind == "not_separable"


def test_no_prompt_yet_is_no_verdict_against_anybody() -> None:
    found = verdict(Plan(units=units(10)).look([]))
    assert (found.kind, found.more) == ("not_separable", None)


@pytest.mark.parametrize("categories", [(None,), CATEGORIES])
def test_discordance_is_the_share_of_prompts_on_which_lanes_differ(categories: tuple[str | None, ...]) -> None:
    rng = np.random.default_rng(5)
    found = Plan(units=units(400, categories=categories)).look(as_pairs(*right_or_wrong(rng, 400, 0.25, 0.1)))
    assert found.discordance == pytest.approx(found.discordant / 400, rel=0.02)


# --- Lanes as arrays -------------------------------------------------------------------------------


def test_what_is_seen_between_lanes_is_what_their_pairs_say() -> None:
    plan, order = Plan(units=units(60)), [str(n) for n in reversed(range(60))]
    rng = np.random.default_rng(6)
    first, second = (dict(zip(order, scores.tolist(), strict=True)) for scores in right_or_wrong(rng, 60, 0.5, 0.2))
    lanes = [plan.lane(order, {case: [score] for case, score in lane.items()}) for lane in (first, second)]
    assert plan.between(*lanes) == plan.look([Pair(case, first[case], second[case]) for case in order])


def test_repeats_are_averaged_and_what_a_lane_has_not_finished_is_left_out() -> None:
    plan, order = Plan(units=units(4)), ["2", "1", "0"]
    first = plan.lane(order, {"0": [1.0, 0.0], "1": [1.0], "2": [None]})
    second = plan.lane(order, {"0": [1.0], "2": [1.0]})
    assert plan.between(first, second) == plan.look([Pair("2", None, 1.0), Pair("0", 0.5, 1.0)])


# --- Errors ----------------------------------------------------------------------------------------


def test_a_failed_case_is_left_out_and_counted() -> None:
    found = Plan(units=units(4)).look([Pair("0", 1, 0), Pair("1", None, 1), Pair("2", 1, float("nan"))])
    assert (found.finished, found.left_out, found.difference.rows, found.difference.value) == (3, 2, 1, 1.0)


def test_the_end_comes_when_all_are_finished_even_if_some_failed() -> None:
    failed = [*decided(6, 0)[:5], Pair("5", None, 1.0)]
    assert Plan(units=units(6)).look(failed).end is not None


def test_too_many_errors_allow_no_verdict() -> None:
    scores = [*decided(30, 0), *(Pair(str(30 + n), None, 1.0) for n in range(5))]
    assert [verdict(Plan(units=units(35)).look(scores[:count])).kind for count in (33, 35)] == ["better", "no_verdict"]


@pytest.mark.parametrize("group", [1, 2])
def test_a_suite_that_failed_altogether_allows_no_verdict(group: int) -> None:
    found = Plan(units=units(2, group=group)).look([Pair("0", None, 1), Pair("1", 1, None)])
    assert verdict(found).kind == "no_verdict"


# --- Groups, weights, grades -----------------------------------------------------------------------


def test_a_group_counts_as_one_piece_of_evidence() -> None:
    alone, together = (Plan(units=units(60, group=group)).look(decided(60, 0)) for group in (1, 5))
    assert together.evidence == pytest.approx(Plan(units=units(12)).look(decided(12, 0)).evidence)
    assert (alone.discordant, together.discordant) == (60, 12)


def test_a_group_counts_as_evidence_when_its_last_case_is_finished() -> None:
    plan = Plan(units=units(60, group=5))
    assert plan.look(decided(59, 0)).evidence == plan.look(decided(55, 0)).evidence < plan.look(decided(60, 0)).evidence


def test_a_heavy_case_moves_the_difference_more() -> None:
    cases = (Unit("0", weight=3.0), *(Unit(str(n)) for n in range(1, 4)))
    assert Plan(units=cases).look(decided(1, 3)).difference.value == pytest.approx(0.0)


def test_graded_scores_are_tested_at_the_end() -> None:
    rng = np.random.default_rng(3)
    first = rng.uniform(0.3, 0.9, 60)
    found = verdict(Plan(units=units(60)).look(as_pairs(first, first - rng.uniform(-0.05, 0.15, 60))))
    assert found.kind == "better"


def test_graded_scores_may_be_looked_at_after_every_prompt() -> None:
    """400 runs of graded differences around 0: the e-value ever decides in at most 1%, but for chance."""
    plan, rng = Plan(units=units(60)), np.random.default_rng(4)
    false = 0
    for _ in range(400):
        first, second = rng.beta(0.3, 0.3, (2, 60))
        false += plan.look(as_pairs(first, second)).evidence >= np.log(100)
    assert false <= 12


# --- The margin ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prompts", "kind"), [(200, "no_worse"), (201, "not_separable")])
def test_at_the_end_alone_a_lane_may_be_no_worse_by_the_margin(prompts: int, kind: str) -> None:
    assert verdict(Plan(units=units(prompts), margin=0.05).look(decided(4, 4, 192)), 0.05).kind == kind


def test_a_lane_that_is_worse_by_the_margin_is_rarely_called_no_worse() -> None:
    """2.5% of the time, and this is 600 times."""
    plan, rng = Plan(units=units(100), margin=0.1), np.random.default_rng(6)
    looks = [plan.look(as_pairs(*right_or_wrong(rng, 100, 0.25, -0.1))) for _ in range(600)]
    assert sum(verdict(look, 0.1).kind in ("no_worse", "better") for look in looks) <= 27


# --- What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0])
def test_a_margin_that_allows_nothing_or_everything_is_refused(margin: float) -> None:
    with pytest.raises(InvalidRequest, match="margin"):
        Plan(units=units(2), margin=margin)


@pytest.mark.parametrize("score", [1.5, -0.1])
def test_a_score_outside_0_to_1_names_its_case(score: float) -> None:
    with pytest.raises(InvalidRequest, match="“1” has a score outside"):
        Plan(units=units(2)).look([Pair("0", 1, 1), Pair("1", 0.5, score)])
    with pytest.raises(InvalidRequest, match="“1” has a score outside"):
        Plan(units=units(2)).lane(["0", "1"], {"0": [1], "1": [score]})
