"""Two answers, word by word."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Kind = Literal["same", "left", "right", "gap"]

MAX_WORDS = 2_000
"""Words of a changed passage that are compared one by one; comparing takes quadratic time."""

CONTEXT = 30
"""Words of an equal passage that are shown next to a change."""

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")  # a word or a sign, with the space before it


class Piece(NamedTuple):
    """A passage in both texts or in only one; a gap stands for a number of omitted equal words."""

    kind: Kind
    text: str


def word_diff(left: str, right: str) -> list[Piece]:
    """The removals and insertions that turn `left` into `right`.

    Lines are matched first, and words within the lines that differ: a long answer takes no longer than it must.
    """
    pieces: list[Piece] = []
    a, b = left.splitlines(keepends=True), right.splitlines(keepends=True)
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b).get_opcodes():
        before, after = "".join(a[i:j]), "".join(b[k:m])
        pieces += [Piece("same", before)] if tag == "equal" else _words(before, after)
    return list(_merged(pieces))


def folded(pieces: Sequence[Piece]) -> list[Piece]:
    """The same with long equal passages shortened to the words next to the changes."""
    found: list[Piece] = []
    for index, piece in enumerate(pieces):
        tokens = _TOKEN.findall(piece.text) if piece.kind == "same" else []
        head = 0 if index == 0 else CONTEXT
        tail = 0 if index == len(pieces) - 1 else CONTEXT
        hidden = sum(not token.isspace() for token in tokens[head : len(tokens) - tail])
        if len(tokens) <= head + tail or hidden <= CONTEXT or len(pieces) == 1:
            found.append(piece)
            continue
        parts = [
            ("same", "".join(tokens[:head])),
            ("gap", str(hidden)),
            ("same", "".join(tokens[len(tokens) - tail :])),
        ]
        found += [Piece(kind, text) for kind, text in parts if text]  # type: ignore[arg-type]  # literals, above
    return found


def likeness(pieces: Sequence[Piece]) -> float:
    """The share of words, 0 to 1, that both texts share."""
    words = {
        kind: sum(_count(piece.text) for piece in pieces if piece.kind == kind) for kind in ("same", "left", "right")
    }
    total = 2 * words["same"] + words["left"] + words["right"]
    return 2 * words["same"] / total if total else 1.0


def _words(left: str, right: str) -> Iterator[Piece]:
    a, b = _TOKEN.findall(left), _TOKEN.findall(right)
    if len(a) > MAX_WORDS or len(b) > MAX_WORDS:
        yield from (Piece("left", left), Piece("right", right))
        return
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Piece("same", "".join(a[i:j]))
        else:
            yield from (Piece("left", "".join(a[i:j])), Piece("right", "".join(b[k:m])))


def _merged(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Adjacent pieces of one kind merged; within a change, removals come before insertions."""
    for is_same, group in itertools.groupby(pieces, lambda piece: piece.kind == "same"):
        passage = list(group)
        for kind in ("same",) if is_same else ("left", "right"):
            if text := "".join(piece.text for piece in passage if piece.kind == kind):
                yield Piece(kind, text)  # type: ignore[arg-type]  # literals, above


def _count(text: str) -> int:
    return sum(not token.isspace() for token in _TOKEN.findall(text))
