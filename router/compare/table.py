"""Prompts from a CSV file, read as forgivingly as can be done without guessing."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from router.core.errors import InvalidRequest

MAX_CSV_BYTES = 1_000_000
"""The largest file: more prompts than a comparison can have."""

_DELIMITERS = (",", ";", "\t", "|")
_NONE = "\x1f"
"""The delimiter of a file with one column: its lines are not split."""

_OURS = ("prompt", "category")
"""Columns that are found in any case."""

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(data: bytes, required: Sequence[str]) -> list[Mapping[str, str]]:
    """The rows of a CSV file, by the names in its first line; empty rows are left out.

    Args:
        data: in UTF-8 or Latin-1, its columns separated by a comma, semicolon, tab or |.
        required: columns that the file must have, and every row a value for.

    Raises:
        InvalidRequest: it cannot be used; one sentence that names the line and the fix.
    """
    if len(data) > MAX_CSV_BYTES:
        raise InvalidRequest(
            f"The file is {len(data) / 1e6:.1f} MB; the limit is {MAX_CSV_BYTES / 1e6:.0f} MB. Split it."
        )
    text = _text(data)
    lines = _lines(text, _delimiter(text, required))
    top, header = next((number, values) for number, values in lines if values)
    names = _names(top, header, required)
    rows = [_row(number, values, names, required) for number, values in lines if any(map(str.strip, values))]
    if not rows:
        raise InvalidRequest("The file has no prompts: nothing follows its first line, which names the columns.")
    return rows


def _text(data: bytes) -> str:
    if data.startswith(_UTF_16) or b"\0" in data:
        raise InvalidRequest("The file is not a CSV file in UTF-8 or Latin-1. Save it as one of those.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if not text.strip():
        raise InvalidRequest(
            "The file is empty. Its first line must name the columns, and each further line is a prompt."
        )
    return text


def _delimiter(text: str, required: Sequence[str]) -> str:
    """The one that finds most of the required columns in the first line, and of these the most columns."""

    def found(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter))
        except csv.Error:  # said with its line when the file is read
            return 0, 0
        names = [name.strip().casefold() for name in header]
        return sum(name.casefold() in names for name in required), len(names)

    best = max(_DELIMITERS, key=found)
    return best if found(best)[1] > 1 else _NONE


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The values of each row, with the number of the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidRequest(f"Line {number}: {_said(str(error))}") from None


def _said(error: str) -> str:
    if "end of data" in error:
        return 'a quote is opened and never closed. Close it, or write each `"` in a value as `""`.'
    if "field limit" in error:
        return f"a value is longer than {csv.field_size_limit():,} characters. Shorten it, or close its quotes."
    return 'text follows a closing quote. Write each `"` in a value as `""`.'


def _names(line: int, header: Sequence[str], required: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    names = [name.casefold() if name.casefold() in _OURS else name for name in names]
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise InvalidRequest(f"Line {line}: there are two columns called `{twice}`. Rename one.")
    if missing := next((name for name in required if name not in names), None):
        there = ", ".join(f"`{name}`" for name in names if name)
        raise InvalidRequest(
            f"Line {line}: there is no column `{missing}`; the columns are {there or 'not named'}. Add it."
        )
    return names


def _row(number: int, values: Sequence[str], names: Sequence[str], required: Sequence[str]) -> Mapping[str, str]:
    if any(map(str.strip, values[len(names) :])):
        raise InvalidRequest(
            f"Line {number} has {len(values)} values, but there are {len(names)} columns. Quote values that contain"
            " the separator."
        )
    row = dict.fromkeys(names, "") | dict(zip(names, values, strict=False))
    if row.pop("", "").strip():
        raise InvalidRequest(f"Line {number} has a value in a column without a name. Name the column.")
    if missing := next((name for name in required if not row[name].strip()), None):
        raise InvalidRequest(f"Line {number} has no value for `{missing}`. Fill it in, or delete the line.")
    return row
