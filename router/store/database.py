"""Opening the database: SQLite in WAL mode, brought up to date by Alembic."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from router.core.errors import StoreError
from router.store.opening import INCREMENTAL, open_file, open_in_memory

_Identity: TypeAlias = tuple[int, int]
"""A file's device and number on it."""


class Room(NamedTuple):
    """Bytes of the file, those of them in use, and those of a page; whether free pages can go back a few at a time."""

    file: int
    used: int
    page: int
    gives_back: bool


class Database:
    """The database file. An unreadable file is moved away, never deleted, and a new one created.

    Attributes:
        notice: a sentence about a file that was deleted or replaced.

    Raises:
        StoreError: the file cannot be opened, written or upgraded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replacing = threading.Lock()
        self.notice: str | None = None
        try:
            self._open()
        except (DatabaseError, OSError) as error:
            raise StoreError(
                f"The database {path} cannot be opened: {_reason(error)}. Check that its folder is yours to write in"
                " and that the disk has room."
            ) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads.

        Raises:
            StoreError: what it reads is damaged, or the file was deleted and cannot be made again.
        """
        try:
            engine = self._current()
        except (DatabaseError, OSError) as error:
            raise StoreError(f"The database {self._path} cannot be opened: {_reason(error)}.") from None
        try:
            with engine.connect() as connection:
                yield connection
        except DatabaseError as error:
            if is_corrupt(error):
                self.replace(engine)
                raise StoreError(f"The database {self._path} was damaged, and a new one was created.") from None
            raise StoreError(f"The database {self._path} cannot be read: {error.orig}.") from None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: it waits for the lock at its start, never half-way.

        Raises:
            DatabaseError, OSError: it could not be written; a damaged file has been replaced by then.
        """
        engine = self._current()
        try:
            with engine.execution_options(immediate=True).begin() as connection:
                yield connection
        except DatabaseError as error:
            if is_corrupt(error):
                self.replace(engine)
            raise

    def room(self) -> Room:
        """What the file holds."""
        with self.reading() as connection:
            pages, free, page = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("page_count", "freelist_count", "page_size")
            )
            gives_back = connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() == 2
        return Room(pages * page, (pages - free) * page, page, gives_back)

    def give_back(self, pages: int) -> int:
        """Return this many free pages to the disk. Returns how many were, 0 if the file is of the old kind.

        Raises:
            StoreError: it cannot be written now.
        """
        before = self.room()
        with self._cursor() as cursor:
            # A script: it runs to its end, where a statement without columns stops at the first page.
            cursor.executescript(f"PRAGMA incremental_vacuum({pages})")
        return (before.file - self.room().file) // before.page

    def compact(self) -> None:
        """Compact the file, so that deleted data is no longer in it. Blocks all writers.

        Raises:
            StoreError: it cannot be written now.
        """
        with self._cursor() as cursor:
            cursor.execute(INCREMENTAL)
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        """The driver's own cursor, for what runs in no transaction."""
        connection = self._current().raw_connection()
        try:
            cursor = connection.cursor()
            assert isinstance(cursor, sqlite3.Cursor)  # noqa: S101  # for mypy: SQLAlchemy promises less
            with closing(cursor):
                yield cursor
        except sqlite3.Error as error:  # which SQLAlchemy does not see here
            raise StoreError(f"The database {self._path} cannot free disk space: {error}.") from None
        finally:
            connection.close()

    def replace(self, damaged: Engine) -> None:
        """Move the file away and create a new one, unless another thread has done so."""
        with self._replacing:
            if self._engine is damaged:
                damaged.dispose()
                self._replace(self._file)

    def _current(self) -> Engine:
        """The engine of the file that is there now: somebody may have deleted or replaced it, or its folder."""
        if self._identity() != self._file:
            with self._replacing:
                if self._identity() != self._file:
                    self.notice = (
                        f"The database {self._path} was deleted or replaced while it was in use. What is stored from"
                        " then on is in the new one."
                    )
                    self._engine.dispose()
                    self._open()
        return self._engine

    def _open(self) -> None:
        seen = self._identity()
        try:
            self._begin()
        except DatabaseError as error:
            if not is_corrupt(error):
                raise
            self._replace(seen)

    def _begin(self) -> None:
        self._engine = open_file(self._path)
        self._file = self._identity()

    def _replace(self, damaged: _Identity | None) -> None:
        # Where another process has replaced it already, its new file is ours too.
        if self._identity() == damaged:
            stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
            aside = self._path.with_name(f"{self._path.stem}-broken-{stamp}{self._path.suffix}")
            self._path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._begin()

    def notices(self) -> list[str]:
        """What people should know of the file; one that was set aside is named until it is gone."""
        asides = sorted(self._path.parent.glob(f"{self._path.stem}-broken-*{self._path.suffix}"))
        return [*([self.notice] if self.notice else []), *map(_how_to_recover, asides)]

    def _identity(self) -> _Identity | None:
        try:
            stat = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return stat.st_dev, stat.st_ino

    def close(self) -> None:
        self._engine.dispose()


class MemoryDatabase(Database):
    """The same in memory, for where the file cannot be written; it ends with the process.

    Attributes:
        is_copy: what the file holds could be read, and is in it.
    """

    _file = None

    def _open(self) -> None:
        self.is_copy = True
        try:
            self._engine = open_in_memory(self._path)
        except (DatabaseError, StoreError, OSError):
            self._empty()

    def replace(self, damaged: Engine) -> None:
        """Begin an empty one, unless another thread has done so."""
        with self._replacing:
            if self._engine is damaged:
                damaged.dispose()
                self._empty()

    def _empty(self) -> None:
        self.is_copy = False
        self._engine = open_in_memory()

    def _identity(self) -> None:
        """There is no file that could be deleted or replaced."""


def is_corrupt(error: DatabaseError) -> bool:
    """Whether SQLite says that the file is no database, or a damaged one."""
    words = str(error.orig)
    return "malformed" in words or "not a database" in words or "encrypted" in words


def is_disk_full(error: BaseException) -> bool:
    """Whether SQLite says that there is no room left."""
    cause = getattr(error, "orig", error)
    return isinstance(cause, sqlite3.Error) and "full" in str(cause)


def _how_to_recover(aside: Path) -> str:
    found = aside.with_name(aside.name.replace("-broken-", "-recovered-"))
    return (
        f"A database could not be read. It was moved to {aside}, and a new one was created. To recover what it holds,"
        f" run: sqlite3 '{aside}' .recover | sqlite3 '{found}'. To use that instead of the new one, stop Fallback Lab"
        " and rename it. To dismiss this notice, move or delete the file."
    )


def _reason(error: DatabaseError | OSError) -> object:
    return error.orig if isinstance(error, DatabaseError) else f"{error.strerror} ({error.filename})"
