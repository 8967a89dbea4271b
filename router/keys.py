"""Where the providers' keys come from, and how they stay out of everything else."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dotenv import dotenv_values

MIN_KEY_LENGTH = 8
"""Characters; what is shorter is no key, and would be found in ordinary words."""

_Reader = Callable[[Path], Mapping[str, str]]


class Secret:
    """A key that prints as `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the one header that carries it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


class Keys:
    """Looks keys up by the names of their variables.

    The order: typed into the page, the environment, `.env` and `.streamlit/secrets.toml` beside models.yaml. Both
    files are read again when they change.

    Args:
        folder: the folder of models.yaml.
        environ: the environment, injected.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._files = (
            _KeyFile(folder / ".env", _read_dotenv),
            _KeyFile(folder / ".streamlit" / "secrets.toml", _read_secrets),
        )
        self._typed: dict[str, str] = {}
        self._asked: frozenset[str] = frozenset()

    def hold(self, name: str, value: str) -> None:
        """Keep a key that was typed, in memory only; an empty one is forgotten."""
        # Replaced, never changed: other threads may be reading it.
        self._typed = {**self._typed, name: value}

    def get(self, *names: str) -> Secret | None:
        """The key of the first of these names that is set, or None where none is."""
        found = self._find(names)
        return Secret(found[1]) if found else None

    def name(self, *names: str) -> str | None:
        """The first of these names that is set."""
        found = self._find(names)
        return found[0] if found else None

    def problem(self, *names: str) -> str | None:
        """Why no key of these names can be used, in one sentence; None where one can, or none is needed."""
        found = self._find(names)
        if found is None:
            return _not_set(names) if names else None
        name, value = found
        if any(not 33 <= ord(char) <= 126 for char in value):
            return f"{name} holds a line break, a space or a character that no key has; set it again"
        return None

    def _find(self, names: Sequence[str]) -> tuple[str, str] | None:
        self._asked |= frozenset(names)
        for name in names:
            for source in (self._typed, self._environ, *(file.values() for file in self._files)):
                if value := source.get(name, "").strip():
                    return name, value
        return None

    def scrub(self, text: str) -> str:
        """The text with every known key replaced by `***`."""
        sources = (self._typed, *(file.values() for file in self._files))
        found = {value.strip() for source in sources for value in source.values()}
        found |= {
            value.strip()
            for name, value in self._environ.items()
            if name in self._asked or name.endswith(("_KEY", "_TOKEN", "_SECRET"))
        }
        for value in sorted(found, key=len, reverse=True):  # a key may begin with another
            if len(value) >= MIN_KEY_LENGTH:
                text = text.replace(value, "***")
        return text


def _not_set(names: Sequence[str]) -> str:
    return f"{names[0]} is not set" if len(names) == 1 else f"none of {', '.join(names)} is set"


class _KeyFile:
    """A file of keys, read again when it changes; one that cannot be read holds no keys."""

    def __init__(self, path: Path, read: _Reader) -> None:
        self._path = path
        self._read = read
        self._stamp: tuple[int, int] | None = None
        self._values: Mapping[str, str] = {}

    def values(self) -> Mapping[str, str]:
        try:
            stat = self._path.stat()
        except OSError:
            self._stamp, self._values = None, {}
            return self._values
        if (stamp := (stat.st_mtime_ns, stat.st_size)) != self._stamp:
            self._values = self._read(self._path)
            self._stamp = stamp
        return self._values


def _read_dotenv(path: Path) -> Mapping[str, str]:
    try:
        return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}
    except (OSError, ValueError):
        return {}


def _read_secrets(path: Path) -> Mapping[str, str]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in data.items() if isinstance(value, str)}
