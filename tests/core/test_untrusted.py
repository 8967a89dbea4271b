"""JSON of servers, which may hold anything."""

from __future__ import annotations

import pytest

from router.core.untrusted import decode_json


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999", "9" * 5000], ids=lambda number: number[:9])
def test_a_number_that_no_json_can_hold_is_null(number: str) -> None:
    assert decode_json(f'{{"x": {number}, "text": "Hi"}}') == {"x": None, "text": "Hi"}
