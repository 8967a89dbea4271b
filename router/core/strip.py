"""The fallback strip: a request's way through its chain in one line."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from router.core.attempts import Attempt, Outcome, Spent, spent
from router.core.formatting import NOTICEABLE, expense, seconds

MARKS = {"answered": "✓", "failed": "✕", "skipped": "–", "cancelled": "■"}
"""The sign of each outcome."""

_SAID = {"no_images": "reads no images", "no_files": "reads no files", "no_tools": "calls no tools"}
"""Reasons that are clearer in other words."""


class Chip(NamedTuple):
    """One model of the strip.

    Attributes:
        name: the model's name, without its vendor if the strip's models can still be told apart.
        outcome: that of its last attempt.
        reason: an HTTP status, or why it did not answer, or where its answer came from; empty for a plain answer.
        seconds: how long it kept the user waiting: queueing, retries and the waits between them included.
        calls: calls on the wire, its own or shared ones.
        attempts: those that the chip shows, in order.
    """

    name: str
    outcome: Outcome
    reason: str
    seconds: float
    calls: int
    attempts: tuple[Attempt, ...]

    @property
    def model(self) -> str:
        """The whole model reference."""
        return self.attempts[-1].model

    @property
    def named(self) -> str:
        """The name and how often it was called: `glm-5 ×3`."""
        return f"{self.name} ×{self.calls}" if self.calls > 1 else self.name

    @property
    def result(self) -> str:
        """What came of it: `✕ 429 · 10.5 s`."""
        plain = self.outcome == "skipped" or self.attempts[-1].cached
        took = "" if plain and self.seconds < NOTICEABLE else _time(self.seconds)
        return f"{MARKS[self.outcome]} {' · '.join(part for part in (self.reason, took) if part)}".rstrip()

    @property
    def text(self) -> str:
        """The chip in words: `glm-5 ×3 ✕ 429 · 10.5 s`."""
        return f"{self.named} {self.result}"


class Strip(NamedTuple):
    """A request's way through its chain.

    Attributes:
        total: seconds that the user waited, from asking to the end.
        spent: what its calls cost.
    """

    chips: tuple[Chip, ...]
    total: float
    spent: Spent

    @property
    def price(self) -> str:
        """The cost in words; what is unknown is not 0."""
        return expense(self.spent) if self.spent.cost is not None else "cost unknown"

    @property
    def totals(self) -> str:
        """What the user waited and paid: `total 11.2 s · $0.0004`."""
        return f"total {_time(self.total)} · {self.price}"

    @property
    def text(self) -> str:
        """The strip in one line: `glm-5 ✕ 429 · 10.5 s → deepseek ✓ 0.7 s · total 11.2 s · $0.0004`."""
        way = " → ".join(chip.text for chip in self.chips)
        return f"{way} · {self.totals}" if way else self.totals


def strip_of(attempts: Sequence[Attempt], waited: float | None = None) -> Strip:
    """The strip of a request's attempts; consecutive attempts of one model are one chip.

    Args:
        attempts: in order; they may come from the store.
        waited: seconds from asking to the end, if known better than from the attempts.
    """
    groups = [tuple(group) for _, group in itertools.groupby(attempts, lambda attempt: (attempt.place, attempt.model))]
    namesakes = Counter(_short_name(model) for model in {attempt.model for attempt in attempts})
    chips: list[Chip] = []
    before = 0.0
    for group in groups:
        last, short = group[-1], _short_name(group[-1].model)
        end = max(before, _end(last))
        chips.append(
            Chip(
                name=short if namesakes[short] == 1 else last.model,
                outcome=last.outcome,
                reason=_reason(last),
                seconds=end - before,
                calls=sum(attempt.number > 0 and not attempt.cached for attempt in group),
                attempts=group,
            )
        )
        before = end
    return Strip(tuple(chips), before if waited is None else waited, spent(attempts))


def _end(attempt: Attempt) -> float:
    """Seconds from asking to the attempt's end; a cached answer keeps the latency of the original."""
    return attempt.offset if attempt.cached else attempt.offset + (attempt.latency or 0.0)


def _short_name(model: str) -> str:
    return model.rpartition("/")[2]


def _reason(last: Attempt) -> str:
    parts = ["injected fault"] if last.injected else []
    if last.outcome in ("failed", "skipped"):
        parts.append(_why(last))
    elif last.outcome == "answered" and (last.cached or last.shared):
        parts.append("cached" if last.cached else "shared")
    return " · ".join(parts)


def _why(last: Attempt) -> str:
    if last.status is not None and last.status != 200:  # an error inside a 200 says nothing by its status
        return str(last.status)
    reason = last.reason or "unknown"
    return _SAID.get(reason, reason.replace("_", " "))


def _time(value: float) -> str:
    """A duration to a tenth of a second, so that the figures of a strip visibly add up."""
    return f"{value:.1f} s" if NOTICEABLE <= value < 59.95 else seconds(value)
