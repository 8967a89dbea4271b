"""Reading a YAML file so that every value still knows its line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from router.errors import ConfigError

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
"""Nodes that a file may unfold to: a few kilobytes of nested aliases can stand for billions."""

Lines = dict[tuple[str | int, ...], int]


class _Loader(yaml.SafeLoader):
    """The safe loader, less what is never meant: duplicate keys, dates, and `on` for true."""


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
        node: the parsed text, with the place of every value.
    """

    data: dict[str, Any]
    lines: Lines
    node: yaml.MappingNode


def parse_yaml(text: str, path: Path = Path("models.yaml")) -> Document:
    """Read a mapping from a YAML text; `path` is what errors call it.

    Raises:
        ConfigError: not YAML, or not a mapping.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise ConfigError(f"{path} is empty. Name your chains in it; see docs/models-yaml.md.")
            if not isinstance(node, yaml.MappingNode):
                raise ConfigError(
                    f"{path}, line {node.start_mark.line + 1}: the file must be a mapping with the key"
                    " `chains`, not a list or a single value."
                )
            lines = _index(node, path)
            return Document(loader.construct_document(node), lines, node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(f"{path}{where}: not valid YAML: {problem}.") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(f"{path}: not valid YAML: {reason}.") from None


def read_text(path: Path) -> str:
    """The text of a file, without its byte order mark.

    Raises:
        ConfigError: the file is missing, unreadable or too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(
                f"{path} is {size / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB."
                " Keep only providers, policy and chains in it."
            )
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist. Start in the folder that holds models.yaml, or name it with --config or"
            " FALLBACK_LAB_CONFIG."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None


def _index(root: yaml.Node, path: Path) -> Lines:
    """Find each value's line, refusing duplicate keys and alias bombs before anything is built."""
    lines: Lines = {}
    # Iterative, and every visit counts: an alias is visited each time it is used.
    todo: list[tuple[tuple[str | int, ...], yaml.Node]] = [((), root)]
    visited = 0
    while todo:
        at, node = todo.pop()
        visited += 1
        if visited > MAX_NODES or len(at) > 50:
            raise ConfigError(
                f"{path}, line {node.start_mark.line + 1}: its aliases unfold to too many values. Write the values out."
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
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{path}, line {line}: a key must be a plain word.")
        name = str(key.value)
        if name in seen:
            raise ConfigError(
                f"{path}, line {line}: `{name}` stands twice here (first in line {seen[name]}). Keep one of them."
            )
        seen[name] = line
        found.append(((*at, name), value))
        lines[(*at, name, "")] = line
    return found
