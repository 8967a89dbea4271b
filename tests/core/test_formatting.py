"""Figures in words, at the limits of their units."""

from __future__ import annotations

from datetime import UTC

import pytest

from router.core.attempts import Attempt, Spent
from router.core.formatting import attempt_facts, clock, counted, expense, interval, moment, seconds, size
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


def test_a_moment_has_its_day_and_its_minute() -> None:
    assert moment(1_764_357_240, UTC) == "2025-11-28 19:14"


@pytest.mark.parametrize(("later", "words"), [(60, "19:14"), (5 * 3600, "2025-11-28 19:14")])
def test_a_clock_has_no_day_where_that_is_today(later: float, words: str) -> None:
    assert clock(1_764_357_240, 1_764_357_240 + later, UTC) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0.0 kB"), (1_234, "1.2 kB"), (999_960, "1.0 MB"), (12_345_678, "12.3 MB"), (1_200_000_000, "1.20 GB")],
)
def test_a_size_has_the_unit_that_keeps_it_short(count: int, words: str) -> None:
    assert size(count) == words


def test_an_interval_that_is_unknown_is_empty() -> None:
    assert [interval(0.123, 0.345), interval(0.123, 0.345, digits=1), interval(None, 0.5)] == [
        "12% to 34%", "12.3% to 34.5%", "",
    ]  # fmt: skip
