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
        path: what places call it; files that it names are looked for beside it.
        on_disk: whether there are such files.
    """

    path: Path
    data: bytes
    on_disk: bool = False

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


Given: TypeAlias = Path | bytes | Source
"""What an importer reads: a file by its path, its bytes, or bytes with the name that they have elsewhere."""


def opened(given: Given) -> Source:
    """What is to be imported.

    Raises:
        ConfigError: it is missing, unreadable or too large.
    """
    if isinstance(given, Path):
        return Source(given, read_at_most(given, MAX_BYTES), on_disk=True)
    source = given if isinstance(given, Source) else Source(Path("import"), given)
    if len(source.data) > MAX_BYTES:
        raise ConfigError(
            f"{source.path} is larger than {MAX_BYTES / 1e6:.0f} MB, which is the limit. Use a part of it."
        )
    return source


def suite_name(text: str) -> str:
    """A name for a suite, from another name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:100] or "imported"
