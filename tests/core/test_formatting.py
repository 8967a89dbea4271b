"""Figures in words, at the limits of their units."""

from __future__ import annotations

import pytest

from router.core.attempts import Attempt, Spent
from router.core.formatting import attempt_facts, counted, expense, seconds
from router.core.messages import Usage


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"), (0, "0 ms"), (0.0851, "85 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (9.994, "9.99 s"),
        (9.996, "10.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (119.7, "2 min 0 s"), (200, "3 min 20 s"),
    ],
)  # fmt: skip
def test_a_duration_never_has_sixty_seconds_or_a_thousand_milliseconds(value: float | None, words: str) -> None:
    assert seconds(value) == words


@pytest.mark.parametrize(
    ("cost", "unpriced", "words"),
    [
        (0.0002, 0, "$0.0002"), (0.0002, 2, "$0.0002 + 2 calls unknown"), (0.0, 1, "$0 + 1 call unknown"),
        (None, 2, "unknown"),
    ],
)  # fmt: skip
def test_unknown_costs_do_not_hide_the_known_ones(cost: float | None, unpriced: int, words: str) -> None:
    assert expense(Spent(cost, unpriced)) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0 calls"), (1, "1 call"), (2, "2 calls"), (1234, "1,234 calls")])
def test_a_count_has_its_noun_in_singular_or_plural(number: int, words: str) -> None:
    assert counted(number, "call") == words


FAILED = Attempt(
    model="m", provider="p", place=0, number=2, outcome="failed", started=0, offset=3, wait=2.0, queued=0.01,
    latency=0.5, status=429, detail="Slow down.",
)  # fmt: skip
ANSWERED = Attempt(
    model="m", provider="p", place=0, number=1, outcome="answered", started=0, offset=1, queued=1.0, latency=3.0,
    ttft=1.0, status=200, usage=Usage(completion_tokens=100),
)  # fmt: skip


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (FAILED, "HTTP 429 · took 500 ms · 2.00 s of back-off before it"),
        (ANSWERED, "1.00 s in the queue before it · 50 tokens/s"),
    ],
)
def test_the_facts_of_an_attempt_are_those_that_its_sentence_leaves_out(attempt: Attempt, words: str) -> None:
    assert attempt_facts(attempt) == words
