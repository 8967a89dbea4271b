"""Edits YAML text in place: changes only the lines concerned and never dumps the whole file.

Every edit states what the text has to mean afterwards. The result is parsed again and refused if it means anything
else. So comments, order, quoting and line endings are kept, and an edit is either exact or not made.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import yaml

from router.config.source import parse_yaml
from router.config.yaml_values import as_item, behind_key, on_line
from router.core.errors import InvalidEdit

Path = tuple[str | int, ...]
"""Keys of mappings and indexes of lists."""

_NAME = "model"
"""The key by which an item that is a mapping is known."""


class _Change(NamedTuple):
    start: int
    end: int
    new: str


def set_value(text: str, at: Path, value: Any) -> str:
    """Set the value at a path; missing mappings on the way are created.

    Raises:
        InvalidEdit: the text cannot be changed in place.
    """

    def change(data: Any) -> None:
        for key in at[:-1]:
            if isinstance(data, dict) and not isinstance(data.get(key), dict | list):
                data[key] = {}
            data = data[key]
        data[at[-1]] = value

    return _edited(text, change, lambda root: _set(text, root, at, value))


def remove_value(text: str, at: Path) -> str:
    """Remove a key from its mapping; removing the last key removes the mapping too.

    Raises:
        InvalidEdit: the text cannot be changed in place, or the key is not there.
    """

    def change(data: Any) -> None:
        parents = [data]
        for key in at[:-1]:
            parents.append(parents[-1][key])
        del parents[-1][at[-1]]

    return _edited(text, change, lambda root: _remove(text, root, at))


def set_items(text: str, at: Path, items: Sequence[str]) -> str:
    """Set the items of a list in this order, by their names; items that stay keep their values, lines and comments.

    Args:
        items: what a text says, or a mapping's `model`.

    Raises:
        InvalidEdit: the text cannot be changed in place.
    """

    def change(data: Any) -> None:
        data = _inside(data, at[:-1])
        known = {(item[_NAME] if isinstance(item, dict) else item).strip(): item for item in data[at[-1]]}
        data[at[-1]] = [known.get(item, item) for item in items]

    return _edited(text, change, lambda root: _set_items(text, _find(root, at), items))


def _edited(text: str, change: Callable[[Any], None], splice: Callable[[yaml.MappingNode], list[_Change]]) -> str:
    document = parse_yaml(text)
    wanted = _unshared(document.data)
    try:
        change(wanted)
        changes = splice(document.node)
    except (LookupError, AttributeError, TypeError):
        raise InvalidEdit("The place to change is not in the file. Edit it as text.") from None
    new = text
    for start, end, piece in sorted(changes, reverse=True):
        new = new[:start] + piece + new[end:]
    try:
        found = parse_yaml(new).data
    except Exception:  # noqa: BLE001  # whatever it has become, it is not kept
        found = None
    if found != wanted:
        raise InvalidEdit(
            "This part of the file is written in a way that cannot be changed in place (an anchor, an alias or an"
            " unusual layout). Edit it as text."
        )
    return new


def _inside(data: Any, at: Path) -> Any:
    return functools.reduce(operator.getitem, at, data)


def _unshared(value: Any) -> Any:
    """A copy with every alias replaced by its own copy of the value."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def name_value(text: str, at: Path, key: str) -> str:
    """Turn a value into a mapping that holds it under `key`, so that other keys can be added.

    Raises:
        InvalidEdit: the text cannot be changed in place.
    """

    def change(data: Any) -> None:
        data = _inside(data, at[:-1])
        data[at[-1]] = {key: data[at[-1]]}

    def splice(root: yaml.MappingNode) -> list[_Change]:
        name, node = _entry(_find(root, at[:-1]), at[-1])
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        if not _is_block(node):
            return [_Change(start, start, f"{{{key}: "), _Change(end, end, "}")]
        # A list may be indented as little as its key; under its own key it must not be left of that key.
        column = max(node.start_mark.column, name.start_mark.column + 2)
        shift = " " * (column - node.start_mark.column)
        first, last = _line_start(text, start), _line_end(text, _content_end(text, node))
        lines = "".join(shift + line for line in text[first:last].splitlines(keepends=True))
        return [_Change(first, last, f"{' ' * column}{key}:{_newline(text)}{lines}")]

    return _edited(text, change, splice)


def unname_value(text: str, at: Path, key: str) -> str:
    """Undo `name_value`: put the value under `key`, the mapping's only one, in the mapping's place.

    Raises:
        InvalidEdit: the text cannot be changed in place.
    """

    def change(data: Any) -> None:
        data = _inside(data, at[:-1])
        data[at[-1]] = data[at[-1]][key]

    def splice(root: yaml.MappingNode) -> list[_Change]:
        node = _find(root, at)
        value = _entry(node, key)[1]
        return [
            _Change(node.start_mark.index, value.start_mark.index, ""),
            _Change(value.end_mark.index, _content_end(text, node), ""),
        ]

    return _edited(text, change, splice)


# --- Finding ---------------------------------------------------------------------------------------


def _find(node: yaml.Node, at: Path) -> yaml.Node:
    for key in at:
        node = _entry(node, key)[1]
    return node


def _entry(node: yaml.Node, key: str | int) -> tuple[yaml.Node, yaml.Node]:
    """A value with its key; an item of a list is its own."""
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return node.value[key], node.value[key]
    if not isinstance(node, yaml.MappingNode):
        raise KeyError(key)
    for name, value in node.value:
        if name.value == key:
            return name, value
    raise KeyError(key)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """The position after the line ending, or the end of the text."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _content_end(text: str, node: yaml.Node) -> int:
    """Where a node's last token ends: the end mark of a block, or of a text in lines, comes after what follows it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end = int(node.end_mark.index)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return node.start_mark.index + len(text[node.start_mark.index : end].rstrip())
    return end


