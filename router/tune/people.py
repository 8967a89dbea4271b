"""What people think of models: thumbs on answers, and votes between two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from router.core.comparisons import Vote
from router.metrics.estimates import Estimate, share


def preferred(votes: Iterable[Vote], category: str) -> dict[str, Estimate]:
    """The share of a category's votes that each lane has won, by its name; ties count for neither. `rows` are votes.

    Votes compare with whatever stood beside a model, so these shares order models only where all met each other alike.
    """
    won, met = Counter[str](), Counter[str]()
    for vote in votes:
        if vote.category == category and vote.winner in ("left", "right"):
            met.update((vote.left, vote.right))
            won[vote.left if vote.winner == "left" else vote.right] += 1
    return {lane: share(won[lane], count) for lane, count in met.items()}
