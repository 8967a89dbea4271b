"""OpenAI evals: JSON lines of `input` and `ideal` (https://github.com/openai/evals)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal

from router.core.requests import Request
from router.core.suites import Case, Check
from router.evaluate.importers.imported import Imported, NotTaken
from router.evaluate.importers.reading import FIX, asked, import_records, texts_in
from router.evaluate.importers.source import Given, opened

Template = Literal["match", "includes", "fuzzy-match", "json-match"]
"""The basic templates of OpenAI evals: Match, Includes, FuzzyMatch and JsonMatch."""


def import_openai_evals(given: Given, name: str | None = None, check: Template = "match") -> Imported:
    """The samples of an OpenAI eval, whose template stands in another file.

    Args:
        check: the grader, after that template.

    Raises:
        ConfigError: the file cannot be read.
    """
    make = functools.partial(_case, check)
    return import_records(
        opened(given), f"samples of OpenAI evals, graded by `{check}`", make, ("input", "ideal"), name
    )


def _case(check: str, record: Mapping[str, Any]) -> Case:
    ideal = texts_in(record, "ideal")
    if not ideal:
        raise NotTaken("It has no `ideal` answer.", FIX)
    messages = asked(record.get("input"))
    return Case(id="", request=Request(messages=messages), target=ideal, checks=(Check(type=check),))
