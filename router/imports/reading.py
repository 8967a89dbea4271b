"""The rows of a file: JSON lines, a JSON document or its list, or CSV; gzipped or not; a row at a time.

The answer of an API, which has its rows as a list under `data`, is taken apart.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import threading
import zlib
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from router.core.errors import InvalidRequest
from router.core.untrusted import NO_JSON, decode_json

MAX_ROW = 64_000_000
"""Bytes of one row, or of a document that is none of rows."""

_CHUNK = 1 << 20

_one_at_a_time = threading.Lock()


class Row(NamedTuple):
    """A row.

    Attributes:
        line: where it begins, 1 for the first.
        values: None where it could not be read; `problem` says why then.
        seen: bytes of the file up to its end, about.
    """

    line: int
    values: Mapping[str, Any] | None
    seen: int
    problem: str = ""


def rows(path: Path) -> Generator[Row, None, None]:
    """The rows of a file.

    Raises:
        InvalidRequest: it cannot be opened, or is neither JSON nor CSV.
    """
    try:
        with path.open("rb") as raw:
            if raw.read(2) == b"\x1f\x8b":
                raw.seek(0)
                with gzip.open(raw) as file:
                    yield from _rows(cast("BinaryIO", file), raw, path)
            else:
                raw.seek(0)
                yield from _rows(raw, raw, path)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise InvalidRequest(f"{path} is a damaged gzip file.") from None
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from None


def _rows(file: BinaryIO, raw: BinaryIO, path: Path) -> Iterator[Row]:
    with cast("io.BufferedReader", io.BufferedReader(cast("io.RawIOBase", file), _CHUNK)) as buffered:
        start = buffered.peek(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InvalidRequest(f"{path} is UTF-16, as PowerShell writes it. Save it as UTF-8.")
        if start.startswith(b"\xef\xbb\xbf"):  # a byte order mark
            buffered.read(3)
            start = start[3:]
        if start.lstrip()[:1] == b"{":
            yield from _lines(buffered, raw)
        else:
            with io.TextIOWrapper(buffered, encoding="utf-8", errors="replace", newline="") as text:
                yield from (_listed if start.lstrip()[:1] == b"[" else _table)(text, raw)


# --- JSON ------------------------------------------------------------------------------------------


def _lines(file: io.BufferedReader, raw: BinaryIO) -> Iterator[Row]:
    """A row a line; where the first line is no value, all lines together are one."""
    number = 0
    while line := file.readline(MAX_ROW + 1):
        number += 1
        if len(line) > MAX_ROW:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_ROW)
            yield Row(number, None, raw.tell(), f"it is longer than {MAX_ROW:,} bytes")
        elif text := line.strip():
            value = _decoded(text)
            if value is _BROKEN and number == 1:
                yield from _objects(_decoded(text + file.read(MAX_ROW)), number, raw)
                return
            yield from _objects(value, number, raw)


_BROKEN = object()
"""What no JSON is decoded to."""


def _decoded(data: bytes) -> Any:
    try:
        return decode_json(data)
    except NO_JSON:
        return _BROKEN


def _objects(value: Any, line: int, raw: BinaryIO) -> Iterator[Row]:
    """The row that a value is, or the rows in the answer of an API."""
    if not isinstance(value, dict):
        what = "it is not JSON" if value is _BROKEN else "it is not a JSON object"
        yield Row(line, None, raw.tell(), what)
    elif isinstance(listed := value.get("data"), list):
        for each in listed:
            yield from _objects(each, line, raw)
    else:
        yield Row(line, value, raw.tell())


def _listed(text: io.TextIOWrapper, raw: BinaryIO) -> Iterator[Row]:
    """The elements of one list, of which a few are in memory."""
    decoder = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
    held, line, size, ended = text.read(_CHUNK).lstrip()[1:], 1, _CHUNK, False
    while True:
        stripped = held.lstrip(" \t\r\n,")
        line += held.count("\n", 0, len(held) - len(stripped))
        held = stripped
        if held.startswith("]"):
            return
        try:
            value, end = decoder.raw_decode(held) if held else (None, 0)
        except (ValueError, RecursionError):
            end = 0
        # What ends with the text that is held, such as a number, may go on.
        if end and (end < len(held) or ended):
            yield from _objects(value, line, raw)
            line += held.count("\n", 0, end)
            held, size = held[end:], _CHUNK
            continue
        more = text.read(size)
        size = min(2 * size, MAX_ROW)  # a long element is not decoded again for every piece of it
        ended = not more
        held += more
        if ended or len(held) > MAX_ROW:
            yield Row(line, None, raw.tell(), "the list is broken off here, or is not JSON from here on")
            return


# --- CSV -------------------------------------------------------------------------------------------


def _next(reader: Iterator[list[str]]) -> list[str]:
    """The next row, whose cells may be as long as a row; `csv` has one limit for the process, which others rely on."""
    with _one_at_a_time:
        before = csv.field_size_limit(MAX_ROW)
        try:
            return next(reader)
        finally:
            csv.field_size_limit(before)


def _table(text: io.TextIOWrapper, raw: BinaryIO) -> Iterator[Row]:
    head = text.readline(MAX_ROW)
    delimiter = max(",;\t", key=head.count)
    names = [each.strip() for each in _next(csv.reader([head or "\n"], delimiter=delimiter))]
    reader = csv.reader(text, delimiter=delimiter)
    while True:
        line = reader.line_num + 2
        try:
            cells = _next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, None, raw.tell(), f"it is not CSV: {error}")
            continue
        if len(cells) > len(names):
            yield Row(line, None, raw.tell(), f"it has {len(cells)} cells, and the heading {len(names)}")
        elif cells:
            # A formula's apostrophe is that of a spreadsheet, also of our own export.
            yield Row(line, dict(zip(names, cells, strict=False)), raw.tell())
