"""A table of what was observed as columns in memory: read once, and only added to.

Rows that were rolled up into hourly summaries (router/store/retention.py) stand in front of the others, each summary as
many rows as it stands for; their ids are negative, for there is nothing behind them.

A row's labels (model, category, outcome, …) come in few combinations, a few thousand in a million rows. So a row holds
the index of its labels beside its measures, and whatever asks about labels asks each combination once.

Why the SQL looks as it does: rows as tuples take twice as long until they are arrays, and each row takes the GIL again,
for which any other thread may make it wait. Here a chunk comes as a few texts, one a column, in one step without the
GIL, and numpy reads the numbers out of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from router.core.attempts import Attempt
from router.core.fields import labels_of
from router.core.records import Observation, Origin, RequestSummary
from router.metrics.summaries import Expanded, expand
from router.store.database import Database
from router.store.hours import Summarized

CHUNK = 100_000
"""Rows that are read at once."""

SUMMARIES = 20_000
"""Summaries that are read at once."""

Floats: TypeAlias = NDArray[np.float32]


if TYPE_CHECKING:

    class AttemptLabels(Observation, Attempt, Origin, frozen=True):
        """What an attempt was, less when it was and its measures: the fields marked as labels, and no other."""

    class RequestLabels(RequestSummary, Origin, frozen=True):
        """What a request was, less its time and its measures; names as in the table `requests`."""

else:
    AttemptLabels, RequestLabels = labels_of(Observation), labels_of(RequestSummary)

Labels = TypeVar("Labels", bound=msgspec.Struct)


class Rows(NamedTuple, Generic[Labels]):
    """Rows of one table, in the order of their ids; nobody writes to the arrays.

    Attributes:
        labels: all combinations of labels, also those that none of these rows has.
        label_index: (n,) where in `labels` each row's are.
        id: (n,) the table's primary keys; negative for a row that only a summary knows of.
        started: (n,) Unix time, seconds.
        measures: by name, (n,); NaN is unknown. Seconds, US dollars, tokens.
        asked: what was asked of these labels so far, by the function that answers it.
        state: another one wherever other rows are stored, be they as many.
    """

    labels: tuple[Labels, ...]
    label_index: NDArray[np.int32]
    id: NDArray[np.int64]
    started: NDArray[np.float64]
    measures: Mapping[str, Floats]
    asked: dict[Callable[[Any], Any], Any]
    state: Hashable = None


class _Indexes(dict[str, int]):
    """Numbers combinations of labels as they are met; the keys are what `Summarized.listed` gives."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


