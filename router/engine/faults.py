"""Injected faults: a model fails as asked, so that its chain can be watched."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import msgspec

from router.core.errors import (
    InvalidAnswer,
    RateLimited,
    ServerFailed,
    StreamCut,
)
from router.core.events import ProviderEvent, ReasoningDelta, TextDelta
from router.core.faults import Fault

AFTER_TOKENS = 5
"""Tokens that a cut or stalled stream gives before."""

Stream = Callable[[], AsyncGenerator[ProviderEvent, None]]


class Faults:
    """The faults that somebody asked for, by model reference. May be used from any thread.

    Args:
        faults: those at the beginning.
        draw: a random number from 0 to 1.
    """

    def __init__(self, faults: Mapping[str, Fault] = {}, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._lock = threading.Lock()
        self._faults = dict(faults)

    def set(self, model: str, fault: Fault | None) -> None:
        """Add a fault; None removes it."""
        with self._lock:
            self._faults.pop(model, None)
            if fault is not None:
                self._faults[model] = fault

    def view(self) -> Mapping[str, Fault]:
        """The faults that are still pending."""
        with self._lock:
            return dict(self._faults)

    def __contains__(self, model: object) -> bool:
        return model in self._faults

    def replaces_call(self, model: str) -> bool:
        """Whether a model's next call may be a fault alone, for which nothing is sent and no key is needed."""
        fault = self._faults.get(model)
        return fault is not None and not fault.is_sent

    def take(self, model: str) -> Fault | None:
        """The fault of a model's next call, if any, which counts as used."""
        with self._lock:
            fault = self._faults.get(model)
            if fault is None or self._draw() >= fault.probability:
                return None
            if fault.times is not None:
                del self._faults[model]
                if fault.times > 1:
                    self._faults[model] = msgspec.structs.replace(fault, times=fault.times - 1)
            return fault


async def inject(fault: Fault, stream: Stream) -> AsyncGenerator[ProviderEvent, None]:
    """The events of a call with a fault; the real call is made if its tokens are needed.

    Raises:
        ProviderError: the fault.
    """
    match fault.kind:
        case "silence":
            await asyncio.Event().wait()
        case "rate limit":
            raise RateLimited("Too many requests.", status=429, retry_after=fault.seconds)
        case "server error":
            raise ServerFailed("The server failed.", status=500)
        case "bad answer":
            raise InvalidAnswer("The server answered with invalid JSON.", status=200)
        case "slow first token":
            await asyncio.sleep(fault.seconds)
    tokens = 0
    async with aclosing(stream()) as events:
        async for event in events:
            yield event
            tokens += isinstance(event, TextDelta | ReasoningDelta)
            if tokens >= AFTER_TOKENS and fault.kind == "cut stream":
                raise StreamCut("The connection was lost before the answer was complete.")
            if tokens >= AFTER_TOKENS and fault.kind == "stalled stream":
                await asyncio.Event().wait()
    if fault.kind in ("cut stream", "stalled stream"):
        raise StreamCut("The connection was lost before the answer was complete.")
