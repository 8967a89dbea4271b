"""What requests need besides an event loop, opened once for each process that sends them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from router.config.editing import open_editor
from router.config.file import ConfigFile
from router.config.keys import Keys
from router.core.files import claim
from router.engine.cache import ResponseCache
from router.experiments.running import Experiments
from router.library.telemetry import Telemetry
from router.providers.catalog import Catalog
from router.providers.embedded import INFO, MODEL
from router.providers.http import new_transport
from router.store import Retention, Store


class Parts:
    """What requests need besides an event loop: models.yaml, keys, the store, the cache, the catalog of models.

    Args:
        config_path: models.yaml; `.lab/` lies beside it.
        environ: the environment that keys are read from.

    Raises:
        ConfigError: models.yaml or the environment cannot be used, or `.lab/` belongs to another user.
    """

    def __init__(self, config_path: Path, environ: Mapping[str, str] | None = None) -> None:
        self.path = config_path.absolute()
        self.transport = new_transport()  # first: where it cannot be made, nothing is left open
        self.file = ConfigFile(self.path)
        self.keys = Keys(self.path.parent, environ)
        self.folder = self.path.parent / ".lab"
        self._claimed = claim(self.folder)
        self.store = Store(self.folder / "lab.sqlite")
        self.retention = Retention(self.store.database, lambda: self.file.current().policy.retention)
        self.retention.start()
        self.editor = open_editor(self.path, environ)
        self.experiments = Experiments(self.file, self.store, self.editor)
        otel = self.file.in_force.otel
        self.telemetry = Telemetry(otel, self.keys) if otel is not None else None
        self.cache = ResponseCache(self.folder / "cache", self.file.in_force.policy.cache)
        self.catalog = Catalog(self.folder / "catalog", {MODEL: INFO})

    def notices(self) -> list[str]:
        """What people should know now, one sentence each."""
        ours = (self.cache.notice, self.retention.notice)
        found = [*self.file.notices(), *self._claimed, *ours, *self.store.notices(), *self._callers_without_key()]
        found += self.experiments.notices()
        found += self.telemetry.notices() if self.telemetry is not None else ()
        return [notice for notice in found if notice]

    def _callers_without_key(self) -> Iterator[str]:
        for name, caller in self.file.in_force.server.keys.items():
            if self.keys.value(*caller.key) is None:
                yield f"{' or '.join(caller.key)} is not set: {name} cannot call the endpoint."

    def close(self) -> None:
        """Write pending rows; no request may be in progress."""
        self.cache.close()
        self.experiments.close()
        if self.telemetry is not None:
            self.telemetry.close()
        self.retention.close()
        self.store.close()
