"""Test cases made from tries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.chat.cases import CaseFile
from router.core.errors import InvalidRequest, StoreError

MESSAGES = [{"role": "user", "content": "What is 6 × 7?"}]


@pytest.fixture
def cases(tmp_path: Path) -> CaseFile:
    return CaseFile(tmp_path / "suites" / "tries.jsonl")


def test_a_case_is_read_back(cases: CaseFile) -> None:
    added = [cases.add(MESSAGES, " 42 ", category="reasoning"), cases.add(MESSAGES, "forty-two")]
    assert cases.all() == added
    assert (added[0].target, added[0].metadata) == ("42", {"category": "reasoning"})


def test_a_line_is_a_sample_as_inspect_reads_it(cases: CaseFile) -> None:
    case = cases.add(MESSAGES, "42", category=None)
    [line] = cases.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {"id": case.id, "input": MESSAGES, "target": "42", "metadata": {"category": None}}


def test_a_case_without_a_target_is_refused(cases: CaseFile) -> None:
    with pytest.raises(InvalidRequest, match="Enter the expected answer"):
        cases.add(MESSAGES, " ")
    assert not cases.path.exists()


def test_lines_that_are_no_cases_are_skipped(cases: CaseFile) -> None:
    case = cases.add(MESSAGES, "42")
    with cases.path.open("ab") as file:
        file.write(b'{"id": 5}\n\xff\n{"id": "cut o')
    assert cases.all() == [case]


def test_a_file_for_its_owner_alone(cases: CaseFile) -> None:
    cases.add(MESSAGES, "42")
    assert cases.path.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_written_is_said(cases: CaseFile) -> None:
    cases.path.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot be added to .*tries\.jsonl"):
        cases.add(MESSAGES, "42")
