"""Reads YAML strictly: every value keeps its line, and is safe for JSON and pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from router.core.errors import ConfigError

MAX_DEPTH = 50

MAX_DIGITS = 100
"""The most characters of a number: reading one takes quadratic time."""

MAX_WHOLE = 2**63 - 1
"""Largest whole number, and the negative of the smallest."""

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that a YAML text cannot contain (YAML 1.2, section 5.1)."""

Place: TypeAlias = tuple[str | int, ...]
"""Keys of mappings and indexes of lists."""


class Expected(NamedTuple):
    """What a kind of YAML file may be, and the sentences that end an error where it is not.

    Attributes:
        max_bytes: of the text as UTF-8, without a byte order mark.
        max_values: after expanding aliases: a few kilobytes of nested aliases can mean billions.
        refused: characters that no text in it may contain.
        a_list: whether it may be a list as well as a mapping.
        core: whether it is read as YAML 1.2, in which `12:30` and `1_000` are text.
    """

    max_bytes: int
    max_values: int
    refused: re.Pattern[str]
    if_empty: str
    if_too_large: str
    if_no_mapping: str
    a_list: bool = False
    core: bool = False


class Lines:
    """The lines of a document's values, counted from 1."""

    def __init__(self, root: yaml.Node) -> None:
        self._root = root

    def __contains__(self, at: Place) -> bool:
        return len(self._way(at)) == len(at)

    def of(self, at: Place) -> int:
        """The line of a value, or of its key; of the nearest parent where it does not exist; 1 for the document."""
        way = self._way(at)
        return way[-1] if way else 1

    def _way(self, at: Place) -> list[int]:
        """The line at each step to a value, as far as there are any."""
        node, found = self._root, []
        for part in at:
            pair = next(_pairs(node, part), None)
            if pair is None:
                break
            found.append(pair[0].start_mark.line + 1)
            node = pair[1]
        return found


