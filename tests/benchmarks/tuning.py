"""Are proposals right? Simulated worlds whose best chain is known, and a real grid where there is one.

uv run python -m tests.benchmarks.tuning [worlds]
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.pool import Pool
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from scipy.special import ndtr

from router.metrics.estimates import Estimate
from router.tune.choice import Choice, choose
from router.tune.experiment import contending
from router.tune.goals import Goals, Limits
from router.tune.grid import Grid, grid
from router.tune.replay import replay
from router.tune.search import best_chains
from tests.benchmarks.harness import ROOT, report

WORLDS, DRAWS, SPENT = 500, 60, 500
"""Simulated worlds, draws of prompts from the real grid, and worlds in which money is counted."""

SAY_EVERY = 50

MODELS, TRUE_PROMPTS = 6, 4_000
REAL = ROOT.parent / "shared" / "data" / "bfcl_grid_priced.parquet"
"""Optional: 53 models x 1,700 prompts of a public leaderboard."""

Line: TypeAlias = tuple[str, str, str]
Found = TypeVar("Found")

SAID = ("better", "cheaper", "faster")


def world(seed: int, *, null: bool = False) -> Grid:
    """A grid of TRUE_PROMPTS prompts, which are the truth that smaller grids are drawn from."""
    rng = np.random.default_rng(seed)
    skill = np.full(MODELS, 1.2) if null else rng.normal(1.2, 0.45, MODELS)  # log-odds: 63 to 86%
    failing = np.full(MODELS, 0.03) if null else rng.beta(1.5, 30, MODELS)
    price = np.full(MODELS, 1e-3) if null else np.exp(rng.normal(-7, 1.0, MODELS))
    difficulty = rng.normal(0, 1.5, TRUE_PROMPTS)
    right = rng.random((TRUE_PROMPTS, MODELS)) < 1 / (1 + np.exp(-(skill * 1.4 - difficulty[:, None])))
    return grid(
        models=[f"m{number}" for number in range(MODELS)],
        providers=[f"p{number // 2}" for number in range(MODELS)],
        prompts=[str(number) for number in range(TRUE_PROMPTS)],
        answered=(rng.random((TRUE_PROMPTS, MODELS)) >= failing).astype(float),
        quality=right.astype(float),
        seconds=rng.lognormal(0, 0.6, (TRUE_PROMPTS, MODELS)),
        cost=price * rng.lognormal(0, 0.3, (TRUE_PROMPTS, MODELS)),
    )


class Outcome(NamedTuple):
    """What a choice in a world was worth; points are of 100.

    Attributes:
        regret: of the chain that looks best.
        advised: of what the advice says to use.
        optimism, naive: what is said of the best-looking chain, and what its own prompts say, beside the truth.
        best: how likely each entry is said to be the best.
        above: how likely the chain that looks best is above the current one, by its interval.
    """

    kind: str
    wrong: bool
    regret: float
    advised: float
    optimism: float
    naive: float
    broken: bool
    best: tuple[float, ...]
    above: float


def judged(truth: Grid, sample: Grid, choice: Choice, current: Sequence[int], goals: Goals) -> Outcome:
    """A choice held against the truth."""
    quality, cost, seconds = (functools.partial(_true, truth, name) for name in ("quality", "cost", "seconds"))
    highest = best_chains(truth, goals, sure=0.0)[0].value
    looks = next((each for each in choice.candidates if each.rule == "best"), None)
    chain = looks.chain if looks is not None else tuple(current)
    used = choice.proposed.chain if choice.proposed is not None else tuple(current)
    worse = quality(used) < quality(current) - goals.margin
    wrong = {
        "better": quality(used) <= quality(current),
        "cheaper": worse or cost(used) >= cost(current),
        "faster": worse or seconds(used) >= seconds(current),
    }.get(choice.kind, False)
    own = _true(sample, "quality", chain)
    return Outcome(
        choice.kind,
        wrong,
        100 * (highest - quality(chain)),
        100 * (highest - quality(used)),
        100 * ((looks.expected.value or 0.0) - quality(chain)) if looks is not None else np.nan,
        100 * (own - quality(chain)),
        goals.limits.cost is not None and 1000 * cost(chain) > goals.limits.cost,
        (choice.best, *(each.best for each in choice.candidates)),
        _above(looks.gains.value) if looks is not None else np.nan,
    )


def _above(gain: Estimate) -> float:
    value, reach = gain.value or 0.0, (gain.high or 0.0) - (gain.low or 0.0)
    return float(ndtr(2 * 1.96 * value / reach)) if reach else 0.5


def _true(truth: Grid, name: str, chain: Sequence[int]) -> float:
    return float(getattr(replay(truth, np.array([chain])), name).mean())


def in_world(prompts: int, null: bool, seed: int) -> Outcome:
    """A random current chain in a simulated world."""
    truth, rng = world(seed, null=null), np.random.default_rng(seed + 10**6)
    current = tuple(rng.choice(MODELS, 3, replace=False).tolist())
    sample = truth.of(rng.choice(TRUE_PROMPTS, prompts, replace=False))
    return judged(truth, sample, choose(sample, Goals(), current, seed=seed), current, Goals())


@functools.cache
def real() -> Grid:
    """The 16 best models of the real grid; a model that breaks its format, or takes over 10 s, has failed."""
    rows = pd.read_parquet(REAL)
    rng = np.random.default_rng(0)
    by = {
        name: rows.pivot(index="prompt", columns="model", values=name)  # noqa: PD010  # some are words
        for name in rows
        if name not in ("prompt", "model")
    }
    names = by["score"].mean().sort_values(ascending=False).index[:16]
    seconds = by["latency_s"][names].fillna(1.0).to_numpy()
    provider = [by["provider"][name].iloc[0] for name in names]
    down = {name: rng.random(len(seconds)) < 0.01 for name in sorted(set(provider))}
    failed = (rng.random(seconds.shape) < 0.02) | (seconds > 10) | np.stack([down[name] for name in provider], axis=1)
    failed |= by["error_type"][names].fillna("").apply(lambda column: column.str.contains("decoder_failed")).to_numpy()
    return grid(
        models=list(names), providers=provider, prompts=list(by["score"].index),
        kinds=pd.factorize(by["category"][names[0]])[0].astype(np.int64), answered=(~failed).astype(float),
        quality=by["score"][names].to_numpy(float), seconds=np.minimum(seconds, 10),
        cost=by["cost_usd"][names].to_numpy(),
    )  # fmt: skip


def in_real(prompts: int, limit: float | None, seed: int) -> Outcome:
    """The current chain is what 200 other prompts would choose; the truth are the prompts that were not drawn."""
    whole, rng, goals = real(), np.random.default_rng(seed), Goals(limits=Limits(cost=limit))
    order = rng.permutation(len(whole.prompts))
    current = best_chains(whole.of(rng.permutation(len(whole.prompts))[:200]), goals)[0].models
    sample, truth = whole.of(order[:prompts]), whole.of(order[prompts:])
    return judged(truth, sample, choose(sample, goals, current, seed=seed), current, goals)


def to_the_right_chain(seed: int) -> tuple[float, float, float, float]:
    """Dollars for 600 prompts, and the regret of the chain that looks best then: with our experiments, which ask only
    those that may be its primary, and with a grid of all models.
    """
    return (*_spent(seed, adaptive=True), *_spent(seed, adaptive=False))


def _spent(seed: int, *, adaptive: bool) -> tuple[float, float]:
    truth, rng = world(seed), np.random.default_rng(seed + 10**6)
    current = tuple(rng.choice(MODELS, 3, replace=False).tolist())
    order, models = rng.permutation(TRUE_PROMPTS), list(range(MODELS))
    known = np.zeros((TRUE_PROMPTS, MODELS), bool)
    dollars, asked = 0.0, 0
    for batch in (40, 40, 60, 100, 160, 200):
        dollars += float(truth.cost[np.ix_(order[asked : asked + batch], np.array(models))].sum())
        known[np.ix_(order[asked : asked + batch], np.array(models))] = True
        asked += batch
        seen = _seen(truth.of(order[:asked]), known[order[:asked]])
        if adaptive:
            models = contending(seen, Goals(), current, rng)
    chain = best_chains(seen, Goals())[0].models
    return dollars, 100 * (best_chains(truth, Goals())[0].value - _true(truth, "quality", chain))


def _seen(of: Grid, known: np.ndarray) -> Grid:
    return grid(
        models=of.models, providers=of.providers, prompts=of.prompts, answered=of.answered, quality=of.quality,
        seconds=of.seconds, cost=of.cost, known=known,
    )  # fmt: skip


def main() -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    worlds, began = int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS, time.perf_counter()
    with multiprocessing.Pool(2) as pool:
        report(_rows(pool, worlds))
    print(f"\n{time.perf_counter() - began:.0f} s")


def _rows(pool: Pool, worlds: int) -> Iterator[Line]:
    yield from _in_worlds(pool, worlds)
    yield from _in_dollars(pool, min(SPENT, worlds))
    yield from _in_real(pool, min(DRAWS, worlds)) if REAL.exists() else ()


def _run(pool: Pool, name: str, one: Callable[[int], Found], count: int) -> list[Found]:
    """The outcomes of so many seeds; says how far it is on the error stream."""
    began, found = time.perf_counter(), list[Found]()
    for outcome in pool.imap(one, range(count), chunksize=2):
        found.append(outcome)
        if len(found) % SAY_EVERY == 0:
            print(f"{name}: {len(found)} of {count}, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def _in_worlds(pool: Pool, worlds: int) -> Iterator[Line]:
    for prompts in (40, 100, 300, 600):
        name = f"{worlds} worlds, {prompts} prompts"
        found = _run(pool, name, functools.partial(in_world, prompts, False), worlds)
        yield from _wrong(name, found)
        yield f"{name}: mean regret (points)", "at most 0.5" if prompts == 600 else "", _mean(found, "regret")
    name = "null worlds: P(best) x candidates, by place (current first)"
    nulls = _run(pool, name, functools.partial(in_world, 100, True), worlds)
    likely = [each.best for each in nulls]
    shares = [np.mean([best[at] * len(best) for best in likely if len(best) > at]) for at in range(4)]
    yield name, "at most 1", ", ".join(f"{share:.2f}" for share in shares)
    yield "the same: 2 x P(the best-looking chain is above the current one)", "at most 1", _mean(nulls, "above", 2)


def _in_real(pool: Pool, draws: int) -> Iterator[Line]:
    for prompts, limit in itertools.product((40, 100, 300, 600), (None, 1.0)):
        name = f"real grid, {prompts} prompts" + (f", at most ${limit:g}" if limit else "")
        found = _run(pool, name, functools.partial(in_real, prompts, limit), draws)
        yield from _wrong(name, found)
        said = ", ".join(_mean(found, each) for each in ("regret", "optimism", "naive"))
        yield f"{name}: regret, optimism, naive optimism (points)", "optimism < 0.5", said
        if limit:
            yield f"{name}: limit broken", "at most 5%", _mean(found, "broken", 100) + " %"


def _in_dollars(pool: Pool, worlds: int) -> Iterator[Line]:
    name = f"{worlds} worlds: dollars for 600 prompts, beside a grid of all models"
    spent = np.array(_run(pool, name, to_the_right_chain, worlds))
    ours, grid_of_all = spent[:, 1].mean(), spent[:, 3].mean()
    yield name, "at most 0.5", f"{spent[:, 0].sum() / spent[:, 2].sum():.2f}"
    yield "regret then, and the grid's (points)", "", f"{ours:.2f}, {grid_of_all:.2f}"


def _wrong(name: str, found: Sequence[Outcome]) -> list[Line]:
    said = [each for each in found if each.kind in SAID]
    better = [each for each in found if each.kind == "better"]
    asked = "at most 5%"
    wrong, wrong_better = sum(each.wrong for each in said), sum(each.wrong for each in better)
    return [
        (f"{name}: wrong and confident", asked, f"{wrong / len(found):.1%} ({len(said)} of {len(found)} speak)"),
        (f'{name}: "better" wrong, of its verdicts', asked, f"{wrong_better} of {len(better)}"),
    ]


def _mean(found: Sequence[Outcome], name: str, scale: float = 1.0) -> str:
    return f"{scale * float(np.nanmean([getattr(each, name) for each in found])):.2f}"


if __name__ == "__main__":
    main()
