"""Proposals in words: what changes, what it brings, and what the evidence says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from router.metrics.estimates import Estimate
from router.tune.choice import Candidate, Choice, Gains, choose
from router.tune.experiment import Experiment
from router.tune.goals import Goals, Limits
from router.tune.grid import Grid
from router.tune.proposals import Advice, advice, change_in_words, points
from tests.tune.worlds import grid_of, world

ABC = ("a", "b", "c")


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (("a", "b", "c"), "Keep the chain"),
        (("a", "c", "b"), "Swap fallback 1 and fallback 2"),
        (("c", "b", "a"), "Swap primary and fallback 2"),
        (("b", "c", "a"), "Reorder to b → c → a"),
        (("a", "b", "c", "d"), "Add d as fallback 3"),
        (("d", "a", "b", "c"), "Add d as primary"),
        (("a", "c"), "Remove b (fallback 1)"),
        (("b", "c"), "Remove a (primary)"),
        (("a", "d", "c"), "Replace b by d as fallback 1"),
        (("d", "b", "c"), "Replace a by d as primary"),
        (("c", "d"), "Use c → d"),
        (("b", "a"), "Use b → a"),
        (("d", "a", "b"), "Use d → a → b"),
    ],
    ids=lambda value: value if isinstance(value, str) else "".join(value),
)
def test_a_change_is_one_clause(after: tuple[str, ...], words: str) -> None:
    assert change_in_words(ABC, after) == words


@pytest.mark.parametrize(("share", "words"), [(0.01, "a point"), (0.02, "2 points"), (0.025, "2.5 points")])
def test_a_difference_of_shares_is_in_points(share: float, words: str) -> None:
    assert points(share) == words


# --- What it brings --------------------------------------------------------------------------------

GRID = grid_of([[1, 1]] * 50 + [[0, 1]] * 50, quality=np.ones((100, 2)), cost=[0.002, 0.001], seconds=[2, 1])
NONE = Estimate(0.0, 0.0, 0.0)


def certain(value: float) -> Estimate:
    return Estimate(value, value, value)


def said(
    *, prompts: Grid = GRID, kind: Any = "better", rule: Any = "best", goals: Goals = Goals(), **gains: Estimate
) -> str:
    """The verdict on swapping the primary `a` for `b`."""
    found = Gains(**{**dict.fromkeys(Gains._fields, NONE), **gains})
    candidate = Candidate(rule, (1,), found, certain(0.5), 0.9, 1.0)
    choice = Choice(kind, (candidate,), candidate if kind not in ("keep", "not_enough") else None, 0.1, 0.2)
    return advice("code", prompts, goals, choice, (0,), experiment=None).verdict


def test_what_is_better_is_told_with_its_interval() -> None:
    gain = Estimate(0.1, 0.04, 0.16)
    assert said(value=gain, quality=gain) == (
        "Replace a by b as primary in code: quality 50.0% → 60.0% (95% interval +4.0 to +16.0 points), the same cost "
        "(100 prompts)."
    )


def test_what_is_as_good_is_within_the_margin() -> None:
    assert said(kind="cheaper", quality=Estimate(0.0, -0.01, 0.01), cost=certain(-1.5)) == (
        "Replace a by b as primary in code: quality within 2 points, $1.50 cheaper per 1,000 (100 prompts)."
    )


def test_the_margin_that_was_asked_for_is_the_one_that_is_said() -> None:
    assert "quality within a point" in said(goals=Goals(margin=0.01))


def test_what_cannot_be_told_apart_is_said_to_be_so() -> None:
    gain = Estimate(0.01, -0.05, 0.07)
    assert "quality +1.0 points (95% interval -5.0 to +7.0: not separable yet)" in said(quality=gain)


def test_answers_cost_and_time_are_told_where_they_change() -> None:
    sentence = said(answered=certain(0.25), cost=certain(0.2), seconds=certain(-0.5))
    assert "50.0% → 75.0% answered" in sentence
    assert "$0.20 more per 1,000" in sentence
    assert "500 ms faster" in sentence
    assert "slower" in said(seconds=certain(0.5))


def test_where_a_known_cost_becomes_unknown_that_is_said() -> None:
    assert ", at an unknown cost" in said(cost=Estimate(np.nan, np.nan, np.nan))


def test_where_no_cost_is_known_none_is_mentioned() -> None:
    grid = world([0.5, 0.9], 100, 0, cost=[np.nan, np.nan])
    assert "cost" not in advice("code", grid, Goals(), choose(grid, Goals(), (0,)), (0,), experiment=None).verdict


def test_no_more_requests_are_answered_than_there_are() -> None:
    assert "50.0% → 100.0% answered" in said(answered=certain(0.9))


def test_one_prompt_is_singular() -> None:
    assert said(prompts=grid_of([[1, 1]])).endswith("(1 prompt).")


def test_a_chain_that_breaks_limits_is_told_first() -> None:
    assert said(kind="breaks_limits").startswith(
        "The current chain does not keep to your limits. Replace a by b as primary in code: "
    )


def test_keeping_the_chain_says_what_was_looked_for() -> None:
    assert said(kind="keep") == (
        "Keep the current chain in code: no other is better by 2 points or more (100 prompts)."
    )


def test_evidence_that_is_not_enough_says_between_what_it_leaves_open() -> None:
    assert said(kind="not_enough", value=Estimate(0.01, -0.05, 0.07)) == (
        "Not enough evidence in code: the best other chain is -5.0 to +7.0 points from the current one (100 prompts)."
    )


def test_with_too_few_prompts_nothing_is_compared() -> None:
    grid = grid_of([[1, 1]])
    found = advice("code", grid, Goals(), choose(grid, Goals(), (0,)), (0,), experiment=None)
    assert found.verdict == "Not enough evidence in code: 1 prompt cannot tell chains apart."
    assert found.proposed is None


# --- The whole -------------------------------------------------------------------------------------


RULES: tuple[tuple[Any, tuple[int, ...]], ...] = (("best", (1, 0)), ("cheapest", (1,)))


def advised(experiment: Experiment | None = None) -> Advice:
    grid = world([0.5, 0.9, 0.5], 100, 0, cost=[0.001, 0.01, 0.0001])
    goals = Goals(limits=Limits(links=1))
    return advice("code", grid, goals, choose(grid, goals, (0,)), (0,), experiment=experiment)


def test_the_proposed_chain_comes_first() -> None:
    found = [Candidate(rule, chain, Gains(*[NONE] * 5), NONE, 0, 0) for rule, chain in RULES]
    told = advice("code", GRID, Goals(), Choice("cheaper", tuple(found), found[1], 0, 0), (0,), experiment=None)
    assert [each.models for each in told.proposals] == [("b",), ("b", "a")]
    assert told.proposed is told.proposals[0]


def test_the_evidence_s_name_changes_with_its_prompts() -> None:
    grid, goals = world([0.5, 0.9], 100, 0), Goals(limits=Limits(links=1))
    choice = choose(grid, goals, (0,))
    names = {
        advice("code", each, goals, choice, (0,), experiment=None).evidence
        for each in (grid, grid, grid.of(np.arange(99)))
    }
    assert len(names) == 2


def test_a_next_step_says_what_it_takes_and_may_bring() -> None:
    step = Experiment(("a", "b"), 60, 0.18, 90, 0.25, 0.012)
    assert advised(step).experiment_sentence == (
        "Next step: ask a, b 60 more prompts, for about $0.18 and 1 min 30 s of calls. It changes the choice with a "
        "chance of 25%, and brings 1.2 points on average."
    )
    assert "for an unknown cost and" in advised(step._replace(cost=None)).experiment_sentence
    assert advised().experiment_sentence == ""
