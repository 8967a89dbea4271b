"""Conversations in a list: by the days of the viewer's time zone, pinned ones first."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from router.core.conversations import Entry, by_day

HERE = ZoneInfo("America/Los_Angeles")
NOW = datetime(2026, 3, 12, 0, 30, tzinfo=HERE)


def entry(at: datetime, **fields: bool) -> Entry:
    return Entry(id="c", title="Hello?", updated=at.timestamp(), **fields)


@pytest.mark.parametrize(
    ("age", "heading"),
    [
        (timedelta(minutes=30), "Today"),  # midnight here, and 7 in the morning in UTC
        (timedelta(minutes=31), "Yesterday"),
        (timedelta(days=1, minutes=31), "Previous 7 days"),
        (timedelta(days=7), "Previous 7 days"),
        (timedelta(days=8), "March"),
        (timedelta(days=20), "February"),
        (timedelta(days=100), "December 2025"),
        (timedelta(minutes=-10), "Today"),
        (timedelta(days=-2), "Today"),  # a clock that was set back
    ],
)
def test_a_conversation_stands_under_its_day(age: timedelta, heading: str) -> None:
    assert list(by_day([entry(NOW - age)], NOW)) == [heading]


def test_pinned_ones_stand_under_their_own_heading() -> None:
    old, new = entry(NOW - timedelta(days=99), pinned=True), entry(NOW)
    assert by_day([old, new], NOW) == {"Pinned": [old], "Today": [new]}
