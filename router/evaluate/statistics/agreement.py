"""Whether a judge agrees with people, and with itself when the sides are swapped."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from router.core.intervals import wilson
from router.evaluate.statistics.sample import Floats

Choice = Literal["left", "right", "tie"]
Winner = Literal["first", "second", "tie"]


class Agreement(NamedTuple):
    """Cohen's kappa of two raters.

    Attributes:
        kappa: 1 is full agreement, 0 what chance gives; None where both gave one and the same label throughout.
        low, high: its 95% interval.
        error: its standard error (Fleiss, Cohen & Everitt, 1969).
        share: of items that both label the same, 0 to 1.
        items: labeled by both.
    """

    kappa: float | None
    low: float | None
    high: float | None
    error: float | None
    share: float | None
    items: int


def kappa(first: Sequence[Hashable], second: Sequence[Hashable], groups: Sequence[Hashable] | None = None) -> Agreement:
    """How far two raters agree beyond chance (Cohen, 1960); a tie is a label as others are.

    The interval is Wilson's, of the share of agreement, for as many items as the standard error says, at most all. The
    usual one, kappa plus or minus two errors, covers 79 to 93% where a judge is good or labels are rare.

    Args:
        first, second: (items,) each rater's labels.
        groups: (items,) what makes items resemble each other, such as their prompt; None for nothing.
    """
    items = len(first)
    if not items:
        return Agreement(None, None, None, None, None, 0)
    labels = {label: place for place, label in enumerate(dict.fromkeys([*first, *second]))}
    one, other = (np.array([labels[label] for label in rater]) for rater in (first, second))
    rows, columns = (np.bincount(rater, minlength=len(labels)) / items for rater in (one, other))  # (labels,)
    share, chance = float((one == other).mean()), float(rows @ columns)
    if len(labels) == 1:
        return Agreement(None, None, None, None, share, items)
    found = (share - chance) / (1 - chance)
    # How much each item moves kappa: the delta method, which gives the published error.
    moved = ((one == other) - share - (1 - found) * (rows[other] + columns[one] - 2 * chance)) / (1 - chance)
    error = math.sqrt(_mean_variance(moved, range(items) if groups is None else groups))
    # On the scale of the share of agreement.
    scaled = (error * (1 - chance)) ** 2
    worth = min(items, share * (1 - share) / scaled) if scaled > 0 and 0 < share < 1 else items
    low, high = ((end - chance) / (1 - chance) for end in wilson(share, worth))
    return Agreement(found, max(low, -1.0), min(high, 1.0), error, share, items)


def _mean_variance(moved: Floats, groups: Sequence[Hashable]) -> float:
    """Of the mean of what items move; those of one group move together."""
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    sums = np.bincount([places[group] for group in groups], moved)
    return float(sums @ sums) / len(moved) ** 2


class Judgments(NamedTuple):
    """What a judge says of pairs that it saw in both orders.

    Attributes:
        winners: of each pair; a tie where the orders disagree.
        flips: pairs on which the orders disagree.
    """

    winners: tuple[Winner, ...]
    flips: int


def both_orders(judged: Iterable[tuple[Choice, Choice]]) -> Judgments:
    """Join a judge's choices in both orders.

    Args:
        judged: for each pair, the choice with the first lane on the left, and the one with it on the right.
    """
    straight: dict[Choice, Winner] = {"left": "first", "right": "second", "tie": "tie"}
    swapped: dict[Choice, Winner] = {"left": "second", "right": "first", "tie": "tie"}
    found = [(straight[one], swapped[other]) for one, other in judged]
    return Judgments(tuple(one if one == other else "tie" for one, other in found), sum(a != b for a, b in found))
