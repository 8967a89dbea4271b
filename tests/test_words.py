"""Figures in words, at the limits of their units."""

from __future__ import annotations

import pytest

from router.words import seconds


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"), (0, "0 ms"), (0.0851, "85 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (9.994, "9.99 s"),
        (9.996, "10.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (119.7, "2 min 0 s"), (200, "3 min 20 s"),
    ],
)  # fmt: skip
def test_a_duration_never_has_sixty_seconds_or_a_thousand_milliseconds(value: float | None, words: str) -> None:
    assert seconds(value) == words
