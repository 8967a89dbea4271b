"""Is the simulator right? The same chains, simulated and run by the engine over a real socket.

200 random chains and policies: models that fail in five ways and take random times. Each figure of 60 real requests has
to lie within the range that the simulator states for 60 requests in 95 of 100 worlds, in 93 to 97% of the chains.

uv run python -m tests.benchmarks.simulation [chains]
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from router.core.errors import FallbackLabError, ModelNotFound, ProviderError, ServerFailed, StreamCut
from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab
from router.tune.behavior import Behavior, Calls, Measured
from router.tune.simulated import Run
from router.tune.simulation import simulate
from tests.benchmarks.harness import report
from tests.upstream import (
    Exchange,
    Step,
    Upstream,
    answer,
    chain_yaml,
    cut_after,
    running_upstream,
    status,
)

CHAINS, REQUESTS, RUNS, RATE = 200, 60, 200, 20.0
SEEN = 200
"""Calls that each model draws from, in both."""

SAY_EVERY = 10

FAILURES: dict[type[ProviderError], Step] = {
    ServerFailed: status(500),
    ModelNotFound: status(404),
    StreamCut: cut_after(1, of=3),
}
FIGURES = ("answered", "primary", "latency_p50", "latency_p95", "first_token_p50", "first_token_p95")


class Model(NamedTuple):
    """What a model does, call by call."""

    error: list[type[ProviderError] | None]
    wait: list[float]

    def step(self, dice: random.Random) -> Step:
        good = {error: FAILURES[error] if error is not None else answer("one") for error in set(self.error)}

        async def step(exchange: Exchange) -> None:
            call = dice.randrange(SEEN)
            await asyncio.sleep(self.wait[call])
            await good[self.error[call]](exchange)

        return step

    def behavior(self, wire: float) -> Behavior:
        """The same, with the time that the wire takes."""
        seconds = np.array(self.wait) + wire
        first = np.array(
            [np.inf if error not in (None, StreamCut) else at for error, at in zip(self.error, seconds, strict=True)]
        )
        ends = seconds + np.array([0.001 if error is StreamCut else 0.0 for error in self.error])
        return Behavior("local", Calls(np.array(self.error, object), first, ends, np.zeros(SEEN)))


def drawn(rng: np.random.Generator) -> Model:
    share, kinds = rng.uniform(0, 0.4), list(FAILURES)
    error = [kinds[rng.integers(len(kinds))] if rng.random() < share else None for _ in range(SEEN)]
    return Model(error, rng.lognormal(np.log(rng.uniform(0.04, 0.15)), 0.5, SEEN).tolist())


def policy(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "first_token": float(rng.uniform(0.15, 0.6)),
        "deadline": float(rng.uniform(1, 4)),
        "retries": int(rng.integers(3)),
        "backoff": {"base": 0.03, "cap": 0.2},
        "breaker": {"open_for": float(rng.uniform(0.3, 1.5)), "within": 5},
    }


def real(lab: Lab, requests: int, rate: float, seed: int) -> None:
    """Send requests as they come in a Poisson process, and wait for their ends."""
    waits = np.random.default_rng(seed).exponential(1 / rate, requests)
    handles = []
    for number, wait in enumerate(waits.tolist()):
        time.sleep(wait)
        request = Request(messages=({"role": "user", "content": f"{seed} {number}"},))
        handles.append(lab.start(request, category="chat", options=Options(cache="off")))
    for handle in handles:
        with contextlib.suppress(FallbackLabError):
            handle.result()


def stored(path: Path) -> Run:
    """What became of the requests of a closed Lab."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT outcome, place, latency, ttft FROM requests").fetchall()
    is_answered = np.array([outcome == "answered" for outcome, *_ in rows])
    return Run(
        is_answered,
        np.array([-1 if place is None else place for _, place, *_ in rows]),
        np.zeros(len(rows)),
        np.where(is_answered, [latency for _, _, latency, _ in rows], np.inf),
        np.array([np.inf if ttft is None else ttft for *_, ttft in rows]),
        np.zeros(len(rows)),
        {},
    )


def wire_time(upstream: Upstream, folder: Path) -> float:
    """What a call takes whose server does not wait, seconds."""
    (folder / "models.yaml").write_text(chain_yaml(upstream, "quick"))
    upstream.script("quick", then=answer("one"))
    with contextlib.closing(Lab(folder / "models.yaml")) as lab:
        real(lab, 20, RATE, 0)
    found = stored(folder / ".lab" / "lab.sqlite")
    return statistics.median(found.latency.tolist())


def one(upstream: Upstream, seed: int, wire: float) -> dict[str, bool]:
    """Whether each figure of a chain's real requests lies where the simulator says."""
    rng = np.random.default_rng(seed)
    models = {f"m{seed}-{number}": drawn(rng) for number in range(rng.integers(2, 4))}
    for number, (name, model) in enumerate(models.items()):
        upstream.script(name, then=model.step(random.Random(seed * 10 + number)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        path.write_text(chain_yaml(upstream, *models, **policy(rng)))
        with contextlib.closing(Lab(path)) as lab:
            config = lab.config()
            real(lab, REQUESTS, RATE, seed)
        found = stored(Path(folder) / ".lab" / "lab.sqlite")
    world = Measured({name: model.behavior(wire) for name, model in models.items()}, {}, RATE)
    simulated = simulate(
        config.chain("chat"), config.policy, world, requests=REQUESTS, runs=RUNS, exact=True, seed=seed
    )
    ranges = simulated.ranges() | {"primary": _range([_primary(run) for run in simulated.runs])}
    values = {**found.figures(), "primary": _primary(found)}
    return {name: ranges[name][0] <= values[name] <= ranges[name][1] for name in FIGURES}


def _primary(run: Run) -> float:
    return float((run.place == 0).mean())


def _range(values: list[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def main() -> None:
    chains = int(sys.argv[1]) if len(sys.argv) > 1 else CHAINS
    inside, began = Counter[str](), time.perf_counter()
    with running_upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        wire = wire_time(upstream, Path(folder))
        for seed in range(chains):
            inside.update(name for name, holds in one(upstream, seed, wire).items() if holds)
            if (seed + 1) % SAY_EVERY == 0:
                said = ", ".join(f"{name} {inside[name]}" for name in FIGURES)
                print(f"{seed + 1} of {chains}, {time.perf_counter() - began:.0f} s: {said}", file=sys.stderr)
    shares = {name: inside[name] / chains for name in FIGURES}
    shares["all figures"] = sum(inside.values()) / (chains * len(FIGURES))
    report(
        [(f"real {name} within the simulated 95% range", "93 to 97%", f"{share:.1%}") for name, share in shares.items()]
    )
    print(f"\n{chains} chains of {REQUESTS} requests, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
