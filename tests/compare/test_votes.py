"""Blind votes: who is shown, what is kept, and what the leaderboard dares to say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from router.compare import Comparisons
from router.compare.leaderboard import MIN_PROMPTS, Standing, bradley_terry, leaderboard
from router.compare.votes import Ballot, ballots, open_ballots
from router.core.comparisons import (
    Cell,
    Comparison,
    Key,
    Plan,
    Prompt,
    Vote,
)
from router.core.conversations import Settings
from router.core.messages import Answer, ToolCall
from router.runs.estimate import AskedFirst
from router.store import Store

# --- Ballots ---------------------------------------------------------------------------------------


def comparison(
    lanes: int = 3, prompts: int = 4, *, identity: str = "c", failed: tuple[Key, ...] = (), same: tuple[Key, ...] = ()
) -> Comparison:
    plan = Plan(
        lanes=tuple(Settings(model=f"m{n}") for n in range(lanes)),
        prompts=tuple(Prompt(text=str(n), category="code") for n in range(prompts)),
    )
    keys = [Key(lane, prompt, 0) for lane in range(lanes) for prompt in range(prompts)]
    cells = {
        key: Cell(
            **key._asdict(),
            state="failed" if key in failed else "answered",
            answer=Answer(text="The same." if key in same else f"Yes, {key.lane}."),
        )
        for key in keys
    }
    return Comparison(id=identity, name="", created=0, plan=plan, cells=cells)


def test_every_pair_of_every_prompt_is_shown_once() -> None:
    shown = [(ballot.prompt, frozenset(ballot[1:])) for ballot in ballots(comparison())]
    assert len(shown) == len(set(shown)) == 4 * 3


def test_each_prompt_comes_once_before_any_comes_twice() -> None:
    assert {ballot.prompt for ballot in ballots(comparison())[:4]} == {0, 1, 2, 3}


def test_a_reload_shows_the_same_sides() -> None:
    assert ballots(comparison()) == ballots(comparison())


def test_sides_and_order_are_shuffled() -> None:
    found = ballots(comparison(lanes=2, prompts=40))
    assert {ballot.left for ballot in found} == {0, 1}
    assert [ballot.prompt for ballot in found] != list(range(40))


def test_what_failed_is_not_voted_on() -> None:
    assert not [b for b in ballots(comparison(failed=(Key(1, 2, 0),))) if b.prompt == 2 and 1 in b[1:]]


# --- Votes -----------------------------------------------------------------------------------------


@pytest.fixture
def comparisons(tmp_path: Path) -> Iterator[Comparisons]:
    store = Store(tmp_path / "lab.sqlite")
    yield Comparisons(lambda: None, lambda lane: AskedFirst("", "", None, lambda request: request), store.comparisons)  # type: ignore[arg-type,return-value]
    store.close()


def test_a_vote_is_kept_with_the_names_and_the_category(comparisons: Comparisons) -> None:
    comparisons.vote(comparison(), ballots(comparison())[0]._replace(), "tie")
    (vote,) = comparisons.votes()
    prompt, left, right = ballots(comparison())[0]
    assert (vote.prompt, vote.left, vote.right) == (prompt, f"m{left}", f"m{right}")
    assert (vote.category, vote.winner) == ("code", "tie")


def test_a_second_vote_on_the_same_answers_is_not_taken(comparisons: Comparisons) -> None:
    ballot = ballots(comparison())[0]
    for winner in ("left", "right"):
        comparisons.vote(comparison(), ballot, winner)
    assert [vote.winner for vote in comparisons.votes()] == ["left"]


def test_what_was_voted_on_is_not_shown_again(comparisons: Comparisons) -> None:
    first = ballots(comparison())[0]
    comparisons.vote(comparison(), first, "left")
    assert open_ballots(comparison(), comparisons.votes()) == ballots(comparison())[1:]


def test_a_vote_in_another_comparison_closes_no_ballot_here(comparisons: Comparisons) -> None:
    other = comparison(identity="other")
    comparisons.vote(other, ballots(other)[0], "left")
    assert open_ballots(comparison(), comparisons.votes()) == ballots(comparison())


TWINS = (Key(0, 2, 0), Key(1, 2, 0))


def test_identical_answers_are_not_offered() -> None:
    twins = comparison(same=TWINS)
    hidden = set(ballots(twins)) - set(open_ballots(twins, []))
    assert [(ballot.prompt, {*ballot[1:]}) for ballot in hidden] == [(2, {0, 1})]


def test_identical_answers_tie_once(comparisons: Comparisons) -> None:
    for _ in range(2):
        comparisons.tie_identical(comparison(same=TWINS))
    assert [(vote.prompt, {vote.left, vote.right}, vote.winner) for vote in comparisons.votes()] == [
        (2, {"m0", "m1"}, "tie")
    ]


def test_calls_of_different_tools_are_not_identical() -> None:
    twins = comparison(same=TWINS)
    for number, key in enumerate(TWINS):
        call = ToolCall(id="1", name=f"tool{number}", arguments="{}")
        twins.cells[key] = msgspec.structs.replace(twins.cells[key], answer=Answer(tool_calls=(call,)))
    assert open_ballots(twins, []) == ballots(twins)


def test_an_undone_vote_can_be_given_again(comparisons: Comparisons) -> None:
    first, second = ballots(comparison())[:2]
    comparisons.vote(comparison(), first, "left")
    vote = comparisons.vote(comparison(), second, "right")
    assert vote is not None
    comparisons.undo_vote(vote)
    assert [vote.winner for vote in comparisons.votes()] == ["left"]
    assert open_ballots(comparison(), comparisons.votes())[0] == second


def test_a_ballot_that_is_none_is_not_taken(comparisons: Comparisons) -> None:
    comparisons.vote(comparison(), Ballot(99, 0, 1), "left")
    assert comparisons.votes() == []


# --- The leaderboard -------------------------------------------------------------------------------


def vote(left: str, right: str, winner: Any = "left", prompt: int = 0) -> Vote:
    return Vote(
        id=str(random.random()), created=0, comparison="c", prompt=prompt, category=None,
        left=left, right=right, winner=winner,
    )  # fmt: skip


def beaten(winner: str, loser: str, times: int, *, after: int = 0) -> list[Vote]:
    """So many prompts on which one lane was preferred, on either side."""
    sides = [(winner, loser, "left"), (loser, winner, "right")]
    return [vote(*sides[n % 2], prompt=after + n) for n in range(times)]


def of(votes: list[Vote], lane: str) -> Standing:
    return next(standing for standing in leaderboard(votes).standings if standing.lane == lane)


def test_wins_losses_ties_and_bad_ones_are_counted_apart() -> None:
    votes = [*beaten("a", "b", 3), vote("a", "b", "tie"), vote("b", "a", "both bad"), vote("a", "b", "right")]
    assert of(votes, "a")[:6] == ("a", 6, 3, 1, 1, 1)


def test_too_few_votes_give_no_rating_and_say_so() -> None:
    found = leaderboard(beaten("a", "b", MIN_PROMPTS - 1))
    assert [standing.rating for standing in found.standings] == [None, None]
    assert found.notes[0].startswith("Too few votes for a rating: 5 prompts with a preference, at least 6 needed.")


def test_many_votes_on_one_prompt_are_still_one_prompt() -> None:
    assert of([vote("a", "b") for _ in range(50)], "a").rating is None


def test_a_lane_that_always_wins_is_better_beyond_doubt_and_not_infinite() -> None:
    votes = beaten("a", "b", 40)
    best, worst = leaderboard(votes).standings
    assert (best.lane, best.tier, worst.tier) == ("a", 1, 2)
    assert best.rating is not None
    assert 1_000 < best.rating < 2_000


def test_lanes_that_cannot_be_told_apart_share_a_tier() -> None:
    found = leaderboard([*beaten("a", "b", 6), *beaten("b", "a", 5, after=6)])
    assert [standing.tier for standing in found.standings] == [1, 1]
    assert found.notes == ("No significant difference between lanes yet: all intervals overlap.",)


def test_ties_draw_two_lanes_together() -> None:
    decided = beaten("a", "b", 10)
    tied = [vote("a", "b", "tie", prompt=100 + n) for n in range(20)]
    apart, near = (of(votes, "a").rating for votes in (decided, decided + tied))
    assert apart is not None
    assert near is not None
    assert apart > near > 1_000


def test_a_rating_lies_in_its_interval() -> None:
    votes = [*beaten("a", "b", 9), *beaten("b", "a", 4, after=9), *beaten("b", "c", 8, after=13)]
    for standing in leaderboard(votes).standings:
        assert standing.low is not None
        assert standing.rating is not None
        assert standing.high is not None
        assert standing.low <= standing.rating <= standing.high


def test_who_never_met_the_others_is_left_out_and_named() -> None:
    found = leaderboard([*beaten("a", "b", 9), *beaten("x", "y", 2, after=9)])
    assert {standing.lane for standing in found.standings} == {"a", "b"}
    assert found.notes[0].endswith("x; y.")


def test_who_met_through_a_third_one_is_rated() -> None:
    found = leaderboard([*beaten("a", "b", 9), *beaten("c", "d", 9, after=9), *beaten("b", "c", 9, after=18)])
    assert [standing.lane for standing in found.standings] == ["a", "b", "c", "d"]


def test_the_same_votes_give_the_same_leaderboard() -> None:
    votes = [*beaten("a", "b", 9), *beaten("b", "a", 4, after=9)]
    assert leaderboard(votes) == leaderboard(votes)


def test_no_votes_are_no_standings() -> None:
    assert leaderboard([]).standings == ()


def test_the_ratings_are_those_that_made_the_votes() -> None:
    strengths = np.array([1.0, 2.0, 4.0])
    share = strengths[:, None] / (strengths[:, None] + strengths[None, :])
    wins = 100_000 * share * (1 - np.eye(3))
    assert bradley_terry(wins[None])[0] == pytest.approx(1_000 + 400 * np.log10(strengths / 2), abs=0.1)
