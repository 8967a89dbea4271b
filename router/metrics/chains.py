"""Statistics of a chain's models, shown next to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from router.core.formatting import dollars, seconds
from router.core.intervals import wilson
from router.metrics import predicates
from router.metrics.estimates import Estimate
from router.metrics.observed import Observed
from router.metrics.registry import FIGURES
from router.metrics.view import Filter, View
from router.store import Passes, ScoreLog

DAYS = 7
"""Days that the statistics cover."""

EVALUATED_DAYS = 90
"""Days that the quality covers: evaluations are rarer than requests."""


class Cell(NamedTuple):
    """A figure in words.

    Attributes:
        between: its interval of 95%; empty where there is none.
        of: its sample size; empty if there is none.
        at: the places in the chain at which it was observed; empty where it holds for all.
    """

    name: str
    value: str = "–"
    between: str = ""
    of: str = ""
    at: str = ""


class ModelLine(NamedTuple):
    """A model's figures in one category, by the names of the registry; None where nothing was seen.

    Attributes:
        quality: the share of cases that its answers pass, from evaluations in which it was asked first.
        places: where in the chain requests whose primary had failed reached it, whatever its place is now.
    """

    availability: Estimate | None
    rescues: Estimate | None
    first_p50: Estimate | None
    first_p95: Estimate | None
    p50: Estimate | None
    p95: Estimate | None
    cost: Estimate | None
    places: tuple[int, ...] = ()
    quality: Estimate | None = None

    def cells(self) -> tuple[Cell, ...]:
        """What people compare models by: quality, answered, rescued, first token and whole answer, cost of a call."""
        return (
            _quality(self.quality),
            _share("answered", self.availability),
            _share("rescued", self.rescues, self.places),
            _time("first token p50", self.first_p50),
            _time("first token p95", self.first_p95),
            _time("answer p50", self.p50),
            _time("answer p95", self.p95),
            _cost("cost of a call", self.cost),
        )


UNSEEN = ModelLine(None, None, None, None, None, None, None)
"""The line of a model of which nothing was observed."""


def _share(name: str, estimate: Estimate | None, places: tuple[int, ...] = ()) -> Cell:
    if estimate is None or estimate.value is None:
        return Cell(name)
    low, high = estimate.low or 0, estimate.high or 0
    at = f"as fallback {' or '.join(map(str, places))}" if places else ""
    return Cell(name, f"{estimate.value:.0%}", f"{low * 100:.0f} to {high:.0%}", f"of {estimate.rows:,}", at)


def _quality(estimate: Estimate | None) -> Cell:
    cell = _share("quality", estimate)
    return cell._replace(of=f"{cell.of} cases") if cell.of else cell


def _time(name: str, estimate: Estimate | None) -> Cell:
    if estimate is None or estimate.value is None:
        return Cell(name)
    late, low, high = math.isinf(estimate.value), _finite(estimate.low), _finite(estimate.high)
    if low is not None and high is not None:
        number, _, unit = seconds(low).partition(" ")
        between = f"{number if seconds(high).split()[1:] == [unit] else seconds(low)} to {seconds(high)}"
    else:
        between = f"over {seconds(low)}" if low is not None else f"up to {seconds(high)}" if high is not None else ""
    return Cell(name, "timed out" if late else seconds(estimate.value), between)


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _cost(name: str, estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell(name)
    if estimate.value is None:
        return Cell(name, "unknown")
    return Cell(name, dollars(estimate.value / estimate.rows), "", f"{dollars(estimate.value)} for {estimate.rows:,}")


def chain_lines(
    observed: Observed, scores: ScoreLog, categories: Iterable[str], now: float
) -> Mapping[str, Mapping[str, ModelLine]]:
    """The figures of each category's models, by category and model reference.

    Args:
        scores: what evaluations said.
        now: Unix time, seconds.

    Raises:
        StoreError: the database is damaged.
    """
    view = View.of(observed.rows()).where(Filter(since=now - DAYS * 86_400))
    passes = scores.passes(now - EVALUATED_DAYS * 86_400)
    return {
        category: _with_quality(
            _lines(view.where(Filter(categories=(category,))), category),
            {model: of for (of_category, model), of in passes.items() if of_category == category},
        )
        for category in categories
    }


def _with_quality(lines: Mapping[str, ModelLine], passes: Mapping[str, Passes]) -> Mapping[str, ModelLine]:
    """The lines with what evaluations say, also of models that nothing else was observed of."""
    return {
        model: lines.get(model, UNSEEN)._replace(quality=_estimate(passes[model]) if model in passes else None)
        for model in (*lines, *(model for model in passes if model not in lines))
    }


def _estimate(passes: Passes) -> Estimate:
    low, high = wilson(passes.share, passes.cases)
    return Estimate(passes.share, low, high, rows=passes.cases)


def _lines(part: View, category: str) -> dict[str, ModelLine]:
    names = ("availability", "rescues", "call_first_token", "call_latency", "cost_of_calls")
    available, rescues, first, latency, cost = (FIGURES[name].of(part) for name in names)
    places = sorted(part.requests.counted(predicates.came_to_place))
    return {
        str(model): ModelLine(
            availability=estimate,
            rescues=rescues.get((model,)),
            first_p50=first.get((model, 0.5)),
            first_p95=first.get((model, 0.95)),
            p50=latency.get((model, 0.5)),
            p95=latency.get((model, 0.95)),
            cost=cost.get((category, model)),
            places=tuple(place for name, place in places if name == model),
        )
        for (model,), estimate in available.items()
    }
