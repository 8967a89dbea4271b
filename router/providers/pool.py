"""The providers of this process, by name and settings."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from router.providers import Provider
from router.providers.slots import Slots

if TYPE_CHECKING:
    from router.config.schema import Config, ProviderConfig

KEPT = 8
"""Versions of one provider's settings; requests that began before more edits have their provider made again."""


class Pooled(NamedTuple):
    """A provider under one name.

    Attributes:
        slots: of all calls under that name, whatever their settings.
        extra: the body fields that its settings add, as canonical JSON.
    """

    settings: ProviderConfig
    provider: Provider
    slots: Slots
    extra: bytes


class ProviderPool:
    """Creates each provider once; requests that began before an edit of models.yaml keep their settings.

    May be used from any thread.

    Args:
        in_force: the configuration whose limits apply; a request may have begun with an earlier one.
        make: creates a provider.
    """

    def __init__(self, in_force: Callable[[], Config], make: Callable[[ProviderConfig], Provider]) -> None:
        self._in_force = in_force
        self._make = make
        self._lock = threading.Lock()
        self._slots: dict[str, Slots] = {}
        self._pooled: dict[str, deque[Pooled]] = {}

    def get(self, config: Config, name: str) -> Pooled:
        """The provider of that name with this configuration's settings."""
        settings = config.providers[name]
        with self._lock:
            versions = self._pooled.setdefault(name, deque(maxlen=KEPT))
            for pooled in versions:
                if pooled.settings is settings or pooled.settings == settings:
                    return pooled
            slots = self._slots.setdefault(name, Slots(lambda: self._limit(name, settings)))
            extra = msgspec.json.encode(settings.body, order="sorted")
            pooled = Pooled(settings, self._make(settings), slots, extra)
            versions.appendleft(pooled)
            return pooled

    def _limit(self, name: str, first: ProviderConfig) -> int:
        """The newest limit; a provider that is no longer in models.yaml keeps its last one."""
        return self._in_force().providers.get(name, first).max_concurrency
