"""What the tests of importers share: files, and what was taken and left of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from router.core.suites import Case
from router.evaluate.importers import Imported, Source
from router.evaluate.suites import parse_suite, suite_text
from tests.evaluate.generated import without_places
from tests.evaluate.known import GRADERS


def lines(*records: Any, name: str = "cases.jsonl") -> Source:
    """A file of JSON lines; texts stand in it as they are."""
    texts = (record if isinstance(record, str) else json.dumps(record) for record in records)
    return Source(Path(name), "\n".join(texts).encode())


def text(content: str, name: str) -> Source:
    return Source(Path(name), content.encode())


def only(imported: Imported) -> Case:
    """The one case of an import that left nothing."""
    assert (imported.left, imported.found) == ((), 1)
    return taken(imported)[0]


def taken(imported: Imported) -> tuple[Case, ...]:
    """The cases of an import, which a suite's file can hold."""
    if imported.suite.cases:
        written = suite_text(imported.suite)
        assert without_places(parse_suite(written, Path("x.yaml"), GRADERS)) == without_places(imported.suite)
    return imported.suite.cases


def left(imported: Imported) -> list[tuple[str, str]]:
    """What is left, as places and reasons."""
    return [(left.place, left.what) for left in imported.left]


def prompt(case: Case) -> str:
    """The text of the last message."""
    content = case.request.messages[-1]["content"]
    assert isinstance(content, str)
    return content
