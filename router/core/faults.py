"""Injected faults as plain data: how a model's calls are made to fail."""

from __future__ import annotations

from typing import Literal, get_args

from router.core.messages import Frozen

FaultKind = Literal[
    "silence", "rate limit", "server error", "bad answer", "slow first token", "cut stream", "stalled stream"
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


class Fault(Frozen, frozen=True, kw_only=True):
    """How a model's calls fail.

    Attributes:
        times: how many calls fail; None for all until the fault is removed.
        probability: of each call.
        seconds: the `Retry-After` of a rate limit, or the wait of a slow first token.
    """

    kind: FaultKind
    times: int | None = 1
    probability: float = 1.0
    seconds: float = 3.0

    @property
    def is_sent(self) -> bool:
        """Whether the real call is made."""
        return self.kind in ("slow first token", "cut stream", "stalled stream")
