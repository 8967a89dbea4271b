"""A run as a comment for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from router.core.formatting import counted, dollars, expense, interval, seconds
from router.core.runs import Planned
from router.evaluate.gates import Gate
from router.evaluate.results import Results
from router.evaluate.summary import LaneSummary, categories, summary
from router.evaluate.verdicts import Compared

MARKS = {"passed": "✅", "failed": "❌", "open": "⚠️"}

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|@~-])")
"""What could be read as Markdown, or as the mention of somebody."""


def to_markdown(results: Results, plan: Planned, compared: Sequence[Compared], found: Sequence[Gate]) -> str:
    """Gates first, then the figures of each lane, then the verdicts."""
    parts = [
        f"## {_plain(plan.suite.name)}",
        "\n".join(f"- {MARKS[gate.outcome]} {_plain(gate.sentence)}" for gate in found),
        "\n".join(_table(results, plan)),
        "\n".join(f"- {_plain(each.sentence)}" for each in compared),
        _facts(results, plan),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(results: Results, plan: Planned) -> str:
    cases, repeats = counted(len(plan.suite.cases), "case"), counted(plan.repeats, "repeat")
    return f"{cases}, {repeats}, {dollars(results.spent)}. Intervals are 95%."


def _table(results: Results, plan: Planned) -> Iterator[str]:
    yield "| category | lane | passed | interval | cases | failed calls | not graded | cost a case | median |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    groups: list[str | None] = [*categories(plan.suite)]
    for category in groups if len(groups) == 1 else [*groups, None]:
        for lane in plan.lanes:
            yield _row(category or "all", summary(results, plan, lane, category))


def _row(category: str, lane: LaneSummary) -> str:
    passed = f"{lane.passed:.1%}" if lane.passed is not None else "–"
    between = interval(lane.low, lane.high, digits=1) or "–"
    figures = (lane.cases, lane.failed, lane.errors, expense(lane.cost), seconds(lane.latency))
    return f"| {_plain(category)} | {_plain(lane.name)} | {passed} | {between} | {' | '.join(map(str, figures))} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