class Heading(msgspec.Struct):
    """How the snapshot describes a table; the columns' bytes follow, one after the other."""

    count: int
    mark: tuple[int, str] | None
    hours: tuple[int, int]
    names: tuple[str, ...]
    labels: list[str]
    dtypes: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes of the columns."""
        return self.count * sum(np.dtype(dtype).itemsize for dtype in self.dtypes.values())


class Table(Generic[Labels]):
    """One table's columns, which grow; views that were handed out never change.

    Args:
        measures: the unit of each while it is read, 1e-6 for microseconds: SQLite writes whole numbers much faster.
    """

    def __init__(self, table: Summarized, labels: type[Labels], measures: Mapping[str, float]) -> None:
        self._table = table
        self._name = table.name
        self._type = labels
        self._units = {"id": 1.0, "started": 1e-6, **measures}
        numbers = [f"ifnull(CAST({name} / {unit:g} AS INTEGER), -1)" for name, unit in measures.items()]
        columns = ["id", "CAST(started * 1e6 AS INTEGER)", *numbers]
        # JSON holds no line break, whatever the labels hold.
        self._chunk = (
            f"SELECT group_concat({table.listed}, char(10)), {', '.join(f'group_concat({c})' for c in columns)}"  # noqa: S608  # our own names
            f" FROM {table.name} WHERE id > ? AND id <= ?"
        )
        self._dtypes: dict[str, type] = {"index": np.int32, "id": np.int64, "started": np.float64}
        self._dtypes |= dict.fromkeys(measures, np.float32)
        self.clear()

    def clear(self) -> None:
        self.count = 0
        self._mark: tuple[int, str] | None = None
        self._hours = (0, 0)  # the newest summary, and how many there are
        self._indexes = _Indexes()
        self._decoded: tuple[Labels, ...] = ()
        self._asked: dict[Callable[[Any], Any], Any] = {}
        self._columns: dict[str, NDArray[Any]] = {name: np.empty(0, dtype) for name, dtype in self._dtypes.items()}

    def rows(self) -> Rows[Labels]:
        """All rows as they are now."""
        if fresh := list(self._indexes)[len(self._decoded) :]:
            self._decoded += tuple(map(self._labels, fresh))
            self._asked = {}
        seen = {name: column[: self.count] for name, column in self._columns.items()}
        state = self.count, self._mark, self._hours
        return Rows(self._decoded, seen.pop("index"), seen.pop("id"), seen.pop("started"), seen, self._asked, state)

    def _labels(self, listed: str) -> Labels:
        named = dict(zip(self._table.labels, msgspec.json.decode(listed), strict=True))
        return msgspec.convert(named, self._type, strict=False)

    # --- From the database -------------------------------------------------------------------------

    def refresh(self, database: Database) -> int:
        """Read the rows that are new, and drop those that are gone. Returns how many were read."""
        with database.reading() as connection:
            if self._mark is not None and self._row_at(connection, self._mark[0]) != self._mark:
                self.clear()  # forgotten, or another database
            before = self.count
            top = self._scalar(connection, "max(id)") or 0
            for after in range(self._last_id(), top, CHUNK):
                self._append(connection, after, min(after + CHUNK, top))
                # After each chunk: where the next one is damaged, another database takes this one's place.
                self._mark = self._row_at(connection, self._last_id())
            read = self.count - before
            if self._scalar(connection, "count(*)") < self.count - self._summarized():
                self._drop_deleted(connection)
            return read + self._refresh_summaries(connection)

    def _last_id(self) -> int:
        return max(0, int(self._columns["id"][self.count - 1])) if self.count else 0

    def _summarized(self) -> int:
        """How many of the rows, the first ones, only summaries know of."""
        return int(np.searchsorted(self._columns["id"][: self.count], 0))

    def _row_at(self, connection: Connection, row: int) -> tuple[int, str] | None:
        select = f"SELECT id, request_id FROM {self._name} WHERE id = ?"  # noqa: S608  # the same
        found = connection.exec_driver_sql(select, (row,)).one_or_none()
        return tuple(found) if found is not None else None

    def _scalar(self, connection: Connection, what: str, table: str | None = None) -> Any:
        return connection.exec_driver_sql(f"SELECT {what} FROM {table or self._name}").scalar_one()  # noqa: S608  # the same

    def _append(self, connection: Connection, after: int, to: int) -> None:
        keys, *texts = connection.exec_driver_sql(self._chunk, (after, to)).one()
        if keys is None:
            return  # all of them were deleted
        indexes = list(map(self._indexes.__getitem__, keys.split("\n")))
        end = self.count + len(indexes)
        self._grow(end)
        self._columns["index"][self.count : end] = indexes
        for (name, unit), text in zip(self._units.items(), texts, strict=True):
            whole = np.fromstring(text, dtype=np.int64, sep=",")
            unknown = (whole == -1) & (self._dtypes[name] is np.float32)
            self._columns[name][self.count : end] = whole if name == "id" else np.where(unknown, np.nan, whole * unit)
        self.count = end

    def _grow(self, needed: int) -> None:
        if needed <= len(self._columns["id"]):
            return
        capacity = max(needed, len(self._columns["id"]) * 5 // 4)
        for name, column in self._columns.items():
            grown = np.empty(capacity, column.dtype)
            grown[: self.count] = column[: self.count]
            self._columns[name] = grown

    def _drop_deleted(self, connection: Connection) -> None:
        left = np.fromstring(self._scalar(connection, "group_concat(id)") or "", dtype=np.int64, sep=",")
        ids = self._columns["id"][: self.count]
        self._keep((ids < 0) | np.isin(ids, left))

    def _refresh_summaries(self, connection: Connection) -> int:
        """Take over new and changed summaries, and drop those that are gone. Returns how many were read."""
        hours = self._table.hours
        newest, count = (
            self._scalar(connection, "ifnull(max(id), 0)", hours),
            self._scalar(connection, "count(*)", hours),
        )
        if (newest, count) == self._hours:
            return 0
        left = np.fromstring(self._scalar(connection, "group_concat(id)", hours) or "", dtype=np.int64, sep=",")
        ids = self._columns["id"][: self.count]
        self._keep((ids > 0) | np.isin(-ids, left))
        before = self.count
        for after in range(self._hours[0], newest, SUMMARIES):
            self._put_in_front(expand(connection, self._table, after, min(after + SUMMARIES, newest)))
        self._hours = (newest, count)
        return self.count - before

    def _put_in_front(self, rows: Expanded) -> None:
        indexes = np.array([self._indexes[key] for key in rows.labels], np.int32)
        columns = {"index": np.repeat(indexes, rows.counts), **rows.columns}
        self._columns = {
            name: np.concatenate([columns[name].astype(column.dtype), column[: self.count]])
            for name, column in self._columns.items()
        }
        self.count = len(self._columns["id"])

    def _keep(self, which: NDArray[np.bool_]) -> None:
        self._columns = {name: column[: self.count][which] for name, column in self._columns.items()}
        self.count = int(which.sum())

    # --- On disk -----------------------------------------------------------------------------------

    def heading(self) -> Heading:
        dtypes = {name: column.dtype.str for name, column in self._columns.items()}
        return Heading(self.count, self._mark, self._hours, self._table.labels, list(self._indexes), dtypes)

    def write(self, file: BinaryIO) -> int:
        """Write the columns, in the heading's order. Returns their checksum."""
        crc = 0
        for column in self._columns.values():
            column[: self.count].tofile(file)
            crc = zlib.crc32(column[: self.count].data, crc)
        return crc

    def restore(self, heading: Heading, snapshot: Path, offset: int) -> int:
        """Take over what a snapshot holds of the table, from a byte on. Returns the checksum of its columns."""
        crc = 0
        with snapshot.open("rb") as file:
            file.seek(offset)
            for name, dtype in heading.dtypes.items():
                self._columns[name] = np.fromfile(file, dtype, heading.count)
                crc = zlib.crc32(self._columns[name].data, crc)
        self._indexes = _Indexes(zip(heading.labels, range(len(heading.labels)), strict=True))
        self._mark, self._hours, self.count = heading.mark, heading.hours, heading.count
        return crc
