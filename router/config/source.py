"""Reads YAML so that every value keeps its line number and is safe for JSON and pages."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from router.core.errors import ConfigError

MAX_BYTES = 250_000
"""Largest file, as UTF-8 without a byte order mark; the parser takes up to ten seconds per megabyte."""

MAX_NODES = 25_000
"""The most nodes after expanding aliases: a few kilobytes of nested aliases can mean billions."""

MAX_DEPTH = 50

MAX_DIGITS = 100
"""The most characters of a number: reading one takes quadratic time."""

MAX_WHOLE = 2**63 - 1
"""Largest whole number, and the negative of the smallest."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")

Lines = dict[tuple[str | int, ...], int]


class _Loader(yaml.SafeLoader):
    """The safe loader without what is never intended: duplicate keys, dates, bytes, sets, and `on` for true."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; stops reading the text if there are too many."""
        self._composed += 1
        if self._composed > MAX_NODES:
            raise yaml.MarkedYAMLError(problem=f"it has more than {MAX_NODES:,} values", problem_mark=self.get_mark())
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node, or an error with its line."""
        kind = node.tag.rpartition(":")[2]
        if kind in ("int", "float") and len(node.value) > MAX_DIGITS:
            raise _unreadable(node, f"a number has at most {MAX_DIGITS} characters")
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, ArithmeticError):
            raise _unreadable(node, f"the value is not a valid `!!{kind}`") from None
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise _unreadable(node, f"a whole number is at most {MAX_WHOLE}")
        return value


def _unreadable(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
}
# YAML 1.1 reads `on`, `off`, `yes`, `no` as truth values: a chain named `no` must stay a name.
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _word, _first in (("true", "tT"), ("false", "fF")):
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool",
        re.compile(f"^({_word}|{_word.title()}|{_word.upper()})$"),
        list(_first),
    )


class Document(NamedTuple):
    """A mapping read from a YAML text.

    Attributes:
        lines: the line (from 1) of each value by its path of keys and indexes.
        node: the parsed text, with the position of every value.
    """

    data: dict[str, Any]
    lines: Lines
    node: yaml.MappingNode


def parse_yaml(text: str, path: Path = Path("models.yaml")) -> Document:
    """Read a mapping from a YAML text; `path` is what errors call it.

    Raises:
        ConfigError: not YAML, or not a mapping.
    """
    if (size := len(text.encode(errors="replace"))) > MAX_BYTES:
        raise _too_large(path, size)
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{path} is empty. Add your chains to it; see docs/models-yaml.md.")
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(
                f"{path}, line {node.start_mark.line + 1}: the file must be a mapping with the key"
                " `chains`, not a list or a single value."
            )
        lines = _index(node, path)
        return Document(loader.construct_document(node), lines, node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"it contains the control character U+{error.character:04X}; remove it"
        raise ConfigError(f"{path}, line {line}: not valid YAML: {problem}.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not valid YAML: {error.problem or 'it cannot be parsed'}.") from None
    except RecursionError:
        line = loader.line + 1 if loader is not None else 1
        raise ConfigError(f"{path}, line {line}: not valid YAML: nested too deeply.") from None
    finally:
        if loader is not None:
            loader.dispose()


def read_text(path: Path) -> str:
    """The text of a file, without its byte order mark.

    Raises:
        ConfigError: the file is missing, unreadable or too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES + len(codecs.BOM_UTF8):
            raise _too_large(path, size)
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist. Run this in the folder with models.yaml, or set its path with --config or"
            " FALLBACK_LAB_CONFIG."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None


def _too_large(path: Path, size: int) -> ConfigError:
    return ConfigError(
        f"{path} is {size / 1000:,.1f} kB; the limit is {MAX_BYTES / 1000:.0f} kB."
        " Keep only providers, policy, models and chains in it."
    )


def _index(root: yaml.Node, path: Path) -> Lines:
    """Find each value's line; refuses duplicate keys and alias bombs before anything is built."""
    lines: Lines = {}
    # Iterative, and every visit counts: an alias is visited each time it is used.
    todo: list[tuple[tuple[str | int, ...], yaml.Node]] = [((), root)]
    visited = 0
    while todo:
        at, node = todo.pop()
        visited += 1
        if visited > MAX_NODES or len(at) > MAX_DEPTH:
            raise ConfigError(
                f"{path}, line {node.start_mark.line + 1}: with its aliases expanded, the file has more than"
                f" {MAX_NODES:,} values, or is nested more than {MAX_DEPTH} deep. Make it smaller."
            )
        if isinstance(node, yaml.ScalarNode) and (found := _UNPRINTABLE.search(node.value)):
            raise ConfigError(
                f"{path}, line {node.start_mark.line + 1}: the text contains U+{ord(found[0]):04X}, which cannot be"
                " displayed. Remove it."
            )
        lines[at] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            todo.extend(((*at, index), item) for index, item in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode):
            todo.extend(_entries(at, node.value, path, lines))
    return lines


def _entries(
    at: tuple[str | int, ...],
    pairs: Sequence[tuple[yaml.Node, yaml.Node]],
    path: Path,
    lines: Lines,
) -> list[tuple[tuple[str | int, ...], yaml.Node]]:
    seen: dict[str, int] = {}
    found = []
    for key, value in pairs:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not key.value.isprintable():
            raise ConfigError(f"{path}, line {line}: a key must be a plain word.")
        name = str(key.value)
        if name in seen:
            raise ConfigError(
                f"{path}, line {line}: `{name}` is defined twice (first on line {seen[name]}). Remove one."
            )
        seen[name] = line
        found.append(((*at, name), value))
        lines[(*at, name, "")] = line
    return found
