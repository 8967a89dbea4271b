"""The leaderboard of lanes that were voted on: Bradley-Terry with bootstrap intervals, ties, and tiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from router.core.comparisons import Vote
from router.core.formatting import counted

MIN_PROMPTS = 6
"""Prompts with a preference; with fewer, no result is significant at the 5% level."""

RESAMPLES = 1_000
ITERATIONS = 500

Floats = npt.NDArray[np.float64]


class Standing(NamedTuple):
    """A lane on the leaderboard.

    Attributes:
        bad: votes that both answers are bad; they count as ties.
        rating: 1,000 is the average lane; 400 more are ten wins for each loss. None where votes are too few.
        low, high: its 95% interval, from resampled prompts.
        tier: one more than the number of lanes that are better beyond doubt.
    """

    lane: str
    votes: int
    wins: int
    losses: int
    ties: int
    bad: int
    rating: float | None = None
    low: float | None = None
    high: float | None = None
    tier: int | None = None


class Leaderboard(NamedTuple):
    """All lanes that were voted on, best first.

    Attributes:
        notes: caveats, one sentence each.
    """

    standings: tuple[Standing, ...]
    notes: tuple[str, ...]


def leaderboard(votes: Sequence[Vote]) -> Leaderboard:
    """Rate the lanes of these votes."""
    notes = []
    met = _met(votes)
    if left_out := sorted({name for vote in votes for name in (vote.left, vote.right)} - met):
        notes.append(f"Left out because no votes connect them to the others: {'; '.join(left_out)}.")
    votes = [vote for vote in votes if vote.left in met]
    lanes = sorted(met)
    tallies = [_count(lane, votes) for lane in lanes]
    decided = {(vote.comparison, vote.prompt) for vote in votes if vote.winner in ("left", "right")}
    if len(decided) < MIN_PROMPTS:
        notes.append(
            f"Too few votes for a rating: {counted(len(decided), 'prompt')} with a preference, at least {MIN_PROMPTS}"
            " needed."
        )
        return Leaderboard(tuple(sorted(tallies, key=lambda standing: standing.losses - standing.wins)), tuple(notes))
    rated = list(_rated(tallies, votes))
    if len(rated) > 1 and all(standing.tier == 1 for standing in rated):
        notes.append("No significant difference between lanes yet: all intervals overlap.")
    return Leaderboard(tuple(sorted(rated, key=lambda standing: -(standing.rating or 0))), tuple(notes))


def _met(votes: Sequence[Vote]) -> set[str]:
    """The largest group of lanes connected by votes."""
    groups: list[set[str]] = []
    for vote in votes:
        joined = {vote.left, vote.right}.union(*(group for group in groups if group & {vote.left, vote.right}))
        groups = [group for group in groups if not group & joined] + [joined]
    return max(groups, key=lambda group: sum(vote.left in group for vote in votes), default=set())


def _count(lane: str, votes: Sequence[Vote]) -> Standing:
    found = Counter(
        "lost" if vote.winner in ("left", "right") and getattr(vote, vote.winner) != lane else vote.winner
        for vote in votes
        if lane in (vote.left, vote.right)
    )
    wins = found["left"] + found["right"]
    return Standing(lane, found.total(), wins, found["lost"], found["tie"], found["both bad"])


def _rated(standings: Sequence[Standing], votes: Sequence[Vote]) -> Iterator[Standing]:
    by_prompt = _wins([standing.lane for standing in standings], votes)
    draw = np.random.default_rng(0)  # the same votes give the same intervals
    # The prompt is drawn, with all its votes: two votes on one prompt are no two observations.
    picked = draw.multinomial(len(by_prompt), [1 / len(by_prompt)] * len(by_prompt), size=RESAMPLES)
    resampled = np.einsum("rp,pij->rij", picked.astype(np.float64), by_prompt)
    (ratings,) = bradley_terry(by_prompt.sum(axis=0)[None])
    low, high = np.percentile(bradley_terry(resampled), [2.5, 97.5], axis=0)
    for index, standing in enumerate(standings):
        better = int((low > high[index]).sum())
        yield standing._replace(
            rating=float(ratings[index]), low=float(low[index]), high=float(high[index]), tier=better + 1
        )


def _wins(lanes: Sequence[str], votes: Sequence[Vote]) -> Floats:
    """For each prompt, how often each lane was preferred to each other; a tie is half a win for both."""
    prompts = list(dict.fromkeys((vote.comparison, vote.prompt) for vote in votes))
    wins = np.zeros((len(prompts), len(lanes), len(lanes)))
    for vote in votes:
        at, left, right = prompts.index((vote.comparison, vote.prompt)), lanes.index(vote.left), lanes.index(vote.right)
        for_left = {"left": 1.0, "right": 0.0}.get(vote.winner, 0.5)
        wins[at, left, right] += for_left
        wins[at, right, left] += 1 - for_left
    return wins


def bradley_terry(wins: Floats) -> Floats:
    """Ratings of many tables of wins at once.

    The MM algorithm of Hunter, "MM algorithms for generalized Bradley-Terry models" (2004), with one tie of each lane
    against an average one added: without it, a lane that won every vote would be infinitely good.

    Args:
        wins: for each table, wins of the row's lane over the column's; shape (tables, lanes, lanes).

    Returns:
        1,000 + 400 log10 of the strength, the average lane's at 1,000; shape (tables, lanes).
    """
    met = wins + wins.transpose(0, 2, 1)
    won = wins.sum(axis=2) + 0.5
    strength = np.ones(won.shape)
    for _ in range(ITERATIONS):
        before = strength
        expected = (met / (strength[:, :, None] + strength[:, None, :])).sum(axis=2) + 1 / (strength + 1)
        strength = won / expected
        if np.abs(np.log(strength / before)).max() < 1e-6:
            break
    logs = np.log10(strength)
    ratings: Floats = 1_000 + 400 * (logs - logs.mean(axis=1, keepdims=True))
    return ratings
