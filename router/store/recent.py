"""What is in use, in memory; all else is read from the store when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The values used last, by id. They are never changed, only replaced; may be used from any thread.

    Args:
        read: reads one from the store. Others go on meanwhile: no lock is held.
        is_live: whether one still changes; such a one is not in the store as it is, and is always held.
        most: how many others are held.
    """

    def __init__(self, read: Callable[[str], T | None], is_live: Callable[[T], bool], most: int) -> None:
        self._read = read
        self._is_live = is_live
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[str, T] = {}
        self._dropped = 0

    def get(self, key: str) -> T | None:
        """One as it is now; None where there is none."""
        with self._lock:
            if key in self._held:
                return self._hold(key, self._held[key])
            dropped = self._dropped
        found = self._read(key)
        with self._lock:
            if key in self._held:  # read, or begun, by somebody else meanwhile
                return self._held[key]
            if found is not None and dropped == self._dropped:  # else it may have changed since it was read
                self._hold(key, found)
            return found

    def held(self) -> dict[str, T]:
        """All that are in memory."""
        with self._lock:
            return dict(self._held)

    def put(self, key: str, value: T) -> None:
        """Hold one in place of what was there."""
        with self._lock:
            self._hold(key, value)

    def change(self, key: str, change: Callable[[T], T], known: T | None = None) -> None:
        """Replace one by what comes of it.

        Args:
            known: what it is where it is not held; None to leave it so.
        """
        with self._lock:
            value = self._held.get(key, known)
            if value is not None:
                self._hold(key, change(value))

    def clear(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            self._held = {}
            self._dropped += 1

    def _hold(self, key: str, value: T) -> T:
        self._held.pop(key, None)
        self._held[key] = value  # last in the dictionary is the last used
        if len(self._held) > self._most:
            for idle in [name for name, held in self._held.items() if not self._is_live(held)][: -self._most]:
                del self._held[idle]
                self._dropped += 1
        return value
