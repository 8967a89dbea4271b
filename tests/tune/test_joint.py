"""Models that fail together: forecasts against what is generated, and how many independent ones a chain is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from router.tune.joint import Both, Failures, effective_number, log_loss

NAMES = ("a", "b", "c")


def generated(rng: np.random.Generator, requests: int, shared: float, own: float, models: int = 2) -> Failures:
    """Requests to chains in which a shared outage and each model's own failures come by chance."""
    return counted((rng.random((requests, 1)) < shared) | (rng.random((requests, models)) < own))


def counted(failed: NDArray[np.bool_]) -> Failures:
    """Which of (requests, models) fail; every request sees all models."""
    requests, models = len(failed), len(failed.T)
    names = NAMES[:models]
    after = {
        (names[one], names[other]): Both(int(failed[:, one].sum()), int((failed[:, one] & failed[:, other]).sum()))
        for one, other in combinations(range(models), 2)
    }
    counts = failed.sum(axis=0).tolist()
    return Failures(dict.fromkeys(names, requests), dict(zip(names, counts, strict=True)), after)


def losses(shared: float, own: float) -> Iterator[tuple[float, float]]:
    """The surprise of other requests: at the forecast of both together, and at the model's own rate."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        seen, held_out = generated(rng, 1000, shared, own), generated(rng, 1000, shared, own).after["a", "b"]
        yield log_loss(seen.given("a", "b") or 0, held_out), log_loss(seen.alone("b") or 0, held_out)


def test_of_failures_that_come_together_the_forecast_is_better_than_independence() -> None:
    joint, apart = np.mean(list(losses(0.1, 0.05)), axis=0)
    assert joint < 0.5 * apart


def test_of_independent_failures_the_forecast_is_no_worse_than_by_a_hundredth() -> None:
    joint, apart = np.mean(list(losses(0, 0.3)), axis=0)
    assert joint <= 1.01 * apart


def test_a_model_that_was_never_called_has_no_rate() -> None:
    assert Failures({}, {}, {}).alone("a") is None
    assert Failures({}, {}, {}).given("b", "a") is None


def test_a_model_that_only_saw_leftovers_has_the_rate_of_these_alone() -> None:
    failures = Failures({"a": 10}, {"a": 5}, {("a", "b"): Both(4, 1)})
    assert failures.alone("b") is None
    assert failures.given("a", "b") == pytest.approx(1.5 / 5)


def test_few_requests_that_saw_both_move_the_forecast_little() -> None:
    failures = Failures({"a": 100, "b": 1000}, {"a": 10, "b": 100}, {("a", "b"): Both(1, 1)})
    assert failures.given("a", "b") == pytest.approx(0.14, abs=0.01)


def test_no_forecast_is_a_surprise_without_end() -> None:
    assert math.isfinite(log_loss(0, Both(10, 5)))
    assert log_loss(0.5, Both(10, 5)) == pytest.approx(math.log(2))


# --- How many independent models a chain is worth --------------------------------------------------


@pytest.mark.parametrize("models", [2, 3])
def test_models_that_always_fail_together_are_worth_one(models: int) -> None:
    failures = generated(np.random.default_rng(0), 20_000, 0.1, 0.0, models)
    assert effective_number(NAMES[:models], failures).value == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("models", [2, 3])
def test_independent_models_are_worth_as_many_as_they_are(models: int) -> None:
    failures = generated(np.random.default_rng(0), 20_000, 0.0, 0.1, models)
    assert effective_number(NAMES[:models], failures).value == pytest.approx(models, abs=0.1)


def test_a_fallback_is_worth_what_it_adds_to_the_model_that_it_fails_with_most() -> None:
    failed = np.random.default_rng(0).random((20_000, 3)) < 0.1
    failed[:, 2] = failed[:, 0]  # a and c are one; b is another one
    assert effective_number(NAMES, counted(failed)).value == pytest.approx(2, abs=0.1)


def test_its_interval_holds_the_truth_in_95_of_100_worlds() -> None:
    shared, own = 0.1, 0.1
    alone = 1 - (1 - shared) * (1 - own)
    truth = math.log(shared + (1 - shared) * own**2) / math.log(alone)
    found = [
        effective_number(NAMES[:2], generated(np.random.default_rng(seed), 2000, shared, own), seed=seed)
        for seed in range(100)
    ]
    assert 89 <= sum((each.low or 0) <= truth <= (each.high or 0) for each in found) <= 100


# --- Other rates that are as likely ----------------------------------------------------------------


def test_drawn_rates_are_around_those_that_were_seen() -> None:
    seen = generated(np.random.default_rng(0), 5_000, 0.1, 0.1)
    down, together = seen.drawn(("a", "b"), 400, np.random.default_rng(0))
    assert down.mean(axis=0) == pytest.approx([seen.alone("a"), seen.alone("b")], rel=0.02)
    assert together[:, 0, 1].mean() == pytest.approx((seen.given("a", "b") or 0) * (seen.alone("a") or 0), rel=0.02)
    assert np.array_equal(together[:, 0, 0], down[:, 0])


def test_requests_that_are_worth_fewer_leave_more_open() -> None:
    seen = Failures({"a": 1000}, {"a": 100}, {})
    grouped = seen._replace(worth={"a": 10.0})
    few, many = (each.drawn(("a",), 400, np.random.default_rng(0))[0].std() for each in (grouped, seen))
    assert few > 5 * many


def test_of_a_model_that_was_never_called_no_failure_is_drawn() -> None:
    assert not Failures({}, {}, {}).drawn(("a", "b"), 5, np.random.default_rng(0))[1].any()


@pytest.mark.parametrize(("chain", "value"), [(("a",), 1.0), ((), None), (("a", "z"), None)])
def test_of_one_model_or_of_unknown_ones_there_is_nothing_to_estimate(
    chain: Sequence[str], value: float | None
) -> None:
    found = effective_number(chain, generated(np.random.default_rng(0), 100, 0.1, 0.1))
    assert (found.value, found.low) == (value, None)


def test_fewer_requests_make_a_wider_interval() -> None:
    few, many = (
        effective_number(NAMES[:2], generated(np.random.default_rng(0), count, 0.1, 0.1)) for count in (100, 10_000)
    )
    assert (few.high or 0) - (few.low or 0) > 2 * ((many.high or 0) - (many.low or 0))
