"""Buckets of time follow the calendar of a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from router.metrics.buckets import DAY, edges

BERLIN = ZoneInfo("Europe/Berlin")


def said(*ends: str, width: int, zone: ZoneInfo = BERLIN) -> list[str]:
    since, until = (datetime.fromisoformat(end).replace(tzinfo=zone).timestamp() for end in ends)
    return [f"{datetime.fromtimestamp(edge, zone):%m-%d %H:%M}" for edge in edges(since, until, width, zone).tolist()]


@pytest.mark.parametrize(
    ("ends", "width", "expected"),
    [
        (("2026-10-24T15:00", "2026-10-26T01:00"), DAY, ["10-24 00:00", "10-25 00:00", "10-26 00:00", "10-27 00:00"]),
        (("2026-10-25T01:00", "2026-10-25T04:00"), 10_800, ["10-25 00:00", "10-25 02:00", "10-25 05:00"]),
        (("2026-10-24T22:00", "2026-10-25T00:00"), 10_800, ["10-24 21:00", "10-25 00:00", "10-25 02:00"]),
        (("2026-09-16T00:00", "2026-09-22T00:00"), 7 * DAY, ["09-14 00:00", "09-21 00:00", "09-28 00:00"]),
        (("2026-09-16T10:07", "2026-09-16T10:08"), 60, ["09-16 10:07", "09-16 10:08", "09-16 10:09"]),
    ],
    ids=["days of 24 and 25 hours", "hours of a day with 25", "an end at midnight", "weeks", "minutes"],
)  # fmt: skip
def test_edges_are_where_the_zone_s_clock_says(ends: tuple[str, str], width: int, expected: list[str]) -> None:
    assert said(*ends, width=width) == expected


def test_both_ends_lie_within() -> None:
    found = edges(10.0, 1e9, 30 * DAY, UTC)
    assert found[0] <= 10.0
    assert found[-1] > 1e9
    assert (found[1:] > found[:-1]).all()
