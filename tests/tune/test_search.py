"""Search: the best chain under limits is the best of all chains that keep to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from router.core.errors import InvalidRequest
from router.tune.goals import Goals, Limits, Weights
from router.tune.grid import Grid
from router.tune.replay import figures, replay
from router.tune.search import best_chains, kept
from tests.tune.worlds import NAMES, grid_of, grids

LIMITS: Mapping[str, st.SearchStrategy[Any]] = {
    "cost": st.sampled_from([1.3, 2.9, 5.3]),
    "latency": st.sampled_from([1.25, 2.75, 4.25]),
    "first_token": st.sampled_from([0.6, 1.4, 2.1]),
    "answered": st.sampled_from([0.51, 0.83, 0.97]),
    "quality": st.sampled_from([0.31, 0.53, 0.77]),
    "must": st.lists(st.sampled_from(NAMES[:3]), unique=True, max_size=2).map(tuple),
    "never": st.lists(st.sampled_from(NAMES[:4]), unique=True, max_size=2).map(tuple),
    "apart": st.just(True),
}
WEIGHTS = st.sampled_from([Weights(), Weights(cost=3), Weights(seconds=5), Weights(quality=0, cost=1)])


def all_chains(grid: Grid, limits: Limits) -> Iterator[tuple[int, ...]]:
    """Every chain that keeps to the limits, one by one."""
    for links in range(1, min(limits.links, len(grid.models)) + 1):
        for chain in itertools.permutations(range(len(grid.models)), links):
            names = {grid.models[model] for model in chain}
            providers = [grid.providers[model] for model in chain]
            alike = any(one == other for one, other in itertools.pairwise(providers))
            if names & {*limits.never} or {*limits.must} - names or (limits.apart and alike):
                continue
            if _keeps(grid, chain, limits):
                yield chain


def _keeps(grid: Grid, chain: tuple[int, ...], limits: Limits) -> bool:
    found = figures(grid, chain)
    most = ((found.cost, limits.cost), (found.latency[1], limits.latency), (found.first_token[1], limits.first_token))
    least = ((found.answered, limits.answered), (found.quality, limits.quality))
    return all(limit is None or value <= limit for value, limit in most) and all(
        limit is None or value >= limit for value, limit in least
    )


def value(grid: Grid, chain: tuple[int, ...], weights: Weights) -> float:
    return float(replay(grid, np.array([chain])).value(weights).mean())


def together(grid: Grid, outage: float) -> Grid:
    """The same where outages take all models of a provider along."""
    alike = np.equal.outer(grid.providers, grid.providers)
    down = 1 - (1 - grid.down) * (1 - outage)
    both = np.where(
        alike, outage + (1 - outage) * np.multiply.outer(grid.down, grid.down), np.multiply.outer(down, down)
    )
    return replace(grid, down=down, down_together=both)


@pytest.mark.parametrize("limit", [None, *LIMITS])
@settings(max_examples=50)
@given(grid=grids(models=5, prompts=4), data=st.data())
def test_no_chain_that_keeps_to_a_limit_is_worth_more(limit: str | None, grid: Grid, data: st.DataObject) -> None:
    grid = together(grid, data.draw(st.sampled_from([0, 0.2])))
    limits = Limits(links=data.draw(st.integers(1, 3)), **({limit: data.draw(LIMITS[limit])} if limit else {}))
    weights = data.draw(WEIGHTS)
    if {*grid.models} <= {*limits.never} or {*limits.must} - {*grid.models}:
        return
    best = max((value(grid, chain, weights) for chain in all_chains(grid, limits)), default=None)
    found = best_chains(grid, Goals(limits=limits, weights=weights), sure=0.0)
    assert (found[0].value if found else None) == (None if best is None else pytest.approx(best))


@given(grid=grids(models=4, prompts=3), weights=WEIGHTS)
def test_the_value_of_a_chain_is_the_chain_s(grid: Grid, weights: Weights) -> None:
    for found in best_chains(grid, Goals(weights=weights), count=5):
        assert found.value == pytest.approx(value(grid, found.models, weights))


def test_several_come_best_first_each_once() -> None:
    found = best_chains(grid_of([[1, 0.5, 0.2]]), Goals(limits=Limits(links=2)), count=100)
    assert len({each.models for each in found}) == len(found) == 3 + 6
    assert [each.value for each in found] == sorted((each.value for each in found), reverse=True)


# --- More than three links -------------------------------------------------------------------------

HARD = grid_of(np.eye(5))  # each prompt is answered by one model alone


@pytest.mark.parametrize("links", [4, 5])
def test_longer_chains_hold_each_model_once(links: int) -> None:
    best = best_chains(HARD, Goals(limits=Limits(links=links)))[0]
    assert len({*best.models}) == len(best.models) == links
    assert best.value == pytest.approx(links / 5)


@pytest.mark.parametrize("links", [4, 5])
def test_neighbors_in_longer_chains_are_of_two_providers_where_that_is_asked_for(links: int) -> None:
    grid = replace(HARD, providers=("x", "x", "y", "y", "x"))
    found = best_chains(grid, Goals(limits=Limits(links=links, apart=True)), count=1000)
    assert len(found[0].models) == links
    assert not any(
        grid.providers[one] == grid.providers[other] for each in found for one, other in itertools.pairwise(each.models)
    )


@pytest.mark.parametrize("limits", [Limits(links=5, answered=0.9), Limits(links=5, quality=0.9)])
def test_what_three_links_cannot_keep_five_can(limits: Limits) -> None:
    assert len(best_chains(HARD, Goals(limits=limits), sure=0.0)[0].models) == 5


def test_more_models_than_three_can_be_asked_for() -> None:
    found = best_chains(HARD, Goals(limits=Limits(links=4, must=("a", "b", "c", "e"))))
    assert {*found[0].models} == {0, 1, 2, 4}


def test_a_longer_chain_keeps_its_cost_limit() -> None:
    grid = grid_of(np.eye(5), cost=[0.001, 0.001, 0.001, 0.001, 0.1])
    assert len(best_chains(grid, Goals(limits=Limits(links=5, cost=4)), sure=0.0)[0].models) == 4


@pytest.mark.parametrize("links", [1, 2, 4])
def test_what_has_not_seen_every_prompt_is_a_fallback_alone(links: int) -> None:
    grid = replace(HARD, quality=HARD.quality * [1, 2, 3, 4, 5], primary=np.array([True] * 4 + [False]))
    found = best_chains(grid, Goals(limits=Limits(links=links)), count=100)
    assert all(each.models[0] != 4 for each in found)
    assert any(4 in each.models for each in found) == (links > 1)


# --- What is not known, and what is barely kept ----------------------------------------------------

UNKNOWN = grid_of([[1, 0.4]] * 5, cost=[np.nan, 0.001])


def test_a_model_of_unknown_cost_never_wins_under_a_cost_limit() -> None:
    assert best_chains(UNKNOWN, Goals(limits=Limits(cost=1000)))[0].models == (1,)


def test_a_model_of_unknown_cost_never_wins_where_money_is_weighed() -> None:
    assert best_chains(UNKNOWN, Goals(weights=Weights(cost=0.1)))[0].models == (1,)


def test_an_unknown_cost_does_no_harm_where_nobody_asks_for_it() -> None:
    assert best_chains(UNKNOWN, Goals())[0].models[0] == 0


def test_a_limit_that_is_just_kept_on_these_prompts_is_not_kept_for_sure() -> None:
    grid = grid_of([[1]] * 90 + [[0]] * 10)
    replayed = replay(grid, np.array([[0]]))
    assert kept(replayed, Limits(answered=0.9), sure=0.0).all()
    assert not kept(replayed, Limits(answered=0.9)).any()
    assert kept(replayed, Limits(answered=0.86)).all()


def test_a_cost_that_is_just_kept_on_these_prompts_is_not_kept_for_sure() -> None:
    replayed = replay(grid_of([[1]] * 100, cost=[[0.001], [0.003]] * 50), np.array([[0]]))
    assert kept(replayed, Limits(cost=2.05), sure=0.0).all()
    assert not kept(replayed, Limits(cost=2.05)).any()
    assert kept(replayed, Limits(cost=2.15)).all()


@pytest.mark.parametrize("limits", [Limits(latency=2), Limits(first_token=2)])
def test_a_time_that_is_just_kept_on_these_prompts_is_not_kept_for_sure(limits: Limits) -> None:
    replayed = replay(grid_of([[1]] * 100, seconds=[[9.0]] * 4 + [[1.0]] * 96), np.array([[0]]))
    assert kept(replayed, limits, sure=0.0).all()
    assert not kept(replayed, limits).any()


def test_where_the_best_chains_break_a_limit_the_next_ones_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.tune.search.FIRST", 1)
    monkeypatch.setattr("router.tune.search.BATCH", 2)
    answered = [[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]]
    grid = grid_of(answered, quality=np.array(answered) * [1, 1, 1, 0.1], seconds=[3, 3, 3, 1])
    found = best_chains(grid, Goals(limits=Limits(latency=5.5)), sure=0.0)[0]  # two of the slow ones are too late
    assert found.value == pytest.approx((1 + 0.1 + 0.1) / 3)


def test_where_there_are_too_many_chains_the_best_ones_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = grid_of(np.random.default_rng(0).random((20, 6)), quality=np.random.default_rng(1).random((20, 6)))
    best = best_chains(grid, Goals())
    monkeypatch.setattr("router.tune.search.DEEP", 3)
    assert best_chains(grid, Goals()) == best


# --- What cannot be --------------------------------------------------------------------------------


def test_without_any_model_left_it_says_so() -> None:
    with pytest.raises(InvalidRequest, match=r"^No model is left to make a chain of\. Allow one more\.$"):
        best_chains(grid_of([[1, 1]]), Goals(limits=Limits(never=("a", "b"))))


def test_a_model_that_must_be_there_and_was_never_graded_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"^Nothing is known of z on these prompts\."):
        best_chains(grid_of([[1, 1]]), Goals(limits=Limits(must=("z",))))


def test_limits_that_no_chain_keeps_give_none() -> None:
    assert best_chains(grid_of([[1, 1]]), Goals(limits=Limits(cost=0.5))) == []
