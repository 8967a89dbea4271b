"""Where each key may be sent: stored where models.yaml, page fields and links cannot change it."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from router.core.errors import ConfigError, InvalidEdit
from router.core.files import Stamp, stamp, whole

VENDORS: Mapping[str, tuple[str, ...]] = {
    "ANTHROPIC_API_KEY": ("https://api.anthropic.com",),
    "AZURE_OPENAI_API_KEY": (),  # each customer has their own host
    "CEREBRAS_API_KEY": ("https://api.cerebras.ai",),
    "COHERE_API_KEY": ("https://api.cohere.com", "https://api.cohere.ai"),
    "DEEPSEEK_API_KEY": ("https://api.deepseek.com",),
    "FIREWORKS_API_KEY": ("https://api.fireworks.ai",),
    "GEMINI_API_KEY": ("https://generativelanguage.googleapis.com",),
    "GROQ_API_KEY": ("https://api.groq.com",),
    "MISTRAL_API_KEY": ("https://api.mistral.ai",),
    "MOONSHOT_API_KEY": ("https://api.moonshot.ai", "https://api.moonshot.cn"),
    "NVIDIA_API_KEY": ("https://integrate.api.nvidia.com",),
    "OPENAI_API_KEY": ("https://api.openai.com", "https://eu.api.openai.com", "https://us.api.openai.com"),
    "OPENROUTER_API_KEY": ("https://openrouter.ai",),
    "PERPLEXITY_API_KEY": ("https://api.perplexity.ai",),
    "TOGETHER_API_KEY": ("https://api.together.xyz", "https://api.together.ai"),
    "XAI_API_KEY": ("https://api.x.ai",),
    "ZAI_API_KEY": ("https://api.z.ai",),
}
"""Variables that may be used from any source, each with its vendor's own origins."""

LOCK_WAIT = 5.0
"""Seconds to wait for another process to finish writing."""

_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(
    r"https?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?(?:[/?][!-\[\]-~]*)?"
)


def is_address(text: str) -> bool:
    """Whether a text is an address of HTTP, kept so simple that all parsers agree on the host: a key is sent there."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found["port"] or 80) < 65_536


@functools.lru_cache(maxsize=256)
def origin_of(url: str) -> str:
    """Scheme, host and port of an address that is valid in models.yaml."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def host_of(origin: str) -> str:
    """Host and port of an origin, as people write them."""
    return origin.partition("://")[2]


@functools.lru_cache(maxsize=1_000)
def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    if address == "localhost":
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


class Origins:
    """Remembers where each key may be sent, by the name of its variable.

    A vendor's key goes to that vendor. Any other key is bound to the origin of its first use. Other origins must be
    allowed by hand.

    Args:
        path: the file; it contains names and origins, never a key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unwritten: dict[str, list[str]] = {}
        self._stamp: Stamp | None = None
        self._kept: dict[str, list[str]] = {}

    def allowed(self, name: str) -> list[str] | None:
        """Where a key may be sent; None if it was never used, in which case its first use decides.

        Raises:
            ConfigError: the file cannot be read.
        """
        kept, vendors = self._all().get(name), VENDORS.get(name, ())
        return [*vendors, *(kept or ())] if vendors or kept is not None else None

    def problem(self, name: str, origin: str) -> str | None:
        """Why a key may not be sent there, as a sentence without its period; None if it may."""
        try:
            allowed = self.allowed(name)
        except ConfigError as error:
            return f"{name} cannot be sent anywhere: {error}"
        if allowed is None or origin in allowed:
            return None
        where = ", ".join(allowed) or "nowhere yet"
        return (
            f"{name} may not be sent to {origin} (allowed: {where}); allow it on the Chains page or with"
            f" `fallback-lab keys --allow {name} {host_of(origin)}`"
        )

    def bind(self, name: str, origin: str) -> str | None:
        """The same for a key that is about to be sent there; the first use binds it."""
        problem = self.problem(name, origin)
        if problem is None and self.allowed(name) is None:
            try:
                self.settle([name], [(name, origin)])
            except OSError:
                self._unwritten = {**self._unwritten, name: [origin]}  # as long as the process lasts
            problem = self.problem(name, origin)  # another thread may have been first
        return problem

    def settle(self, names: Iterable[str], pairs: Collection[tuple[str, str]]) -> None:
        """Bind names that were never used to the origins in these pairs, or to none.

        Raises:
            OSError: the file cannot be written.
            ConfigError: the file cannot be read.
        """

        def settled(kept: dict[str, list[str]]) -> None:
            for name in names:
                if name not in kept and not VENDORS.get(name):
                    kept[name] = sorted(origin for known, origin in pairs if known == name)

        self._change(settled)

    def allow(self, name: str, origin: str) -> None:
        """Allow a key to be sent there from now on.

        Raises:
            InvalidEdit: the file cannot be written.
            ConfigError: the file cannot be read.
        """

        def allowed(kept: dict[str, list[str]]) -> None:
            kept[name] = sorted({*kept.get(name, ()), origin})

        try:
            self._change(allowed)
        except OSError as error:
            raise InvalidEdit(f"{self._path} cannot be written: {error.strerror or error}.") from None

    def _change(self, change: Callable[[dict[str, list[str]]], None]) -> None:
        from filelock import FileLock  # noqa: PLC0415  # a tenth of the engine's import, and a change is rare

        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock"), timeout=LOCK_WAIT, mode=0o600):  # its Timeout is an OSError
            before, kept = self._all(), self._all()
            change(kept)
            if kept != before:
                with whole(self._path) as file:
                    file.write(msgspec.json.format(msgspec.json.encode(kept, order="sorted")))
                self._unwritten = {}

    def _all(self) -> dict[str, list[str]]:
        try:
            found = stamp(self._path)
            if found != self._stamp:
                self._kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, list[str]])
                self._stamp = found
        except (FileNotFoundError, NotADirectoryError):
            self._stamp, self._kept = None, {}
        except (OSError, msgspec.MsgspecError, UnicodeError):
            raise ConfigError(f"{self._path} cannot be read; fix it, or delete it and allow each host again") from None
        return {**self._kept, **self._unwritten}
