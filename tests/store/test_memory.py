"""The store where its file cannot be written, or is no longer there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.config.policy import RetentionPolicy
from router.core.attempts import Attempt
from router.core.records import Observation
from router.store import Retention, Store
from router.store.database import MemoryDatabase

ATTEMPT = Attempt(model="m", provider="p", place=0, number=1, outcome="answered", started=0, offset=0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.store.writer.LINGER", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".lab"


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "lab.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], Store]]:
    """Opens stores; they are closed after the test."""
    stores: list[Store] = []

    def open_() -> Store:
        stores.append(Store(path))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def add(store: Store, *requests: str) -> None:
    for request in requests:
        store.observations.add(
            Observation(
                request_id=request, prompt_hash="", category=None, chain="", source="chat", sample=0, attempt=ATTEMPT
            )
        )
    assert store.writer.flush()


def stored(store: Store) -> list[str]:
    return [row["request_id"] for row in store.observations.last(9)]


def newer(path: Path) -> None:
    """Makes a database one that this version cannot write."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()


# --- Nothing can be written ------------------------------------------------------------------------


@pytest.fixture
def unwritable(folder: Path, opened: Callable[[], Store]) -> Store:
    folder.write_text("in the way", encoding="utf-8")
    return opened()


def test_all_threads_see_what_is_written_to_memory(unwritable: Store) -> None:
    add(unwritable, "a")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: stored(unwritable)[0], range(8))) == {"a"}


def test_that_nothing_is_stored_is_said_with_its_reason(unwritable: Store, path: Path) -> None:
    (said,) = unwritable.notices()
    assert said.startswith(f"Nothing is stored: The database {path} cannot be opened: File exists")
    assert said.endswith("What you see here is lost when the app ends.")


def test_what_is_in_memory_can_be_forgotten(unwritable: Store) -> None:
    add(unwritable, "a")
    unwritable.forget()
    assert stored(unwritable) == []


def test_what_is_in_memory_is_pruned_too(unwritable: Store) -> None:
    add(unwritable, "a")
    assert Retention(unwritable.database, RetentionPolicy).prune(0).attempts == 1


def test_a_database_of_a_newer_version_stays_as_it_is(opened: Callable[[], Store], path: Path, folder: Path) -> None:
    opened().close()
    newer(path)
    before = path.read_bytes()
    add(opened(), "a")
    assert path.read_bytes() == before


def test_a_database_of_a_newer_version_is_not_said_to_be_shown(opened: Callable[[], Store], path: Path) -> None:
    opened().close()
    newer(path)
    assert not opened().readable


# --- What can be read is shown ---------------------------------------------------------------------


def test_a_copy_in_memory_begins_with_what_is_in_the_file(opened: Callable[[], Store], path: Path) -> None:
    store = opened()
    add(store, "a")
    store.close()
    with MemoryDatabase(path).reading() as connection:
        assert connection.exec_driver_sql("SELECT request_id FROM observations").all() == [("a",)]


def test_a_copy_in_memory_has_what_another_process_has_just_written(opened: Callable[[], Store], path: Path) -> None:
    add(opened(), "a")
    assert path.with_name("lab.sqlite-wal").stat().st_size > 0
    with MemoryDatabase(path).reading() as connection:
        assert connection.exec_driver_sql("SELECT request_id FROM observations").all() == [("a",)]


def test_a_copy_in_memory_leaves_the_file_alone(opened: Callable[[], Store], path: Path) -> None:
    opened().close()
    before = path.read_bytes()
    with MemoryDatabase(path).writing() as connection:
        connection.exec_driver_sql("INSERT INTO kinds (labels) VALUES ('a')")
    assert path.read_bytes() == before


def test_a_copy_of_a_damaged_file_is_empty(path: Path, folder: Path) -> None:
    folder.mkdir()
    path.write_bytes(b"This is no database at all. " * 500)
    database = MemoryDatabase(path)
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM observations").scalar_one() == 0
    assert not database.is_copy


@pytest.fixture
def read_only(opened: Callable[[], Store], folder: Path) -> Iterator[Store]:
    """A store with one row, whose folder cannot be written, opened again."""
    store = opened()
    add(store, "a")
    store.close()
    folder.chmod(0o500)
    yield opened()
    folder.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="every folder can be written here")
def test_a_folder_that_cannot_be_written_is_shown_and_said_to_take_nothing_new(read_only: Store) -> None:
    (told,) = read_only.notices()
    assert (stored(read_only), told.startswith("Nothing new is stored: ")) == (["a"], True)


def test_a_write_ahead_log_that_cannot_be_opened_in_place_is_read_elsewhere(
    opened: Callable[[], Store], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder without write permission: SQLite cannot make its shared memory there."""
    add(opened(), "a")
    connect = sqlite3.connect

    def refusing(database: str, **options: Any) -> sqlite3.Connection:
        if path.as_uri() in database:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(database, **options)

    monkeypatch.setattr("router.store.opening.sqlite3.connect", refusing)
    with MemoryDatabase(path).reading() as connection:
        assert connection.exec_driver_sql("SELECT request_id FROM observations").all() == [("a",)]


# --- Deleted while it is in use --------------------------------------------------------------------


def test_what_is_written_after_the_folder_was_deleted_is_stored(opened: Callable[[], Store], folder: Path) -> None:
    store = opened()
    add(store, "before")
    shutil.rmtree(folder)
    add(store, "after")
    store.close()
    assert stored(opened()) == ["after"]


def test_a_deleted_database_can_be_read_again_at_once(opened: Callable[[], Store], folder: Path) -> None:
    store = opened()
    add(store, "before")
    shutil.rmtree(folder)
    assert stored(store) == []


def test_a_database_that_was_deleted_is_said_to_be(opened: Callable[[], Store], folder: Path, path: Path) -> None:
    store = opened()
    shutil.rmtree(folder)
    stored(store)
    (said,) = store.notices()
    assert said.startswith(f"The database {path} was deleted or replaced while it was in use.")


def test_rows_wait_until_a_deleted_folder_can_be_made_again(opened: Callable[[], Store], folder: Path) -> None:
    store = opened()
    shutil.rmtree(folder)
    folder.write_text("in the way", encoding="utf-8")
    store.observations.add(
        Observation(request_id="a", prompt_hash="", category=None, chain="", source="chat", sample=0, attempt=ATTEMPT)
    )
    assert not store.writer.flush(0.2)
    folder.unlink()
    assert store.writer.flush()
    assert stored(store) == ["a"]


def test_a_folder_that_is_made_again_is_for_its_owner_alone(opened: Callable[[], Store], folder: Path) -> None:
    store = opened()
    shutil.rmtree(folder)
    add(store, "a")
    assert folder.stat().st_mode & 0o077 == 0
