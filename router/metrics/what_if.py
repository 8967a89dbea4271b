"""What a chain with fewer models, or in another order, would have done to the requests that were observed.

A request's way tells how some models did on it. It is sent through the changed chain: a model that failed it fails it
again, and the one that answered it answers again. Where it meets a model that was not called for it, the share counts
that this model answered of the requests that reached it as a fallback.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from router.core.formatting import counted, dollars, place
from router.core.intervals import wilson
from router.metrics import predicates
from router.metrics.chains import DAYS
from router.metrics.estimates import Estimate, share
from router.metrics.observed import Observed
from router.metrics.registry import FIGURES
from router.metrics.view import Filter, View


class WhatIf(NamedTuple):
    """What would have become of the requests that went through a chain.

    Attributes:
        requests: how many they are.
        failing: those of the answered ones that would have failed; no value where nothing is known of a model.
        spared: those that would have been answered after fewer failures.
        asked: by model, those that would have come to it first of the models that were not called for them.
        fallbacks: by model, the share that it answered of the requests that reached it as a fallback.
        saved: US dollars of calls of models that are gone; None where other calls take their place or it is unknown.
    """

    requests: int
    failing: Estimate
    spared: int
    asked: Mapping[str, int]
    fallbacks: Mapping[str, Estimate]
    saved: float | None

    def sentence(self, before: Sequence[str], after: Sequence[str]) -> str:
        """The same in words; the models are the chain's before and after the change."""
        if new := [model for model in after if model not in before]:
            return f"What {' and '.join(new)} would have done is unknown: not in this chain so far."
        if not self.requests:
            return f"What this would have done is unknown: no request went through this chain in the last {DAYS} days."
        of = f"of {counted(self.requests, 'request')} in the last {DAYS} days would have"
        if gone := [f"{model} ({place(number)})" for number, model in enumerate(before) if model not in after]:
            return f"Without {' and '.join(gone)}: {self._failing(of)}{''.join(map(self._odds, self.asked))}"
        unknown = (
            f" What {model} would have done with {counted(count, 'other')} is unknown: it was not called for them."
            for model, count in self.asked.items()
        )
        return f"In this order: {self.spared:,} {of} been spared a failed call.{''.join(unknown)}"

    def _failing(self, of: str) -> str:
        if self.failing.value is None:
            return "how many requests would have failed is unknown."
        about = "about " if self.asked else ""
        between = f"95% interval {self.failing.low or 0:,.0f} to {self.failing.high or 0:,.0f}"
        saved = f", {dollars(self.saved)} saved" if self.saved else ""
        return f"{about}{self.failing.value:,.0f} {of} failed ({between}){saved}."

    def _odds(self, model: str) -> str:
        known = self.fallbacks.get(model)
        odds = f"answered {known.value:.0%} of those that reached it" if known else "was never called here"
        return f" {self.asked[model]:,} would have gone to {model}, which {odds} as a fallback."


_UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def what_if(view: View, before: Sequence[str], after: Sequence[str]) -> WhatIf:
    """Send the requests of a category through its changed chain.

    Args:
        view: the category's requests and attempts.
        before, after: the chain's models, before and after the change.
    """
    reached, rescued = (view.requests.counted(keys) for keys in (predicates.came_to_as_fallback, predicates.rescuer))
    fallbacks = {str(key[0]): share(rescued[key], count) for key, count in reached.items()}
    requests, spared, asked = 0, 0, Counter[str]()
    failing: tuple[float, ...] = (0.0, 0.0, 0.0)
    for labels, count in view.requests.labels():
        ends = {step.model: step.outcome == "answered" for step in labels.path}
        if not predicates.is_over(labels) or [*ends] != [*before[: len(ends)]]:
            continue
        requests += count
        if labels.outcome == "failed":
            continue
        met = _met(after, ends)
        unknown = [model for model in met if model not in ends]
        asked.update(dict.fromkeys(unknown[:1], count))
        if not ends.get(met[-1]):
            chances = _chances(unknown, fallbacks)
            failing = tuple(so_far + count * chance for so_far, chance in zip(failing, chances, strict=True))
        elif not unknown and len(met) < len(ends):
            spared += count
    saved = None if asked else _saved(view, {*before} - {*after})
    return WhatIf(requests, _bounded(failing, requests), spared, asked, fallbacks, saved)


def _met(chain: Sequence[str], ends: Mapping[str, bool]) -> Sequence[str]:
    """The models that a request meets, up to the one that is known to answer it."""
    answering = next((number for number, model in enumerate(chain) if ends.get(model)), len(chain))
    return chain[: answering + 1]


def _chances(models: Sequence[str], fallbacks: Mapping[str, Estimate]) -> tuple[float, ...]:
    """The chance that all of these fail a request, between the ends of its interval; NaN where one is unknown."""
    shares = [fallbacks.get(model, _UNKNOWN) for model in models]
    ends = zip(*((each.high, each.value, each.low) for each in shares), strict=True)
    return tuple(math.prod(1 - (end or 0) for end in each) for each in ends) or (1.0, 1.0, 1.0)


def _bounded(failing: tuple[float, ...], count: int) -> Estimate:
    """So many of `count` requests, also as uncertain as so many of them are."""
    low, middle, high = failing
    if not count or math.isnan(middle):
        return Estimate(None, rows=count)
    return Estimate(
        middle, count * max(0, wilson(low / count, count)[0]), count * wilson(high / count, count)[1], count
    )


def _saved(view: View, gone: set[str]) -> float | None:
    costs = [cost for (_, model), cost in FIGURES["cost_of_calls"].of(view).items() if model in gone]
    return None if any(cost.unknown for cost in costs) else sum(cost.value or 0 for cost in costs)


def what_ifs(
    observed: Observed, before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]], now: float
) -> dict[str, str]:
    """What the changes of chains would have done over the last days, one sentence for each changed chain.

    Args:
        before, after: each category's models, before and after the change.
        now: Unix time, seconds.

    Raises:
        StoreError: the database is damaged.
    """
    view = View.of(observed.rows()).where(Filter(since=now - DAYS * 86_400))
    return {
        category: what_if(view.where(Filter(categories=(category,))), before[category], models).sentence(
            before[category], models
        )
        for category, models in after.items()
        if category in before and [*models] != [*before[category]]
    }
