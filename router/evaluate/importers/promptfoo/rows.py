"""promptfoo's tests in CSV: a column is a variable, or one of those that begin with `__`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.core.untrusted import number
from router.evaluate.importers.imported import NotTaken
from router.evaluate.importers.promptfoo.asserts import OTHERS, RUN_CODE, TAKEN

_SHORT = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}
_EXPECTED = re.compile(
    rf"(not-)?({'|'.join(sorted({*TAKEN, *OTHERS, *RUN_CODE, *_SHORT}, key=len, reverse=True))})"
    r"(?:\((\d+(?:\.\d+)?)\))?(?::(.*))?",
    re.DOTALL,
)
_CODE_FILE = re.compile(r"file://.*\.(?:py|[cm]?[jt]s|rb)(?::\w+)?")
_COLUMN = re.compile(r"__expected(\d*)")

_DEFAULT = 0.75
"""The threshold that promptfoo gives these in CSV where none is written."""


def test_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A test as YAML would have it, from a row.

    Raises:
        NotTaken: it cannot be read.
    """
    test: dict[str, Any] = {"vars": {}, "assert": [], "options": {}, "metadata": {}}
    for column, value in row.items():
        name = column.removeprefix("__")
        if not column.startswith("__"):
            test["vars"][column] = value
        elif _COLUMN.fullmatch(column) and value.strip():
            test["assert"].append({**_assertion(value), **_configured(row, column)})
        elif name in ("prefix", "suffix") and value:
            test["options"][name] = value
        elif column.startswith("__metadata:"):
            test["metadata"] |= _metadata(column.removeprefix("__metadata:"), value)
        elif name in ("description", "providerOutput") and value:
            test[name] = value
    if (threshold := str(row.get("__threshold") or "").strip()) and (mean := number(threshold)) is None:
        raise NotTaken("Its `__threshold` is not a number.", "Write a number from 0 to 1.")
    metric = {"metric": row["__metric"]} if row.get("__metric") else {}
    test["assert"] = [{**assertion, **metric} for assertion in test["assert"]]
    return {**test, "threshold": mean} if threshold else test


def _assertion(text: str) -> dict[str, Any]:
    """`type:value`, `type(threshold):value`, or what the answer equals."""
    if _CODE_FILE.fullmatch(text.strip()):
        return {"type": "python" if ".py" in text else "javascript", "value": text.strip()}
    found = _EXPECTED.fullmatch(text.strip())
    if found is None:
        return {"type": "equals", "value": text}
    negation, kind, threshold, value = found.groups()
    name = f"{negation or ''}{_SHORT.get(kind, kind)}"
    limit: float | None = float(threshold) if threshold else None
    if limit is None and kind in ("levenshtein", "rouge-n"):
        limit = _DEFAULT
    return {"type": name, **({"value": value.strip()} if value else {}), **({"threshold": limit} if limit else {})}


def _configured(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    """What columns such as `__config:__expected2:threshold` set; `__expected` is the first, and stands for all."""
    names = {column, "__expected", *(("__expected1",) if column == "__expected" else ())}
    keys = {key: tuple(key.split(":", 2)) for key in row if key.startswith("__config:") and str(row[key]).strip()}
    return {parts[2]: row[key] for key, parts in keys.items() if len(parts) == 3 and parts[1] in names}


def _metadata(key: str, value: str) -> dict[str, Any]:
    if not value:
        return {}
    if key.endswith("[]"):
        return {key[:-2]: [part.strip().replace("\\,", ",") for part in re.split(r"(?<!\\),", value)]}
    return {key: value}


def unused(columns: Mapping[str, Any]) -> list[str]:
    """The columns that begin with `__` and mean nothing here."""
    known = re.compile(
        r"__(?:expected\d*|prefix|suffix|description|providerOutput|metric|threshold|metadata:.+|config:__expected\d*:.+)"
    )
    return [column for column in columns if column.startswith("__") and not known.fullmatch(column)]
