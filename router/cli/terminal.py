"""Filters everything the command line prints: foreign text cannot control the terminal."""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, TextIO, cast

import click
import msgspec
import rich.console
from rich.segment import Segment
from rich.text import Text

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of control or invisible characters: C0, C1, bidi and other formats, surrogates."""

_NEEDED = frozenset("\n\t\u200c\u200d")
"""The ones that text needs: line break, tab, and the joiners of Persian, Hindi and emoji."""


def visible(text: str) -> str:
    r"""The text with control characters shown as escapes: `\x1b`, `\u202e`."""
    return _replaced(text, lambda char: char.encode("unicode_escape").decode())


def stripped(text: str) -> str:
    """The text without control characters."""
    return _replaced(text, lambda _: "")


def _kept(text: str) -> str:
    return text


def json_text(data: Any) -> str:
    """Equivalent JSON on one line without control characters, safe to print anywhere."""
    return _replaced(msgspec.json.encode(data).decode(), lambda char: json.dumps(char)[1:-1])


def _replaced(text: str, other: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(
        other(char) if unicodedata.category(char) in _OBEYED and char not in _NEEDED else char
        for char in text.replace("\r\n", "\n")
    )


class _Guarded:
    """A stream that escapes or strips control characters one by one: no sequence can arrive in pieces.

    It exposes nothing that would bypass it, such as the underlying buffer.
    """

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character shows that
        self.stream = stream
        self.shown: Callable[[str], str] = visible if stream.isatty() else stripped

    def write(self, text: str) -> int:
        self.stream.write(self.shown(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        if name not in ("closed", "encoding", "errors", "fileno", "flush", "isatty"):
            raise AttributeError(name)
        return getattr(self.stream, name)


def guard() -> None:
    """Guard both of this process's streams from now on."""
    sys.stdout, sys.stderr = (cast("TextIO", _Guarded(stream)) for stream in (sys.stdout, sys.stderr))


def _keep(_: click.Context, __: click.Parameter, raw: bool) -> None:
    for stream in (sys.stdout, sys.stderr):
        if raw and isinstance(stream, _Guarded) and not stream.isatty():
            stream.shown = _kept


RAW = click.Option(
    ["--raw"],
    is_flag=True,
    expose_value=False,
    callback=_keep,
    help="Keep control characters when output goes to a pipe or file. A terminal always shows them as escapes.",
)


def data_stream() -> BinaryIO:
    """Standard output for a file's bytes: unchanged to a pipe, as guarded text to a terminal."""
    stream: object = sys.stdout
    assert isinstance(stream, _Guarded)  # noqa: S101  # for mypy
    return cast("BinaryIO", _Text() if stream.isatty() else stream.stream.buffer)


class _Text:
    def write(self, data: bytes) -> int:
        sys.stdout.write(data.decode())
        return len(data)


class Console(rich.console.Console):
    """Rich's console: only its own colors and tables pass the guard; no markup.

    Attributes:
        is_piped: the output goes to a pipe or a file.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream: object = sys.stderr if stderr else sys.stdout
        assert isinstance(stream, _Guarded)  # noqa: S101  # for mypy
        # NO_COLOR turns off bold and dim too.
        plain = bool(os.environ.get("NO_COLOR")) or not stream.isatty()
        super().__init__(
            file=stream.stream, highlight=False, markup=False, emoji=False, color_system=None if plain else "auto"
        )
        self._shown = stream.shown
        self.is_piped = not stream.isatty()

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence: wrapped at a terminal's width, on one line elsewhere."""
        self.print(self.cell(text, style), soft_wrap=self.is_piped)

    def cell(self, text: str, style: str = "") -> Text:
        """Text on one line, for a table cell or a sentence, measured as it will be drawn."""
        return Text(self._shown(" ".join(text.split())), style=style)

    def lines(self, text: str, style: str = "") -> Text:
        """Text for a cell of several lines, each as by `cell`."""
        return Text("\n", style=style).join(self.cell(line, style) for line in text.split("\n"))

    def render(
        self, renderable: rich.console.RenderableType, options: rich.console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """See rich; whatever came another way than by `cell` is guarded here."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(self._shown(segment.text), segment.style)
