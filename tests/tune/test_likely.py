"""How likely a chain is the best of several: what is said to be so likely comes true as often."""

from __future__ import annotations

import numpy as np
import pytest

from router.tune.likely import likely

SETS, CHAINS, PROMPTS = 400, 4, 100
UNMOVED = np.zeros((1, CHAINS))


def said(spread: float) -> tuple[np.ndarray, np.ndarray]:
    """(sets, chains) how likely each chain is said to be the best, and whether it is; a prompt is right or wrong."""
    rng = np.random.default_rng(0)
    true = 0.7 + spread * rng.standard_normal((SETS, CHAINS))
    right = rng.random((SETS, CHAINS, PROMPTS)) < true[:, :, None]
    shares = [likely(each.astype(float), UNMOVED, number)[0] for number, each in enumerate(right)]
    return np.array(shares), true == true.max(axis=1, keepdims=True)


def test_of_equal_chains_none_is_called_the_likely_best() -> None:
    shares, _ = said(0.0)
    assert shares.mean(axis=0) == pytest.approx(np.full(CHAINS, 1 / CHAINS), abs=0.02)
    assert (shares.max(axis=1) > 0.8).mean() <= 0.02


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.1])
def test_the_likeliest_is_the_best_as_often_as_it_is_said_to_be(spread: float) -> None:
    shares, best = said(spread)
    likeliest = np.arange(SETS), shares.argmax(axis=1)
    assert best[likeliest].mean() == pytest.approx(shares[likeliest].mean(), abs=2.5 * np.sqrt(0.25 / SETS))


def test_a_chain_that_is_far_better_is_the_best_for_certain_and_alone_within_a_point() -> None:
    values = np.array([[0.0, 1.0] * 50, [1.0] * 100, [0.0, 1.0] * 50, [0.0] * 100])
    best, close = likely(values, UNMOVED, 0)
    assert best == pytest.approx([0, 1, 0, 0], abs=1e-3)
    assert close == pytest.approx([0, 1, 0, 0], abs=1e-3)


def test_chains_that_do_just_the_same_are_within_a_point_of_each_other() -> None:
    values = np.tile(np.random.default_rng(0).random(PROMPTS), (CHAINS, 1))
    assert likely(values, UNMOVED, 0)[1] == pytest.approx(np.ones(CHAINS), abs=0.05)
