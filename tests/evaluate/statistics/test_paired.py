"""Paired tests and intervals beside published examples, scipy, and what theory says exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom, binomtest

from router.evaluate.statistics.paired import evidence_path, log_evidence, mid_p, newcombe
from router.evaluate.statistics.sample import design, sample
from router.metrics.estimates import Estimate
from tests.evaluate.statistics.worlds import units

counts = st.integers(0, 400)


def interval(both: int, first: int, second: int, neither: int, *, categories: int = 1) -> Estimate:
    """Newcombe's interval of a table of counts."""
    cells = [both, first, second, neither]
    one, other = (np.repeat(values, cells) for values in ([1.0, 1, 0, 0], [1.0, 0, 1, 0]))
    whole = design(units(len(one), categories=[str(n) for n in range(categories)]))
    return newcombe(one, other, sample(whole, np.arange(len(one))))


# --- The e-value -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 1), (10, 10), (40, 22)])
def test_the_e_value_is_the_average_likelihood_of_all_chances_beside_a_fair_coin(wins: int, losses: int) -> None:
    average, _ = quad(lambda chance: (2 * chance) ** wins * (2 * (1 - chance)) ** losses, 0, 1)
    assert log_evidence(wins, losses) == pytest.approx(np.log(average), abs=1e-9)


@pytest.mark.parametrize("discordant", [1, 7, 60, 300])
def test_the_e_value_is_1_on_average_where_nothing_differs(discordant: int) -> None:
    wins = np.arange(discordant + 1)
    chances = binom.pmf(wins, discordant, 0.5)
    assert chances @ np.exp(log_evidence(wins, discordant - wins)) == pytest.approx(1)


def test_eleven_wins_without_a_loss_are_the_fewest_that_decide() -> None:
    assert [bool(log_evidence(wins, 0) >= np.log(100)) for wins in (10, 11)] == [False, True]


def test_the_graded_e_value_is_1_on_average_over_all_signs() -> None:
    sizes = np.array([0.9, 0.05, 0.4, 0.4, 1.0, 0.2, 0.7, 0.33])
    found = [
        np.exp(evidence_path(sizes * signs)[-1]) for signs in itertools.product((-1, 1), repeat=len(sizes))
    ]  # fmt: skip
    assert np.mean(found) == pytest.approx(1)


def test_graded_differences_that_are_nearly_right_or_wrong_give_the_same_evidence() -> None:
    steps = np.random.default_rng(0).choice([-1.0, 0, 0, 1], 900)
    assert evidence_path(steps * (1 - 1e-12)) == pytest.approx(evidence_path(steps), abs=1e-6)


@given(st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0]), min_size=1, max_size=60))
def test_evidence_is_the_same_for_either_lane(steps: list[float]) -> None:
    found, mirrored = evidence_path(np.array(steps)), evidence_path(-np.array(steps))
    assert found == pytest.approx(mirrored, abs=1e-9)


# --- Mid-p McNemar ---------------------------------------------------------------------------------


def test_64_and_28_discordant_have_the_published_p_value() -> None:
    exact = mid_p(64, 28) + binom.pmf(28, 92, 0.5)  # the exact test counts outcomes as likely as this one in full
    assert round(exact, 5) == 0.00022


def test_the_published_mid_p_value() -> None:
    """Cavo et al. (2012) as in Fagerland, Lydersen & Laake: 6 and 16 discordant."""
    assert round(mid_p(6, 16), 6) == 0.034690


@given(counts, counts)
def test_mid_p_is_scipys_exact_p_less_the_chance_of_the_outcome(wins: int, losses: int) -> None:
    count = wins + losses
    if wins == losses:
        assert mid_p(wins, losses) == pytest.approx(1)
    else:
        exact = binomtest(wins, count).pvalue
        assert mid_p(wins, losses) == pytest.approx(exact - binom.pmf(wins, count, 0.5), abs=1e-12)


def test_five_discordant_prompts_are_the_fewest_that_can_be_significant() -> None:
    assert [mid_p(wins, 0) <= 0.04 for wins in (4, 5)] == [False, True]


# --- Newcombe's interval ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((59, 6, 16, 80), -0.1186, -0.0046),  # Cavo et al. (2012)
        ((1, 1, 7, 12), -0.5069, -0.0256),  # Bentur et al. (2009)
    ],
)
def test_newcombes_interval_is_the_published_one(table: tuple[int, int, int, int], low: float, high: float) -> None:
    """Tables in Fagerland, Lydersen & Laake, "Statistical Analysis of Contingency Tables" (2017), chapter 8."""
    found = interval(*table)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(*[st.integers(0, 40)] * 4)
def test_newcombes_interval_holds_the_difference_and_mirrors_with_the_lanes(a: int, b: int, c: int, d: int) -> None:
    if not a + b + c + d:
        return
    found, mirrored = interval(a, b, c, d), interval(a, c, b, d)
    assert found.low is not None and found.high is not None and found.value is not None
    assert -1 - 1e-9 <= found.low <= found.value + 1e-9 and found.value - 1e-9 <= found.high <= 1 + 1e-9
    assert (mirrored.low, mirrored.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_categories_that_are_all_alike_leave_the_interval_nearly_as_it_is() -> None:
    one, four = interval(400, 80, 40, 280), interval(400, 80, 40, 280, categories=4)
    assert (four.low, four.high) == (pytest.approx(one.low, abs=1e-3), pytest.approx(one.high, abs=1e-3))


def test_categories_with_differences_of_their_own_narrow_the_interval() -> None:
    first = np.array([1.0, 0.0] * 60)  # always right in one category, always wrong in the other
    second = 1 - first
    second[:24] = first[:24]
    places = np.arange(120)
    alone, split = (
        newcombe(first, second, sample(design(units(120, categories=names)), places)) for names in ((None,), ("a", "b"))
    )
    assert (split.high or 0) - (split.low or 0) < 0.8 * ((alone.high or 0) - (alone.low or 0))
