"""Choice: nothing is found where there is nothing, what is there is found, and the reasons are the right ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.special import stdtrit

from router.core.errors import InvalidRequest
from router.tune.choice import Choice, choose
from router.tune.goals import Goals, Limits, Weights
from router.tune.grid import Grid
from router.tune.joint import Failures
from router.tune.judging import mean_of
from router.tune.search import is_allowed
from tests.tune.worlds import grid_of, world

SINGLE = Goals(limits=Limits(links=1))
WORLDS = 100


@pytest.fixture(scope="module")
def nothing_to_find() -> Sequence[Choice]:
    """Worlds in which all models are equal, so that no chain is better than the current one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("router.tune.choice._rules", lambda _: ("best",))  # the others are about cost and time
        return [choose(world([0.7] * 4, 60, seed), SINGLE, (0,), seed=seed) for seed in range(WORLDS)]


def test_equal_models_are_called_better_in_at_most_one_case_of_twenty(nothing_to_find: Sequence[Choice]) -> None:
    assert sum(each.kind == "better" for each in nothing_to_find) <= 0.05 * WORLDS


def test_of_equal_chains_none_is_likelier_the_best_on_average(nothing_to_find: Sequence[Choice]) -> None:
    pairs = [(each.best, each.candidates[0].best) for each in nothing_to_find if each.candidates]
    assert len(pairs) > WORLDS / 2
    assert np.mean(pairs, axis=0).max() <= 1 / 2 + 2 * 0.3 / np.sqrt(len(pairs))


def chosen(found: Choice) -> tuple[str, tuple[int, ...] | None]:
    return found.kind, found.proposed.chain if found.proposed is not None else None


def test_a_clearly_better_model_is_found() -> None:
    found = choose(world([0.6, 0.8, 0.6, 0.6], 300, 0), SINGLE, (0,))
    assert chosen(found) == ("better", (1,))
    gain = found.candidates[0].gains.quality
    assert (gain.low or 0) <= 0.2 <= (gain.high or 0)


def test_the_same_quality_at_a_tenth_of_the_price_is_cheaper() -> None:
    right = np.random.default_rng(0).random((300, 2)) < 0.7
    right[:, 1] = right[:, 0]
    right[:4] = [[True, False], [False, True]] * 2
    grid = grid_of(np.ones((300, 2)), quality=right.astype(float), cost=[0.01, 0.001])
    found = choose(grid, SINGLE, (0,))
    assert chosen(found) == ("cheaper", (1,))
    assert (found.candidates[0].gains.cost.high or 0) < -5


def test_answers_that_are_right_on_just_the_same_prompts_are_cheaper() -> None:
    grid = grid_of(np.ones((60, 2)), cost=[0.01, 0.001], quality=np.ones((60, 2)))
    assert chosen(choose(grid, SINGLE, (0,))) == ("cheaper", (1,))


def test_a_model_that_is_the_best_by_chance_and_cheaper_for_sure_is_cheaper() -> None:
    grid = grid_of(np.ones((60, 2)), cost=[0.001, 0.01], quality=np.ones((60, 2)))
    found = choose(grid, SINGLE, (1,))  # of equal models, the first one is the best
    assert (chosen(found), len(found.candidates)) == (("cheaper", (0,)), 1)


def test_chances_to_be_the_best_add_up(nothing_to_find: Sequence[Choice]) -> None:
    found = [choose(world([0.7, 0.8, 0.7], 60, seed), SINGLE, (0,)) for seed in range(5)] + [*nothing_to_find]
    for each in found:
        if each.candidates:
            assert each.best + sum(candidate.best for candidate in each.candidates) == pytest.approx(1)


def test_the_same_in_half_the_time_is_faster() -> None:
    grid = grid_of(np.ones((60, 2)), quality=np.ones((60, 2)), seconds=[2, 1], cost=[0.001, 0.002])
    assert chosen(choose(grid, SINGLE, (0,))) == ("faster", (1,))


