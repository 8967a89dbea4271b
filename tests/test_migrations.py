"""A database of an earlier version is brought up to date, and nothing in it is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.store import Store
from router.store.database import HEAD, Database
from tests.conftest import MakeLab
from tests.fakes import HELLO
from tests.upstream import Upstream, answer, chain_yaml

DATABASES = sorted((Path(__file__).parent / "databases").glob("*.sql"))


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, by column."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}


def schema(path: Path) -> set[tuple[str, str]]:
    """Every column with its type, and every index."""
    with closing(sqlite3.connect(path)) as connection:
        return set(
            connection.execute(
                "SELECT t.name, c.name || ' ' || c.type || c.'notnull' || c.pk FROM sqlite_master t,"
                " pragma_table_info(t.name) c UNION SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'"
            )
        )


@pytest.fixture(params=DATABASES, ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A kept database, where a Lab of this folder looks for it."""
    path = tmp_path / ".lab" / "lab.sqlite"
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(request.param.read_text(encoding="utf-8"))
    return path


def test_every_table_of_a_kept_database_has_rows(old: Path) -> None:
    assert [name for name, rows in tables(old).items() if not rows] == []


def test_every_row_survives_an_upgrade(old: Path) -> None:
    before = tables(old)
    Store(old).close()
    after = tables(old)
    assert after.pop("alembic_version") == [{"version_num": HEAD}] != before.pop("alembic_version")
    for name, rows in before.items():
        assert [{column: row[column] for column in rows[0]} for row in after[name]] == rows, name


def test_an_upgraded_database_is_laid_out_like_a_new_one(old: Path, tmp_path: Path) -> None:
    Database(old).close()
    Database(tmp_path / "new.sqlite").close()
    assert schema(old) == schema(tmp_path / "new.sqlite")


def test_a_lab_works_on_an_upgraded_database(old: Path, upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("primary", answer("Hi."))
    lab = make_lab(chain_yaml(upstream, "primary", "fallback"))
    assert lab.store is not None
    assert lab.observed is not None
    assert [turn.prompt for turn in lab.store.conversations.load("c1")] == [
        "Why is the sky blue? It's odd.", "And green?",
    ]  # fmt: skip
    [comparison] = lab.store.comparisons.newest(10)
    assert comparison.name == "First"
    seen = len(lab.observed.rows()[0].id)
    lab.start(HELLO, category="chat").result()
    assert lab.store.writer.flush()
    assert len(lab.observed.rows()[0].id) == seen + 1
