"""Opening the database: SQLite in WAL mode, brought up to date by Alembic."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError

from router.errors import StoreError

HEAD = "0001"
"""The newest migration; a test holds it to the files."""

BUSY_SECONDS = 30
"""How long a statement waits for another process's lock."""


def open_database(path: Path) -> tuple[Engine, str | None]:
    """Open the database, making or upgrading it where needed.

    A file that is no database is set aside, never deleted.

    Returns:
        The engine, and a sentence about a file that was set aside, if one was.

    Raises:
        StoreError: the file cannot be opened, written or upgraded.
    """
    notice = None
    try:
        try:
            engine = _open(path)
        except DatabaseError as error:
            if not _is_corrupt(error):
                raise
            aside = path.with_name(f"{path.stem}-broken-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}{path.suffix}")
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            engine = _open(path)
            notice = f"The database could not be read. It was set aside as {aside}, and a new one begun."
    except (DatabaseError, OSError) as error:
        reason = error.orig if isinstance(error, DatabaseError) else error.strerror
        raise StoreError(
            f"The database {path} cannot be opened: {reason}. Check that its folder is yours to write in and that the"
            " disk has room."
        ) from None
    return engine, notice


def _is_corrupt(error: DatabaseError) -> bool:
    return not isinstance(error, OperationalError) or "malformed" in str(error) or "encrypted" in str(error)


def _open(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        if not path.exists():
            # Made here, so that it is never readable by others, not even for a moment.
            path.touch(mode=0o600)
        with writing(engine).begin() as connection:
            _upgrade(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _configure(connection: DBAPIConnection, _: object) -> None:
    # Transactions are begun by the "begin" event above, not by sqlite3's own rules.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # NORMAL: what is committed survives the end of the process; only the loss of power can cost the last commits.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: they wait for the lock at their start, never half-way."""
    return engine.execution_options(immediate=True)


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
