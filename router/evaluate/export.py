"""A run as a file: JSONL with everything, CSV for spreadsheets, JUnit for continuous integration."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from router.core.runs import CellKey, Lane, Planned
from router.core.spreadsheet import plain
from router.core.suites import Case
from router.evaluate.results import Results

_COLUMNS = (
    "lane", "case", "category", "repeat", "state", "score", "passed", "answer", "model", "latency_s", "cost_usd",
    "error", "grading_error", "person_score", "comment",
)  # fmt: skip

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_jsonl(results: Results, plan: Planned) -> Iterator[bytes]:
    """One object a cell and case: the columns of the CSV, with the request, all turns, attempts and grades."""
    for lane, case, cell, row in _rows(results, plan):
        result = results.answer(cell)
        everything = {
            "request": case.request,
            "then": case.then,
            "target": case.target,
            "answers": result.answers if result is not None else (),
            "attempts": result.attempts if result is not None else (),
            "grades": results.grades(cell, case.id),
            "settings": lane.settings,
        }
        yield msgspec.json.encode({**row, **everything}) + b"\n"


def to_csv(results: Results, plan: Planned) -> str:
    """One row a cell and case. Text that a spreadsheet would run as a formula gets an apostrophe."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for *_, row in _rows(results, plan))
    return file.getvalue()


def to_junit(results: Results, plan: Planned) -> bytes:
    """A test suite a lane, a test a case and repeat: wrong answers are failures, all else that went wrong is errors."""
    root = ET.Element("testsuites", name=_text(plan.suite.name))
    for lane in plan.lanes:
        suite = ET.SubElement(root, "testsuite", name=_text(lane.name))
        count = {"failure": 0, "error": 0, "skipped": 0}
        tests = [(case, cell, row) for of, case, cell, row in _rows(results, plan) if of == lane]
        for case, cell, row in tests:
            name = f"{case.id} (repeat {cell.repeat + 1})" if plan.repeats > 1 else case.id
            test = ET.SubElement(
                suite, "testcase", name=_text(name), classname=_text(lane.name), time=f"{row['latency_s'] or 0:.3f}"
            )
            if (outcome := _outcome(results, case, cell, row)) is not None:
                kind, why = outcome
                ET.SubElement(test, kind, message=_text(why))
                count[kind] += 1
        suite.attrib.update(
            tests=str(len(tests)),
            failures=str(count["failure"]),
            errors=str(count["error"]),
            skipped=str(count["skipped"]),
        )
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _outcome(results: Results, case: Case, cell: CellKey, row: dict[str, Any]) -> tuple[str, str] | None:
    """The element that says what became of a test, and why; None if it passed."""
    if row["state"] != "answered":
        return ("error", row["error"]) if row["state"] == "failed" else ("skipped", "It was not answered in this run.")
    if row["grading_error"] is not None:
        return "error", row["grading_error"]
    if row["score"] is None:
        return "skipped", "It has no checks."
    if row["passed"]:
        return None
    reasons = (f"{grade.check}: {grade.reason}" for grade in results.grades(cell, case.id) if not grade.passed)
    return "failure", "; ".join(reasons)


def _rows(results: Results, plan: Planned) -> Iterator[tuple[Lane, Case, CellKey, dict[str, Any]]]:
    for lane in plan.lanes:
        for case in plan.suite.cases:
            for repeat in range(plan.repeats):
                cell = CellKey(case.key, lane.key, repeat)
                yield lane, case, cell, _row(results, lane, case, cell)


def _row(results: Results, lane: Lane, case: Case, cell: CellKey) -> dict[str, Any]:
    asked, scored = results.asked.get(cell), results.scored.get((cell, case.id))
    result, person = results.answer(cell), results.people.get((cell, case.id))
    values = (
        lane.name,
        case.id,
        case.category,
        cell.repeat,
        asked.state if asked is not None else "not asked",
        scored.score if scored is not None else None,
        scored.passed if scored is not None and scored.score is not None else None,
        result.answers[-1].text if result is not None and result.answers else None,
        asked.model if asked is not None else None,
        asked.latency if asked is not None else None,
        asked.spent.known if asked is not None else None,
        asked.error if asked is not None else None,
        scored.error if scored is not None else None,
        person.score if person is not None else None,
        person.reason if person is not None else None,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _text(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("�", text)
