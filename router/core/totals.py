"""What a conversation took so far, and how full the context of its model is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from router.core.attempts import Attempt, Spent, is_call, spent
from router.core.formatting import counted, expense
from router.core.messages import Usage

NEARLY_FULL = 0.8
"""Share of a known context from which users are warned."""


class Totals(NamedTuple):
    """What calls took together.

    Attributes:
        calls: how many; failed ones included.
        read, written: input and output tokens, as far as calls report them; None if there are calls, and none does.
        untold: answers that do not report both.
    """

    calls: int
    spent: Spent
    read: int | None
    written: int | None
    untold: int

    @property
    def text(self) -> str:
        """In one line: `$0.0002 + 2 calls unknown · 1,204 tokens in · 380 out`; what is unknown is not 0."""
        price = expense(self.spent) if self.spent.cost is not None else "cost unknown"
        if self.read is None or self.written is None:
            calls = counted(self.calls, "call")
            return f"{price} · tokens unknown" if self.untold else f"{price} · no answer from {calls}"
        untold = f" + {counted(self.untold, 'call')} unknown" if self.untold else ""
        return f"{price} · {counted(self.read, 'token')} in · {self.written:,} out{untold}"


def totals(attempts: Iterable[Attempt]) -> Totals:
    """What attempts took together, failed ones included; answers from the cache took nothing."""
    calls = [attempt for attempt in attempts if is_call(attempt)]
    usages = [call.usage or Usage() for call in calls]
    return Totals(
        calls=len(calls),
        spent=spent(calls),
        read=_sum([usage.prompt_tokens for usage in usages]),
        written=_sum([usage.completion_tokens for usage in usages]),
        untold=sum(
            call.outcome == "answered" and None in (usage.prompt_tokens, usage.completion_tokens)
            for call, usage in zip(calls, usages, strict=True)
        ),
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known or not counts else None


class Fill(NamedTuple):
    """How full a model's context was after its answer, in tokens of its own counting."""

    model: str
    tokens: int
    context: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return min(self.tokens / self.context, 1.0)

    @property
    def warning(self) -> str | None:
        """A sentence if the next answers may not fit."""
        if self.share < NEARLY_FULL:
            return None
        return (
            f"This conversation uses {self.tokens:,} of the {self.context:,} tokens of {self.model}'s context."
            " Start a new conversation before answers fail."
        )


def fill_of(attempts: Sequence[Attempt], context: int | None) -> Fill | None:
    """How full the context of the model that answered was: with the prompt, all before it, and the answer.

    Args:
        attempts: of the request.
        context: tokens that the model can read; None is unknown.

    Returns:
        None if any part is unknown, or nothing answered.
    """
    last = attempts[-1] if attempts else None
    if last is None or last.outcome != "answered" or last.usage is None or context is None:
        return None
    read, written = last.usage.prompt_tokens, last.usage.completion_tokens
    return None if read is None or written is None else Fill(last.model, read + written, context)
