"""The matrix: each prompt's answers in short, and their figures relative to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from router.compare.figures import cost, latency, output_tokens
from router.compare.plan import settings_of
from router.core.comparisons import Cell, Comparison, Key
from router.core.formatting import counted, cut_short, dollars, place, seconds
from router.core.strip import MARKS, strip_of

LENGTH = 160
"""Characters of a prompt or an answer."""


class Figure(NamedTuple):
    """A figure of an answer.

    Attributes:
        text: with its unit.
        level: 0 for the lowest of the prompt's answers, 1 for the highest; None if they do not differ.
        said: what the level means, in words; empty in between.
    """

    text: str
    level: float | None
    said: str


class Short(NamedTuple):
    """An answer in short.

    Attributes:
        model: who answered, or failed last; empty if nobody was called.
        mark: the sign of what came of it.
        place: its place in the chain; empty for a primary.
        way: the whole strip.
        text: the beginning of the answer, or why there is none.
    """

    model: str
    mark: str
    place: str
    way: str
    figures: tuple[Figure, ...]
    text: str


class Row(NamedTuple):
    """A prompt with one answer a lane.

    Attributes:
        prompt: counted from 0.
        labels: its category, and the values of its variables.
    """

    prompt: int
    labels: tuple[str, ...]
    text: str
    cells: tuple[Short, ...]


class _Measure(NamedTuple):
    of: Callable[[Cell], float | None]
    words: Callable[[float], str]
    lowest: str
    highest: str


_MEASURES = (
    _Measure(latency, seconds, "fastest", "slowest"),
    _Measure(cost, dollars, "cheapest", "most expensive"),
    _Measure(output_tokens, lambda value: counted(int(value), "token"), "shortest", "longest"),
)


def order(comparison: Comparison) -> list[int]:
    """The prompts, those of one category together."""
    prompts = comparison.plan.prompts
    return sorted(range(len(prompts)), key=lambda index: (prompts[index].category or "", index))


def row_of(comparison: Comparison, prompt: int) -> Row:
    """A prompt's row: the first repeat of every lane."""
    asked = comparison.plan.prompts[prompt]
    cells = [comparison.cells.get(Key(lane, prompt, 0)) for lane in range(len(comparison.plan.lanes))]
    figures = [_figures(measure, cells) for measure in _MEASURES]
    shorts = [
        _short(comparison, cell, tuple(figure for column in figures if (figure := column[lane]) is not None))
        for lane, cell in enumerate(cells)
    ]
    labels = [asked.category or "", *(f"{name}: {beginning(value, 30)}" for name, value in asked.variables.items())]
    return Row(prompt, tuple(filter(None, labels)), beginning(asked.text, LENGTH), tuple(shorts))


def beginning(text: str, length: int = 100) -> str:
    """A text's first words on one line."""
    line = " ".join(text[: 2 * length].split())
    return line if len(line) <= length and len(text) <= 2 * length else f"{line[:length]}…"


def _figures(measure: _Measure, cells: Sequence[Cell | None]) -> list[Figure | None]:
    values = [measure.of(cell) if cell is not None and cell.state == "answered" else None for cell in cells]
    known = [value for value in values if value is not None]
    least, most = min(known, default=0.0), max(known, default=0.0)
    return [_figure(measure, value, least, most) if value is not None else None for value in values]


def _figure(measure: _Measure, value: float, least: float, most: float) -> Figure:
    text = measure.words(value)
    # What reads the same is not told apart.
    if measure.words(least) == measure.words(most):
        return Figure(text, None, "")
    said = measure.lowest if value == least else measure.highest if value == most else ""
    return Figure(text, (value - least) / (most - least), said)


def _short(comparison: Comparison, cell: Cell | None, figures: tuple[Figure, ...]) -> Short:
    if cell is None:
        return Short("", "", "", "", (), "skipped")
    text = _said(comparison, cell)
    if not cell.attempts:
        return Short("", "", "", "", figures, text)
    strip, last = strip_of(cell.attempts), cell.attempts[-1]
    where = place(last.place) if last.place and cell.state == "answered" else ""
    return Short(strip.chips[-1].name, MARKS[last.outcome], where, strip.text, figures, text)


def _said(comparison: Comparison, cell: Cell) -> str:
    answer = cell.answer
    if cell.state == "failed":
        return beginning(cell.error or "No model answered.", LENGTH)
    called = ", ".join(f"calls {call.name}" for call in answer.tool_calls)
    images = counted(len(answer.images), "image") if answer.images else ""
    without = "stopped" if cell.state == "cut" else "no text"
    said = beginning(" ".join(filter(None, [answer.text, called, images])) or without, LENGTH)
    cut = cut_short(cell, settings_of(comparison.plan, cell.lane))
    return f"✂ {cut} {said}" if cut else said
