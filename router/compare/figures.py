"""Latency, tokens and cost of each answer, and of each lane as a whole.

Repeats of one prompt are averaged first: the prompt is the unit. Answers from the cache, or shared with another
request, are not counted in latency and cost.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from router.compare.plan import keys_of, lane_name
from router.core.attempts import Attempt, Completion, Spent, is_call, own_answer, since_asked, spent, waited
from router.core.comparisons import Cell, Comparison
from router.core.errors import TIMED_OUT
from router.core.formatting import tokens_per_second
from router.core.intervals import wilson

Number = TypeVar("Number", int, float)


class LaneSummary(NamedTuple):
    """A lane's statistics; None is unknown, never 0.

    Attributes:
        over: cells that were answered or failed; stopped cells count as neither.
        share: answered ones, 0 to 1, of the prompts' averages; `low` and `high` are its Wilson interval of 95%.
        latency: median seconds of an answer, failed attempts and waits before it included, queueing left out.
        first_token: the same until the first token.
        rate: median output tokens a second.
        tokens: of all calls, prompts and failed attempts included.
        spent: what all calls cost, failed attempts included; unknown where they are only another's.
        cached, shared: answers that took no call of their own.
    """

    name: str
    cells: int
    over: int
    answered: int
    share: float | None
    low: float | None
    high: float | None
    latency: float | None
    first_token: float | None
    rate: float | None
    tokens: int | None
    spent: Spent
    cached: int
    shared: int


def summaries(comparison: Comparison) -> list[LaneSummary]:
    """One summary per lane, in order."""
    return [_summary(comparison, lane) for lane in range(len(comparison.plan.lanes))]


def _summary(comparison: Comparison, lane: int) -> LaneSummary:
    keys = list(keys_of(comparison.plan, lane))
    over = [
        cell for key in keys if (cell := comparison.cells.get(key)) is not None and cell.state in ("answered", "failed")
    ]
    answered = [cell for cell in over if cell.state == "answered"]
    shares = _by_prompt(over, lambda cell: float(cell.state == "answered"))
    share = statistics.fmean(shares) if shares else None
    low, high = wilson(share, len(shares)) if share is not None else (None, None)
    calls = [
        attempt for cell in comparison.cells.values() if cell.lane == lane for attempt in filter(is_call, cell.attempts)
    ]
    billed = [cell for cell in comparison.cells.values() if cell.lane == lane and _is_billed(cell)]
    return LaneSummary(
        name=lane_name(comparison.plan.lanes[lane]),
        cells=len(keys),
        over=len(over),
        answered=len(answered),
        share=share,
        low=low,
        high=high,
        latency=_median(_by_prompt(over, _censored(latency))),
        first_token=_median(_by_prompt(over, _censored(first_token))),
        rate=_median(_by_prompt(answered, rate)),
        tokens=_known_sum(_tokens(attempt) for attempt in calls),
        spent=spent(attempt for cell in billed for attempt in cell.attempts) if billed else Spent(None, 0),
        cached=sum(cell.attempts[-1].cached for cell in answered if cell.attempts),
        shared=sum(cell.attempts[-1].shared for cell in answered if cell.attempts),
    )


# --- One cell --------------------------------------------------------------------------------------


def latency(cell: Cell) -> float | None:
    """Seconds from the request to the end of the answer, without waiting for a slot; None if there is none."""
    return waited(cell.attempts) if cell.state == "answered" else None


def first_token(cell: Cell) -> float | None:
    """Seconds from the request to the answer's first token, without waiting for a slot."""
    last = _own_answer(cell)
    return None if last is None or last.ttft is None else since_asked(cell.attempts, last.ttft)


def rate(cell: Cell) -> float | None:
    """Output tokens per second after the first one."""
    last = _own_answer(cell)
    return None if last is None else tokens_per_second(last)


def cost(cell: Cell) -> float | None:
    """US dollars of all attempts; None if any part is unknown."""
    return Completion(request_id="", category=None, answer=cell.answer, attempts=cell.attempts).cost


def output_tokens(cell: Cell) -> int | None:
    """Tokens of the answer."""
    last = cell.attempts[-1] if cell.attempts else None
    return last.usage.completion_tokens if last is not None and last.usage is not None else None


def _own_answer(cell: Cell) -> Attempt | None:
    return own_answer(cell.attempts) if cell.state == "answered" else None


def _is_billed(cell: Cell) -> bool:
    """Whether its cost can be known: a cell that shared another's call cannot know it."""
    return bool(cell.attempts) and not cell.attempts[-1].shared


def _tokens(attempt: Attempt) -> int | None:
    usage = attempt.usage
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return 0 if attempt.cost == 0 else None  # what was never run took none
    return usage.prompt_tokens + usage.completion_tokens


# --- Statistics ------------------------------------------------------------------------------------


def _censored(figure: Callable[[Cell], float | None]) -> Callable[[Cell], float | None]:
    """Timeouts count as infinitely long and are not dropped."""

    def seen(cell: Cell) -> float | None:
        if cell.state == "failed":
            return math.inf if cell.attempts and cell.attempts[-1].reason in TIMED_OUT else None
        return figure(cell)

    return seen


def _by_prompt(cells: Sequence[Cell], figure: Callable[[Cell], float | None]) -> list[float]:
    """A figure's mean over each prompt's repeats."""
    found: dict[int, list[float]] = {}
    for cell in cells:
        if (value := figure(cell)) is not None:
            found.setdefault(cell.prompt, []).append(value)
    return [statistics.fmean(values) for values in found.values()]


def _median(values: Sequence[float]) -> float | None:
    median = statistics.median(values) if values else math.inf
    return median if math.isfinite(median) else None


def _known_sum(values: Iterable[Number | None]) -> Number | None:
    """The sum; None if there is nothing to add or any part is unknown."""
    known = list(values)
    return None if not known or None in known else sum(value for value in known if value is not None)
