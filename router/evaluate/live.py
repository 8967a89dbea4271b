"""Grades a share of the live answers of experiments: after they were given, in the background, under a budget."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import math
import random
import threading
import time
from collections.abc import Callable

from router.config.chains import Chain
from router.config.experiments import GradingSettings
from router.config.schema import Config
from router.core.attempts import Completion
from router.core.errors import ConfigError
from router.core.requests import Request
from router.core.suites import Check
from router.engine.options import Options
from router.experiments.budget import Budget
from router.library.router import Router, Then

IN_FLIGHT = 4
"""Answers graded at once; those that come on top are not graded."""


class LiveGrades:
    """Follows the requests of a Router; made on its loop, which ends what is still graded when it is closed.

    Args:
        chance: draws a number from 0 to 1.
        clock: Unix time, seconds.
    """

    def __init__(
        self,
        router: Router,
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._router = router
        self._chance = chance
        self._clock = clock
        self._log = router.parts.store.experiments
        self._budget = Budget(self._log.grading_costs, clock)
        self._in_flight = 0
        router.followers.append(self._follow)

    def _follow(self, config: Config, _: Chain, request: Request, options: Options) -> Then | None:
        name = options.origin.experiment
        settings = config.experiments[name].grades if name is not None else None
        if name is None or settings is None or self._chance() >= settings.share:
            return None
        return functools.partial(self._begin, name, settings, request)

    def _begin(self, name: str, settings: GradingSettings, request: Request, found: Completion | None) -> None:
        is_own = found is not None and not (found.cut or found.attempts[-1].cached or found.attempts[-1].shared)
        if found is not None and is_own and self._in_flight < IN_FLIGHT:
            self._in_flight += 1
            self._router.runtime.in_background(self._grade(name, settings, request, found))

    async def _grade(self, name: str, settings: GradingSettings, request: Request, found: Completion) -> None:
        ended = threading.Event()
        try:
            checks = await asyncio.to_thread(_checks_of, settings)
            from router.evaluate import live_checks  # noqa: PLC0415  # that thread has loaded it

            if not live_checks.ask_judges(checks) or await self._may_ask(name, settings):
                ask = live_checks.ask_until(ended, self._start, self._router.parts.file.current, settings.judge)
                scored = await asyncio.to_thread(live_checks.score, request, found, checks, ask)
                self._budget.spend(name, math.inf if scored.cost is None else scored.cost)
                self._log.grade(found.request_id, name, scored.score, scored.cost, self._clock())
        except ConfigError:
            return  # which the notices say
        finally:
            ended.set()
            self._in_flight -= 1

    async def _may_ask(self, name: str, settings: GradingSettings) -> bool:
        return await self._budget.allows(name, settings.dollars_per_day, self._in_flight)

    def _start(
        self, request: Request, *, category: str | None, model: str | None, options: Options
    ) -> concurrent.futures.Future[Completion]:
        router = self._router
        target = router.model(model) if model is not None else router.category(category or "")

        async def ask() -> Completion:
            return await router.start(request, target, options).result()

        return asyncio.run_coroutine_threadsafe(ask(), router.runtime.loop)

    def notices(self) -> list[str]:
        """Why experiments take no grades, one sentence each."""
        graded = [each for each in self._router.parts.file.in_force.experiments.values() if each.grades is not None]
        if not graded:
            return []
        from router.evaluate import live_checks  # noqa: PLC0415  # see `_checks_of`

        return [*live_checks.problems(graded)]


def _checks_of(settings: GradingSettings) -> tuple[Check, ...]:
    """As `live_checks.checks_of`; loads the graders' libraries, which takes so long that no loop may wait for it."""
    from router.evaluate import live_checks  # noqa: PLC0415  # only where answers are graded

    return live_checks.checks_of(settings)
