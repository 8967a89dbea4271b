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
from collections.abc import Callable, Coroutine
from typing import Any

from router.config.schema import Chain, Config, Link, ModelRef, Shadow
from router.core.attempts import Completion
from router.core.errors import AllModelsFailed, FallbackLabError
from router.core.requests import Request
from router.engine.options import Options
from router.engine.runtime import Runtime
from router.experiments.assignment import REAL
from router.store.experiments import Costs, ExperimentLog

IN_FLIGHT = 4
"""Shadows at once; requests that come on top have none."""

DAY = 86_400.0
EVERY = 60.0
"""Seconds after which it is read again what other processes on the same store have spent."""


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
        self._log = log
        self._has_price = has_price
        self._chance = chance
        self._clock = clock
        self._in_flight = 0
        self._read = float("-inf")
        self._costs: dict[str, Costs] = {}

    def wanted(self, config: Config, chain: Chain, options: Options) -> Shadow | None:
        """The shadow of a request, if it is drawn to have one."""
        shadow = config.shadow.get(chain.name) if chain.name is not None else None
        is_drawn = shadow is not None and options.source in REAL and self._chance() < shadow.share
        return shadow if is_drawn else None

    async def behind(
        self,
        run: Coroutine[Any, Any, Completion],
        shadow: Shadow,
        config: Config,
        chain: Chain,
        request: Request,
    ) -> Completion:
        """Run a request, and its shadow once it has ended, also where no model answered."""
        try:
            found = await run
        except AllModelsFailed:
            self._begin(shadow, config, chain, request)
            raise
        self._begin(shadow, config, chain, request)
        return found

    def _begin(self, shadow: Shadow, config: Config, chain: Chain, request: Request) -> None:
        if self._in_flight < IN_FLIGHT:
            self._in_flight += 1
            self._runtime.in_background(self._ask_all(shadow, config, chain, request))

    async def _ask_all(self, shadow: Shadow, config: Config, chain: Chain, request: Request) -> None:
        try:
            await self._read_costs()
            for ref in shadow.models:
                if await self._may_ask(shadow, config, ref, chain.name or ""):
                    await self._ask(config, _alone(chain, ref), request)
        finally:
            self._in_flight -= 1

    async def _read_costs(self) -> None:
        now = self._clock()
        if now - self._read < EVERY:
            return
        today = now // DAY * DAY
        stored = await asyncio.to_thread(self._log.shadow_costs, today)
        own = self._costs if self._read >= today else {}
        # The newest calls of this process may not be written yet; those of other processes are in the store alone.
        self._costs = own | {category: max(each, own.get(category, each)) for category, each in stored.items()}
        self._read = now

    async def _may_ask(self, shadow: Shadow, config: Config, ref: ModelRef, category: str) -> bool:
        if shadow.unpriced == "refuse" and not await asyncio.to_thread(self._has_price, config, ref):
            return False
        if not self._runtime.pool.get(config, ref.provider).slots.are_spare:
            return False
        # What is on its way may cost as much as the dearest call so far.
        costs = self._costs.get(category, Costs())
        return costs.total + costs.dearest * self._in_flight < shadow.dollars_per_day

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
        known = self._costs.get(chain.name or "", Costs())
        self._costs[chain.name or ""] = Costs(known.total + cost, max(known.dearest, cost))


def _alone(chain: Chain, ref: ModelRef) -> Chain:
    """The category's chain with this model alone, with what the chain sets for it if it is in it."""
    own = next((link for link in chain.links if (link.ref.provider, link.ref.model) == (ref.provider, ref.model)), None)
    return chain.changed(links=(own or Link(ref=ref),))
