"""Requests and attempts as a file for other programs: CSV, JSON lines, Parquet or OTLP, a chunk at a time."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Literal

import msgspec
from sqlalchemy import Boolean, Float, Integer, RowMapping, Table, select

from router.core.genai import Span, attempt_span, otlp, request_span
from router.core.spreadsheet import plain
from router.store.database import Database
from router.store.tables import observations, requests

Format = Literal["csv", "parquet", "jsonl", "otlp"]
What = Literal["requests", "attempts"]

CHUNK = 20_000
"""Rows that are in memory at once."""

SPANS = 500
"""In one line of OTLP."""

_TABLES = {"requests": requests, "attempts": observations}


def export(database: Database, file: BinaryIO, form: Format, what: What, since: float | None = None) -> int:
    """Write rows as they are stored, oldest first; those that were rolled up are not among them.

    Args:
        what: the rows; OTLP has both, a span each.
        since: Unix time, seconds; None for all.

    Returns:
        How many rows.

    Raises:
        StoreError: the database cannot be read.
        OSError: the file cannot be written.
    """
    if form == "otlp":
        spans = (request_span(_named(row)) for chunk in _chunks(database, requests, since) for row in chunk)
        calls = (attempt_span(_named(row)) for chunk in _chunks(database, observations, since) for row in chunk)
        return _write_otlp(file, spans) + _write_otlp(file, calls)
    table = _TABLES[what]
    write = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}[form]
    return write(file, table, _chunks(database, table, since))


def _chunks(database: Database, table: Table, since: float | None) -> Iterator[list[RowMapping]]:
    """The rows, each chunk in a transaction of its own: who reads slowly keeps no log from being cleared."""
    after = 0
    while True:
        rows = select(table).where(table.c.id > after).order_by(table.c.id).limit(CHUNK)
        if since is not None:
            rows = rows.where(table.c.started >= since)
        with database.reading() as connection:
            chunk = list(connection.execute(rows).mappings())
        if not chunk:
            return
        yield chunk
        after = chunk[-1]["id"]


def _write_csv(file: BinaryIO, table: Table, chunks: Iterator[list[RowMapping]]) -> int:
    """Text that a spreadsheet would run as a formula begins with an apostrophe."""
    names = table.columns.keys()
    total = 0
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for chunk in chunks:
        writer.writerows([plain(row[name]) for name in names] for row in chunk)
        file.write(text.getvalue().encode())
        text.seek(text.truncate(0))
        total += len(chunk)
    file.write(text.getvalue().encode())
    return total


def _write_jsonl(file: BinaryIO, _: Table, chunks: Iterator[list[RowMapping]]) -> int:
    encoder = msgspec.json.Encoder()
    total = 0
    for chunk in chunks:
        file.write(b"".join(encoder.encode(_as_json(row)) + b"\n" for row in chunk))
        total += len(chunk)
    return total


def _write_otlp(file: BinaryIO, spans: Iterable[Span]) -> int:
    """OTLP's JSON, a line per batch, as the OpenTelemetry Collector's file exporter writes it."""
    encoder = msgspec.json.Encoder()
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "fallback-lab"}}]}
    total, left = 0, iter(spans)
    while batch := [otlp(span) for span in itertools.islice(left, SPANS)]:
        listed = [{"resource": resource, "scopeSpans": [{"scope": {"name": "fallback_lab"}, "spans": batch}]}]
        file.write(encoder.encode({"resourceSpans": listed}) + b"\n")
        total += len(batch)
    return total


def _named(row: RowMapping) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _as_json(row: RowMapping) -> dict[str, Any]:
    """The row, with what is JSON in it as such."""
    return {**row, **{name: msgspec.Raw(text.encode()) for name in ("path", "upstream") if (text := row.get(name))}}


def _write_parquet(file: BinaryIO, table: Table, chunks: Iterator[list[RowMapping]]) -> int:
    # Imported here: it takes a while, and nothing else on the command line needs it.
    import pyarrow as pa  # noqa: PLC0415  # for Parquet alone
    import pyarrow.parquet as pq  # noqa: PLC0415  # for Parquet alone

    types = {Boolean: pa.bool_(), Integer: pa.int64(), Float: pa.float64()}
    schema = pa.schema([(column.name, types.get(type(column.type), pa.string())) for column in table.columns])
    total = 0
    with pq.ParquetWriter(file, schema) as writer:
        for chunk in chunks:
            writer.write_table(pa.Table.from_pylist([dict(row) for row in chunk], schema))
            total += len(chunk)
    return total
