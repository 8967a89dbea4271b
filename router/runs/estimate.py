"""What a lane of a run is likely to cost and how long it takes, from known prices and stored calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from router.core.capabilities import needs_of
from router.core.comparisons import Usual
from router.core.formatting import counted, dollars, seconds
from router.core.intervals import Z
from router.core.messages import Usage
from router.core.pricing import CostFunction
from router.core.requests import Request

LENGTH_UNKNOWN = 1_000
"""Tokens of an answer by which a price of zero is told from others."""


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


class LaneEstimate(NamedTuple):
    """A lane's likely cost in US dollars and time in seconds; None is unknown.

    Attributes:
        error: how far the cost may be off, US dollars: half of its interval of 95%.
    """

    name: str
    calls: int
    cost: float | None
    time: float | None
    error: float | None = None


class Estimate(NamedTuple):
    """A run's likely cost and duration.

    Attributes:
        calls: requested answers; retries and fallbacks come on top.
        judge_calls: requested verdicts; the same come on top.
        cost: US dollars of the lanes and judges with a known price.
        error: half of the cost's interval of 95%, US dollars; None if it is not known for each of them.
        time: seconds of the slowest lane and of the judges, as far as their first models have stored answers.
        no_cost, no_time: the lanes and judges that these leave out.
        parts: how many there are.
        why: what explains the number of calls, in words; empty where it needs no explanation.
    """

    calls: int
    cost: float
    time: float
    no_cost: tuple[str, ...]
    no_time: tuple[str, ...]
    parts: int
    error: float | None = None
    judge_calls: int = 0
    why: str = ""

    def sentence(self) -> str:
        """The estimate as a sentence."""
        cost = self._said(dollars(self.cost) + self._between(), self.no_cost, "price or length unknown")
        time = self._said(f"about {seconds(self.time)}", self.no_time, "no earlier answers")
        judges = f" and {counted(self.judge_calls, 'judge call')}" if self.judge_calls else ""
        why = f" ({self.why})" if self.why else ""
        return f"{counted(self.calls, 'call')}{why}{judges}. Likely cost: {cost}. Likely time: {time}."

    def _between(self) -> str:
        if not self.error:
            return ""
        return f" ({dollars(max(0.0, self.cost - self.error))} to {dollars(self.cost + self.error)})"

    def _said(self, value: str, missing: tuple[str, ...], why: str) -> str:
        if len(missing) == self.parts:
            return "unknown"
        return value + (f" without {'; '.join(missing)} ({why})" if missing else "")


def together(lanes: Sequence[LaneEstimate], judges: Sequence[LaneEstimate] = ()) -> Estimate:
    """The estimate of a run from those of its lanes, which run side by side, and of judges, which wait for answers."""
    parts = [*lanes, *judges]
    errors = [part.error if part.cost else 0.0 for part in parts if part.cost is not None]
    return Estimate(
        calls=sum(lane.calls for lane in lanes),
        cost=sum(part.cost or 0.0 for part in parts),
        time=max((lane.time or 0.0 for lane in lanes), default=0.0) + sum(judge.time or 0.0 for judge in judges),
        no_cost=tuple(part.name for part in parts if part.cost is None),
        no_time=tuple(part.name for part in parts if part.time is None),
        parts=len(parts),
        error=None if None in errors else sum(error for error in errors if error is not None),
        judge_calls=sum(judge.calls for judge in judges),
    )


def lane_estimate(
    name: str,
    requests: Iterable[Request],
    calls: int,
    first: AskedFirst,
    seen: Usual | None,
    *,
    at_once: int,
    prompts_known: bool = True,
) -> LaneEstimate:
    """A lane's or a judge's likely cost and duration if its first model answers all, and nothing comes from the cache.

    Args:
        requests: all of them, one a call.
        calls: how many they are.
        seen: the newest calls of that model; None if there are none.
        at_once: its calls in progress at once.
        prompts_known: whether the requests are as long as they will be.
    """
    cost = _by_price(requests, first, seen, prompts_known=prompts_known)
    if cost is None and seen is not None and seen.cost is not None:
        cost = seen.cost * calls  # where the price or the length is unknown: as much as earlier answers cost
    time = math.ceil(calls / at_once) * seen.latency if seen is not None else None
    spread = seen.spread if seen is not None else None
    # The cost of all is as uncertain as the calls' own variation, and what is not known of their mean.
    error = Z * spread * cost * math.sqrt(1 / calls + 1 / seen.calls) if seen and spread and cost and calls else None
    return LaneEstimate(name, calls, cost, time, error)


def likely_length(request: Request, seen: Usual | None) -> float | None:
    """Tokens of the answer to a request; None if unknown."""
    usual = seen.completion_tokens if seen is not None else None
    limits = (usual, request.max_tokens)
    # models.yaml may set any JSON as max_tokens.
    return min((value for value in limits if isinstance(value, int | float)), default=None)


def _by_price(
    requests: Iterable[Request], first: AskedFirst, seen: Usual | None, *, prompts_known: bool
) -> float | None:
    if first.cost_of is None:
        return None
    total, last, one = 0.0, None, None
    for asked in requests:
        if asked is not last:  # repeats follow each other
            last, one = asked, _price_of(asked, first.cost_of, first, seen, prompts_known=prompts_known)
        if one is None:
            return None
        total += one
    return total


def _price_of(
    asked: Request, cost_of: CostFunction, first: AskedFirst, seen: Usual | None, *, prompts_known: bool
) -> float | None:
    request = first.request(asked)
    prompt, output = needs_of(request).likely_tokens, likely_length(request, seen)
    one = cost_of(Usage(prompt_tokens=prompt, completion_tokens=round(output or LENGTH_UNKNOWN)))
    # If a length is unknown, a price helps only if it is zero.
    return None if one and (output is None or not prompts_known) else one
