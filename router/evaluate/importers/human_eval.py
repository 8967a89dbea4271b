"""HumanEval: Python functions to complete, with their tests, in JSON lines (Chen et al. 2021)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.config.values import shortened
from router.core.requests import Request
from router.core.suites import Case, Check
from router.evaluate.importers.imported import Imported, NotTaken
from router.evaluate.importers.reading import FIX, id_in, import_records, text_in
from router.evaluate.importers.source import Given, opened

INSTRUCTION = (
    "Complete this Python function. Answer with one code block that has all of it, imports and helpers included."
)

_USED = ("task_id", "prompt", "entry_point", "test", "canonical_solution")


def import_human_eval(given: Given, name: str | None = None) -> Imported:
    """HumanEval's tasks, each checked by running its tests in the sandbox.

    Raises:
        ConfigError: the file cannot be read.
    """
    return import_records(opened(given), "HumanEval tasks", _case, _USED, name)


def _case(record: Mapping[str, Any]) -> Case:
    prompt, entry_point = text_in(record, "prompt"), text_in(record, "entry_point")
    begin = re.search(rf"^(?:async )?def {re.escape(entry_point)}\b", prompt, re.MULTILINE)
    if begin is None or not entry_point.isidentifier():
        raise NotTaken(f"Its prompt has no function `{shortened(entry_point)}`.", FIX)
    before = prompt[: begin.start()].strip()  # imports, and helpers that some tests call, such as `poly`
    tests = f"{text_in(record, 'test').strip()}\n\ncheck({entry_point})\n"
    options = {"entry_point": entry_point, **({"before": before} if before else {})}
    solution = record.get("canonical_solution")
    return Case(
        id=id_in(record, "task_id"),
        request=Request(messages=({"role": "user", "content": f"{INSTRUCTION}\n\n```python\n{prompt.rstrip()}\n```"},)),
        category="code",
        checks=(Check(type="code", value=tests, options=options),),
        metadata={"canonical_solution": solution} if isinstance(solution, str) else {},
    )
