"""A database of an earlier version is brought up to date, and nothing in it is lost."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.config.policy import RetentionPolicy
from router.store import Retention, Store
from router.store.database import Database
from router.store.opening import HEAD
from tests.conftest import MakeLab
from tests.fakes import HELLO
from tests.traffic import DAY, UNTIL, write_traffic
from tests.upstream import Upstream, answer, chain_yaml

DATABASES = sorted((Path(__file__).parent / "databases").glob("*.sql"))


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, by column."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}


def schema(path: Path) -> set[tuple[str, str]]:
    """Every column with its type, every index, and every table that never gives an id twice."""
    with closing(sqlite3.connect(path)) as connection:
        return set(
            connection.execute(
                "SELECT t.name, c.name || ' ' || c.type || c.'notnull' || c.pk FROM sqlite_master t,"
                " pragma_table_info(t.name) c"
                " UNION SELECT name, coalesce(sql, tbl_name) FROM sqlite_master WHERE type = 'index'"
                " UNION SELECT name, 'AUTOINCREMENT' FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"
            )
        )


@pytest.fixture(params=DATABASES, ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
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
    assert [turn.prompt for turn in lab.store.conversations.load("c1")] == [
        "Why is the sky blue? It's odd.", "And green?",
    ]  # fmt: skip
    [comparison] = lab.store.comparisons.newest(10)
    assert comparison.name == "First"
    seen = len(lab.observed.rows()[0].id)
    lab.start(HELLO, category="chat").result()
    assert lab.store.writer.flush()
    assert len(lab.observed.rows()[0].id) == seen + 1


IN_ORDER = {
    "requests": (
        "category", "chain", "source", "outcome", "path", "model", "place", "cached", "shared", "injected",
        "stand_in", "keyless",
    ),
    "attempts": (
        "model", "provider", "category", "source", "outcome", "reason", "place", "number", "cached", "shared",
        "injected",
    ),
}  # fmt: skip
"""The labels of requests and of attempts as they stood in summaries before they had names."""

ADDED = ("caller", "tags", "experiment", "arm")
"""Labels that came later, and which nothing had before."""

LATER = (
    "DROP TABLE imported",
    "DROP TABLE stops",
    "DROP TABLE grades",
    "DROP INDEX requests_experiment",
    "DROP INDEX observations_model",
    *(f"ALTER TABLE observations DROP COLUMN {column}" for column in ("upstream", "endpoints", "validation")),
    "ALTER TABLE conversations DROP COLUMN pinned",
    "DROP TABLE presets",
    "DROP TABLE feedback",
    "DROP TABLE views",
    "DROP TABLE scores",
    *(f"ALTER TABLE {table} DROP COLUMN {column}" for table in ("observations", "requests") for column in ADDED),
    "ALTER TABLE requests DROP COLUMN session",
    "ALTER TABLE requests DROP COLUMN probability",
)
"""Undoes what came after that."""


def test_summaries_keep_their_labels_as_these_get_names(tmp_path: Path) -> None:
    path = tmp_path / "lab.sqlite"
    write_traffic(path, 300, days=1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE observations SET validation = NULL")
    database = Database(path)
    Retention(database, RetentionPolicy, lambda: UNTIL + DAY).prune(0)
    database.close()
    before = tables(path)["kinds"]
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in LATER:
            connection.execute(statement)
        for kind in before:
            labels = json.loads(kind["labels"])
            names = IN_ORDER["requests" if "path" in labels else "attempts"]
            kind["labels"] = json.dumps(
                {name: labels[name] for name in labels if name in (*names, *ADDED)}, separators=(",", ":")
            )
            in_order = json.dumps([labels[name] for name in names])
            connection.execute("UPDATE kinds SET labels = ? WHERE id = ?", (in_order, kind["id"]))
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    Database(path).close()
    assert tables(path)["kinds"] == before
