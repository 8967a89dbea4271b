"""Asks the cells of several lanes, some at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Cell = TypeVar("Cell")


class Runner(Generic[Cell]):
    """Works through lanes of cells with a number of threads; a free thread takes the next cell of the lane with the
    fewest in progress, so that all lanes advance alike and none holds up another one.

    Args:
        lanes: each lane's cells, in order; they may be made while they are taken.
        work: asks one cell, and returns when it is over.
        ended: called once, by the last thread.
    """

    def __init__(
        self,
        lanes: Iterable[Iterable[Cell]],
        work: Callable[[Cell], None],
        ended: Callable[[], None],
        *,
        in_flight: int,
    ) -> None:
        self._waiting = dict(enumerate(map(iter, lanes)))
        self._busy = dict.fromkeys(self._waiting, 0)
        self._work = work
        self._ended = ended
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"run-{number}", daemon=True) for number in range(in_flight)
        ]
        self._left = in_flight

    def begin(self) -> None:
        """Start; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no more cells; those in progress go on until their work returns."""
        with self._lock:
            self._waiting.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all threads have ended, or for `timeout` seconds; returns whether they have."""
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            lane, cell = taken
            try:
                self._work(cell)
            except Exception:
                log.exception("A cell of a run failed because of an internal error")
            with self._lock:
                self._busy[lane] -= 1
        with self._lock:
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._ended()

    def _take(self) -> tuple[int, Cell] | None:
        with self._lock:
            while self._waiting:
                lane = min(self._waiting, key=self._busy.__getitem__)
                for cell in self._waiting[lane]:
                    self._busy[lane] += 1
                    return lane, cell
                del self._waiting[lane]
        return None
