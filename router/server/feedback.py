"""What a caller's users think of an answer: `POST /v1/feedback`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from router.core.records import Feedback
from router.server.dialects.reading import read_as

MAX_FEEDBACK = 20_000
"""Bytes of its body."""


_PREFIXES = ("chatcmpl-", "msg_", "resp_")
"""What the dialects put before a request's id, to make the answer's."""


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    request_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    score: Annotated[float, msgspec.Meta(ge=0, le=1)] | bool | None
    comment: str | None = None


def feedback_of(body: Mapping[str, Any], at: float) -> Feedback:
    """A body as feedback: a score of 0 to 1, true and false for thumbs, null to take it back.

    Args:
        at: Unix time, seconds.

    Raises:
        Refusal: it is none.
    """
    found = read_as(body, _Body, "")
    request_id = found.request_id
    for prefix in _PREFIXES:
        request_id = request_id.removeprefix(prefix)
    score = None if found.score is None else float(found.score)
    return Feedback(request_id=request_id, score=score, at=at, comment=found.comment)
