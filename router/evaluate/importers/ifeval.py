"""IFEval: prompts with instructions that can be verified, in JSON lines (Zhou et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.core.requests import Request
from router.core.suites import Case, Check
from router.evaluate.importers.imported import Imported, NotTaken
from router.evaluate.importers.reading import FIX, id_in, import_records, text_in
from router.evaluate.importers.source import Given, opened


def import_ifeval(given: Given, name: str | None = None) -> Imported:
    """IFEval's prompts, each checked for all of its instructions.

    Raises:
        ConfigError: the file cannot be read.
    """
    return import_records(
        opened(given), "IFEval prompts", _case, ("key", "prompt", "instruction_id_list", "kwargs"), name
    )


def _case(record: Mapping[str, Any]) -> Case:
    ids, kwargs = record.get("instruction_id_list"), record.get("kwargs")
    fits = isinstance(ids, list) and isinstance(kwargs, list) and len(ids) == len(kwargs) > 0
    if not fits or not all(isinstance(id_, str) for id_ in ids or ()):
        raise NotTaken("Its `instruction_id_list` and `kwargs` are not two lists of the same length.", FIX)
    if not all(isinstance(given, dict | None) for given in kwargs or ()):
        raise NotTaken("Its `kwargs` are not objects.", FIX)
    instructions = [
        {"id": id_, **{name: value for name, value in (given or {}).items() if value is not None}}
        for id_, given in zip(ids or (), kwargs or (), strict=True)
    ]
    return Case(
        id=id_in(record, "key"),
        request=Request(messages=({"role": "user", "content": text_in(record, "prompt")},)),
        category="conversation",
        checks=(Check(type="instructions", value=instructions),),
    )
