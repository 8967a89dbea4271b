"""The database: observations, requests, conversations and comparisons."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.exc import DatabaseError

from router.core.errors import StoreError
from router.core.formatting import counted
from router.store.comparisons import ComparisonLog
from router.store.conversations import MAX_TOKENS, ConversationLog
from router.store.database import Database, MemoryDatabase
from router.store.experiments import ExperimentLog
from router.store.feedback import FeedbackLog
from router.store.imports import ImportedRequest, ImportLog
from router.store.presets import PresetLog
from router.store.records import ObservationLog, RequestLog
from router.store.retention import Pruned, Retention
from router.store.scores import Passes, ScoreLog
from router.store.tables import metadata
from router.store.templates import Template, TemplateLog
from router.store.views import SavedView, ViewLog
from router.store.writer import Writer

__all__ = [
    "MAX_TOKENS",
    "ComparisonLog",
    "ConversationLog",
    "ExperimentLog",
    "FeedbackLog",
    "ImportLog",
    "ImportedRequest",
    "ObservationLog",
    "Passes",
    "PresetLog",
    "Pruned",
    "RequestLog",
    "Retention",
    "SavedView",
    "ScoreLog",
    "Store",
    "Template",
    "TemplateLog",
    "Writer",
]


class Store:
    """The database with its one writer; where the file cannot be written, in memory with what can be read of it.

    Attributes:
        unstored: why nothing that is added outlives the process, in a few sentences; None where it does.
        readable: what was stored before is there.
    """

    def __init__(self, path: Path) -> None:
        self.unstored: str | None = None
        self.readable = True
        try:
            self.database = Database(path)
        except StoreError as error:
            self.database = copy = MemoryDatabase(path)
            self.readable = copy.is_copy
            what, lost = (
                ("Nothing new", "What was stored before is shown; what is new")
                if copy.is_copy
                else ("Nothing", "What you see here")
            )
            self.unstored = f"{what} is stored: {error} {lost} is lost when the app ends."
        self.writer = Writer(self.database)
        self.observations = ObservationLog(self.database, self.writer)
        self.requests = RequestLog(self.database, self.writer)
        self.imports = ImportLog(self.database)
        self.feedback = FeedbackLog(self.database, self.writer)
        self.experiments = ExperimentLog(self.database, self.writer)
        self.scores = ScoreLog(self.database, self.writer)
        self.conversations = ConversationLog(self.database, self.writer)
        self.templates = TemplateLog(self.database, self.writer)
        self.presets = PresetLog(self.database, self.writer)
        self.views = ViewLog(self.database, self.writer)
        self.comparisons = ComparisonLog(self.database, self.writer)

    def notices(self) -> list[str]:
        """What people should know: that nothing is stored, a file set aside, rows that wait or were lost."""
        state = self.writer.state()
        found = [*([self.unstored] if self.unstored else []), *self.database.notices()]
        if state.problem:
            found.append(
                f"{state.problem}. {counted(state.waiting, 'row')} in memory will be written as soon as possible."
            )
        if state.dropped:
            found.append(f"The write queue was full: {counted(state.dropped, 'row')} lost.")
        return found

    def contents(self) -> dict[str, int]:
        """How many rows of what users made are stored, by nouns in the singular."""
        self.writer.flush(timeout=1)
        nouns = ("conversation", "comparison", "vote", "template", "preset", "view")
        with self.database.reading() as connection:
            return {
                noun: connection.execute(select(func.count()).select_from(metadata.tables[f"{noun}s"])).scalar_one()
                for noun in nouns
            }

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
            raise StoreError(f"The stored data could not be deleted: {error.orig}. Try again.") from None
        self.database.compact()

    def close(self) -> None:
        """Write pending rows and close."""
        self.writer.close()
        self.database.close()
