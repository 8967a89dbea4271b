"""Stop sequences as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.stops import read_stops, write_stops


@given(st.lists(st.text(min_size=1)))
def test_stop_sequences_are_read_as_they_were_written(stops: list[str]) -> None:
    assert read_stops(write_stops(stops)) == stops


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        ("END", ["END"]),
        ("one\n\n two ", ["one", " two "]),
        (r"\n\nUser:", ["\n\nUser:"]),
        (r"C:\\new", [r"C:\new"]),
        (r"\d", [r"\d"]),
        ("", []),
    ],
)
def test_a_line_is_a_stop_sequence(text: str, stops: list[str]) -> None:
    assert read_stops(text) == stops
