"""What is imported: a file, or bytes that came some other way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, TypeAlias

from router.core.errors import ConfigError
from router.core.files import decoded, read_at_most

MAX_BYTES = 50_000_000
"""The largest file that can be imported."""


class Source(NamedTuple):
    """A file to import.

    Attributes:
        path: what places call it.
        on_disk: whether there are files beside it, which it may name.
        folder: where they are; None for the folder of `path`.
    """

    path: Path
    data: bytes
    on_disk: bool = False
    folder: Path | None = None

    @property
    def text(self) -> str:
        """Its text; raises ConfigError where it is not UTF-8."""
        return decoded(self.data, self.path)

    @property
    def ending(self) -> str:
        """What its name ends with, in lower case, such as `.json`."""
        return self.path.suffix.lower()

    def place(self, line: int) -> str:
        """A line of it, as `file:line`."""
        return f"{self.path}:{line}"

    @property
    def around(self) -> Path:
        """The folder of the files that it names."""
        return self.folder or self.path.parent

    def other(self, found: Path) -> Source:
        """Another file of its folder or below, called by its path from there.

        Raises:
            ConfigError: as for `opened`.
        """
        return read_as(found, self.path.parent / found.relative_to(self.around.resolve()))


Given: TypeAlias = Path | bytes | Source
"""What an importer reads: a file by its path, its bytes, or bytes with the name that they have elsewhere."""


def opened(given: Given) -> Source:
    """What is to be imported.

    Raises:
        ConfigError: it is missing, unreadable or too large.
    """
    if isinstance(given, Path):
        return read_as(given, given)
    source = given if isinstance(given, Source) else Source(Path("import"), given)
    if len(source.data) > MAX_BYTES:
        raise ConfigError(
            f"{source.path} is larger than {MAX_BYTES / 1e6:.0f} MB, which is the limit. Use a part of it."
        )
    return source


def read_as(path: Path, called: Path) -> Source:
    """A file on disk under another name, which places and errors call it.

    Raises:
        ConfigError: as for `opened`.
    """
    return Source(called, read_at_most(path, MAX_BYTES, called), on_disk=True, folder=path.parent)


def suite_name(text: str) -> str:
    """A name for a suite, from another name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:100] or "imported"
