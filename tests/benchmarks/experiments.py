"""How often experiments call a candidate better that is not, and how soon one that is: on simulated traffic.

uv run python -m tests.benchmarks.experiments

Takes some minutes; a row is printed as soon as it is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from router.experiments.sequences import Units, requests_of_fixed_test, unbounded
from tests.experiments.worlds import World, first_better, units

RATES, SHARES = (0.5, 0.8, 0.9, 0.97, 0.995), (0.05, 0.1, 0.2, 0.5)

NULLS = 1_000
LOOKS = 6_000
"""Units of a null experiment; there is a look after each of them."""

FOUND = 300
"""Experiments with a difference."""

GAIN = 0.05


def nulls() -> Iterator[World]:
    """Worlds in which no chain is better."""
    for rate, share in itertools.product(RATES, SHARES):
        yield World(rate, share=share)
    for share in (0.05, 0.2, 0.5):
        yield World(0.9, share=share, per_session=5, spread=0.2)
        yield World(0.95, share=share, per_session=20, spread=0.15)
    yield World(0.97, share=0.1, outage=0.6)
    yield World(0.9, share=0.05, later=0.5)
    yield World(0.9, share=0.5, later=0.05, outage=0.5)


def main() -> None:
    rng = np.random.default_rng(17)
    print(f'"better" where nothing is, in {NULLS:,} experiments of {LOOKS:,} units, with a look after each')
    worst = 0.0
    for world in nulls():
        share = float(np.mean(np.isfinite(first_better(units(world, rng, NULLS, LOOKS)))))
        worst = max(worst, share)
        print(f"  {100 * share:4.1f}%  {world.name}", flush=True)
    print(f"  {100 * worst:4.1f}%  at most; 5% asked for")

    print('"dearer" or "cheaper" where neither is, with log-normal costs')
    for share in SHARES:
        wrong = 0
        for _ in range(NULLS // 2):
            candidate = rng.random(3_000) < share
            costs = unbounded(Units(candidate, np.full(3_000, share), rng.lognormal(-7, 1, 3_000)), np.arange(1, 3_001))
            wrong += bool(((costs.low > 0) | (costs.high < 0)).any())
        print(f"  {100 * wrong / (NULLS // 2):4.1f}%  share {100 * share:g}%", flush=True)

    print(f"units until {100 * GAIN:g} points are found, the median as a multiple of a test that is looked at once")
    slowest = 0.0
    for rate, share in itertools.product((0.5, 0.7, 0.8, 0.85, 0.9, 0.94), SHARES):
        fixed = requests_of_fixed_test(rate, rate + GAIN, share)
        found = first_better(units(World(rate, GAIN, share), rng, FOUND, int(2.5 * fixed)))
        times = float(np.median(found)) / fixed
        slowest = max(slowest, times)
        print(f"  {times:4.2f} x {fixed:6,.0f}  {World(rate, GAIN, share).name}", flush=True)
    print(f"  {slowest:4.2f} x at most; 1.6 asked for")


if __name__ == "__main__":
    main()
