"""GSM8K: word problems in JSON lines, whose answers end in `#### number` (Cobbe et al. 2021)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.core.requests import Request
from router.core.suites import Case, Check
from router.evaluate.importers.imported import Imported, NotTaken
from router.evaluate.importers.reading import FIX, import_records, text_in
from router.evaluate.importers.source import Given, opened

INSTRUCTION = "End your answer with a line that has `####` and the number alone."
"""Follows every problem: models that were not trained on the data set do not know how it wants its answers."""

_ANSWER = re.compile(r"####\s*\$?(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s*$")


def import_gsm8k(given: Given, name: str | None = None) -> Imported:
    """GSM8K's problems, each checked for its number; the solutions stay in the metadata.

    Raises:
        ConfigError: the file cannot be read.
    """
    return import_records(opened(given), "GSM8K problems", _case, ("question", "answer"), name)


def _case(record: Mapping[str, Any]) -> Case:
    question, solution = text_in(record, "question"), text_in(record, "answer")
    found = _ANSWER.search(solution)
    if found is None:
        raise NotTaken("Its answer does not end in `####` and a number.", FIX)
    return Case(
        id="",
        request=Request(messages=({"role": "user", "content": f"{question}\n\n{INSTRUCTION}"},)),
        category="reasoning",
        target=(found[1].replace(",", ""),),
        checks=(Check(type="number"),),
        metadata={"solution": solution[: found.start()].strip()},
    )
