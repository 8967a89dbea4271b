"""The one writer: a bounded queue and a thread, so that writing never blocks or fails a request."""

from __future__ import annotations

import functools
import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError, OperationalError

from router.store.database import Database, is_corrupt, is_disk_full

log = logging.getLogger(__name__)

CAPACITY = 100_000
"""The largest queue; about 100 MB. Further rows are dropped and counted."""

LINGER = 0.2
"""Seconds that a row may wait for others before it is written."""

BATCH = 2_000
"""Rows per transaction, so that other processes get a turn."""


@functools.cache
def _sql(statement: ClauseElement, columns: tuple[str, ...]) -> str:
    """The statement's text, for the driver: rows go to it as they are, at a fraction of the price."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named"), column_keys=columns))


class WriterState(NamedTuple):
    """The writer's state, for people.

    Attributes:
        waiting: rows not yet written.
        dropped: rows lost to overflow since the start.
        problem: why nothing is being written, as a sentence; None if all is well.
    """

    waiting: int
    dropped: int
    problem: str | None


class Writer:
    """Writes rows in the order in which they came.

    Args:
        retry_after: seconds until a failed write is tried again.
    """

    def __init__(self, database: Database, *, capacity: int = CAPACITY, retry_after: float = 1.0) -> None:
        self._database = database
        self._capacity = capacity
        self._retry_after = retry_after
        self._rows: deque[tuple[ClauseElement, Mapping[str, Any]]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._written = threading.Condition()
        self._accepted = 0
        self._done = 0
        self._dropped = 0
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, statement: ClauseElement, row: Mapping[str, Any]) -> None:
        """Accept a row for `statement`; returns at once. May be called from any thread."""
        if len(self._rows) >= self._capacity:
            self._dropped += 1
            return
        self._accepted += 1
        self._rows.append((statement, row))
        if not self._wake.is_set():
            self._wake.set()

    def state(self) -> WriterState:
        return WriterState(len(self._rows), self._dropped, self._problem)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was accepted is written. False where that took longer than `timeout` seconds."""
        target = self._accepted
        with self._written:
            return self._written.wait_for(lambda: self._done >= target, timeout)

    def close(self) -> None:
        """Write pending rows and stop."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._closing.wait(LINGER)
            self._wake.clear()
            written = self._drain()
            if self._closing.is_set():
                return
            if not written:
                # The rows stay, in order, and are tried again.
                self._closing.wait(self._retry_after)
                self._wake.set()

    def _drain(self) -> bool:
        """Write all pending rows; False if that is impossible now."""
        singly = 0
        while self._rows:
            batch = [self._rows[index] for index in range(min(1 if singly else BATCH, len(self._rows)))]
            try:
                self._write(batch)
            except Exception as error:
                if isinstance(error, DatabaseError) and is_corrupt(error):
                    continue  # the file has been replaced: the rows go into the new one
                if isinstance(error, OperationalError | OSError):
                    self._set_problem(error)
                    return False
                if len(batch) > 1:
                    singly = len(batch)  # find the row that cannot be stored: it must not keep the others out
                    continue
                log.exception("A row that cannot be stored is dropped")
                self._dropped += 1
            self._problem = None
            singly = max(0, singly - len(batch))
            for _ in batch:
                self._rows.popleft()
            with self._written:
                self._done += len(batch)
                self._written.notify_all()
        return True

    def _set_problem(self, error: OperationalError | OSError) -> None:
        reason = "the disk is full" if is_disk_full(error) else getattr(error, "orig", None) or error
        if self._problem is None:
            log.warning("The store cannot be written: %s", reason)
        self._problem = f"Observations cannot be stored: {reason}"

    def _write(self, batch: Sequence[tuple[ClauseElement, Mapping[str, Any]]]) -> None:
        with self._database.writing() as connection:
            start = 0
            # Neighbours with the same statement go in together.
            for end in range(1, len(batch) + 1):
                if end == len(batch) or batch[end][0] is not batch[start][0]:
                    rows = [row for _, row in batch[start:end]]
                    connection.exec_driver_sql(_sql(batch[start][0], tuple(rows[0])), rows)
                    start = end
