"""A run as a table of its cases by its lanes, and the cases that a reader wants to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from router.core.runs import Planned
from router.core.suites import Case
from router.evaluate.results import Results
from router.evaluate.summary import CaseScore, case_score

Outcome = Literal["passed", "wrong", "flaky", "not graded", "no answer", "no checks", "waiting"]
"""What came of a cell: flaky where repeats disagree, not graded where a grader could not tell."""

Show = Literal["all", "wrong", "differs", "flaky", "errors", "waiting"]


class Cell(msgspec.Struct, frozen=True, gc=False):
    """A case in a lane, all repeats together.

    Attributes:
        score: what was achieved so far.
        repeats: planned.
    """

    score: CaseScore
    repeats: int

    @property
    def outcome(self) -> Outcome:
        score = self.score
        if score.passed is not None:
            return "passed" if score.passed == 1 else "flaky" if score.passed else "wrong"
        if score.errors:
            return "not graded"
        if score.failed:
            return "no answer"
        return "no checks" if score.asked == self.repeats else "waiting"

    @property
    def text(self) -> str:
        """The outcome in a few characters, with the share of several repeats, or a score between 0 and 1."""
        outcome, (score, scored) = self.outcome, (self.score.score, self.score.scored)
        if score is None or self.score.passed is None:
            return {"waiting": "…", "no checks": "–"}.get(outcome, outcome)
        share = f" {self.score.passed * scored:.0f}/{scored}" if self.repeats > 1 else ""
        graded = f" {score:.2f}" if self.repeats == 1 and 0 < score < 1 else ""
        return f"{_MARKS[outcome]}{share}{graded}"


_MARKS = {"passed": "✓", "wrong": "✕", "flaky": "~"}


class Row(msgspec.Struct, frozen=True, gc=False):
    """A case with a cell for each of the plan's lanes."""

    case: Case
    cells: tuple[Cell, ...]

    @property
    def differs(self) -> bool:
        """Whether lanes pass this case unequally often."""
        return len({cell.score.passed for cell in self.cells if cell.score.scored}) > 1


def table(results: Results, plan: Planned) -> list[Row]:
    """All cases of a run in the suite's order."""
    return [
        Row(case, tuple(Cell(case_score(results, plan, lane, case), plan.repeats) for lane in plan.lanes))
        for case in plan.suite.cases
    ]


def chosen(rows: Sequence[Row], show: Show, *, category: str | None = None, text: str = "") -> list[Row]:
    """The rows that a filter leaves.

    Args:
        category: of the cases; None for all.
        text: words that a case's id, tags or prompts must contain, in any case of letters.
    """
    words = text.casefold().split()
    return [
        row
        for row in rows
        if (category is None or row.case.category == category)
        and _is_shown(row, show)
        and (not words or all(word in _searched(row.case) for word in words))
    ]


def prompt_of(case: Case) -> str:
    """What the user says last in a case, or what stands for it."""
    said = [*case.request.messages, *case.then]
    texts = [text for message in said if message.get("role") == "user" and (text := text_of(message.get("content")))]
    return texts[-1] if texts else ""


def text_of(content: object) -> str:
    """The text of a message's content; images and files are left out."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _is_shown(row: Row, show: Show) -> bool:
    outcomes = {cell.outcome for cell in row.cells}
    match show:
        case "all":
            return True
        case "wrong":
            return bool(outcomes & {"wrong", "flaky"})
        case "differs":
            return row.differs
        case "flaky":
            return "flaky" in outcomes
        case "errors":
            return bool(outcomes & {"no answer", "not graded"})
        case "waiting":
            return "waiting" in outcomes


def _searched(case: Case) -> str:
    messages = (*case.request.messages, *case.then)
    return " ".join([case.id, *case.tags, *(text_of(message.get("content")) for message in messages)]).casefold()
