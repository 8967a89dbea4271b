"""The matrix: who answered what, and figures that are told apart where they differ."""

from __future__ import annotations

from typing import Any

import pytest

from router.compare.matrix import Row, order, row_of
from router.core.attempts import Attempt
from router.core.comparisons import Cell, Comparison, Plan, Prompt
from router.core.conversations import Settings
from router.core.messages import Answer, ToolCall, Usage


def attempt(model: str = "a", *, place: int = 0, latency: float = 1.0, tokens: int = 5, **rest: Any) -> Attempt:
    usage = Usage(prompt_tokens=1, completion_tokens=tokens)
    values = {"outcome": "answered", "cost": 0.5, "usage": usage, **rest}
    return Attempt(
        model=model, provider="p", place=place, number=1, started=0, offset=0, latency=latency, ttft=0.5, **values
    )


def row(*cells: dict[str, Any] | None, max_tokens: int | None = None) -> Row:
    """The row of a prompt with these cells, one a lane; None was never asked."""
    plan = Plan(
        lanes=tuple(Settings(model=f"m{n}", max_tokens=max_tokens) for n in range(len(cells))),
        prompts=(Prompt(text="Hello?", category="code", variables={"word": "cat"}),),
    )
    made = [
        Cell(**{"lane": lane, "prompt": 0, "repeat": 0, "state": "answered", "answer": Answer(text="Yes."), **cell})
        for lane, cell in enumerate(cells)
        if cell is not None
    ]
    found = Comparison(id="c", name="", created=0, plan=plan, cells={cell.key: cell for cell in made})
    return row_of(found, 0)


def test_a_row_has_its_number_category_and_variables() -> None:
    found = row({})
    assert (found.prompt, found.labels, found.text) == (0, ("code", "word: cat"), "Hello?")


def test_prompts_of_a_category_are_together() -> None:
    prompts = tuple(Prompt(text=str(n), category=category) for n, category in enumerate(["tools", "code", "tools"]))
    plan = Plan(lanes=(Settings(), Settings()), prompts=prompts)
    assert order(Comparison(id="c", name="", created=0, plan=plan, cells={})) == [1, 0, 2]


def test_a_cell_names_the_model_that_answered_and_its_place() -> None:
    failed = attempt("p/a", outcome="failed", status=402, cost=None)
    (cell,) = row({"attempts": (failed, attempt("p/b", place=1))}).cells
    assert (cell.model, cell.mark, cell.place, cell.text) == ("b", "✓", "fallback 1", "Yes.")
    assert cell.way.startswith("a ✕ 402 · 1.0 s → b ✓")


def test_a_failed_cell_says_why() -> None:
    (cell,) = row({"state": "failed", "error": "No money.", "attempts": (attempt(outcome="failed"),)}).cells
    assert (cell.mark, cell.place, cell.figures, cell.text) == ("✕", "", (), "No money.")


def test_figures_are_relative_to_the_row() -> None:
    cells = row(*({"attempts": (attempt(latency=latency),)} for latency in (1.0, 2.0, 5.0))).cells
    assert [(cell.figures[0].text, cell.figures[0].level, cell.figures[0].said) for cell in cells] == [
        ("1.00 s", 0, "fastest"),
        ("2.00 s", 0.25, ""),
        ("5.00 s", 1, "slowest"),
    ]


def test_figures_that_read_the_same_are_not_told_apart() -> None:
    cells = row({"attempts": (attempt(latency=1.0001),)}, {"attempts": (attempt(latency=1.0002),)}).cells
    assert [(figure.level, figure.said) for cell in cells for figure in cell.figures] == [(None, "")] * 6


def test_an_unknown_figure_is_left_out() -> None:
    (cell,) = row({"attempts": (attempt(cost=None),)}).cells
    assert [figure.text for figure in cell.figures] == ["1.00 s", "5 tokens"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "skipped"),
        ({"state": "cut", "answer": Answer()}, "stopped"),
        ({"answer": Answer()}, "no text"),
        ({"answer": Answer(tool_calls=(ToolCall(id="1", name="weather", arguments="{}"),))}, "calls weather"),
        ({"answer": Answer(images=("data:,",))}, "1 image"),
        ({"answer": Answer(text="One,", finish_reason="length")}, "✂ Cut at max tokens (9). One,"),
    ],
)
def test_a_cell_says_what_came_of_it(cell: dict[str, Any] | None, text: str) -> None:
    assert row(cell, max_tokens=9).cells[0].text == text
