"""What chains would have done on prompts that all of their models have seen.

A request comes to a link with the chance that all links before it failed. Answers, quality and cost add up over links
with these chances (`formats.md`: E[quality] = sum of P(m1 … m(i-1) fail) x P(mi answers) x quality(mi)); time adds up
along each way. Models that are down at the same time more often than by chance fail together as measured: exactly for
two links; of more, each is taken to follow the one before it that it is down with most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.tune.goals import Weights
from router.tune.grid import Floats, Grid

_AT_ONCE = 4_000_000
"""Numbers that are held at once."""


class Replayed(NamedTuple):
    """What chains of one length do, prompt by prompt.

    Attributes:
        answered: (chains, prompts) the chance of an answer.
        quality: (chains, prompts) the expected score; a request without an answer counts 0.
        cost: (chains, prompts) expected US dollars.
        seconds: (chains, prompts) expected seconds to the answer, or to the last failure.
        ways: (chains, prompts, links) the chance that this link answers.
        ends: (chains, prompts, links) seconds to its answer.
        starts: (chains, prompts, links) seconds to its first token.
    """

    answered: Floats
    quality: Floats
    cost: Floats
    seconds: Floats
    ways: Floats
    ends: Floats
    starts: Floats

    def value(self, weights: Weights) -> Floats:
        """(chains, prompts) what each prompt is worth, 1 for a right answer at no cost and at once."""
        return worth(weights, self.quality, self.cost, self.seconds)

    def within(self, share: float, times: Floats) -> Floats:
        """(chains,) seconds within which so many of all requests are answered; infinite if fewer are answered."""
        count = len(times)
        flat, chances = times.reshape(count, -1), self.ways.reshape(count, -1) / self.ways.shape[1]
        order = np.argsort(flat, axis=1)
        reached = np.cumsum(np.take_along_axis(chances, order, 1), axis=1) >= share - 1e-9
        found = np.take_along_axis(np.take_along_axis(flat, order, 1), reached.argmax(axis=1)[:, None], 1)[:, 0]
        within: Floats = np.where(reached.any(axis=1), found, np.inf)
        return within

    def later(self, seconds: float, times: Floats) -> Floats:
        """(chains,) the share of all requests that is not answered within these seconds."""
        in_time = np.where(times <= seconds, self.ways, 0).sum(axis=2)
        late: Floats = 1 - in_time.mean(axis=1)
        return late


def worth(weights: Weights, quality: Floats, cost: Floats, seconds: Floats) -> Floats:
    """What requests are worth, 1 for a right answer at no cost and at once; what has no weight may be unknown.

    Args:
        quality: 0 to 1.
        cost: US dollars of one request.
    """
    found: Floats = weights.quality * quality
    if weights.cost:
        found = found - weights.cost * 10 * cost
    if weights.seconds:
        found = found - weights.seconds / 100 * seconds
    return found


def replay(grid: Grid, chains: NDArray[np.intp]) -> Replayed:
    """Send every prompt through every chain.

    Args:
        chains: (chains, links) positions of models in `grid.models`.
    """
    count, links = chains.shape
    shape = (count, len(grid.prompts))
    reach, ways = np.ones(shape), np.zeros((*shape, links))
    quality, cost, seconds, passed, answered = (np.zeros(shape) for _ in range(5))
    ends, starts = np.zeros((*shape, links)), np.zeros((*shape, links))
    states = [_Failed(np.ones(shape), np.ones(count), ())]
    for place in range(links):
        model = chains[:, place]
        answering = grid.answered[:, model].T
        downs = [_down(state, grid, chains, place) for state in states]
        fails = np.zeros(shape)
        for state, down in zip(states, downs, strict=True):
            fails += state.chance * (state.down[:, None] + answering * (down - state.down)[:, None])
        fails = np.clip(fails, 0, reach)
        if place < links - 1:
            states = [
                after
                for state, down in zip(states, downs, strict=True)
                for after in (
                    _Failed(state.chance * (1 - answering), state.down, state.places),
                    _Failed(state.chance * answering, down, (*state.places, place)),
                )
            ]
        ways[..., place] = reach - fails
        ends[..., place] = passed + grid.seconds[:, model].T
        starts[..., place] = passed + grid.first_token[:, model].T
        quality += ways[..., place] * grid.quality[:, model].T
        cost += reach * grid.cost[:, model].T
        seconds += reach * grid.seconds[:, model].T
        answered += ways[..., place]
        passed, reach = ends[..., place], fails
    return Replayed(answered, quality, cost, seconds, ways, ends, starts)


class _Failed(NamedTuple):
    """A way in which all links so far have failed.

    Attributes:
        chance: (chains, prompts) that those links fail that are not down, and those would have answered that are.
        down: (chains,) share of requests that find all of `places` down.
        places: of the links that are down.
    """

    chance: Floats
    down: Floats
    places: tuple[int, ...]


def _down(state: _Failed, grid: Grid, chains: NDArray[np.intp], place: int) -> Floats:
    """(chains,) the share of requests that find the next link down, too."""
    model = chains[:, [place]]
    if not state.places:
        return grid.down[model[:, 0]]
    before = chains[:, state.places]
    both, alone = grid.down_together[before, model], grid.down[before]
    given = np.divide(both, alone, out=np.zeros_like(both), where=alone > 0).max(axis=1)
    down: Floats = np.minimum(state.down * given, both.min(axis=1))
    return down


class Figures(NamedTuple):
    """What a chain does, over all prompts.

    Attributes:
        answered: share of requests, 0 to 1.
        quality: mean score of all requests, 0 to 1.
        cost: US dollars per 1,000 requests.
        seconds: mean, of all requests.
        latency: p50 and p95, seconds; infinite where fewer requests are answered.
        first_token: the same to the first token.
    """

    answered: float
    quality: float
    cost: float
    seconds: float
    latency: tuple[float, float]
    first_token: tuple[float, float]


def figures(grid: Grid, chain: Sequence[int]) -> Figures:
    """What one chain does."""
    of = replay(grid, np.array([chain]))
    latency, first_token = (
        (float(of.within(0.5, times)[0]), float(of.within(0.95, times)[0])) for times in (of.ends, of.starts)
    )
    answered, quality, cost, seconds = (float(part.mean()) for part in (of.answered, of.quality, of.cost, of.seconds))
    return Figures(answered, quality, 1000 * cost, seconds, latency, first_token)


def blocks(chains: NDArray[np.intp], prompts: int) -> list[NDArray[np.intp]]:
    """The chains in parts that fit into memory."""
    size = max(1, _AT_ONCE // (prompts * chains.shape[1]))
    return [chains[start : start + size] for start in range(0, len(chains), size)]
