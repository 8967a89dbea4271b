"""What nobody should send, a slice of tests/benchmarks/fuzz.py: no 500, no key, nothing stored of a body."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.fuzz import VALID, fuzz, routes
from tests.upstream import Upstream


@pytest.mark.parametrize("path", routes())
async def test_odd_requests_get_a_sentence_and_leave_nothing(upstream: Upstream, tmp_path: Path, path: str) -> None:
    found = await fuzz(upstream.base_url, tmp_path, path, seed=7, count=500 if path in VALID else 200)
    assert found[200] > 10, "hardly any of them was valid"
    assert {status for status in found if status >= 500} <= {502, 503}
