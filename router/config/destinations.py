"""Which hosts models.yaml sends each key to, and which of them are not allowed."""

from __future__ import annotations

from typing import NamedTuple

from router.config.file import ConfigFile
from router.config.keys import Keys
from router.config.origins import host_of
from router.core.errors import InvalidEdit


class RefusedKey(NamedTuple):
    """A key that models.yaml sends to a host that is not allowed, with a sentence that says so."""

    name: str
    origin: str
    sentence: str


class Destinations:
    """The hosts that models.yaml names for each key. Safe to use from any thread.

    Args:
        read_only: whether allowing a host is refused.
    """

    def __init__(self, file: ConfigFile, keys: Keys, *, read_only: bool) -> None:
        self._file = file
        self._keys = keys
        self._read_only = read_only

    def refused(self) -> list[RefusedKey]:
        """The keys that are set but that models.yaml sends to a host that is not allowed."""
        return sorted(
            RefusedKey(name, origin, f"{problem}.")
            for name, origin in self._file.current().destinations
            if self._keys.name(name) and (problem := self._keys.origins.problem(name, origin))
        )

    def allow(self, name: str, host: str) -> str:
        """Allow a key to be sent to a host that models.yaml names for it.

        Args:
            host: typed in full, with its port; or the whole origin.

        Returns:
            The origin.

        Raises:
            InvalidEdit: models.yaml does not send the key to this host, or the permission cannot be saved.
        """
        if self._read_only:
            raise InvalidEdit("Keys cannot be allowed from here because FALLBACK_LAB_READONLY is set. Unset it first.")
        typed = host.strip().lower().rstrip("/")
        found = [
            origin
            for known, origin in self._file.current().destinations
            if known == name and typed in (origin, host_of(origin))
        ]
        if len(found) > 1:
            raise InvalidEdit(
                f"models.yaml uses `{typed}` with both http:// and https://. Include the scheme that {name} may use."
            )
        if not found:
            raise InvalidEdit(
                f"No provider in {self._file.path} sends {name} to `{typed}`. Type the full host name, with its port."
            )
        self._keys.origins.allow(name, found[0])
        return found[0]
