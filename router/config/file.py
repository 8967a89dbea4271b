"""The active models.yaml."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from router.config.loading import parse_config
from router.config.schema import Config
from router.config.source import read_text
from router.core.errors import ConfigError
from router.core.files import Stamp, stamp


class ConfigFile:
    """A models.yaml that can be edited at any time; after an invalid edit, the last valid version stays active.

    Safe to use from any thread.

    Raises:
        ConfigError: it is invalid, and there is no valid version yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._text, self._config = self._read()
        self._problem: str | None = None

    @property
    def in_force(self) -> Config:
        """The last valid version that was read; does not read the file."""
        return self._config

    @property
    def last_good(self) -> str:
        """The text of that version."""
        return self._text

    def current(self) -> Config:
        """The active version; reads the file if it has changed."""
        with self._lock:
            found = _stamp(self.path)
            if found != self._stamp:
                self._stamp = found
                try:
                    self._text, self._config = self._read()
                    self._problem = None
                except ConfigError as error:
                    self._problem = f"{error} Until it is fixed, the last valid version stays active."
            return self._config

    def _read(self) -> tuple[str, Config]:
        text = read_text(self.path)
        return text, parse_config(text, self.path)

    def notices(self) -> list[str]:
        """Notices about it, one sentence each."""
        config = self.current()
        return [*([self._problem] if self._problem else []), *config.warnings]


def default_config_path() -> Path:
    """The file that FALLBACK_LAB_CONFIG names, or models.yaml in the current folder."""
    return Path(os.environ.get("FALLBACK_LAB_CONFIG", "models.yaml"))


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp(path)
    except OSError:
        return None
