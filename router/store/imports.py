"""Requests from other tools' logs: stored a batch at a time, each request once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, insert
from sqlalchemy.exc import DatabaseError

from router.core.errors import StoreError
from router.core.fields import row_of
from router.core.records import Observation, RequestSummary
from router.store.database import Database
from router.store.tables import imported, observations, requests

_KNOWN = (
    "SELECT value FROM json_each(?) WHERE value IN (SELECT request_id FROM imported)"
    " OR value IN (SELECT request_id FROM observations)"
)


class ImportedRequest(NamedTuple):
    """A request with its attempts, in their order."""

    summary: RequestSummary
    attempts: Sequence[Observation]


class ImportLog:
    """Stores imported requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def new(self, batch: Sequence[ImportedRequest]) -> list[ImportedRequest]:
        """Those of a batch that are not stored, and were not since summarized.

        Raises:
            StoreError: the database cannot be read.
        """
        with self._database.reading() as connection:
            return _new(connection, batch)

    def add(self, batch: Sequence[ImportedRequest]) -> list[ImportedRequest]:
        """Store what is new, in one transaction, past the queue of the writer: nothing is dropped. Returns what was.

        Raises:
            StoreError: the database cannot be written.
        """
        try:
            with self._database.writing() as connection:
                fresh = _new(connection, batch)
                attempts = [row_of(attempt) for each in fresh for attempt in each.attempts]
                if fresh:
                    connection.execute(insert(requests), [row_of(each.summary) for each in fresh])
                    connection.execute(insert(imported), [{"request_id": each.summary.request_id} for each in fresh])
                if attempts:
                    connection.execute(insert(observations), attempts)
        except DatabaseError as error:
            raise StoreError(f"The import stopped, and what it stored before stays: {error.orig}.") from None
        return fresh


def _new(connection: Connection, batch: Sequence[ImportedRequest]) -> list[ImportedRequest]:
    ids = msgspec.json.encode([each.summary.request_id for each in batch]).decode()
    known = {row[0] for row in connection.exec_driver_sql(_KNOWN, (ids,))}
    return [each for each in batch if each.summary.request_id not in known]
