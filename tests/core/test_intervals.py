"""Wilson's interval."""

from __future__ import annotations

import pytest
from statsmodels.stats.proportion import proportion_confint

from router.core.intervals import wilson


@pytest.mark.parametrize(("count", "of"), [(0, 7), (17, 20), (50, 100), (1_000, 1_000)])
def test_the_interval_is_statsmodels(count: int, of: int) -> None:
    assert wilson(count / of, of) == pytest.approx(proportion_confint(count, of, method="wilson"), abs=1e-7)


def test_another_quantile_gives_another_level() -> None:
    assert wilson(0.85, 20, 1.644854) == pytest.approx(proportion_confint(17, 20, alpha=0.1, method="wilson"), abs=1e-6)
