"""Where the providers' keys come from, where they may be sent, and how they stay out of everything else."""

from __future__ import annotations

import os
import re
import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import msgspec
from dotenv import dotenv_values

from router.config.origins import VENDORS, Origins, is_address, origin_of
from router.core.errors import KeyRefused
from router.core.files import Stamp, stamp

T = TypeVar("T")

MIN_KEY_LENGTH = 8
"""Minimum length of a key: anything shorter would match ordinary words."""

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A reference to a variable in a text."""

_KEY = re.compile(r"[!-~]*")
"""What a header can carry."""

_Reader = Callable[[Path], Mapping[str, str]]


class Secret:
    """A key that prints as `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header that carries it, or the call to the address that it is."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys cannot be pickled or copied")


class HeaderKeys(Protocol):
    """Puts keys into a call's headers and removes them from the server's answers."""

    def fill(self, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers as sent to this address.

        Raises:
            KeyRefused: a key may not be sent there.
        """

    def scrub(self, text: str) -> str:
        """The text without the keys."""


class Keys:
    """Looks keys up by the names of their variables.

    The order: entered on the page, the environment, `.env` and `.streamlit/secrets.toml` next to models.yaml. Both
    files are reread when they change. Of the environment, only variables for a known vendor's key, in one of the
    files, or in FALLBACK_LAB_KEYS are read, because models.yaml could name any variable.

    Args:
        folder: the folder of models.yaml.
        environ: the environment, injected.

    Attributes:
        origins: where each key may be sent.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._named = frozenset(name.strip() for name in self._environ.get("FALLBACK_LAB_KEYS", "").split(","))
        self.origins = Origins(folder / ".lab" / "keys.json")
        self._files = (
            _KeyFile(folder / ".env", _read_dotenv),
            _KeyFile(folder / ".streamlit" / "secrets.toml", _read_secrets),
        )
        self._typed: dict[str, str] = {}
        self._asked: frozenset[str] = frozenset()
        self._sent: tuple[str, ...] = ()
        self._sending = threading.Lock()

    def hold(self, name: str, value: str) -> None:
        """Keep an entered key in memory only; an empty one removes it."""
        # Replaced, never mutated: other threads may be reading it.
        self._typed = {**self._typed, name: value}

    def get(self, url: str, *names: str) -> Secret | None:
        """The key of the first of these names that is set, for a call to this address; None if none is set.

        Raises:
            KeyRefused: the key may not be sent there.
        """
        found = self._find(names)
        if found is None:
            return None
        if problem := self.origins.bind(found[0], origin_of(url)):
            raise KeyRefused(f"{problem}.")
        return self._sending_out(found[1])

    def address(self, *names: str) -> Secret:
        """The address that the first of these names that is set holds, to be called itself: it is a key and a host.

        Raises:
            KeyRefused: none is set, or it holds no address.
        """
        found = self._find(names)
        if found is None:
            raise KeyRefused(f"{self.problem(*names)}.")
        name, value = found
        if not is_address(value):
            raise KeyRefused(f"{name} does not hold an address that starts with https:// or http://; set it again.")
        # Bound, so that no provider gets it. It goes nowhere but to the host that it names itself.
        self.origins.bind(name, origin_of(value))
        return self._sending_out(value)

    def _sending_out(self, value: str) -> Secret:
        if value not in self._sent:
            with self._sending:
                # Longest first, since a key may start with another one.
                self._sent = tuple(sorted({*self._sent, value}, key=len, reverse=True))
        return Secret(value)

    def value(self, *names: str) -> Secret | None:
        """The key of the first of these names that is set, to be compared with what callers send.

        It goes nowhere, so every variable of the environment may hold it.
        """
        own = ((name, self._environ.get(name, "").strip()) for name in names)
        found = self._find(names) or next((pair for pair in own if pair[1]), None)
        return Secret(found[1]) if found is not None else None

    def name(self, *names: str) -> str | None:
        """The first of these names that is set."""
        found = self._find(names)
        return found[0] if found else None

    def fill(self, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of a call to this address, with variables replaced by keys: the only way a key leaves this class.

        Headers whose variable is not set are left out.

        Raises:
            KeyRefused: a key may not be sent there.
        """
        filled = {}
        for name, text in headers.items():
            parts = VARIABLE.split(text)  # every second one is a variable
            keys = [secret.reveal() for variable in parts[1::2] if (secret := self.get(url, variable)) is not None]
            if len(keys) == len(parts) // 2:
                parts[1::2] = keys
                filled[name] = "".join(parts)
        return filled

    def refused(self, url: str, *names: str) -> str | None:
        """Why the first of these names that is set may not be sent to this address; None if it may."""
        found = self._find(names)
        return self.origins.problem(found[0], origin_of(url)) if found is not None else None

    def problem(self, *names: str, url: str | None = None) -> str | None:
        """Why no key of these names can be used, in one sentence; None if one can or none is needed.

        Args:
            url: an address that the key has to be allowed to go to.
        """
        found = self._find(names)
        if found is None:
            if barred := [name for name in names if self._environ.get(name, "").strip()]:
                return (
                    f"{barred[0]} is not allowed as a key; write it in .env next to models.yaml, or list it in"
                    " FALLBACK_LAB_KEYS"
                )
            return _not_set(names) if names else None
        name, value = found
        if not _KEY.fullmatch(value):
            return f"{name} contains a line break, a space or another character that keys cannot contain; set it again"
        return self.origins.problem(name, origin_of(url)) if url is not None else None

    def _find(self, names: Sequence[str]) -> tuple[str, str] | None:
        if not self._asked.issuperset(names):
            self._asked |= frozenset(names)
        files = [file.values() for file in self._files]
        for name in names:
            usable = name in VENDORS or name in self._named or any(name in values for values in files)
            for source in (self._typed, self._environ if usable else {}, *files):
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

    @property
    def sent(self) -> tuple[str, ...]:
        """The keys that have been sent, longest first."""
        return self._sent

    def scrub_sent(self, text: str) -> str:
        """The same for keys that have been sent, the only ones a server can repeat; used on every answer."""
        return _starred(text, self._sent)


def scrubbed(data: T, kind: type[T], scrub: Callable[[str], str]) -> T:
    """Data of a type that msgspec supports, with all its texts scrubbed."""
    if _is_clean(data, scrub):
        return data
    plain: list[Any] = [msgspec.to_builtins(data)]
    inside: list[Any] = [plain]
    while inside:  # no recursion: a server's data may be nested deeply
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


def _is_clean(data: object, scrub: Callable[[str], str]) -> bool:
    """Whether nothing is to be scrubbed, found out at once; where a text is escaped as JSON this says no."""
    try:
        encoded = msgspec.json.encode(data).decode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return "\\" not in encoded and scrub(encoded) == encoded


def _starred(text: str, longest_first: Sequence[str]) -> str:
    for value in longest_first:
        if len(value) >= MIN_KEY_LENGTH:
            text = text.replace(value, "***")
    return text


def _not_set(names: Sequence[str]) -> str:
    return f"{names[0]} is not set" if len(names) == 1 else f"none of {', '.join(names)} is set"


class _KeyFile:
    """A file of keys, reread when it changes; an unreadable file counts as empty."""

    def __init__(self, path: Path, read: _Reader) -> None:
        self._path = path
        self._read = read
        self._stamp: Stamp | None = None
        self._values: Mapping[str, str] = {}

    def values(self) -> Mapping[str, str]:
        try:
            found = stamp(self._path)
        except OSError:
            self._stamp, self._values = None, {}
            return self._values
        if found != self._stamp:
            self._values = self._read(self._path)
            self._stamp = found
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
