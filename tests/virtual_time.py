"""Coroutines that wait for nothing: on the simulator's loop, a minute passes in a millisecond."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any, TypeVar

from router.tune.virtual_time import VirtualLoop

T = TypeVar("T")


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop whose clock jumps."""
    with asyncio.Runner(loop_factory=functools.partial(VirtualLoop, 1_000.0)) as runner:
        return runner.run(main)
