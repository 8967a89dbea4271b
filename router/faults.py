"""Faults on demand: a model fails as on a bad day, for one browser session, and the chain shows what it does."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Literal, get_args

import msgspec

from router.errors import InvalidAnswer, RateLimited, ServerFailed, StreamCut
from router.events import ProviderEvent, ReasoningDelta, TextDelta

FaultKind = Literal[
    "silence", "rate limit", "server error", "bad answer", "slow first token", "cut stream", "stalled stream"
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

AFTER_TOKENS = 5
"""Tokens that a cut or stalled stream gives before."""

Stream = Callable[[], AsyncGenerator[ProviderEvent, None]]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What befalls a model's calls.

    Attributes:
        times: so many calls; None: until it is taken back.
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


class Faults:
    """The faults that one browser session asked for, by model reference. May be used from any thread.

    Args:
        draw: a random number from 0 to 1.
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._lock = threading.Lock()
        self._faults: dict[str, Fault] = {}

    def set(self, model: str, fault: Fault | None) -> None:
        """Ask for a fault; None takes it back."""
        with self._lock:
            self._faults.pop(model, None)
            if fault is not None:
                self._faults[model] = fault

    def view(self) -> Mapping[str, Fault]:
        """The faults that are still to come."""
        with self._lock:
            return dict(self._faults)

    def __contains__(self, model: object) -> bool:
        return model in self._faults

    def take(self, model: str) -> Fault | None:
        """The fault of a model's next call, if there is one; it is counted."""
        with self._lock:
            fault = self._faults.get(model)
            if fault is None or self._draw() >= fault.probability:
                return None
            if fault.times is not None:
                del self._faults[model]
                if fault.times > 1:
                    self._faults[model] = msgspec.structs.replace(fault, times=fault.times - 1)
            return fault


async def befallen(fault: Fault, stream: Stream) -> AsyncGenerator[ProviderEvent, None]:
    """The events of a call that a fault befalls; the real call is made where its tokens are needed.

    Raises:
        ProviderError: what the fault amounts to.
    """
    match fault.kind:
        case "silence":
            await asyncio.Event().wait()
        case "rate limit":
            raise RateLimited("Too many requests.", status=429, retry_after=fault.seconds)
        case "server error":
            raise ServerFailed("The server failed.", status=500)
        case "bad answer":
            raise InvalidAnswer("The server answered with no valid JSON.", status=200)
        case "slow first token":
            await asyncio.sleep(fault.seconds)
    tokens = 0
    async with aclosing(stream()) as events:
        async for event in events:
            yield event
            tokens += isinstance(event, TextDelta | ReasoningDelta)
            if tokens >= AFTER_TOKENS and fault.kind == "cut stream":
                raise StreamCut("The connection was lost before the answer was whole.")
            if tokens >= AFTER_TOKENS and fault.kind == "stalled stream":
                await asyncio.Event().wait()
    if fault.kind in ("cut stream", "stalled stream"):
        raise StreamCut("The connection was lost before the answer was whole.")
