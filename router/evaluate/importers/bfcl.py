"""The Berkeley function calling leaderboard: questions with their functions, and the accepted calls in another file.

Both are JSON lines, in files that end in `.json` (https://github.com/ShishirPatil/gorilla).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from router.core.errors import ConfigError
from router.core.requests import Request
from router.core.suites import Case, Check
from router.evaluate.importers.imported import Imported, NotTaken
from router.evaluate.importers.reading import FIX, asked, id_in, import_records, tools_of
from router.evaluate.importers.records import records
from router.evaluate.importers.source import Given, Source, opened

_USED = ("id", "question", "function", "involved_classes", "ground_truth")

_TYPES = {"dict": "object", "float": "number", "tuple": "array"}
"""What BFCL's schemas call Python's types, and what JSON's schemas call them."""

_NOT_SCHEMAS = ("default", "enum", "examples", "const")

_ANY_CALLS = Check(type="no-tool-calls", negated=True)


def import_bfcl(given: Given, answers: Given | None = None, name: str | None = None) -> Imported:
    """BFCL's questions, each checked by its rules for calls.

    Args:
        answers: the file of the accepted calls; None if it stands in the folder `possible_answer` under the same name.

    Raises:
        ConfigError: a file cannot be read.
    """
    source = opened(given)
    found = opened(answers) if answers is not None else _beside(source)
    truths = _truths(found) if found is not None else {}
    return import_records(source, "BFCL questions", functools.partial(_case, truths, source.path.stem), _USED, name)


def _beside(source: Source) -> Source | None:
    path = source.around.resolve() / "possible_answer" / source.path.name
    return source.other(path) if source.on_disk and path.is_file() else None


def _truths(source: Source) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for record in records(source):
        if record.problem:
            raise ConfigError(f"{record.place}: the accepted calls cannot be read: {record.problem}.")
        found[id_in(record.data)] = record.data.get("ground_truth")
    return found


def _case(truths: Mapping[str, Any], stem: str, record: Mapping[str, Any]) -> Case:
    id_ = id_in(record)
    if record.get("involved_classes"):
        raise NotTaken("It needs the systems that BFCL simulates over several turns.", "Run it with bfcl-eval.")
    if "_java" in f"_{stem}_{id_}":
        raise NotTaken("Its values are written as in Java or JavaScript.", "Run it with bfcl-eval.")
    question, functions = record.get("question"), record.get("function")
    turns = question if isinstance(question, list) else []
    if len(turns) != 1:
        raise NotTaken(f"It has {len(turns)} turns; a check reads the calls of one answer.", "Run it with bfcl-eval.")
    given = functions if isinstance(functions, list) else [functions]
    truth = truths.get(id_, record.get("ground_truth"))
    return Case(
        id=id_,
        request=Request(messages=asked(turns[0]), tools=tools_of([_function(function) for function in given])),
        category="tools",
        checks=(_check(truth, f"{stem} {id_}"),),
    )


def _check(truth: Any, kind: str) -> Check:
    if "irrelevance" in kind:
        return Check(type="no-tool-calls")
    if truth is None and "relevance" in kind:
        return _ANY_CALLS
    calls = truth if isinstance(truth, list) else []
    if not calls or not all(isinstance(call, dict) and len(call) == 1 for call in calls):
        raise NotTaken(
            "Its accepted calls are missing, or not of the form `{function: {parameter: [values]}}`.",
            "Name the file of the answers too (possible_answer/…).",
        )
    return Check(
        type="tool-calls", value=[{_name(name): accepted for name, accepted in call.items()} for call in calls]
    )


def _function(function: Any) -> Any:
    """A function as an OpenAI-style API takes it."""
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise NotTaken("One of its functions has no name.", FIX)
    return {**function, "name": _name(function["name"]), "parameters": _schema(function.get("parameters"))}


def _name(name: str) -> str:
    return name.replace(".", "_")


def _schema(value: Any) -> Any:
    """A schema with JSON's names of types; `any` is none."""
    if isinstance(value, list):
        return [_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: item if key in _NOT_SCHEMAS else _schema(item) for key, item in value.items()}
    kind = value.get("type")
    if kind == "any":
        del plain["type"]
    elif isinstance(kind, str):
        plain["type"] = _TYPES.get(kind, kind)
    return plain
