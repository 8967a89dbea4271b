"""Grids, chains and behaviors made by hand or by a seed, for the tests of tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from router.config.chains import Chain, Link, ModelRef
from router.config.policy import ChainPolicy, Policy
from router.core.errors import ProviderError
from router.tune.behavior import Behavior, Calls, Measured, Outages
from router.tune.grid import Floats, Grid, grid

NAMES = ("a", "b", "c", "d", "e", "f")


def grid_of(
    answered: Sequence[Sequence[float]] | Floats,
    *,
    quality: Sequence[Sequence[float]] | Floats | None = None,
    seconds: Any = 1.0,
    cost: Any = 0.001,
    **more: Any,
) -> Grid:
    """A grid of (prompts, models); seconds and cost are of every cell, of each model, or cell by cell."""
    cells = np.array(answered, float)
    prompts, models = cells.shape
    more.setdefault("providers", NAMES[:models])
    for name in ("down", "first_token"):
        if name in more:
            more[name] = np.array(more[name], float)
    return grid(
        models=NAMES[:models],
        prompts=[f"p{number}" for number in range(prompts)],
        answered=cells,
        quality=None if quality is None else np.array(quality, float),
        seconds=np.broadcast_to(np.array(seconds, float), cells.shape).copy(),
        cost=np.broadcast_to(np.array(cost, float), cells.shape).copy(),
        **more,
    )


def world(
    skills: Sequence[float], prompts: int, seed: int, *, cost: Any = 0.001, seconds: Any = 1.0, kinds: Any = None
) -> Grid:
    """Models that always answer, and are right in these shares of prompts, by chance."""
    right = np.random.default_rng(seed).random((prompts, len(skills))) < np.array(skills)
    ones = np.ones_like(right, float)
    return grid_of(ones, quality=right.astype(float), cost=cost, seconds=seconds, kinds=kinds)


@st.composite
def grids(draw: st.DrawFn, models: int = 3, prompts: int = 4, *, costs: bool = True) -> Grid:
    """Any small grid: answers of 0 and 1, providers of one model or two, each down by itself."""
    count, rows = draw(st.integers(1, models)), draw(st.integers(1, prompts))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (rows, count)
    seconds = rng.integers(1, 8, shape) / 2
    cost = rng.integers(0, 9, shape) / 1000
    if not costs and draw(st.booleans()):
        cost[:, rng.integers(count)] = np.nan
    return grid_of(
        rng.integers(0, 2, shape).astype(float),
        quality=rng.integers(0, 5, shape) / 4,
        seconds=seconds,
        cost=cost,
        first_token=seconds / 2,
        down=rng.integers(0, 4, count) / 10,
        providers=[f"provider{number}" for number in rng.integers(0, 2, count)],
    )


# --- What simulations draw from --------------------------------------------------------------------


def chain_of(*models: str, **policy: Any) -> Chain:
    """A chain; `provider:model` is a model of that provider, any other one's provider has its name."""
    links = tuple(Link(ref=ModelRef(provider=name.split(":")[0], model=name, text=name)) for name in models)
    return Chain(name="code", links=links, policy=ChainPolicy.model_validate(policy), params={})


POLICY = Policy()


def calls(
    *errors: type[ProviderError] | None, seconds: float = 1.0, first_token: float | None = None, cost: float = 0.001
) -> Calls:
    """One call for each error, or None for an answer."""
    first = seconds / 2 if first_token is None else first_token
    return Calls(
        np.array(errors, object),
        np.array([first if error is None else np.inf for error in errors]),
        np.full(len(errors), seconds),
        np.full(len(errors), cost),
    )


def behavior(name: str, of: Calls, **more: Any) -> Behavior:
    return Behavior(name.split(":", maxsplit=1)[0], of, **more)


def measured(
    models: Mapping[str, Calls | Behavior], *, providers: Mapping[str, Outages] = {}, rate: float = 0.01
) -> Measured:
    """Models by their calls, or as they behave; so few requests a second that none meets another one."""
    found = {name: each if isinstance(each, Behavior) else behavior(name, each) for name, each in models.items()}
    return Measured(found, dict(providers), rate)
