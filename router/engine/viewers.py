"""Who looks at a request or a comparison; without viewers, it is stopped after a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

LOST_AFTER = 15.0
"""Seconds from the last viewer's end to the stop, so that a page can be loaded again."""


class Timer(Protocol):
    """A pending call that can be canceled."""

    def cancel(self) -> object: ...


Later = Callable[[float, Callable[[], object]], Timer]
"""Calls a function after so many seconds."""


class Viewers:
    """The browser sessions, by id, that look at one thing. All methods may be called from any thread.

    Args:
        stop: stops the thing.
        later: starts the countdown.
    """

    def __init__(self, stop: Callable[[], object], later: Later) -> None:
        self._stop = stop
        self._later = later
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._countdown: Timer | None = None
        self._over = False

    def attach(self, viewer: str) -> None:
        """A session looks at it."""
        with self._lock:
            self._ids.add(viewer)
            self._cancel()

    def detach(self, viewer: str) -> None:
        """A session is gone; without any viewer for LOST_AFTER seconds, it is stopped."""
        with self._lock:
            self._ids.discard(viewer)
            if not (self._ids or self._countdown or self._over):
                self._countdown = self._later(LOST_AFTER, self._stop_lost)

    def close(self) -> None:
        """It has ended: never stop it."""
        with self._lock:
            self._over = True
            self._cancel()

    def _cancel(self) -> None:
        if self._countdown is not None:
            self._countdown.cancel()
            self._countdown = None

    def _stop_lost(self) -> None:
        with self._lock:
            # A session may have come just as the countdown ended.
            lost = not (self._ids or self._over)
        if lost:
            self._stop()
