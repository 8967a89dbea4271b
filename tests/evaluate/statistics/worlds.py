"""Scores of two lanes that never ran, and what the plan makes of them exactly."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from router.evaluate.statistics.paired import log_evidence, mid_p
from router.evaluate.statistics.sample import Pair, Unit
from router.evaluate.statistics.verdicts import AT_END, LEAST_DISCORDANT, WHILE_RUNNING

Floats = NDArray[np.float64]
CATEGORIES = ("tools", "code", "reasoning", "conversation")


def units(prompts: int, *, categories: Sequence[str | None] = (None,), group: int = 1) -> tuple[Unit, ...]:
    """Cases, so many of each group, whose groups take turns in their categories."""
    return tuple(
        Unit(str(n), categories[n // group % len(categories)], f"g{n // group}" if group > 1 else "")
        for n in range(prompts)
    )


def as_pairs(first: Floats, second: Floats) -> list[Pair]:
    return [Pair(str(n), float(one), float(other)) for n, (one, other) in enumerate(zip(first, second, strict=True))]


def right_or_wrong(
    rng: np.random.Generator, prompts: int, discordance: float, difference: float, right: float = 0.7
) -> tuple[Floats, Floats]:
    """Two lanes' scores, 0 or 1; `right` is the share of prompts that both get right among those they agree on."""
    where = rng.random(prompts)
    both = (rng.random(prompts) < right).astype(np.float64)
    only_first, only_second = where < (discordance + difference) / 2, (where >= 1 - (discordance - difference) / 2)
    return np.where(only_first, 1.0, np.where(only_second, 0.0, both)), np.where(
        only_first, 0.0, np.where(only_second, 1.0, both)
    )


class Chances(NamedTuple):
    """Exact chances of a verdict of either kind, under one discordance and difference.

    Attributes:
        plan: that the plan gives one; `early` by the e-value.
        fixed: that mid-p at 5% gives one at the end.
        prompts: until the plan gives a verdict or ends, on average.
    """

    plan: float
    early: float
    fixed: float
    prompts: float


@functools.cache
def p_values(discordant: int) -> Floats:
    """(wins,) mid-p values for 0 to so many wins."""
    return np.array([mid_p(wins, discordant - wins) for wins in range(discordant + 1)])


@functools.cache
def enough(discordant: int) -> NDArray[np.bool_]:
    """(wins,) whether the e-value decides."""
    wins = np.arange(discordant + 1)
    return log_evidence(wins, discordant - wins) >= -np.log(WHILE_RUNNING)


def chances(prompts: int, discordance: float, difference: float = 0.0, *, at_end: float = AT_END) -> Chances:
    """Walk through all numbers of wins among the discordant prompts, looking after each of them."""
    win = 0.5 + difference / (2 * discordance)
    alive, all_of = np.ones(1), np.ones(1)  # (wins,) chances, of those without a verdict and of all
    stopped, at_last, fixed = [0.0], [0.0], [0.0]
    for discordant in range(1, prompts + 1):
        alive, all_of = (
            np.append(part * (1 - win), 0.0) + np.append(0.0, part * win) for part in (alive, all_of)
        )  # fmt: skip
        stops = enough(discordant)
        stopped.append(stopped[-1] + float(alive[stops].sum()))
        alive = np.where(stops, 0.0, alive)
        late = p_values(discordant) <= at_end if discordant >= LEAST_DISCORDANT else np.zeros(len(alive), np.bool_)
        at_last.append(stopped[-1] + float(alive[late].sum()))
        fixed.append(float(all_of[p_values(discordant) <= 0.05].sum()))
    of = binom.pmf(np.arange(prompts + 1), prompts, discordance)
    going = sum(
        1 - float(binom.pmf(np.arange(n + 1), n, discordance) @ np.array(stopped[: n + 1])) for n in range(prompts)
    )
    return Chances(float(of @ at_last), float(of @ stopped), float(of @ fixed), going)


def null_steps(rng: np.random.Generator, suites: int, prompts: int, discordance: float) -> Floats:
    """(suites, prompts) 1 where only the first lane is right, -1 where only the second is, else 0."""
    half = discordance / 2
    return rng.choice([-1.0, 0.0, 1.0], (suites, prompts), p=[half, 1 - discordance, half])


def decides(steps: Floats) -> NDArray[np.bool_]:
    """(suites,) whether the plan decides, looking after every prompt; for all suites at once."""
    wins, losses = (np.cumsum(steps == sign, axis=1) for sign in (1, -1))
    evidence = log_evidence(wins, losses)
    ahead = np.sign(wins - losses) == np.sign(wins - losses)[:, -1:]
    early = (np.where(ahead & (wins != losses), evidence, 0.0) >= -np.log(WHILE_RUNNING)).any(axis=1)
    last = zip(wins[:, -1].tolist(), losses[:, -1].tolist(), strict=True)
    return early | np.array(
        [won + lost >= LEAST_DISCORDANT and p_values(won + lost)[won] <= AT_END for won, lost in last]
    )


class World(NamedTuple):
    """Two lanes' scores with their true means."""

    first: Floats
    second: Floats
    means: tuple[float, float]

    @property
    def difference(self) -> float:
        return self.means[0] - self.means[1]


def repeats(rng: np.random.Generator, prompts: int) -> World:
    """Means of three repeats, right or wrong, of prompts of all difficulties."""
    hard, easy = rng.choice([(0.5, 0.5), (0.6, 1.4), (0.2, 1.8)])
    chance = rng.beta(easy, hard, prompts)
    first, second = rng.binomial(3, chance) / 3, rng.binomial(3, chance**2) / 3
    total = hard + easy
    return World(first, second, (easy / total, easy * (easy + 1) / (total * (total + 1))))


def grouped(rng: np.random.Generator, prompts: int, group: int = 5) -> World:
    """Right or wrong, where the prompts of one group are as difficult as each other."""
    easy, hard = rng.choice([(1.0, 1.0), (1.4, 0.6), (1.8, 0.2)])
    chance = np.repeat(rng.beta(easy, hard, prompts // group), group)
    first, second = (rng.random(len(chance)) < part for part in (chance, chance**2))
    means = (easy / 2, easy * (easy + 1) / 6)
    return World(first.astype(np.float64), second.astype(np.float64), means)


def sparse(rng: np.random.Generator, prompts: int) -> World:
    """Graded, and the same on all but 8% of the prompts."""
    first = rng.beta(2, 1, prompts)
    differs = rng.random(prompts) < 0.08
    return World(first, np.where(differs, rng.beta(1, 2, prompts), first), (2 / 3, 2 / 3 - 0.08 / 3))


def rare(rng: np.random.Generator, prompts: int) -> World:
    """Graded, near 0 on nearly all prompts."""
    first, second = (
        np.where(rng.random(prompts) < 0.06, rng.beta(8, 2, prompts), rng.beta(1, 60, prompts)) for _ in "ab"
    )
    mean = 0.06 * 0.8 + 0.94 / 61
    return World(first, second, (mean, mean))


def steady(rng: np.random.Generator, prompts: int) -> World:
    """Graded, with the shape of a bell."""
    return World(rng.beta(6, 3, prompts), rng.beta(5, 4, prompts), (6 / 9, 5 / 9))
