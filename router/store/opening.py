"""Opening SQLite, a file in WAL mode or memory: a new one is laid out at once, an older one migrated by Alembic."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from router.core.errors import StoreError
from router.store.tables import metadata

HEAD = "0015"
"""The newest migration; a test holds it to the files."""

BUSY_SECONDS = 30
"""How long a statement waits for another process's lock."""

INCREMENTAL = "PRAGMA auto_vacuum = INCREMENTAL"
"""Free pages are returned a few at a time: VACUUM alone blocks all writers for seconds per gigabyte."""


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and "locked" in str(error.orig)


# SQLite's own patience does not cover the switch to the write-ahead log, where another process holds the lock.
@retry(
    retry=retry_if_exception(_is_locked),
    stop=stop_after_delay(BUSY_SECONDS),
    wait=wait_fixed(0.05),
    reraise=True,
)
def open_file(path: Path) -> Engine:
    """An engine on a file, which is made, with its folder, where it is not there."""
    if not path.exists():
        # Made here, so that it is never readable by others, not even for a moment.
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
    return _ready(_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS}))


def open_in_memory(copied: Path | None = None) -> Engine:
    """An engine on a database in memory, which ends with it.

    Args:
        copied: a file that it begins as a copy of.

    Raises:
        DatabaseError, StoreError: the file cannot be read.
    """
    # The pool has one connection, for which threads wait in turn: what one writes, all others see.
    engine = _engine(
        "sqlite://",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=threading.TIMEOUT_MAX,
        connect_args={"check_same_thread": False},
    )
    if copied is not None:
        _copy(copied, engine)
    return _ready(engine)


def _engine(url: str, **options: Any) -> Engine:
    # What a failed statement was given stays out of the log: a turn holds what people wrote.
    engine = create_engine(url, hide_parameters=True, **options)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _copy(path: Path, engine: Engine) -> None:
    try:
        try:
            _back_up(path, engine)
        except sqlite3.OperationalError:
            # SQLite cannot read a write-ahead log in a folder where it cannot make its shared memory.
            with tempfile.TemporaryDirectory() as folder:
                for file in path.parent.glob(f"{path.name}*"):
                    shutil.copy(file, folder)
                _back_up(Path(folder, path.name), engine)
    except sqlite3.Error as error:
        raise StoreError(f"The database {path} cannot be read: {error}.") from None


def _back_up(path: Path, engine: Engine) -> None:
    # Where there is no write-ahead log, nobody writes; SQLite need not make the files then that it could not make here.
    immutable = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{immutable}", uri=True)) as source,
        closing(engine.raw_connection()) as target,
    ):
        source.backup(cast("sqlite3.Connection", target.driver_connection))


def _ready(engine: Engine) -> Engine:
    try:
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
        cursor.execute(INCREMENTAL)  # only a file without tables takes it without being rewritten
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
    tables = inspect(connection).get_table_names()
    if not tables:
        _create(connection)
        return
    if "alembic_version" in tables:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version == HEAD:
            return
    # Imported here: it takes a third of a second, and a database that is new or up to date needs none of it.
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.config import Config  # noqa: PLC0415  # see above
    from alembic.util import CommandError  # noqa: PLC0415  # see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"The database {connection.engine.url.database} was written by a newer Fallback Lab ({error})."
            " Update this version."
        ) from None


def _create(connection: Connection) -> None:
    """Lay out a new database as the migrations would; a test compares the two."""
    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))
