"""What was observed of a chain's models, to stand beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from router.observed.columns import Observed
from router.observed.estimates import Estimate
from router.observed.figures import FIGURES
from router.observed.view import Filter, View
from router.words import dollars, seconds

DAYS = 7
"""Days that the figures beside a chain are of."""


class ModelLine(NamedTuple):
    """A model's figures in one category, by the names of the registry; None where nothing was seen."""

    availability: Estimate | None
    rescues: Estimate | None
    p50: Estimate | None
    p95: Estimate | None
    cost: Estimate | None

    def cells(self) -> tuple[str, str, str, str, str]:
        """Answered share with its interval and count, rescued share, p50, p95 and cost, in words."""
        if self.availability is None or self.availability.value is None:
            return ("–", "–", "–", "–", "–")
        low, high = self.availability.low, self.availability.high
        between = f" ({low:.0%} to {high:.0%})" if low is not None and high is not None else ""
        return (
            f"{self.availability.value:.0%}{between} of {self.availability.rows:,}",
            "–" if self.rescues is None or self.rescues.value is None else f"{self.rescues.value:.0%}",
            _time(self.p50),
            _time(self.p95),
            "unknown" if self.cost is None or self.cost.value is None else dollars(self.cost.value),
        )


def _time(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    return "timed out" if estimate.value == float("inf") else seconds(estimate.value)


def chain_lines(
    observed: Observed | None, categories: Iterable[str], now: float
) -> Mapping[str, Mapping[str, ModelLine]]:
    """The figures of each category's models, by category and model reference; none where nothing is stored.

    Args:
        now: Unix time, seconds.
    """
    if observed is None:
        return {category: {} for category in categories}
    view = View.of(observed.rows()).where(Filter(since=now - DAYS * 86_400))
    return {category: _lines(view.where(Filter(categories=(category,))), category) for category in categories}


def _lines(part: View, category: str) -> dict[str, ModelLine]:
    available = FIGURES["availability"].of(part)
    rescues, latency, cost = (FIGURES[name].of(part) for name in ("rescues", "call_latency", "cost_of_calls"))
    return {
        str(model): ModelLine(
            availability=estimate,
            rescues=rescues.get((model,)),
            p50=latency.get((model, 0.5)),
            p95=latency.get((model, 0.95)),
            cost=cost.get((category, model)),
        )
        for (model,), estimate in available.items()
    }
