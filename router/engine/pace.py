"""The minimum speed of a stream."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from router.core.capabilities import USUAL_CHARACTERS_PER_TOKEN
from router.core.errors import StreamTooSlow
from router.core.events import ImageDelta, ProviderEvent, ReasoningDelta, ReasoningDetail, TextDelta, ToolCallDelta


async def paced(
    events: AsyncGenerator[ProviderEvent, None], *, rate: float, slack: float, clock: Callable[[], float]
) -> AsyncGenerator[ProviderEvent, None]:
    """Pass a stream's events on until it has fallen too far behind; the clock starts at its first token.

    A fast start gives no credit. Time in which the reader does not ask for the next event does not count.

    Args:
        rate: tokens per second.
        slack: seconds that it may fall behind. A stream that stops is caught by the stall limit, not here.

    Raises:
        StreamTooSlow: it has fallen further behind.
    """
    behind = -math.inf
    async with aclosing(events):
        asked = clock()
        async for event in events:
            behind += clock() - asked
            if tokens := _tokens(event):
                behind = max(0.0, behind - tokens / rate)
                if behind > slack:
                    raise StreamTooSlow(
                        f"The answer came slower than {rate:g} tokens per second (min_tokens_per_s) and fell"
                        f" {slack:g} s behind (stall)."
                    )
            yield event
            asked = clock()


def _tokens(event: ProviderEvent) -> float:
    """An estimate; every piece counts as at least one token."""
    characters = _characters(event)
    return max(1.0, characters / USUAL_CHARACTERS_PER_TOKEN) if characters else 0.0


def _characters(event: ProviderEvent) -> int:
    match event:
        case TextDelta(text) | ReasoningDelta(text) | ImageDelta(text):
            return len(text)
        case ToolCallDelta():
            return len(event.name or "") + len(event.arguments)
        case ReasoningDetail(detail):  # its text comes as a ReasoningDelta, too
            return sum(len(detail[name]) for name in ("summary", "data") if isinstance(detail.get(name), str))
    return 0
