"""Whether a prediction came true."""

from __future__ import annotations

from typing import Any

import pytest

from router.metrics.view import View
from router.tune.certificate import Certificate, Expected
from router.tune.held import DAYS, LEAST_REQUESTS, kept
from tests.tune.logs import request, view_of

AT = 1_000_000.0


def certificate(**expected: tuple[float, float, float]) -> Certificate:
    figures = {name: Expected(value=value, low=low, high=high) for name, (value, low, high) in expected.items()}
    return Certificate(
        at=AT, category="code", chain="new", models=("a", "b"), evidence="e", expected=figures, faults=(), checked=32
    )


def after(count: int, *, failed: int = 0, **more: Any) -> View:
    """So many requests of the new chain, of which some were not answered."""
    rows: dict[str, Any] = {"chain": "new", "started": AT + 1, **more}
    return view_of(requests=[request("a+", **rows)] * (count - failed) + [request("a-", **rows)] * failed)


def test_few_requests_say_nothing() -> None:
    found = kept(after(LEAST_REQUESTS - 1), certificate(answered=(1.0, 1.0, 1.0)))
    assert (found.requests, found.figures) == (LEAST_REQUESTS - 1, ())
    assert "too few" in found.sentence()


def test_a_figure_within_its_interval_holds() -> None:
    (found,) = kept(after(100, failed=5), certificate(answered=(0.97, 0.93, 0.99))).figures
    assert found.holds
    assert found.seen.value == 0.95


def test_a_figure_far_from_its_interval_does_not() -> None:
    found = kept(after(100, failed=50), certificate(answered=(0.99, 0.98, 1.0)))
    assert not found.figures[0].holds
    assert "1 of 1 figures came out otherwise" in found.sentence()


@pytest.mark.parametrize("more", [{"chain": "old"}, {"started": AT - 1}, {"started": AT + (DAYS + 1) * 86_400}])
def test_other_chains_and_other_times_do_not_count(more: dict[str, Any]) -> None:
    assert kept(after(100, **more), certificate(answered=(1.0, 1.0, 1.0))).requests == 0


def test_what_was_not_predicted_is_not_held_against_anything() -> None:
    assert kept(after(100), certificate()).figures == ()
