"""promptfoo's files: configurations, tests and prompts, and those that they name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from router.config.values import shortened
from router.core.errors import ConfigError
from router.core.files import beside
from router.core.strict_yaml import MAX_DEPTH, Place, parse
from router.evaluate.importers.imported import NotTaken
from router.evaluate.importers.json_text import JsonLines, decode
from router.evaluate.importers.promptfoo import rows
from router.evaluate.importers.records import Record, records
from router.evaluate.importers.source import Source
from router.evaluate.suites.loading import EXPECTED

MAX_FILES = 1_000
"""The most files that one name with `*` stands for."""

MAX_COPIED = 10_000
"""The most values that the references of one test may stand for: a few can mean billions."""

_YAML = EXPECTED._replace(
    if_empty="It should have promptfoo's `prompts` and `tests`.",
    if_no_mapping="it must be a mapping or a list, not a single value.",
    a_list=True,
)

_CODE = re.compile(r"\.(?:[cm]?[jt]s|py|rb|go|sh|exe)(?::\w+)?$")
_PLAIN_PATH = re.compile(r"\A[\w./-]+\.(?:txt|md|jsonl?|ya?ml|csv|tsv|j2)")


class _Lines(Protocol):
    def of(self, at: Place) -> int: ...


class Tree(NamedTuple):
    """A file of YAML or JSON, with the lines of its values."""

    source: Source
    data: Any
    lines: _Lines

    def place(self, at: Place) -> str:
        """Where a value stands, as `file:line`."""
        return self.source.place(self.lines.of(at))


def tree(source: Source) -> Tree:
    """A file as YAML or JSON.

    Raises:
        ConfigError: it is neither.
    """
    text = source.text
    if source.ending not in (".yaml", ".yml") and text.lstrip()[:1] in ("{", "["):
        try:
            return Tree(source, decode(text), JsonLines(text))
        except ValueError as error:
            raise ConfigError(f"{source.path} cannot be imported: {error}.") from None
    document = parse(text, source.path, _YAML)
    return Tree(source, document.data, document.lines)


def tests_in(source: Source) -> Iterator[Record]:
    """The tests of a file: a list in YAML or JSON, JSON lines, or CSV.

    Raises:
        ConfigError: it is none of these.
    """
    if source.ending in (".yaml", ".yml"):
        found = tree(source)
        yield from listed(found, found.data if isinstance(found.data, list) else [found.data], ())
    elif source.ending in (".csv", ".tsv"):
        yield from map(_row, records(source))
    else:
        yield from records(source)


def listed(found: Tree, items: list[Any], at: Place) -> Iterator[Record]:
    """The tests of a list in a tree."""
    for number, item in enumerate(items):
        place = found.place((*at, number))
        yield Record(place, item) if isinstance(item, dict) else Record(place, {}, "it is not a mapping")


def _row(record: Record) -> Record:
    if record.problem:
        return record
    try:
        return record._replace(data=rows.test_of(record.data))
    except NotTaken as error:
        return record._replace(problem=error.what.removesuffix("."))


def is_path(text: str) -> bool:
    """Whether a text names a file."""
    return text.startswith("file://") or _PLAIN_PATH.fullmatch(text) is not None


def named_files(source: Source, text: str) -> list[Source]:
    """The files that another one names, in its folder or below; `*` stands for any part of a name.

    Raises:
        NotTaken: it is elsewhere, runs code, or does not exist.
    """
    name = text.removeprefix("file://").removeprefix("./")
    if _CODE.search(name):
        raise NotTaken(f"`{shortened(name)}` runs code, which is not done here.", "Write what it makes into a file.")
    if not source.on_disk:
        raise NotTaken(
            f"`{shortened(name)}` is another file.", "Import it from its folder, or write its content there."
        )
    try:
        names = _matching(source.around, name) if "*" in name else [name]
        return [source.other(beside(source.around / source.path.name, each)) for each in names]
    except ConfigError as error:
        raise NotTaken(str(error), "Then import again.") from None


def _matching(folder: Path, pattern: str) -> list[str]:
    if "**" in pattern or ".." in pattern or Path(pattern).is_absolute():
        raise ConfigError(f"`{shortened(pattern)}` reaches beyond its folder. Name the files one by one.")
    found = sorted(itertools.islice(folder.glob(pattern), MAX_FILES + 1))
    if not 0 < len(found) <= MAX_FILES:
        raise ConfigError(f"`{shortened(pattern)}` stands for no file, or for more than {MAX_FILES:,}. Name them.")
    return [str(path.relative_to(folder)) for path in found]


class References:
    """Puts what `$ref`s point to in their place.

    Args:
        root: the whole configuration, in which `#/a/b` leads to b in a.
    """

    def __init__(self, root: Any) -> None:
        self._root = root

    def followed(self, value: Any) -> Any:
        """A value without references.

        Raises:
            NotTaken: one leads nowhere, out of the file, in a circle or to too much.
        """
        self._left = MAX_COPIED
        return self._followed(value, 0)

    def _followed(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise NotTaken("Its `$ref`s lead in a circle, or to too much.", "Write there what they stand for.")
        if isinstance(value, list):
            return [self._followed(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return {name: self._followed(item, depth + 1) for name, item in value.items()}
        found = _at(self._root, reference)
        own = {name: item for name, item in value.items() if name != "$ref"}
        return self._followed({**found, **own} if isinstance(found, dict) else found, depth + 1)


def _at(root: Any, reference: str) -> Any:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise NotTaken(f"`$ref: {shortened(reference)}` leads nowhere in this file.", "Write what it stands for.")
        found = found[name]
    return found
