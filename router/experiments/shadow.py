"""Shadow traffic: a share of real requests is sent to other models too, behind the answer's back.

It never delays an answer: it is sent when that is whole, in bounded number, and only where the model's provider has
slots to spare. Each model is asked by itself, without a fallback and without the cache, so that what it does on a
request depends on no other model. What is asked for is stored as calls with the source `shadow` and the request's own
prompt hash; the requests' table, of which the dashboard's figures of requests are made, does not have it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import msgspec

from router.config.chains import Chain, Link, ModelRef
from router.config.schema import Config, Shadow
from router.core.errors import AllModelsFailed, FallbackLabError
from router.core.requests import Request
from router.engine.options import Options
from router.engine.runtime import Runtime
from router.experiments.assignment import REAL
from router.experiments.budget import Budget
from router.store.experiments import ExperimentLog

IN_FLIGHT = 4
"""Shadows at once; requests that come on top have none."""


class Shadows:
    """Sends shadow requests; used on the loop of its runtime, which ends them when it is closed.

    Args:
        has_price: whether what a model costs is known, or will be said.
        chance: draws a number from 0 to 1.
        clock: Unix time, seconds.
    """

    def __init__(
        self,
        runtime: Runtime,
        log: ExperimentLog,
        has_price: Callable[[Config, ModelRef], bool],
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runtime = runtime
        self._has_price = has_price
        self._chance = chance
        self._in_flight = 0
        self._budget = Budget(log.shadow_costs, clock)

    def follow(
        self, config: Config, chain: Chain, request: Request, options: Options
    ) -> Callable[[object], None] | None:
        """What sends a request's shadow once that is over, however it ended; None where it is drawn to have none."""
        shadow = config.shadow.get(chain.name) if chain.name is not None else None
        if shadow is None or options.source not in REAL or self._chance() >= shadow.share:
            return None
        return lambda _: self._begin(shadow, config, chain, request)

    def _begin(self, shadow: Shadow, config: Config, chain: Chain, request: Request) -> None:
        if self._in_flight < IN_FLIGHT:
            self._in_flight += 1
            self._runtime.in_background(self._ask_all(shadow, config, chain, request))

    async def _ask_all(self, shadow: Shadow, config: Config, chain: Chain, request: Request) -> None:
        try:
            for ref in shadow.models:
                if await self._may_ask(shadow, config, ref, chain.name or ""):
                    await self._ask(config, _alone(chain, ref), request)
        finally:
            self._in_flight -= 1

    async def _may_ask(self, shadow: Shadow, config: Config, ref: ModelRef, category: str) -> bool:
        if shadow.unpriced == "refuse" and not await asyncio.to_thread(self._has_price, config, ref):
            return False
        if not self._runtime.pool.get(config, ref.provider).slots.are_spare:
            return False
        return await self._budget.allows(category, shadow.dollars_per_day, self._in_flight)

    async def _ask(self, config: Config, chain: Chain, request: Request) -> None:
        options = Options(source="shadow", cache="off")
        try:
            found = await self._runtime.run(config, chain, request, options, offline=None, faults=None, events=[])
        except AllModelsFailed as error:
            cost = sum(attempt.cost or 0.0 for attempt in error.attempts)
        except FallbackLabError:
            return  # no model can be sent this
        else:
            cost = sum(attempt.cost or 0.0 for attempt in found.attempts)
        self._budget.spend(chain.name or "", cost)


def _alone(chain: Chain, ref: ModelRef) -> Chain:
    """The category's chain with this model alone, with what the chain sets for it if it is in it."""
    own = next((link for link in chain.links if (link.ref.provider, link.ref.model) == (ref.provider, ref.model)), None)
    return msgspec.structs.replace(chain, links=(own or Link(ref=ref),))
