"""What a comparison will likely cost and take, from known prices and from what the store has seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from router.compare.plan import calls, keys_of, lane_name, request_of
from router.compare.run import share_of
from router.facts import needs_of
from router.messages import Usage
from router.pricing import Bill
from router.store import Plan, Settings, Usual
from router.words import dollars, seconds

CHARACTERS_PER_TOKEN = 4
"""Of English prose, roughly."""


class AskedFirst(NamedTuple):
    """The model that a lane asks first, as things are, and what its tokens cost; None where that is not known."""

    model: str
    bill: Bill | None


class Estimate(NamedTuple):
    """What is likely.

    Attributes:
        calls: answers that are asked for; retries and fallbacks come on top.
        cost: US dollars of the lanes whose price is known.
        time: seconds of the slowest lane whose first model was seen before.
        no_cost, no_time: the lanes that these leave out.
        lanes: of the plan.
    """

    calls: int
    cost: float
    time: float
    no_cost: tuple[str, ...]
    no_time: tuple[str, ...]
    lanes: int

    def sentence(self) -> str:
        """The same for people."""
        cost = self._said(dollars(self.cost), self.no_cost, "their price or length is not known")
        time = self._said(f"about {seconds(self.time)}", self.no_time, "they were never asked before")
        return f"{self.calls:,} calls. Likely cost: {cost}. Likely time: {time}."

    def _said(self, value: str, missing: tuple[str, ...], why: str) -> str:
        if len(missing) == self.lanes:
            return "unknown"
        return value + (f" without {'; '.join(missing)} ({why})" if missing else "")


def estimate(
    plan: Plan, asked_first: Callable[[Settings], AskedFirst], usual: Callable[[str], Usual | None]
) -> Estimate:
    """What a plan will likely cost and take, if every first model answers and nothing comes from the cache.

    Args:
        usual: what the newest calls of a model took; None where there were none.
    """
    no_cost, no_time = [], []
    cost = time = 0.0
    for number, lane in enumerate(plan.lanes):
        first = asked_first(lane)
        seen = usual(first.model)
        lane_cost = _cost(plan, number, first.bill, _output_tokens(lane, seen))
        if lane_cost is None:
            no_cost.append(lane_name(lane))
        cost += lane_cost or 0.0
        if seen is None:
            no_time.append(lane_name(lane))
        else:
            rounds = math.ceil(len(plan.prompts) * plan.repeats / share_of(plan))
            time = max(time, rounds * seen.latency)
    return Estimate(calls(plan), cost, time, tuple(no_cost), tuple(no_time), len(plan.lanes))


def _output_tokens(lane: Settings, seen: Usual | None) -> float | None:
    usual = seen.completion_tokens if seen is not None else None
    return min((value for value in (usual, lane.max_tokens) if value is not None), default=None)


def _cost(plan: Plan, lane: int, bill: Bill | None, output: float | None) -> float | None:
    if bill is None:
        return None
    total = 0.0
    for key in keys_of(plan, lane):
        characters = needs_of(request_of(plan, key)).characters
        # Where nothing is known of the length, a price is of use only if it is none.
        usage = Usage(prompt_tokens=characters // CHARACTERS_PER_TOKEN + 1, completion_tokens=round(output or 1_000))
        one = bill(usage)
        if one is None or (output is None and one > 0):
            return None
        total += one
    return total
