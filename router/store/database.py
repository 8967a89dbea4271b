"""Opening the database: SQLite in WAL mode, brought up to date by Alembic."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from router.errors import StoreError

HEAD = "0004"
"""The newest migration; a test holds it to the files."""

BUSY_SECONDS = 30
"""How long a statement waits for another process's lock."""

_INCREMENTAL = "PRAGMA auto_vacuum = INCREMENTAL"
"""Free pages go back to the disk a few at a time: VACUUM alone holds up all who write for seconds a gigabyte."""


class Room(NamedTuple):
    """Bytes of the file, those of them in use, and those of a page; whether free pages can go back a few at a time."""

    file: int
    used: int
    page: int
    gives_back: bool


class Database:
    """The database file. What cannot be read is set aside, never deleted, and a new one begun.

    Attributes:
        notice: a sentence about a file that was set aside.

    Raises:
        StoreError: the file cannot be opened, written or upgraded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replacing = threading.Lock()
        self.notice: str | None = None
        try:
            try:
                self._reopen()
            except DatabaseError as error:
                if not is_corrupt(error):
                    raise
                self._replace()
        except (DatabaseError, OSError) as error:
            reason = error.orig if isinstance(error, DatabaseError) else error.strerror
            raise StoreError(
                f"The database {path} cannot be opened: {reason}. Check that its folder is yours to write in and that"
                " the disk has room."
            ) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads.

        Raises:
            StoreError: what it reads is damaged.
        """
        engine = self._engine
        try:
            with engine.connect() as connection:
                yield connection
        except DatabaseError as error:
            if is_corrupt(error):
                self.replace(engine)
                raise StoreError(self.notice or "") from None
            raise StoreError(f"The database {self._path} cannot be read: {error.orig}.") from None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: it waits for the lock at its start, never half-way.

        Raises:
            DatabaseError: it could not be written; a damaged file has been replaced by then.
        """
        engine = self._engine
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
        """Give so many free pages back to the disk. Returns how many were, 0 where the file is of the old kind.

        Raises:
            StoreError: it cannot be written now.
        """
        before = self.room()
        with self._cursor() as cursor:
            # A script: it runs to its end, where a statement without columns stops at the first page.
            cursor.executescript(f"PRAGMA incremental_vacuum({pages})")
        return (before.file - self.room().file) // before.page

    def compact(self) -> None:
        """Give room back to the disk: what was deleted is then no longer in the file. Holds up all who write.

        Raises:
            StoreError: it cannot be written now.
        """
        with self._cursor() as cursor:
            cursor.execute(_INCREMENTAL)
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        """The driver's own cursor, for what runs in no transaction."""
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            assert isinstance(cursor, sqlite3.Cursor)  # noqa: S101  # for mypy: SQLAlchemy promises less
            with closing(cursor):
                yield cursor
        except sqlite3.Error as error:  # which SQLAlchemy does not see here
            raise StoreError(f"The database {self._path} cannot give room back to the disk: {error}.") from None
        finally:
            connection.close()

    def replace(self, damaged: Engine) -> None:
        """Set the file aside and begin a new one, unless another thread has done so."""
        with self._replacing:
            if self._engine is damaged:
                damaged.dispose()
                self._replace()

    def _reopen(self) -> None:
        self._file = _identity(self._path)
        self._engine = _open(self._path)
        self._file = _identity(self._path)

    def _replace(self) -> None:
        # Where another process has replaced it already, its new file is ours too.
        if _identity(self._path) == self._file:
            stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
            aside = self._path.with_name(f"{self._path.stem}-broken-{stamp}{self._path.suffix}")
            self._path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self.notice = f"The database could not be read. It was set aside as {aside}, and a new one begun."
        else:
            self.notice = "The database could not be read. Another process has set it aside and begun a new one."
        self._reopen()

    def close(self) -> None:
        self._engine.dispose()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def is_corrupt(error: DatabaseError) -> bool:
    """Whether SQLite says that the file is no database, or a damaged one."""
    words = str(error.orig)
    return "malformed" in words or "not a database" in words or "encrypted" in words


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and "locked" in str(error.orig)


# SQLite's own patience does not cover the switch to the write-ahead log, where another process holds the lock.
@retry(
    retry=retry_if_exception(_is_locked),
    stop=stop_after_delay(BUSY_SECONDS),
    wait=wait_fixed(0.05),
    reraise=True,
)
def _open(path: Path) -> Engine:
    # What a failed statement was given stays out of the log: a turn holds what people wrote.
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        if not path.exists():
            # Made here, so that it is never readable by others, not even for a moment.
            path.touch(mode=0o600)
        with engine.execution_options(immediate=True).begin() as connection:
            _upgrade(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _configure(connection: DBAPIConnection, _: object) -> None:
    # Transactions are begun by the "begin" event above, not by sqlite3's own rules.
    connection.isolation_level = None
    connection.create_function("casefold", 1, _casefold, deterministic=True)
    cursor = connection.cursor()
    if cursor.execute("PRAGMA page_count").fetchone() == (0,):
        cursor.execute(_INCREMENTAL)  # only a file without tables takes it without being written anew
    cursor.execute("PRAGMA journal_mode = WAL")
    # NORMAL: what is committed survives the end of the process; only the loss of power can cost the last commits.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _casefold(value: object) -> str | None:
    return value.casefold() if isinstance(value, str) else None


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _upgrade(connection: Connection) -> None:
    if inspect(connection).has_table("alembic_version"):
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version == HEAD:
            return
    # Imported here: it takes a third of a second, and a database that is up to date needs none of it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"The database {connection.engine.url.database} was written by a newer Fallback Lab ({error})."
            " Update this one."
        ) from None


def is_disk_full(error: BaseException) -> bool:
    """Whether SQLite says that there is no room left."""
    cause = getattr(error, "orig", error)
    return isinstance(cause, sqlite3.Error) and "full" in str(cause)
