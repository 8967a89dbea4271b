"""A comparison's likely cost and duration, from known prices and stored calls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from router.chat.transcripts import LoadFile
from router.compare.plan import calls, files_of, keys_of, lane_name, request_of
from router.compare.run import share_of
from router.core.capabilities import needs_of
from router.core.comparisons import Plan, Usual
from router.core.conversations import Settings
from router.core.formatting import counted, dollars, seconds
from router.core.messages import Usage
from router.core.pricing import CostFunction
from router.core.requests import Request


class AskedFirst(NamedTuple):
    """The model that a lane would call first.

    Attributes:
        provider: its name in models.yaml.
        model: its name at the provider.
        cost_of: what its tokens cost; None if unknown.
        request: a request as it gets it.
    """

    provider: str
    model: str
    cost_of: CostFunction | None
    request: Callable[[Request], Request]


class Estimate(NamedTuple):
    """The likely cost and duration.

    Attributes:
        calls: requested answers; retries and fallbacks come on top.
        cost: US dollars of the lanes with a known price.
        time: seconds of the slowest lane whose first model has stored answers.
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
        """The estimate as a sentence."""
        cost = self._said(dollars(self.cost), self.no_cost, "price or length unknown")
        time = self._said(f"about {seconds(self.time)}", self.no_time, "no earlier answers")
        return f"{counted(self.calls, 'call')}. Likely cost: {cost}. Likely time: {time}."

    def _said(self, value: str, missing: tuple[str, ...], why: str) -> str:
        if len(missing) == self.lanes:
            return "unknown"
        return value + (f" without {'; '.join(missing)} ({why})" if missing else "")


def estimate(
    plan: Plan,
    asked_first: Callable[[Settings], AskedFirst],
    usual: Callable[[str, str], Usual | None],
    load: LoadFile,
) -> Estimate:
    """A plan's likely cost and duration if every first model answers and nothing comes from the cache.

    Args:
        usual: the newest calls of a provider's model; None if there are none.
        load: returns the bytes of the plan's files.
    """
    load = _texts_alone(plan, load)
    no_cost, no_time = [], []
    cost = time = 0.0
    for number, lane in enumerate(plan.lanes):
        first = asked_first(lane)
        seen = usual(first.provider, first.model)
        lane_cost = _cost(plan, number, first, seen, load)
        if lane_cost is None:
            no_cost.append(lane_name(lane))
        cost += lane_cost or 0.0
        if seen is None:
            no_time.append(lane_name(lane))
        else:
            rounds = math.ceil(len(plan.prompts) * plan.repeats / share_of(plan))
            time = max(time, rounds * seen.latency)
    return Estimate(calls(plan), cost, time, tuple(no_cost), tuple(no_time), len(plan.lanes))


def _texts_alone(plan: Plan, load: LoadFile) -> LoadFile:
    """Nothing counts tokens of images and PDFs, which take long to encode."""
    texts = {file.id for file in files_of(plan) if file.media_type == "text/plain"}
    return lambda file: load(file) if file in texts else b""


def _output_tokens(request: Request, seen: Usual | None) -> float | None:
    usual = seen.completion_tokens if seen is not None else None
    limits = (usual, request.max_tokens)
    # models.yaml may set any JSON as max_tokens.
    return min((value for value in limits if isinstance(value, int | float)), default=None)


def _cost(plan: Plan, lane: int, first: AskedFirst, seen: Usual | None, load: LoadFile) -> float | None:
    """By the price of its tokens; where that or their number is unknown, as much as earlier answers cost."""
    by_price = _by_price(plan, lane, first, seen, load)
    if by_price is not None or seen is None or seen.cost is None:
        return by_price
    return seen.cost * len(plan.prompts) * plan.repeats


def _by_price(plan: Plan, lane: int, first: AskedFirst, seen: Usual | None, load: LoadFile) -> float | None:
    if first.cost_of is None:
        return None
    total = 0.0
    for key in keys_of(plan, lane):
        request = first.request(request_of(plan, key, load))
        prompt, output = needs_of(request).likely_tokens, _output_tokens(request, seen)
        # If the length is unknown, a price helps only if it is zero.
        usage = Usage(prompt_tokens=prompt, completion_tokens=round(output or 1_000))
        one = first.cost_of(usage)
        if one is None or (output is None and one > 0):
            return None
        total += one
    return total
