"""Attached files as they are stored: each belongs to one conversation or one comparison."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from router.core.conversations import Attachment
from router.store.database import Database
from router.store.tables import files
from router.store.writer import Writer

_SAVE = insert(files).on_conflict_do_nothing()


class FileLog:
    """Stores files, and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def save_file(self, owner: str, attachment: Attachment, data: bytes) -> None:
        """Accept a file; it is on disk within the second."""
        self._writer.put(_SAVE, {"owner": owner, "id": attachment.id, "data": data})

    def load_file(self, owner: str, file: str) -> bytes | None:
        """The bytes of an owner's file; None if it is not stored."""
        row = select(files.c.data).where(files.c.owner == owner, files.c.id == file)
        with self._database.reading() as connection:
            return connection.execute(row).scalar()
