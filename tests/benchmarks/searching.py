"""How long tuning takes: searching chains, what-if on a million observations, and the page.

uv run python -m tests.benchmarks.searching
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from itertools import permutations
from pathlib import Path

import msgspec
import numpy as np

from router.config.chains import Chain
from router.lab import Lab
from router.tune.goals import Goals, Limits
from router.tune.grid import Grid, grid
from router.tune.replay import replay
from router.tune.search import best_chains
from router.tune.tuning import Tuning
from tests.benchmarks.harness import report
from tests.evaluated import plain_suite, write_run
from tests.screenshots import GRADED, TRAFFIC_YAML
from tests.traffic import write_traffic

PROMPTS = 300


def random_grid(models: int, seed: int = 0) -> Grid:
    rng = np.random.default_rng(seed)
    shape = (PROMPTS, models)
    return grid(
        models=[f"m{number}" for number in range(models)],
        providers=[f"p{number % 20}" for number in range(models)],
        prompts=[str(number) for number in range(PROMPTS)],
        answered=(rng.random(shape) > 0.05).astype(float),
        quality=(rng.random(shape) < rng.uniform(0.5, 0.9, models)).astype(float),
        seconds=rng.lognormal(0, 0.6, shape),
        cost=rng.lognormal(-7, 1, shape),
    )


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def shortfall(models: int, goals: Goals) -> float:
    """By how much the search's best chain is worth less than that of all chains, as a share of it."""
    of = random_grid(models)
    found = best_chains(of, goals)[0].value
    chains = [np.array(list(permutations(range(models), links))) for links in (1, 2, 3)]
    best = max(float(replay(of, each).value(goals.weights).mean(axis=1).max()) for each in chains)
    return (best - found) / best


def main() -> None:
    limits = Goals(limits=Limits(cost=2.0, latency=8.0, answered=0.99, apart=True))
    rows = [
        ("best chain of 60 models", "exact", f"{seconds(lambda: best_chains(random_grid(60), Goals())):.2f} s"),
        ("of 300 models", "at most 5 s", f"{seconds(lambda: best_chains(random_grid(300), Goals())):.2f} s"),
        (
            "of 300 models, under limits",
            "at most 5 s",
            f"{seconds(lambda: best_chains(random_grid(300), limits)):.2f} s",
        ),
        ("worth less than by brute force, 24 models", "at most 1%", f"{shortfall(24, Goals()):.2%}"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / ".lab").mkdir(mode=0o700)
        (home / "models.yaml").write_text(TRAFFIC_YAML)
        write_traffic(home / ".lab" / "lab.sqlite", 1_000_000, until=time.time() - 60)
        write_run(
            home / ".lab" / "runs" / "20260101-000000-0000.jsonl", plain_suite("code", 300), GRADED, at=time.time()
        )
        with closing(Lab(home / "models.yaml")) as lab:
            rows += _of_a_lab(lab, lab.tuning)
    report(rows)


def _of_a_lab(lab: Lab, tuning: Tuning) -> list[tuple[str, str, str]]:
    chain = lab.config().chain("code")
    observed = seconds(lab.observed.rows)
    evidence = seconds(lambda: tuning.evidence("code"))
    again = seconds(lambda: tuning.evidence("code"))
    advice = seconds(lambda: tuning.advise("code"))
    changed = [msgspec.structs.replace(chain, links=links) for links in permutations(chain.links)][1:]
    _figures(tuning, chain)
    moves = sorted(seconds(functools.partial(_figures, tuning, each)) for each in changed)
    return [
        ("reading a million attempts, first", "", f"{observed:.2f} s"),
        ("evidence of a category", "", f"{evidence:.2f} s, again {1000 * again:.0f} ms"),
        ("advice, 5 models and 300 prompts", "page under 2 s", f"{advice:.2f} s"),
        ("what-if: another chain's figures", "300 ms", f"{1000 * moves[0]:.0f} to {1000 * moves[-1]:.0f} ms"),
    ]


def _figures(tuning: Tuning, chain: Chain) -> None:
    """As the page asks for them, when another draft follows this one."""
    draft = tuning.what_if("code", chain)
    draft.look()
    draft.cancel()


if __name__ == "__main__":
    main()
