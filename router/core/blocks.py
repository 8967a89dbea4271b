"""A growing Markdown text as blocks: the finished ones, and the rest, which may still change."""

from __future__ import annotations

import re
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

LONG = 1_500
"""Characters of a block that is then cut where it shows least: what is drawn again stays small."""

_PARSER = MarkdownIt("commonmark").disable(["inline", "html_block", "reference"])
_LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")  # as the parser counts them
_TABLE_HEAD = re.compile(r"\A(?=[^\n]*\|)[^\n]*+\n[ \t|:-]++\n")


class Blocks:
    """Splits a growing text into blocks, each returned once."""

    def __init__(self) -> None:
        self._text = ""
        self._begin = 0
        self._again = ""

    def grow(self, text: str) -> list[str]:
        """The blocks that have been finished since the last call.

        Args:
            text: all of the text so far.

        Raises:
            ValueError: it does not begin with what it was before.
        """
        if not text.startswith(self._text):
            raise ValueError("The text has begun again.")
        self._text = text
        done = []
        while cut := _cut(self.rest, len(self._again)):
            done.append(self.rest[: cut.end] + cut.closing)
            self._begin += cut.end - len(self._again)
            self._again = cut.again
        return done

    @property
    def rest(self) -> str:
        """What may still change."""
        return self._again + self._text[self._begin :]


class _Cut(NamedTuple):
    """Where a text can be cut: `again` is repeated before what follows, as the first lines of a table are."""

    end: int
    closing: str = ""
    again: str = ""


def _cut(text: str, repeated: int) -> _Cut | None:
    """The cut of a text whose first `repeated` characters were drawn before."""
    lines = _LINE.findall(text)
    top = [token for token in _PARSER.parse(text) if token.level == 0 and token.map is not None]
    if len(top) > 1 and (end := _before(lines, top[-1])) > repeated:
        return _Cut(end)
    if not top or len(text) - repeated <= LONG:
        return None
    cut = _inside(text, lines, top[-1])
    return cut if cut.end > repeated else None


def _before(lines: list[str], last: Token) -> int:
    """Where the last block begins; 0 if undecided: the next line may still continue the block above."""
    begin = last.map[0] if last.map else 0
    certain = lines[begin].endswith("\n") or not lines[begin - 1].strip()
    return _length(lines[:begin]) if certain else 0


def _inside(text: str, lines: list[str], block: Token) -> _Cut:
    complete = lines if text.endswith("\n") else lines[:-1]
    end = _length(complete)
    if block.type == "fence":
        closed = len(complete) > 1 and complete[-1].strip().startswith(block.markup)
        return _Cut(end) if closed else _Cut(end if len(complete) > 1 else 0, f"{block.markup}\n", lines[0])
    if block.type.endswith("list_open"):
        items = [token.map[0] for token in _PARSER.parse(text) if token.type == "list_item_open" and token.level == 1
                 and token.map]  # fmt: skip
        return _Cut(_length(lines[: items[-1]]))
    if head := _TABLE_HEAD.match(text):
        return _Cut(end if len(complete) > 2 else 0, again=head.group())
    return _Cut(end if end > LONG / 2 else text.rfind(" ") + 1 or len(text))


def _length(lines: list[str]) -> int:
    return sum(map(len, lines))
