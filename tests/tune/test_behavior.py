"""Behaviors: parts of what was seen."""

from __future__ import annotations

import numpy as np

from router.core.errors import BadRequest
from tests.tune.worlds import calls


def test_calls_can_be_drawn_several_times() -> None:
    drawn = calls(None, BadRequest).at(np.array([1, 1, 0]))
    assert drawn.seen == 3
    assert drawn.error.tolist() == [BadRequest, BadRequest, None]
    assert drawn.first_token.tolist() == [np.inf, np.inf, 0.5]
