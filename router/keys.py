"""Where the providers' keys come from, and how they stay out of everything else."""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
from dotenv import dotenv_values

T = TypeVar("T")

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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is neither pickled nor copied")


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
        self._sent: tuple[str, ...] = ()
        self._sending = threading.Lock()

    def hold(self, name: str, value: str) -> None:
        """Keep a key that was typed, in memory only; an empty one is forgotten."""
        # Replaced, never changed: other threads may be reading it.
        self._typed = {**self._typed, name: value}

    def get(self, *names: str) -> Secret | None:
        """The key of the first of these names that is set, or None where none is."""
        found = self._find(names)
        if found is None:
            return None
        if found[1] not in self._sent:
            with self._sending:
                # Longest first, for a key may begin with another.
                self._sent = tuple(sorted({*self._sent, found[1]}, key=len, reverse=True))
        return Secret(found[1])

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
        found = {value.strip() for source in sources for value in source.values()} | {*self._sent}
        found |= {
            value.strip()
            for name, value in self._environ.items()
            if name in self._asked or name.endswith(("_KEY", "_TOKEN", "_SECRET"))
        }
        return _starred(text, sorted(found, key=len, reverse=True))

    def scrub_sent(self, text: str) -> str:
        """The same for the keys that were ever given out, which are all that a server can repeat: for every answer."""
        return _starred(text, self._sent)


def scrubbed(data: T, kind: type[T], scrub: Callable[[str], str]) -> T:
    """The same data of a type that msgspec knows, with all texts in it scrubbed."""
    plain: list[Any] = [msgspec.to_builtins(data)]
    inside: list[Any] = [plain]
    while inside:  # no recursion: what a server sends may be deep
        node = inside.pop()
        if isinstance(node, dict):
            for name in [name for name in node if scrub(name) != name]:
                node[scrub(name)] = node.pop(name)
        for at, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, str):
                node[at] = scrub(value)
            elif isinstance(value, dict | list | tuple):
                node[at] = inner = dict(value) if isinstance(value, dict) else list(value)
                inside.append(inner)
    return msgspec.convert(plain[0], kind)


def _starred(text: str, longest_first: Sequence[str]) -> str:
    for value in longest_first:
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
