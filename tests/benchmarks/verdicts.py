"""How often verdicts are false, how far intervals cover, and what it takes to separate lanes: on simulated suites.

uv run python -m tests.benchmarks.verdicts [a part of the names of what is measured]

Takes some minutes. Where FALLBACK_LAB_GRIDS names a folder with `bfcl_grid_priced.parquet` and `alpaca_grid.parquet`,
the same is measured on public evaluations of many models, with labels swapped within prompts where nothing may differ.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from router.evaluate.statistics import (
    Plan,
    Unit,
    kappa,
    lane_score,
    quantile,
    screening,
    smallest_difference,
    tiers,
    verdict,
    verdicts,
)
from router.evaluate.statistics.verdicts import AT_END
from router.metrics.estimates import Estimate
from tests.benchmarks.harness import report
from tests.evaluate.statistics.worlds import (
    CATEGORIES,
    Floats,
    World,
    as_pairs,
    chances,
    grouped,
    rare,
    repeats,
    right_or_wrong,
    sparse,
    steady,
    units,
)

SHARPER = 0.044
"""A level for the planned end that could be used as well: see the first row."""

SUITES = 2_000
NULLS = 5_000
COVERS = "93 to 97%"

Row = tuple[str, str, str]


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def covers(found: Estimate, truth: float) -> bool:
    return found.low is not None and found.low <= truth and (found.high if found.high is not None else np.inf) >= truth


# --- Right or wrong --------------------------------------------------------------------------------


def plan_exactly() -> Iterator[Row]:
    """The plan under no difference, by adding up all outcomes."""
    sizes = (30, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800)
    for at_end in (AT_END, SHARPER):
        worst = max(
            (chances(prompts, discordance, at_end=at_end).plan, prompts, discordance)
            for prompts, discordance in itertools.product(sizes, (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6))
        )
        yield (
            f"plan, mid-p at {at_end:g}, false, exactly: worst of {sizes[0]} to {sizes[-1]} prompts, 5 to 60% differ",
            "at most 5%",
            f"{100 * worst[0]:.2f}% (at {worst[1]}, {100 * worst[2]:.0f}%)",
        )


def plan_by_simulation() -> Iterator[Row]:
    rng = np.random.default_rng(1)
    for prompts, discordance in ((40, 0.25), (100, 0.1), (100, 0.4), (300, 0.25)):
        plan = Plan(units=units(prompts, categories=CATEGORIES))
        false = sum(
            verdict(plan.look(as_pairs(*right_or_wrong(rng, prompts, discordance, 0.0)))).kind != "not_separable"
            for _ in range(NULLS)
        )
        yield (
            f"plan, false, {NULLS:,} null pairs of {prompts} prompts, {100 * discordance:.0f}% discordant",
            "at most 5%",
            percent(false / NULLS),
        )


def power() -> Iterator[Row]:
    for prompts, discordance, difference in (
        (60, 0.25, None), (100, 0.25, None), (194, 0.25, 0.10), (300, 0.25, 0.10), (300, 0.25, 0.103), (300, 0.2, 0.1),
        (300, 0.3, 0.12), (783, 0.25, 0.05),
    ):  # fmt: skip
        apart = difference or smallest_difference(prompts, discordance) or 0.0
        found, sharper = (chances(prompts, discordance, apart, at_end=at_end) for at_end in (AT_END, SHARPER))
        yield (
            f"power, {prompts} prompts, {100 * apart:.1f} points, {100 * discordance:.0f}% discordant; prompts used",
            f"fixed test at 5%: {percent(found.fixed)}",
            f"{percent(found.plan)} ({percent(sharper.plan)} with mid-p at .044), {found.prompts:.0f} prompts",
        )


STRATA = {
    "one category": ((0.8, 0.7),),
    "four alike": ((0.8, 0.7),) * 4,
    "four unlike": ((0.95, 0.9), (0.8, 0.7), (0.5, 0.45), (0.25, 0.1)),
    "four, differences unlike": ((0.9, 0.5), (0.5, 0.5), (0.5, 0.7), (0.9, 0.9)),
    "nearly all right": ((0.98, 0.96),),
}


def tied(
    rng: np.random.Generator, rates: tuple[float, float], prompts: int, correlation: float
) -> tuple[Floats, Floats]:
    """Two correlated rates."""
    one, other = rates
    both = one * other + correlation * np.sqrt(one * (1 - one) * other * (1 - other))
    both = min(max(both, one + other - 1), one, other)
    cell = rng.choice(4, prompts, p=np.clip([both, one - both, other - both, 1 - one - other + both], 0, 1))
    return np.isin(cell, (0, 1)).astype(np.float64), np.isin(cell, (0, 2)).astype(np.float64)


def newcombe_covers() -> Iterator[Row]:
    rng = np.random.default_rng(2)
    for (name, strata), prompts in itertools.product(STRATA.items(), (60, 300)):
        plan = Plan(units=units(prompts, categories=[str(n) for n in range(len(strata))]))
        order = np.arange(prompts).reshape(-1, len(strata)).T.ravel()
        seen = []
        for correlation in (0.0, 0.4):
            hits = 0
            for _ in range(SUITES):
                parts = [tied(rng, rates, prompts // len(strata), correlation) for rates in strata]
                first, second = (np.empty(prompts), np.empty(prompts))
                first[order], second[order] = (np.concatenate(part) for part in zip(*parts, strict=True))
                truth = float(np.mean([one - other for one, other in strata]))
                hits += covers(plan.look(as_pairs(first, second)).difference, truth)
            seen.append(percent(hits / SUITES))
        yield f"Newcombe's interval, {name}, {prompts} prompts; correlation 0 and .4", COVERS, ", ".join(seen)


def interval_when_stopped() -> Iterator[Row]:
    """The interval that is shown where the e-value has just decided: it is not made for that."""
    rng = np.random.default_rng(3)
    plan = Plan(units=units(300))
    hits, stops, too_far = 0, 0, []
    for _ in range(1_000):
        scores = as_pairs(*right_or_wrong(rng, 300, 0.25, 0.1))
        for seen in range(20, 300, 5):
            look = plan.look(scores[:seen])
            if verdict(look).kind in ("better", "worse"):
                stops += 1
                hits += covers(look.difference, 0.1)
                too_far.append((look.difference.value or 0.0) - 0.1)
                break
    yield (
        "the interval where the e-value decides early (10 points, 25% discordant)", "reported",
        f"covers {percent(hits / stops)}; {100 * float(np.mean(too_far)):.1f} points too far on average",
    )  # fmt: skip


def no_worse() -> Iterator[Row]:
    rng = np.random.default_rng(4)
    for prompts, discordance in ((100, 0.25), (300, 0.1), (300, 0.25)):
        plan = Plan(units=units(prompts), margin=0.05)
        false = sum(
            verdict(plan.look(as_pairs(*right_or_wrong(rng, prompts, discordance, -0.05))), 0.05).kind
            in ("no_worse", "better")
            for _ in range(SUITES)
        )
        yield (
            f"no worse by 5 points, where it is worse by 5; {prompts} prompts, {100 * discordance:.0f}% discordant",
            "about 2.5%",
            percent(false / SUITES),
        )


def several_lanes() -> Iterator[Row]:
    """Lanes of which some are the same: false verdicts among all pairs, and lanes in a false tier."""
    rng = np.random.default_rng(5)
    suite = units(200)
    plan = Plan(units=suite)
    skills = {"a": 0.85, "b": 0.85, "c": 0.85, "d": 0.75, "e": 0.75, "f": 0.6}
    false_verdict, false_tier, shape = 0, 0, Counter[tuple[int, ...]]()
    for _ in range(SUITES // 2):
        hard = rng.random(200) * 0.6 - 0.3
        scores = {lane: (rng.random(200) < np.clip(skill + hard, 0, 1)).astype(float) for lane, skill in skills.items()}
        found = verdicts({
            (one, other): plan.look(as_pairs(scores[one], scores[other]))
            for one, other in itertools.combinations(skills, 2)
        })  # fmt: skip
        false_verdict += any(
            each.kind in ("better", "worse") and skills[one] == skills[other] for (one, other), each in found.items()
        )
        tier = tiers({lane: float(part.mean()) for lane, part in scores.items()}, found)
        heads = {
            number: max((lane for lane in tier if tier[lane] == number), key=lambda lane: scores[lane].mean())
            for number in tier.values()
        }
        false_tier += any(
            number < tier[lane] and skills[lane] >= skills[head] for number, head in heads.items() for lane in tier
        )
        shape[tuple(tier.values())] += 1
    yield (
        "six lanes, 15 pairs, 200 prompts: some false verdict (Holm)",
        "at most 5%",
        percent(2 * false_verdict / SUITES),
    )
    yield "the same: some lane below a tier's head that is not better", "at most 5%", percent(2 * false_tier / SUITES)
    yield "the same: the most common tiers", "reported", ", ".join(f"{k} {v}" for k, v in shape.most_common(3))


# --- Graded ----------------------------------------------------------------------------------------

WORLDS: dict[str, tuple[Callable[[np.random.Generator, int], World], int]] = {
    "three repeats": (repeats, 1),
    "groups of five": (grouped, 5),
    "graded, 8% differ": (sparse, 1),
    "graded, bell": (steady, 1),
    "graded, mostly near 0": (rare, 1),
}


def graded_covers() -> Iterator[Row]:
    rng = np.random.default_rng(6)
    for (name, (make, group)), prompts in itertools.product(WORLDS.items(), (30, 60, 100, 300)):
        suite = units(prompts, group=group)
        plan = Plan(units=suite)
        difference, score = 0, 0
        for _ in range(SUITES):
            world = make(rng, prompts)
            difference += covers(plan.look(as_pairs(world.first, world.second)).difference, world.difference)
            scores = {str(n): [value] for n, value in enumerate(world.first.tolist())}
            score += covers(lane_score(suite, scores), world.means[0])
        yield (
            f"{name}, {prompts} prompts: interval of the difference; of a lane's score", COVERS,
            f"{percent(difference / SUITES)}; {percent(score / SUITES)}",
        )  # fmt: skip


def graded_plan() -> Iterator[Row]:
    """Labels swapped within clusters: nothing differs."""
    rng = np.random.default_rng(7)
    for (name, (make, group)), prompts in itertools.product(WORLDS.items(), (60, 300)):
        plan = Plan(units=units(prompts, group=group, categories=CATEGORIES))
        false = 0
        for _ in range(SUITES):
            world = make(rng, prompts)
            swap = np.repeat(rng.random(prompts // group) < 0.5, group)
            first, second = np.where(swap, (world.second, world.first), (world.first, world.second))
            false += verdict(plan.look(as_pairs(first, second))).kind != "not_separable"
        yield f"{name}, {prompts} prompts, labels swapped: plan, false", "at most 5%", percent(false / SUITES)


def graded_power() -> Iterator[Row]:
    rng = np.random.default_rng(8)
    for name, make, prompts in (
        ("three repeats", repeats, 60),
        ("graded, 8% differ", sparse, 300),
        ("graded, bell", steady, 60),
    ):
        plan = Plan(units=units(prompts))
        found, fixed, early = 0, 0, 0
        for _ in range(SUITES):
            world = make(rng, prompts)
            look = plan.look(as_pairs(world.first, world.second))
            found += verdict(look).kind == "better"
            fixed += look.end is not None and look.end.p <= 0.05 and (look.difference.value or 0) > 0
            early += look.evidence >= np.log(100)
        yield (
            f"{name}, {prompts} prompts: power", f"t at 5%: {percent(fixed / SUITES)}",
            f"{percent(found / SUITES)}, {percent(early / SUITES)} of it by the e-value",
        )  # fmt: skip


# --- The rest --------------------------------------------------------------------------------------


def kappa_covers() -> Iterator[Row]:
    rng = np.random.default_rng(9)
    for labels, agree in itertools.product(((0.5, 0.5), (0.45, 0.45, 0.1), (0.9, 0.1)), (0.0, 0.3, 0.6, 0.9)):
        seen = []
        for items in (30, 100, 300):
            hits, wald, known = 0, 0, 0
            for _ in range(SUITES):
                one = rng.choice(len(labels), items, p=labels)
                other = np.where(rng.random(items) < agree, one, rng.choice(len(labels), items, p=labels))
                found = kappa(one.tolist(), other.tolist())
                if found.kappa is None or found.low is None or found.high is None or found.error is None:
                    continue
                known += 1
                hits += found.low <= agree <= found.high
                wald += abs(found.kappa - agree) <= 1.96 * found.error
            seen.append(f"{percent(hits / known)} ({percent(wald / known)})")
        yield (
            f"kappa {agree:g}, labels {labels}: 30, 100, 300 items (two standard errors instead)", COVERS,
            ", ".join(seen),
        )  # fmt: skip


def quantiles_cover() -> Iterator[Row]:
    rng = np.random.default_rng(10)
    many = 400_000
    for share, repeat in itertools.product((0.5, 0.95), (1, 4)):
        population = np.exp(rng.normal(0, 0.6, many) + rng.normal(0, 0.4, many))
        truth = float(np.quantile(population, share))
        seen = []
        for prompts in (30, 60, 100, 300):
            hits = 0
            for _ in range(SUITES):
                times = np.exp(rng.normal(0, 0.6, (prompts, 1)) + rng.normal(0, 0.4, (prompts, repeat)))
                found = quantile(np.where(times > 4, np.inf, times).tolist(), share)
                hits += (found.low or -np.inf) <= truth <= (found.high if found.high is not None else np.inf)
            seen.append(percent(hits / SUITES))
        yield (
            f"p{100 * share:.0f}, {repeat} answers a prompt: 30, 60, 100, 300 prompts", "at least 93%", ", ".join(seen)
        )  # fmt: skip


def screening_simulated() -> Iterator[Row]:
    rng = np.random.default_rng(11)
    for cases, some in ((60, 20), (200, 40), (1_000, 100)):
        suite = units(cases)
        hits, known = 0, 0
        for _ in range(SUITES):
            hard = rng.beta(1.4, 0.6, cases)
            old, new = ((rng.random(cases) < hard).astype(float) for _ in range(2))
            picked = rng.permutation(cases)[:some]
            found = screening(
                suite, [{str(n): [value] for n, value in enumerate(old.tolist())}],
                {str(n): [float(new[n])] for n in picked},
            )  # fmt: skip
            hits, known = hits + covers(found.score, float(new.mean())), known + 1
        yield f"screening, {some} of {cases} cases: interval of the score", COVERS, percent(hits / known)


# --- Real grids ------------------------------------------------------------------------------------


class Grid(NamedTuple):
    """Scores of models (columns) on prompts (rows)."""

    scores: Floats
    units: tuple[Unit, ...]


@functools.cache
def grid(name: str) -> Grid | None:
    folder = os.environ.get("FALLBACK_LAB_GRIDS")
    path = Path(folder or "") / f"{name}.parquet"
    if folder is None or not path.is_file():
        return None
    rows = pd.read_parquet(path)
    value, category = ("score", "category") if "score" in rows else ("preference", "dataset")
    table = rows.pivot_table(index="prompt", columns="model", values=value, aggfunc="mean")
    table = table.loc[:, table.notna().mean() > 0.95].dropna()
    kinds = rows.drop_duplicates("prompt").set_index("prompt")[category].reindex(table.index)
    scores = table.to_numpy(np.float64) - (0.0 if value == "score" else 1.0)
    return Grid(scores, tuple(Unit(str(n), str(kind)) for n, kind in enumerate(kinds)))


def drawn(rng: np.random.Generator, of: Grid, prompts: int) -> tuple[Plan, Floats, Floats, Floats]:
    """A suite of prompts drawn again from a grid, two models' scores on it, and the models' true means."""
    one, other = rng.choice(of.scores.shape[1], 2, replace=False)
    rows = rng.integers(len(of.scores), size=prompts)
    suite = tuple(Unit(str(n), of.units[row].category) for n, row in enumerate(rows))
    # What the suite's mix of categories would give over all prompts of them.
    kinds = np.array([unit.category for unit in of.units])
    share = {kind: float((kinds[rows] == kind).mean()) for kind in set(kinds)}
    truth = sum(part * of.scores[kinds == kind][:, [one, other]].mean(axis=0) for kind, part in share.items())
    return Plan(units=suite), of.scores[rows, one], of.scores[rows, other], np.asarray(truth, np.float64)


def on_grids() -> Iterator[Row]:
    rng = np.random.default_rng(12)
    for name, prompts in itertools.product(("bfcl_grid_priced", "alpaca_grid"), (40, 60, 100, 300)):
        if (of := grid(name)) is None:
            yield f"{name}", "", "no such grid here"
            return
        hits, score, false = 0, 0, 0
        for _ in range(SUITES):
            plan, first, second, truth = drawn(rng, of, prompts)
            hits += covers(plan.look(as_pairs(first, second)).difference, float(truth[0] - truth[1]))
            score += covers(
                lane_score(plan.units, {str(n): [s] for n, s in enumerate(first.tolist())}), float(truth[0])
            )
            swap = rng.random(prompts) < 0.5
            swapped = as_pairs(np.where(swap, second, first), np.where(swap, first, second))
            false += verdict(plan.look(swapped)).kind != "not_separable"
        yield (
            f"{name}, {prompts} prompts: interval of the difference; of the score; plan, false, labels swapped",
            f"{COVERS}; the same; at most 5%",
            f"{percent(hits / SUITES)}; {percent(score / SUITES)}; {percent(false / SUITES)}",
        )


def grid_power() -> Iterator[Row]:
    """Pairs of real models that are 8 to 12 points apart."""
    rng = np.random.default_rng(13)
    for name in ("bfcl_grid_priced", "alpaca_grid"):
        if (of := grid(name)) is None:
            return
        means = of.scores.mean(axis=0)
        near = [(i, j) for i, j in itertools.permutations(range(len(means)), 2) if 0.08 <= means[i] - means[j] <= 0.12]
        plan, found, fixed, used, early, width = Plan(units=units(300)), 0, 0, 0, 0, [0.0, 0.0]
        for _ in range(SUITES):
            one, other = near[rng.integers(len(near))]
            rows = rng.permutation(len(of.scores))[:300]
            pairs_ = as_pairs(of.scores[rows, one], of.scores[rows, other])
            look = plan.look(pairs_)
            found += verdict(look).kind == "better"
            fixed += look.end is not None and look.end.p <= 0.05
            by_kind = Plan(units=tuple(of.units[row]._replace(case=str(n)) for n, row in enumerate(rows))).look(pairs_)
            for place, each in enumerate((look, by_kind)):
                width[place] += (each.difference.high or 0) - (each.difference.low or 0)
            if look.evidence >= np.log(100):
                early += 1
                low, high = 5, 300
                while low < high:  # the evidence that was reached stays reached, for the lane that is ahead
                    middle = (low + high) // 2
                    reached = plan.look(pairs_[:middle]).evidence >= np.log(100)
                    low, high = (low, middle) if reached else (middle + 1, high)
                used += low
            else:
                used += 300
        yield (
            f"{name}: models 8 to 12 points apart, 300 prompts: power",
            f"fixed at 5%: {percent(fixed / SUITES)}",
            f"{percent(found / SUITES)}, {percent(early / SUITES)} early, {used / SUITES:.0f} prompts on average",
        )
        yield (
            f"{name}: prompts that stratifying saves, from the interval's width", "15%",
            percent(1 - (width[1] / width[0]) ** 2),
        )  # fmt: skip


def grid_screening() -> Iterator[Row]:
    rng = np.random.default_rng(14)
    if (of := grid("bfcl_grid_priced")) is None:
        return
    means = of.scores.mean(axis=0)
    good = np.flatnonzero(means > 0.6)
    lanes = [[{str(n): [s] for n, s in enumerate(column)}][0] for column in of.scores.T.tolist()]
    for some, others in itertools.product((40, 100, 300), (1, 8)):
        errors, hits, apart, runs = [], 0, 0, 400
        plain = []
        for _ in range(runs):
            new, *old = rng.choice(good, others + 1, replace=False)
            rows = rng.permutation(len(of.scores))[:some]
            found = screening(of.units, [lanes[n] for n in old], {str(n): lanes[new][str(n)] for n in rows})
            hits += covers(found.score, float(means[new]))
            apart += covers(found.difference, float(means[new] - means[old[0]]))
            errors.append((found.difference.value or 0.0) - (means[new] - means[old[0]]))
            plain.append(float((of.scores[rows, new] - of.scores[rows, old[0]]).mean() - (means[new] - means[old[0]])))
        yield (
            f"screening, {some} of 1,700 prompts, {others} reference(s): worth; interval of score; of difference",
            f"1.8 to 2.1 x; {COVERS}",
            f"{float(np.var(plain) / np.var(errors)):.2f} x; {percent(hits / runs)}; {percent(apart / runs)}",
        )


ALL: Sequence[Callable[[], Iterator[Row]]] = (
    plan_exactly, plan_by_simulation, power, newcombe_covers, interval_when_stopped, no_worse, several_lanes,
    graded_covers, graded_plan, graded_power, kappa_covers, quantiles_cover, screening_simulated, on_grids, grid_power,
    grid_screening,
)  # fmt: skip


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    report([row for measure in ALL if wanted in measure.__name__ for row in measure()])
