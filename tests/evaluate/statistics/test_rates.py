"""pass@k and pass^k, beside counting and a simulation."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.evaluate.statistics import mean_pass, pass_at_k, pass_hat_k
from tests.evaluate.statistics.worlds import units


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_both_are_shares_of_all_choices_of_k_answers(answers: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(answers)))
    chosen = list(itertools.combinations(answers, k))
    assert pass_at_k(sum(answers), len(answers), k) == pytest.approx(sum(map(any, chosen)) / len(chosen))
    assert pass_hat_k(sum(answers), len(answers), k) == pytest.approx(sum(map(all, chosen)) / len(chosen))


def test_chens_estimator_of_5_right_in_20() -> None:
    """The product form in Chen et al. (2021): 1 - (1 - 10/16) (1 - 10/17) … of n - c + 1 to n."""
    product = 1.0
    for n in range(16, 21):
        product *= 1 - 10 / n
    assert pass_at_k(5, 20, 10) == pytest.approx(1 - product)


def test_pass_hat_k_of_four_trials_on_three_tasks() -> None:
    """4, 2 and 0 of 4 trials right: pass^1 to 4 as tau-bench averages them."""
    scores = {"0": [1.0] * 4, "1": [1.0, 0, 1, 0], "2": [0.0] * 4}
    found = [mean_pass(pass_hat_k, units(3), scores, k).value for k in (1, 2, 3, 4)]
    assert found == pytest.approx([6 / 12, (1 + 1 / 6) / 3, 1 / 3, 1 / 3])


def test_a_case_with_fewer_scores_than_k_is_left_out_and_counted() -> None:
    found = mean_pass(pass_at_k, units(3), {"0": [1.0, 0.0], "1": [1.0, None]}, 2)
    assert (found.value, found.rows, found.unknown) == (1.0, 1, 2)


def test_an_answer_is_right_from_its_threshold_on() -> None:
    assert mean_pass(pass_at_k, units(1), {"0": [0.7]}, 1, passes=0.7).value == 1.0
    assert mean_pass(pass_at_k, units(1), {"0": [0.7]}, 1).value == 0.0