def test_a_cheaper_chain_that_may_be_worse_by_the_margin_is_not_proposed() -> None:
    right = np.ones((60, 2))
    right[:12] = [[1, 0], [0, 1], [0, 1]] * 4  # better on these prompts, and 60 cannot rule out two points less
    grid = grid_of(np.ones((60, 2)), quality=right, cost=[0.01, 0.001])
    assert choose(grid, SINGLE, (0,)).proposed is None


def test_the_current_chain_is_kept_where_all_others_are_clearly_worse() -> None:
    assert chosen(choose(world([0.9, 0.3], 200, 0), SINGLE, (0,))) == ("keep", None)


def test_where_a_gain_can_be_neither_seen_nor_ruled_out_the_evidence_is_not_enough() -> None:
    assert chosen(choose(world([0.6, 0.65], 60, 1), SINGLE, (0,))) == ("not_enough", None)


def test_under_30_prompts_nothing_is_proposed() -> None:
    assert chosen(choose(world([0.1, 1], 29, 0), SINGLE, (0,))) == ("not_enough", None)
    assert chosen(choose(world([0.1, 1], 30, 0), SINGLE, (0,))) == ("better", (1,))


# --- Failure rates ---------------------------------------------------------------------------------


def rated(calls: int, rates: Sequence[float], seed: int, *, known: bool = False) -> Grid:
    """A worse and a better model, which fail at these rates, as so many calls of each show.

    Args:
        known: the calls' rates are the truth.
    """
    failed = np.random.default_rng(seed).binomial(calls, rates).tolist()
    seen = Failures(dict.fromkeys("ab", calls), dict(zip("ab", failed, strict=True)), {})
    down = np.array([seen.alone(model) or 0.0 for model in "ab"])
    right = np.random.default_rng(seed).random((60, 2)) < [0.3, 0.9]
    return grid_of(np.ones((60, 2)), quality=right.astype(float), down=down, failures=None if known else seen)


def gain_in_answers(grid: Grid) -> tuple[float, float]:
    gain = choose(grid, SINGLE, (0,)).candidates[0].gains.answered
    return gain.low or 0.0, gain.high or 0.0


