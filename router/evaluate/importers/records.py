"""Files of records (JSON lines, a list in JSON, CSV, Parquet), each with its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from router.config.values import shortened
from router.core.errors import ConfigError
from router.evaluate.importers.imported import MAX_CASES
from router.evaluate.importers.json_text import JsonLines, decode
from router.evaluate.importers.source import Source

MAX_LINE = 5_000_000
"""Characters of one line, and of one field."""

MAX_UNPACKED = 200_000_000
"""Bytes that a Parquet file may unpack to: a small one can mean terabytes."""


class Record(NamedTuple):
    """One record of a file.

    Attributes:
        place: `file:line`; `file:row` in Parquet.
        problem: why it cannot be read, a clause; empty if it can.
    """

    place: str
    data: Mapping[str, Any]
    problem: str = ""


def records(source: Source) -> Iterator[Record]:
    """The records of a file, by its content and its name's ending.

    Raises:
        ConfigError: it is no such file.
    """
    if source.data.startswith(b"PAR1"):
        return _parquet(source)
    if source.ending in (".csv", ".tsv"):
        return _csv(source)
    text = source.text
    return _listed(source, text) if text.lstrip().startswith("[") else _lines(source, text)


def _lines(source: Source, text: str) -> Iterator[Record]:
    """The objects of JSON lines; or a single one, over however many lines."""
    begun = text.lstrip()
    if begun.startswith("{") and "\n" in begun and _is_json(text):
        yield Record(source.place(text.count("\n", 0, len(text) - len(begun)) + 1), decode(text))
        return
    first = True
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            record = _record(source.place(number), line)
            if first and record.problem:
                raise ConfigError(f"{source.path}, line {number}: {record.problem}. Import JSON, or one object a line.")
            yield record
            first = False


def _is_json(text: str) -> bool:
    try:
        return isinstance(decode(text), dict)
    except ValueError:
        return False


def _record(place: str, line: str) -> Record:
    if len(line) > MAX_LINE:
        return Record(place, {}, f"it has more than {MAX_LINE / 1e6:.0f} million characters")
    try:
        value = decode(line)
    except ValueError as error:
        return Record(place, {}, str(error))
    return Record(place, value) if isinstance(value, dict) else Record(place, {}, "it is not a JSON object")


def _listed(source: Source, text: str) -> Iterator[Record]:
    try:
        items = decode(text)
    except ValueError as error:
        raise ConfigError(f"{source.path} cannot be imported: {error}.") from None
    lines = JsonLines(text)
    for number, item in enumerate(items):
        place = source.place(lines.of((number,)))
        yield Record(place, item) if isinstance(item, dict) else Record(place, {}, "it is not a JSON object")


def _csv(source: Source) -> Iterator[Record]:
    text = source.text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(source, header)
        begin = reader.line_num + 1
        for row in reader:
            if any(row):
                yield _row(source.place(begin), header, row)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{source.path}, line {reader.line_num}: not valid CSV: {error}.") from None


def _delimiter(text: str) -> str:
    """What the header has most of: a comma, a semicolon as in much of Europe, or a tab."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _check_header(source: Source, header: Sequence[str]) -> None:
    if not header or not any(header):
        raise ConfigError(f"{source.path} is empty. Its first line must name the columns.")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise ConfigError(f"{source.path}, line 1: there are two columns called `{shortened(twice)}`. Rename one.")


def _row(place: str, header: Sequence[str], row: Sequence[str]) -> Record:
    if len(row) > len(header):
        return Record(place, {}, f"it has {len(row)} fields, and the header {len(header)}; quote a field with commas")
    return Record(place, dict(zip(header, [*row, *[""] * (len(header) - len(row))], strict=True)))


def _parquet(source: Source) -> Iterator[Record]:
    import pyarrow as pa  # noqa: PLC0415  # it takes long, and few need it
    import pyarrow.parquet as pq  # noqa: PLC0415  # with it

    try:
        file = pq.ParquetFile(pa.BufferReader(source.data))
        texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
        # Kept as dictionaries, so that a text that all rows share is unpacked once.
        file = pq.ParquetFile(pa.BufferReader(source.data), read_dictionary=texts)
        if file.metadata.num_rows > MAX_CASES:
            raise ConfigError(f"{source.path} has more than {MAX_CASES:,} rows. Import a part of it.")
        yield from _rows(source, file.iter_batches(batch_size=1_000))
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(
            f"{source.path} is not a readable Parquet file: {str(error).partition(chr(10))[0]}."
        ) from None


def _rows(source: Source, batches: Iterator[Any]) -> Iterator[Record]:
    number = unpacked = 0
    for batch in batches:
        unpacked += batch.nbytes
        for row in range(batch.num_rows):
            number += 1
            values = {name: batch.column(name)[row] for name in batch.schema.names}
            if unpacked > MAX_UNPACKED or number > MAX_CASES:
                raise ConfigError(
                    f"{source.path} unpacks to more than {MAX_UNPACKED / 1e6:.0f} MB or {MAX_CASES:,} rows."
                    " Import a part of it."
                )
            data = {name: value.as_py() for name, value in values.items()}
            unpacked += sum(len(value) for value in data.values() if isinstance(value, str | bytes | list))
            yield Record(source.place(number), data)