def _pairs(node: yaml.Node, part: str | int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """What a step leads to: a key with its value, or an item twice."""
    if isinstance(node, yaml.MappingNode):
        yield from (pair for pair in node.value if pair[0].value == str(part))
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        yield node.value[part], node.value[part]


class Document(NamedTuple):
    """What was read from a YAML text; `node` has the position of every value."""

    data: Any
    lines: Lines
    node: yaml.Node


def parse(text: str, path: Path, expected: Expected) -> Document:
    """Read a YAML text; `path` is what errors call it.

    Raises:
        ConfigError: not YAML, or not what is expected.
    """
    if (size := len(text.encode(errors="replace"))) > expected.max_bytes:
        raise too_large(path, size, expected)
    if found := _NOT_YAML.search(text):
        problem = f"it contains the control character U+{ord(found[0]):04X}; remove it"
        raise ConfigError(f"{path}, line {text.count(chr(10), 0, found.start()) + 1}: not valid YAML: {problem}.")
    loader = (_CoreLoader if expected.core else _Loader)(text, expected.max_values)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{path} is empty. {expected.if_empty}")
        if not isinstance(node, yaml.MappingNode) and not (expected.a_list and isinstance(node, yaml.SequenceNode)):
            raise ConfigError(f"{path}, line {node.start_mark.line + 1}: {expected.if_no_mapping}")
        _check(node, path, expected)
        return Document(loader.construct_document(node), Lines(node), node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not valid YAML: {error.problem or 'it cannot be parsed'}.") from None
    except RecursionError:
        raise ConfigError(f"{path}, line {loader.line()}: not valid YAML: nested too deeply.") from None
    finally:
        loader.dispose()


def too_large(path: Path, size: int, expected: Expected) -> ConfigError:
    """The error for a file of so many bytes."""
    return ConfigError(
        f"{path} is {size / 1000:,.1f} kB; the limit is {expected.max_bytes / 1000:,.0f} kB. {expected.if_too_large}"
    )


def _check(root: yaml.Node, path: Path, expected: Expected) -> None:
    """Refuse duplicate keys and alias bombs before anything is built."""
    # Iterative, and every visit counts: an alias is visited each time it is used.
    todo: list[tuple[int, yaml.Node]] = [(0, root)]
    visited = 0
    while todo:
        depth, node = todo.pop()
        visited += 1
        if visited > expected.max_values or depth > MAX_DEPTH:
            raise ConfigError(
                f"{path}, line {node.start_mark.line + 1}: with its aliases expanded, the file has more than"
                f" {expected.max_values:,} values, or is nested more than {MAX_DEPTH} deep. Make it smaller."
            )
        if isinstance(node, yaml.ScalarNode) and (found := expected.refused.search(node.value)):
            raise ConfigError(
                f"{path}, line {node.start_mark.line + 1}: the text contains U+{ord(found[0]):04X}, which cannot be"
                " displayed. Remove it."
            )
        if isinstance(node, yaml.SequenceNode):
            todo.extend((depth + 1, item) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            todo.extend((depth + 1, value) for value in _values(node.value, path))


def _values(pairs: Sequence[tuple[yaml.Node, yaml.Node]], path: Path) -> Iterator[yaml.Node]:
    seen: dict[str, int] = {}
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
        yield value


# --- Loaders ---------------------------------------------------------------------------------------


class _Loader(Composer, SafeConstructor, Resolver):
    """A safe loader without what is never intended: dates, bytes, sets, `on` for true, and too many values."""

    def __init__(self, text: str, max_values: int) -> None:
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._max_values = max_values
        self._composed = 0
        events = self._parser()(text)
        self.check_event, self.get_event = events.check_event, events.get_event
        self.peek_event, self.dispose = events.peek_event, events.dispose

    @staticmethod
    def _parser() -> type[yaml.SafeLoader | yaml.CSafeLoader]:
        return yaml.SafeLoader  # its positions serve to edit a text in place

    def line(self) -> int:
        """The line that has been reached."""
        mark = self._mark()
        return mark.line + 1 if mark is not None else 1

    def _mark(self) -> Any:
        event = self.peek_event()
        return event.start_mark if event is not None else None

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; stops reading the text if there are too many."""
        self._composed += 1
        if self._composed > self._max_values:
            raise yaml.MarkedYAMLError(
                problem=f"it has more than {self._max_values:,} values", problem_mark=self._mark()
            )
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


_TAG = "tag:yaml.org,2002:"

_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in SafeConstructor.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in ("null", "bool", "int", "float", "str", "seq", "map")
}
# YAML 1.1 reads `on`, `off`, `yes`, `no` as truth values: a chain named `no` must stay a name.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (f"{_TAG}timestamp", f"{_TAG}bool")]
    for first, resolvers in Resolver.yaml_implicit_resolvers.items()
}
for _word, _first in (("true", "tT"), ("false", "fF")):
    _Loader.add_implicit_resolver(
        f"{_TAG}bool", re.compile(f"^({_word}|{_word.title()}|{_word.upper()})$"), list(_first)
    )


class _CoreLoader(_Loader):
    """The same for YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema) with merge keys, as editors read it."""

    @staticmethod
    def _parser() -> type[yaml.SafeLoader | yaml.CSafeLoader]:
        return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # which takes several times as long


_CoreLoader.yaml_implicit_resolvers = {}
_CoreLoader.add_constructor(f"{_TAG}int", lambda _, node: int(node.value))  # `017` is 17


CORE_SCHEMA = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)
"""Which plain words are no text: tag, expression, first characters."""


def add_core_schema(target: type[Resolver]) -> None:
    """Let a loader, or a writer, know which plain words are no text in YAML 1.2."""
    for kind, pattern, first in CORE_SCHEMA:
        target.add_implicit_resolver(f"{_TAG}{kind}", re.compile(f"^(?:{pattern})$"), first)


add_core_schema(_CoreLoader)
