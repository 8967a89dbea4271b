"""Recognizes what a file of cases is, by its content and the ending of its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from router.core.errors import ConfigError
from router.evaluate.importers.bfcl import import_bfcl
from router.evaluate.importers.gsm8k import import_gsm8k
from router.evaluate.importers.human_eval import import_human_eval
from router.evaluate.importers.ifeval import import_ifeval
from router.evaluate.importers.imported import Imported
from router.evaluate.importers.inspect_samples import import_inspect
from router.evaluate.importers.openai_evals import import_openai_evals
from router.evaluate.importers.promptfoo import import_promptfoo
from router.evaluate.importers.promptfoo.files import tree
from router.evaluate.importers.promptfoo.importing import KEYS
from router.evaluate.importers.records import records
from router.evaluate.importers.source import Source, opened
from router.evaluate.importers.tables import import_table
from router.evaluate.suites.loading import Problem, parse_suite

Importer = Callable[[Source], Imported]

_KEY = re.compile(r"^([A-Za-z]\w*)[ \t]*:(?:\s|$)", re.MULTILINE)

OWN = "a suite of Fallback Lab"

_BY_FIELDS: tuple[tuple[frozenset[str], Importer], ...] = (
    (frozenset({"instruction_id_list", "prompt"}), import_ifeval),
    (frozenset({"entry_point", "prompt", "test"}), import_human_eval),
    (frozenset({"question", "function"}), import_bfcl),
    (frozenset({"question", "involved_classes"}), import_bfcl),
)
"""The fields that tell a format; those whose importers can be told a grader come after them."""


def read_suite(
    given: Path | Source,
    graders: Collection[str],
    problem: Problem | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    template: str = "",
    check: str | None = None,
) -> Imported:
    """The suite of a file in any format that is known here; `Imported.format` says which one it was taken for.

    Args:
        graders: the names of all graders, for suites of our own.
        problem: what is wrong with a check's value or options; None to leave that to the run.
        columns: which column of a table is which field of a case; see `import_table`. What has any is a table.
        template: the prompt of a table, or of promptfoo's tests alone, with `{{variables}}`.
        check: the grader where the format leaves it open: tables, Inspect's samples, OpenAI evals.

    Raises:
        ConfigError: it is in no such format, or cannot be read; one sentence.
    """
    if not (source := opened(given)).data.strip():
        raise ConfigError(f"{source.path} is empty. Import another file.")
    if (own := _own_suite(source, graders, problem)) is not None:
        return own
    found = _imported(source, columns, template, {"check": check} if check is not None else {})
    return found.usable(problem) if problem is not None else found


def _imported(source: Source, columns: Mapping[str, str] | None, template: str, graded: Mapping[str, Any]) -> Imported:
    if columns is not None or source.data.startswith(b"PAR1"):
        return import_table(source, columns, template=template, **graded)
    if not _is_document(source):
        return _of_records(source, template, graded)
    if (keys := _keys(source)) and not KEYS & keys:
        raise ConfigError(
            f"{source.path} has neither `cases` nor promptfoo's `prompts` and `tests`. Import another file."
        )
    return import_promptfoo(source, (template,) if template else ())


def _own_suite(source: Source, graders: Collection[str], problem: Problem | None) -> Imported | None:
    if not _is_document(source) or "cases" not in _keys(source):
        return None
    suite = parse_suite(source.text, source.path, graders, problem, folder=source.around)
    return Imported(OWN, suite, (), len(suite.cases))


def _is_document(source: Source) -> bool:
    """Whether it is one mapping, or a list in YAML, rather than records."""
    if source.ending in (".yaml", ".yml"):
        return True
    if source.data.startswith(b"PAR1"):
        return False
    first = source.text.lstrip()[:1] if source.ending not in (".csv", ".tsv") else ""
    return first == "{" and _holds_document(source)


def _keys(source: Source) -> set[str]:
    """The keys of a document; none if it is a list."""
    if found := _KEY.findall(source.text):  # a large file is not read twice
        return set(found)
    data = tree(source).data
    return set(data) if isinstance(data, dict) else set()


def _holds_document(source: Source) -> bool:
    try:
        found = next(records(source), None)
    except ConfigError:
        return False
    return found is not None and bool({"cases", "tests", "prompts"} & found.data.keys())


def _of_records(source: Source, template: str, graded: Mapping[str, Any]) -> Imported:
    first = next((record.data for record in records(source) if not record.problem), None)
    if first is None:
        raise ConfigError(f"{source.path} has no record that can be read. Import another file.")
    names = set(first)
    if names & {"vars", "assert"} or any(name.startswith("__") for name in names):
        return import_promptfoo(source, (template,) if template else ())
    for fields, importer in _BY_FIELDS:
        if fields <= names:
            return importer(source)
    if {"input", "ideal"} <= names:
        return import_openai_evals(source, **graded)
    if {"input", "target"} <= names and not template:
        return import_inspect(source, **graded)
    if "####" in str(first.get("answer")) and "question" in names:
        return import_gsm8k(source)
    return import_table(source, template=template, **graded)
