"""The database: observations, requests, conversations and comparisons."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.exc import DatabaseError

from router.errors import StoreError
from router.store.comparisons import Cell, Comparison, ComparisonLog, Key, Plan, Prompt, Usual, Vote, Winner
from router.store.conversations import ConversationLog, Entry, Settings, ToolResult, Turn
from router.store.database import Database
from router.store.observations import Observation, ObservationLog
from router.store.requests import RequestLog, RequestSummary, Step, passed_over_for_keys_alone, path_of
from router.store.retention import Pruned, Retention
from router.store.tables import metadata
from router.store.templates import Template, TemplateLog
from router.store.writer import Writer

__all__ = [
    "Cell",
    "Comparison",
    "ComparisonLog",
    "ConversationLog",
    "Entry",
    "Key",
    "Observation",
    "ObservationLog",
    "Plan",
    "Prompt",
    "Pruned",
    "RequestLog",
    "RequestSummary",
    "Retention",
    "Settings",
    "Step",
    "Store",
    "Template",
    "ToolResult",
    "Turn",
    "Usual",
    "Vote",
    "Winner",
    "Writer",
    "passed_over_for_keys_alone",
    "path_of",
]


class Store:
    """The database with its one writer.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.writer = Writer(self.database)
        self.observations = ObservationLog(self.database, self.writer)
        self.requests = RequestLog(self.database, self.writer)
        self.conversations = ConversationLog(self.database, self.writer)
        self.templates = TemplateLog(self.database, self.writer)
        self.comparisons = ComparisonLog(self.database, self.writer)

    def notices(self) -> list[str]:
        """What people should know: a file set aside, rows that cannot be written or were lost."""
        state = self.writer.state()
        found = [self.database.notice] if self.database.notice else []
        if state.problem:
            found.append(f"{state.problem}. {state.waiting} rows wait in memory until it can be written again.")
        if state.dropped:
            found.append(f"{state.dropped} rows were lost because too many waited to be stored.")
        return found

    def forget(self) -> None:
        """Delete every row, so that nothing of it is left in the file.

        Raises:
            StoreError: it cannot be written now.
        """
        self.writer.flush()
        try:
            with self.database.writing() as connection:
                for table in metadata.sorted_tables:
                    connection.execute(delete(table))
        except DatabaseError as error:
            raise StoreError(f"What is stored could not be deleted: {error.orig}. Try again.") from None
        self.database.compact()

    def close(self) -> None:
        """Write what waits, and close."""
        self.writer.close()
        self.database.close()
