"""Columns hold what the tables hold, read once; whatever lies in the snapshot's place does no harm."""

from __future__ import annotations

import math
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from router.core.errors import StoreError
from router.core.records import Step
from router.metrics import columns
from router.metrics.columns import AttemptLabels, RequestLabels, Rows
from router.metrics.observed import Observed
from router.store.database import Database
from tests.conftest import MakeLab
from tests.traffic import write_traffic


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lab.sqlite"
    write_traffic(path, 1500)
    return path


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path)
    yield database
    database.close()


def opened(database: Database, path: Path) -> Observed:
    return Observed(database, path.with_name("observed"))


def table(path: Path, name: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(f"SELECT * FROM {name} ORDER BY id").fetchall()


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def assert_same(rows: Rows[Any], stored: list[sqlite3.Row]) -> None:
    """Row by row, label by label, number by number."""
    assert rows.id.tolist() == [row["id"] for row in stored]
    assert rows.started == pytest.approx([row["started"] for row in stored], abs=2e-6)
    for labels, row in zip((rows.labels[number] for number in rows.label_index), stored, strict=True):
        for label, value in msgspec.structs.asdict(labels).items():
            assert (msgspec.json.encode(value).decode() if label in ("path", "tags") else value) == row[label]
    for name, values in rows.measures.items():
        expected = [math.nan if row[name] is None else row[name] for row in stored]
        assert values == pytest.approx(
            expected, rel=1e-5, abs=2e-6 if name in ("latency", "ttft") else 2e-12, nan_ok=True
        )


def assert_as_stored(observed: Observed, path: Path) -> None:
    requests, attempts = observed.rows()
    assert_same(requests, table(path, "requests"))
    assert_same(attempts, table(path, "observations"))


def test_columns_hold_what_the_tables_hold(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "CHUNK", 400)
    assert_as_stored(opened(database, path), path)


def test_labels_and_numbers_have_their_types(database: Database, path: Path) -> None:
    requests, attempts = opened(database, path).rows()
    assert all(type(labels) is RequestLabels for labels in requests.labels)
    assert all(type(labels) is AttemptLabels for labels in attempts.labels)
    assert {type(labels.cached) for labels in attempts.labels} == {bool}
    assert [column.dtype for column in (attempts.label_index, attempts.id, attempts.started)] == [
        np.int32,
        np.int64,
        np.float64,
    ]


def test_a_path_from_before_it_had_statuses_is_still_read(database: Database, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("""UPDATE requests SET path = '[["a","p",0,"answered",null]]'""")
    requests, _ = opened(database, path).rows()
    assert {step for labels in requests.labels for step in labels.path} == {Step("a", "p", 0, "answered", None)}


def test_an_empty_database_gives_empty_columns(tmp_path: Path) -> None:
    database = Database(tmp_path / "lab.sqlite")
    requests, attempts = opened(database, tmp_path / "lab.sqlite").rows()
    assert (len(requests.id), len(attempts.id), requests.labels) == (0, 0, ())
    database.close()


def test_labels_may_hold_anything(database: Database, path: Path) -> None:
    odd = "a\n\x1f\"'\\,𝄞\u2028"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE observations SET model = ?, category = '' WHERE id % 2", (odd,))
    assert_as_stored(opened(database, path), path)


def test_only_new_rows_are_read(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observed = opened(database, path)
    before = observed.rows()
    seen = len(before[1].id)
    asked: list[int] = []
    append = columns.Table._append
    monkeypatch.setattr(columns.Table, "_append", lambda *args: (asked.append(args[2]), append(*args)))
    write_traffic(path, 300, seed=2)
    assert_as_stored(observed, path)
    assert min(asked) >= len(before[0].id)
    assert len(before[1].id) == seen, "what was handed out does not change"
    observed.rows()
    assert len(asked) == 2


def test_rows_that_were_pruned_are_gone(database: Database, path: Path) -> None:
    observed = opened(database, path)
    observed.rows()
    change(path, "DELETE FROM observations WHERE id < 700 OR id = 800", "DELETE FROM requests WHERE id < 500")
    assert_as_stored(observed, path)
    write_traffic(path, 300, seed=2)
    assert_as_stored(observed, path)


def test_what_comes_after_all_was_forgotten_is_read_again(database: Database, path: Path) -> None:
    observed = opened(database, path)
    observed.rows()
    change(path, "DELETE FROM observations", "DELETE FROM requests")
    write_traffic(path, 2000, seed=3)
    assert_as_stored(observed, path)
    change(path, "DELETE FROM observations", "DELETE FROM requests")
    assert_as_stored(observed, path)


def test_nothing_stays_of_a_database_that_is_damaged_half_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "CHUNK", 400)
    middle = table(path, "observations")[800]["prompt_hash"].encode()
    with path.open("r+b") as file:
        file.seek(file.read().index(middle) // 4096 * 4096)
        file.write(bytes(4096))
    database = Database(path)
    observed = opened(database, path)
    with pytest.raises(StoreError, match="was damaged, and a new one was created"):
        observed.rows()
    write_traffic(path, 300, seed=2)
    assert_as_stored(observed, path)
    database.close()


def test_many_threads_may_ask(database: Database, path: Path) -> None:
    observed = opened(database, path)
    with ThreadPoolExecutor(8) as pool:
        lengths = {len(attempts.id) for _, attempts in pool.map(lambda _: observed.rows(), range(20))}
    assert lengths == {len(table(path, "observations"))}


# --- The snapshot ----------------------------------------------------------------------------------


def test_the_next_start_reads_no_row_again(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(database, path)
    first.rows()
    first.close()
    monkeypatch.setattr(columns.Table, "_append", lambda *_: pytest.fail("read again"))
    assert_as_stored(opened(database, path), path)


def test_a_start_reads_what_the_snapshot_lacks(database: Database, path: Path) -> None:
    first = opened(database, path)
    first.rows()
    first.close()
    change(path, "DELETE FROM observations WHERE id < 300", "DELETE FROM requests WHERE id < 200")
    write_traffic(path, 300, seed=2)
    assert_as_stored(opened(database, path), path)


def test_nobody_else_may_read_the_snapshot(database: Database, path: Path) -> None:
    observed = opened(database, path)
    observed.rows()
    observed.close()
    assert stat.S_IMODE(path.with_name("observed").stat().st_mode) == 0o600


def test_a_snapshot_is_kept_where_much_was_read(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.metrics.observed.CHUNK", 400)
    opened(database, path).rows()
    assert path.with_name("observed").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"something else entirely" * 50,
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:30],
        lambda data: data[:-500] + bytes([data[-500] ^ 1]) + data[-499:],
        lambda data: b"fallback-lab observed 0\n" + data[24:],
        lambda data: data[:24] + bytes(12),
        lambda data: data[:24] + b"\xff" * 8 + data[32:],
    ],
    ids=["empty", "foreign", "cut", "half", "heading", "flipped", "older", "zeros", "long"],
)
def test_a_damaged_snapshot_is_ignored(database: Database, path: Path, damage: Any) -> None:
    first = opened(database, path)
    first.rows()
    first.close()
    snapshot = path.with_name("observed")
    snapshot.write_bytes(damage(snapshot.read_bytes()))
    assert_as_stored(opened(database, path), path)


def test_a_snapshot_whose_labels_were_others_is_ignored(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heading = columns.Table.heading

    def as_others_were(table: Any) -> Any:
        found = heading(table)
        return msgspec.structs.replace(found, names=found.names[::-1], labels=["[]"] * len(found.labels))

    monkeypatch.setattr(columns.Table, "heading", as_others_were)
    first = opened(database, path)
    first.rows()
    first.close()
    assert_as_stored(opened(database, path), path)


def test_another_database_s_snapshot_is_ignored(database: Database, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    write_traffic(other, 900, seed=9)
    first = opened(database, path)
    first.rows()
    first.close()
    second = Database(other)
    assert_as_stored(opened(second, path), other)
    second.close()


def test_a_snapshot_that_cannot_be_written_is_done_without(database: Database, path: Path) -> None:
    path.with_name("observed").mkdir()
    observed = opened(database, path)
    observed.rows()
    observed.close()
    assert_as_stored(observed, path)


def test_what_is_forgotten_is_in_no_snapshot(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab("chains: {chat: [a]}")
    write_traffic(tmp_path / ".lab" / "lab.sqlite", 50)
    assert len(lab.observed.rows()[1].id) > 0
    lab.observed.close()
    lab.forget()
    assert not (tmp_path / ".lab" / "observed").exists()
    assert len(lab.observed.rows()[1].id) == 0
