"""The state of a request at one moment."""

from __future__ import annotations

import msgspec

from router.core.attempts import Attempt, State
from router.core.errors import FallbackLabError
from router.core.events import Began, Queued, Waiting
from router.core.messages import Answer


class Snapshot(msgspec.Struct, frozen=True):
    """A request at one moment.

    Attributes:
        answer: what has arrived.
        attempts: the finished attempts.
        activity: what it is doing now: waiting for a slot, a call, or a wait before a retry.
        elapsed: seconds since the start.
        error: why it failed, if it did.
    """

    state: State
    answer: Answer
    attempts: tuple[Attempt, ...]
    activity: Queued | Began | Waiting | None
    elapsed: float
    error: FallbackLabError | None