# --- Writing ---------------------------------------------------------------------------------------


def _set(text: str, root: yaml.MappingNode, at: Path, value: Any) -> list[_Change]:
    node: yaml.Node = root
    for depth, key in enumerate(at):
        if isinstance(key, int):
            node = _entry(node, key)[1]
            continue
        if not isinstance(node, yaml.MappingNode):
            raise KeyError(key)
        entry = next((pair for pair in node.value if pair[0].value == key), None)
        if entry is None:
            rest = value
            for inner in reversed(at[depth + 1 :]):
                rest = {inner: rest}
            return [_inserted(text, node, key, rest)]
        node = entry[1]
        if isinstance(node, yaml.ScalarNode) and node.value == "" and node.start_mark.index == node.end_mark.index:
            # `key:` with nothing after it
            rest = value
            for inner in reversed(at[depth + 1 :]):
                rest = {inner: rest}
            end = int(entry[0].end_mark.index)
            colon = text.index(":", end) + 1
            written = behind_key(rest, entry[0].start_mark.column, _newline(text))
            if written.startswith(_newline(text)):  # below the comment that may follow the colon
                colon = len(text[: _line_end(text, colon)].rstrip("\r\n"))
            return [_Change(colon, colon, written)]
    if _is_block(node) and isinstance(at[-1], str):
        # From its first line to its last.
        name = _entry(_find(root, at[:-1]), at[-1])[0]
        colon = text.index(":", int(name.end_mark.index)) + 1
        written = behind_key(value, name.start_mark.column, _newline(text))
        return [_Change(colon, _content_end(text, node), written)]
    return [_Change(node.start_mark.index, _content_end(text, node), on_line(value))]


def _inserted(text: str, node: yaml.MappingNode, key: str, value: Any) -> _Change:
    if node.flow_style:
        entry = f"{as_item(key)}: {on_line(value)}"
        end = int(node.end_mark.index) - 1
        last = int(node.value[-1][1].end_mark.index) if node.value else 0
        return _Change(last, last, f", {entry}") if node.value else _Change(end, end, entry)
    column, newline = node.value[0][0].start_mark.column, _newline(text)
    entry = f"{' ' * column}{as_item(key)}:{behind_key(value, column, newline)}"
    end = _line_end(text, _content_end(text, node))
    before = "" if text[:end].endswith("\n") else newline
    return _Change(end, end, f"{before}{entry}{newline if not before else ''}")


def _remove(text: str, root: yaml.MappingNode, at: Path) -> list[_Change]:
    parent = _find(root, at[:-1])
    key, value = _entry(parent, at[-1])
    if not isinstance(parent, yaml.MappingNode):
        raise KeyError(at[-1])
    if parent.flow_style:
        return [_without_item([(k.start_mark.index, v.end_mark.index) for k, v in parent.value], key)]
    return [_Change(_line_start(text, key.start_mark.index), _line_end(text, _content_end(text, value)), "")]


def _without_item(spans: Sequence[tuple[int, int]], key: yaml.Node) -> _Change:
    index = next(number for number, (start, _) in enumerate(spans) if start == key.start_mark.index)
    start, end = spans[index]
    if index + 1 < len(spans):
        return _Change(start, spans[index + 1][0], "")
    return _Change(spans[index - 1][1] if index else start, end, "")


# --- Lists -----------------------------------------------------------------------------------------


def _set_items(text: str, node: yaml.Node, items: Sequence[str]) -> list[_Change]:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise KeyError("list")
    if node.flow_style:
        return [_flow_items(text, node, items)]
    return [_block_items(text, node, items)]


def _name(item: yaml.Node) -> str:
    named = _entry(item, _NAME)[1] if isinstance(item, yaml.MappingNode) else item
    return str(named.value).strip()


def _flow_items(text: str, node: yaml.SequenceNode, items: Sequence[str]) -> _Change:
    spans = [(int(item.start_mark.index), int(item.end_mark.index)) for item in node.value]
    written = {_name(item): text[start:end] for item, (start, end) in zip(node.value, spans, strict=True)}
    between = [text[end:start] for (_, end), (start, _) in pairwise(spans)]
    pieces: list[str] = []
    for number, item in enumerate(items):
        if number:
            pieces.append(between[number - 1] if number <= len(between) else ", ")
        pieces.append(written.get(item, as_item(item)))
    return _Change(spans[0][0], spans[-1][1], "".join(pieces))


def _block_items(text: str, node: yaml.SequenceNode, items: Sequence[str]) -> _Change:
    newline = _newline(text)
    starts = [_line_start(text, item.start_mark.index) for item in node.value]
    ends = [_line_end(text, _content_end(text, item)) for item in node.value]
    if any(end > start for end, start in zip(ends, starts[1:], strict=False)):
        raise KeyError("two items on one line")
    first = starts[0]
    lead = text[first : node.value[0].start_mark.index]  # indent, dash and space
    # A comment above an item moves with the item; a comment above the first item stays above the list.
    tops = [first, *ends[:-1]]
    lines = {_name(item): text[top:end] for item, top, end in zip(node.value, tops, ends, strict=True)}
    lines = {value: line if line.endswith("\n") else line + newline for value, line in lines.items()}
    new = "".join(lines.get(item, f"{lead}{as_item(item, flow=False)}{newline}") for item in items)
    if not text[: ends[-1]].endswith("\n"):
        new = new.removesuffix(newline)
    return _Change(first, ends[-1], new)
