"""The tables of the command line: laid out for a terminal's width, tab-separated and whole elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import click
from rich import box
from rich.measure import measure_renderables
from rich.table import Table
from rich.text import Text

from router.cli.terminal import Console
from router.config.chains import Link

STYLES = {"answered": "green", "failed": "red", "skipped": "dim", "cancelled": "yellow"}
"""The color of each outcome."""


_GAP = 2
"""Blanks between two columns."""


class Column(NamedTuple):
    """A column.

    Attributes:
        is_number: aligned on the right.
        is_prose: wrapped between words before any other column is.
        optional: left out of a terminal that is too narrow, the last such column first.
    """

    heading: str
    is_number: bool = False
    is_prose: bool = False
    optional: bool = False


class Cell(NamedTuple):
    """A cell.

    Attributes:
        text: the whole value; line breaks stand between what a terminal shows on several lines.
        short: what a terminal shows instead; None for the same.
    """

    text: str
    style: str = ""
    short: str | None = None


Row = Sequence[str | Cell]


def link_cell(link: Link) -> Cell:
    """A link of a chain: its model, and what is set for that alone; on a terminal, on lines of its own."""
    model = link.ref.text
    return Cell(f"{model} ({', '.join(link.own)})", short="\n".join([model, *link.own])) if link.own else Cell(model)


def print_table(columns: Sequence[Column], rows: Sequence[Row], *, title: str = "", grouped: bool = False) -> None:
    """Print a table to standard output.

    Args:
        title: its headline on a terminal.
        grouped: the first column names a group of rows; on a terminal it is a line above them.
    """
    console = Console()
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if console.is_piped:
        for line in ([Cell(column.heading) for column in columns], *cells):
            click.echo("\t".join(" ".join(cell.text.split()) for cell in line))
        return
    if title:
        console.say(title, "italic")
    left_out = _draw(console, columns[grouped:], _drawn(console, cells, grouped))
    if left_out:
        console.say(f"Not shown at this width: {', '.join(left_out)}.", "dim")


def _drawn(console: Console, rows: Sequence[Sequence[Cell]], grouped: bool) -> list[list[Text]]:
    """The rows as a terminal shows them; a group's name is a row of its own."""
    drawn: list[list[Text]] = []
    for group, members in itertools.groupby(rows, lambda row: row[0].text if grouped else None):
        if group is not None:
            drawn.append([console.cell(group, "bold")])
        drawn += [[console.lines(cell.short or cell.text, cell.style) for cell in row[grouped:]] for row in members]
    return drawn


def _draw(console: Console, columns: Sequence[Column], rows: list[list[Text]]) -> list[str]:
    """Print as many columns as fit. Returns the headings of the others."""
    sizes = [
        measure_renderables(
            console, console.options, [Text(column.heading), *(row[at] for row in rows if at < len(row))]
        )
        for at, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    left_out: list[str] = []
    for at in reversed(kept):
        if columns[at].optional and sum(sizes[each].maximum + _GAP for each in kept) - _GAP > console.width:
            kept = [each for each in kept if each != at]
            left_out.insert(0, columns[at].heading)
    words = [sizes[at].minimum if columns[at].is_prose else sizes[at].maximum for at in kept]
    roomy = sum(words) + _GAP * (len(kept) - 1) <= console.width
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for at in kept:
        heading, is_number, is_prose, _ = columns[at]
        table.add_column(
            heading, overflow="fold", justify="right" if is_number else "left", no_wrap=roomy and not is_prose
        )
    for row in rows:
        table.add_row(*(row[at] for at in kept if at < len(row)))
    console.print(table)
    return left_out
