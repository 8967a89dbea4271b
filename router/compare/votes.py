"""Blind votes: which two answers are shown, on which sides, and whose they were."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

from router.compare.plan import lane_name
from router.core.comparisons import Comparison, Key, Vote
from router.core.messages import Answer


class Ballot(NamedTuple):
    """Two lanes' answers to one prompt, on the sides on which they are shown."""

    prompt: int
    left: int
    right: int


def ballots(comparison: Comparison) -> list[Ballot]:
    """Every pair of answers to every prompt, shuffled: one pair of each prompt first, then the next ones.

    The order depends on the comparison alone, so that a reload shows the same sides.
    """
    order = random.Random(comparison.id)
    by_prompt = []
    for prompt in range(len(comparison.plan.prompts)):
        lanes = [lane for lane in range(len(comparison.plan.lanes)) if _has_answer(comparison, lane, prompt)]
        pairs = [Ballot(prompt, *order.sample(pair, 2)) for pair in itertools.combinations(lanes, 2)]
        order.shuffle(pairs)
        by_prompt.append(pairs)
    order.shuffle(by_prompt)
    rounds = itertools.zip_longest(*by_prompt)
    return [ballot for turn in rounds for ballot in turn if ballot is not None]


def open_ballots(comparison: Comparison, votes: Sequence[Vote]) -> list[Ballot]:
    """The ballots without a vote, except those of identical answers."""
    return [ballot for ballot in _without_vote(comparison, votes) if not _are_identical(comparison, ballot)]


def identical_ballots(comparison: Comparison, votes: Sequence[Vote]) -> list[Ballot]:
    """The ballots without a vote whose two answers are the same."""
    return [ballot for ballot in _without_vote(comparison, votes) if _are_identical(comparison, ballot)]


def _without_vote(comparison: Comparison, votes: Sequence[Vote]) -> list[Ballot]:
    done = {(vote.prompt, frozenset((vote.left, vote.right))) for vote in votes if vote.comparison == comparison.id}
    return [
        ballot for ballot in ballots(comparison) if (ballot.prompt, frozenset(names(comparison, ballot))) not in done
    ]


def names(comparison: Comparison, ballot: Ballot) -> tuple[str, str]:
    """The lane names on the left and right."""
    lanes = comparison.plan.lanes
    return lane_name(lanes[ballot.left]), lane_name(lanes[ballot.right])


def _are_identical(comparison: Comparison, ballot: Ballot) -> bool:
    left, right = (comparison.cells[Key(lane, ballot.prompt, 0)].answer for lane in (ballot.left, ballot.right))
    return _shown(left) == _shown(right)


def _shown(answer: Answer) -> tuple[object, ...]:
    """What a voter sees of an answer."""
    return answer.text.strip(), answer.images, [(call.name, call.arguments) for call in answer.tool_calls]


def _has_answer(comparison: Comparison, lane: int, prompt: int) -> bool:
    cell = comparison.cells.get(Key(lane, prompt, 0))
    return cell is not None and cell.state == "answered" and bool(cell.answer.text or cell.answer.tool_calls)