@pytest.mark.parametrize("calls", [50, 400])
def test_the_interval_of_a_gain_in_answers_holds_the_truth_in_95_of_100_worlds(
    calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.tune.choice._rules", lambda _: ("best",))
    rates = (0.12, 0.06)
    found = [gain_in_answers(rated(calls, rates, seed)) for seed in range(WORLDS)]
    assert 0.90 * WORLDS <= sum(low <= rates[0] - rates[1] <= high for low, high in found) <= 0.99 * WORLDS


def test_a_gain_in_answers_that_rests_on_few_calls_is_not_certain() -> None:
    (few, _), (many, _), (known, _) = (
        gain_in_answers(rated(calls, (0.2, 0.15), 0, known=known))
        for calls, known in ((50, False), (5_000, False), (50, True))
    )
    assert few < 0 < many
    assert known > 0


def test_a_cost_that_nobody_knows_leaves_the_others_known() -> None:
    seen = Failures(dict.fromkeys("abc", 100), dict.fromkeys("abc", 5), {})
    cost = np.array([0.01, np.nan, 0.001])
    right = np.array([[0, 1, 0], [1, 1, 1]] * 30)
    found = choose(grid_of(np.ones((60, 3)), quality=right, cost=cost, down=[0.05] * 3, failures=seen), SINGLE, (0,))
    gains = {each.rule: each.gains.cost.high or 0.0 for each in found.candidates}
    assert np.isnan(gains["best"])
    assert gains["cheapest"] < 0


def test_how_likely_a_chain_is_the_best_holds_the_rates_too() -> None:
    seen = Failures(dict.fromkeys("ab", 20), {"a": 10, "b": 9}, {})
    grids = [grid_of(np.ones((60, 2)), down=[0.5, 0.45], failures=each) for each in (None, seen)]
    known, unknown = (choose(each, SINGLE, (0,)).best for each in grids)
    assert known == 0
    assert 0.2 < unknown < 0.5


# --- Limits ----------------------------------------------------------------------------------------

EQUAL: Grid = grid_of(np.ones((60, 3)), cost=[0.01, 0.001, 0.002], providers=["x", "x", "y"])


@pytest.mark.parametrize(
    ("limits", "current"),
    [
        (Limits(links=1, cost=5), (0,)),
        (Limits(links=1, never=("a",)), (0,)),
        (Limits(links=2, must=("b", "c")), (0,)),
        (Limits(links=2, apart=True), (0, 1)),
        (Limits(links=1), (1, 0)),
    ],
    ids=["cost", "never", "must", "apart", "links"],
)
def test_a_current_chain_that_breaks_a_limit_is_said_to(limits: Limits, current: tuple[int, ...]) -> None:
    found = choose(EQUAL, Goals(limits=limits), current)
    assert found.kind == "breaks_limits"
    assert found.proposed is not None
    assert is_allowed(EQUAL, limits, found.proposed.chain)


def test_limits_that_no_chain_keeps_are_said_to_be_so() -> None:
    with pytest.raises(InvalidRequest, match=r"^No chain of these models keeps to your limits\. Loosen one of them\.$"):
        choose(EQUAL, Goals(limits=Limits(cost=0.1)), (0,))


def test_costs_that_nobody_knows_cannot_be_weighed() -> None:
    grid = grid_of(np.ones((60, 2)), cost=np.nan)
    with pytest.raises(InvalidRequest, match=r"^The cost of some calls of a is unknown, so cost cannot be weighed\."):
        choose(grid, Goals(weights=Weights(cost=1)), (0,))


def test_one_cost_that_nobody_knows_keeps_its_model_out_where_cost_is_weighed() -> None:
    grid = world([0.5, 0.9, 0.5], 100, 0, seconds=[2.0, 1.0, 1.5])
    grid.cost[3, 1] = np.nan
    found = choose(grid, Goals(limits=Limits(links=1), weights=Weights(cost=1)), (0,))
    assert [each.chain for each in found.candidates] == [(2,)]
    assert found.best + sum(each.best for each in found.candidates) == pytest.approx(1)
    with pytest.raises(InvalidRequest, match="some calls of b is unknown"):
        choose(grid, Goals(limits=Limits(links=1), weights=Weights(cost=1)), (1,))


def test_costs_that_nobody_knows_do_no_harm() -> None:
    found = choose(world([0.5, 0.9], 100, 0, cost=np.nan), SINGLE, (0,))
    assert chosen(found) == ("better", (1,))


def test_the_same_evidence_gives_the_same_choice() -> None:
    grid = world([0.6, 0.7, 0.65], 60, 0)
    assert choose(grid, SINGLE, (0,)) == choose(grid, SINGLE, (0,))


# --- Means over prompts ----------------------------------------------------------------------------


def test_a_mean_has_student_s_interval() -> None:
    values = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    reach = values.std(ddof=1) / np.sqrt(5) * stdtrit(4, 0.975)
    found = mean_of(values, np.zeros(5, np.int64))
    assert found == (pytest.approx(0.6), pytest.approx(0.6 - reach), pytest.approx(0.6 + reach), 5, 0)


def test_what_differs_between_suites_alone_does_not_make_an_interval_wider() -> None:
    values, kinds = np.repeat([0.0, 1.0], 10), np.repeat([0, 1], 10)
    assert mean_of(values, kinds)[:3] == (0.5, 0.5, 0.5)


def test_suites_of_one_prompt_each_do_not_make_it_certain() -> None:
    found = mean_of(np.array([0.0, 1.0] * 10), np.arange(20))
    assert (found.high or 0) - (found.low or 0) > 0.4
