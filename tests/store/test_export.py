"""fallback-lab export and prune: every row in every format, whole files or none, and one sentence for what is wrong."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from router.core.errors import StoreError
from router.store import export as exporting
from router.store.database import Database
from router.store.export import export
from tests.command import Run
from tests.traffic import DAY, UNTIL, write_traffic

TABLES = {"requests": "requests", "attempts": "observations"}


@pytest.fixture
def path(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database beside the models.yaml of `config`, with a day's traffic, which takes several chunks."""
    monkeypatch.setattr(exporting, "CHUNK", 70)
    monkeypatch.setattr("time.time", lambda: UNTIL + 1)
    path = config.parent / ".lab" / "lab.sqlite"
    path.parent.mkdir()
    write_traffic(path, 300, days=1)
    return path


def table(path: Path, what: str, where: str = "1") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {TABLES[what]} WHERE {where} ORDER BY id")]


def change(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def read(form: str, data: bytes) -> list[dict[str, Any]]:
    """What a file holds, as the database holds it."""
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    if form == "jsonl":
        return [json.loads(line) for line in data.splitlines()]
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def as_text(value: Any) -> str:
    return "" if value is None else str(value)


# --- What is in it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_row_is_in_the_file_with_every_column(run: Run, path: Path, form: str, what: str) -> None:
    target = path.with_name("rows")
    assert run("export", "--format", form, "--what", what, "--output", str(target)).exit_code == 0
    found, stored = read(form, target.read_bytes()), table(path, what)
    if form == "csv":
        flags = {"cached", "shared", "injected", "stand_in", "keyless"}
        stored = [{k: as_text(bool(v) if k in flags else v) for k, v in row.items()} for row in stored]
    elif form == "jsonl" and what == "requests":
        stored = [{**row, "path": json.loads(row["path"])} for row in stored]
    assert found == stored


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_without_a_file_rows_go_to_standard_output_and_nothing_else_does(run: Run, path: Path, form: str) -> None:
    assert len(read(form, run("export", "--format", form).stdout_bytes)) == len(table(path, "attempts"))


@pytest.mark.process
def test_parquet_goes_into_a_pipe(config: Path, path: Path) -> None:
    command = [sys.executable, "-m", "router.cli", "--config", str(config), "export", "--format", "parquet"]
    command[1:3] = ["-c", "from router.cli import main; main()"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert len(read("parquet", done.stdout)) == len(table(path, "attempts"))


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_without_rows_the_file_is_there_and_empty(run: Run, config: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "rows"
    run("export", "--format", form, "--output", str(target))
    assert read(form, target.read_bytes()) == []


@pytest.mark.parametrize(
    ("since", "begin"), [("6h", UNTIL + 1 - 6 * 3600), ("1970-01-01", 0), ("2100-01-01", 4e9), ("1w", UNTIL - 7 * DAY)]
)
def test_only_what_began_since_then_is_exported(run: Run, path: Path, since: str, begin: float) -> None:
    found = read("jsonl", run("export", "--format", "jsonl", "--since", since).stdout_bytes)
    assert [row["id"] for row in found] == [row["id"] for row in table(path, "attempts", f"started >= {begin}")]


def test_a_name_that_a_spreadsheet_would_run_is_made_text(run: Run, path: Path) -> None:
    change(path, "UPDATE observations SET model = '=1+1' WHERE id = 1")
    found = {form: read(form, run("export", "--format", form).stdout_bytes)[0]["model"] for form in ("csv", "jsonl")}
    assert found == {"csv": "'=1+1", "jsonl": "=1+1"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 100)
    peaks = []
    for attempts in (1000, 8000):
        path = tmp_path / f"{attempts}.sqlite"
        write_traffic(path, attempts)
        database = Database(path)
        with (tmp_path / "warm").open("wb") as file:
            export(database, file, form, "requests")
        tracemalloc.start()
        with (tmp_path / "rows").open("wb") as file:
            export(database, file, form, "attempts")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        database.close()
    assert peaks[1] < peaks[0] * 1.5


# --- Whole or not at all ---------------------------------------------------------------------------


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first chunk the database cannot be read."""
    chunks = exporting._chunks

    def break_off(*args: Any) -> Iterator[Any]:
        yield next(chunks(*args))
        raise StoreError("The database is damaged.")

    monkeypatch.setattr(exporting, "_chunks", break_off)


@pytest.mark.usefixtures("path", "failing")
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_file_that_could_not_be_written_whole_is_left_as_it_was(run: Run, tmp_path: Path, form: str) -> None:
    target = tmp_path / "out" / "rows"
    target.parent.mkdir()
    target.write_text("before")
    result = run("export", "--format", form, "--output", str(target))
    assert (result.exit_code, result.stderr) == (1, "The database is damaged.\n")
    assert [(file.name, file.read_text()) for file in target.parent.iterdir()] == [("rows", "before")]


@pytest.mark.usefixtures("path")
def test_a_link_stays_one_and_a_file_keeps_its_mode(run: Run, tmp_path: Path) -> None:
    target, link = tmp_path / "rows", tmp_path / "link"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    run("export", "--format", "csv", "--output", str(link))
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_text() != "before"


@pytest.mark.usefixtures("path")
def test_a_device_is_written_to_and_not_replaced(run: Run) -> None:
    assert run("export", "--format", "csv", "--output", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


# --- One sentence for what is wrong ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "Missing option '--format'"),
        (("--format", "xlsx"), "'xlsx' is not one of 'csv', 'parquet', 'jsonl'"),
        (("--format", "csv", "--what", "votes"), "'votes' is not one of 'requests', 'attempts'"),
        (("--format", "csv", "--since", "last week"), "`last week` is neither a duration such as 12h or 7d nor a date"),
        (("--format", "csv", "--since", "-7d"), "`-7d` is neither"),
        (("--format", "csv", "--since", "2026-13-01"), "`2026-13-01` is neither"),
        (("--format", "csv", "--output", "."), ". is a folder. Specify a file."),
        (("--format", "csv", "--output", "/nowhere/at/all"), "The folder /nowhere/at does not exist."),
    ],
)
def test_a_wrong_input_is_told_in_a_sentence(run: Run, args: tuple[str, ...], said: str) -> None:
    result = run("export", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_parquet_is_not_poured_into_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.cli.export.sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    result = run("export", "--format", "parquet")
    assert result.exit_code == 2
    assert "Parquet is binary. Use --output FILE or pipe it to a program." in result.stderr


# --- fallback-lab prune ----------------------------------------------------------------------------


def test_a_prune_says_what_it_did(run: Run, path: Path) -> None:
    requests, attempts = (len(table(path, what)) for what in ("requests", "attempts"))
    change(path, "UPDATE requests SET started = started - 8640000")
    change(path, "UPDATE observations SET started = started - 8640000")
    said = run("prune").stdout
    assert said.startswith(f"{requests} requests and {attempts} attempts from before 20")
    assert "rolled up.\n" in said
    assert "; the database now takes " in said
    assert table(path, "requests") == []


def test_a_dry_run_changes_nothing(run: Run, path: Path) -> None:
    before = table(path, "attempts")
    result = run("prune", "--older-than", "6h", "--dry-run")
    assert " would be rolled up." in result.stdout
    assert table(path, "attempts") == before


def test_a_dry_run_tells_of_a_database_that_is_too_large(run: Run, path: Path, config: Path) -> None:
    before = table(path, "attempts")
    assert "size_limit" not in run("prune", "--dry-run").stdout
    known = json.loads(config.read_text())
    known["policy"]["retention"] = {"size_limit": "100KB"}
    config.write_text(json.dumps(known))
    assert "and policy.retention.size_limit is 100.0 kB: the oldest rows" in run("prune", "--dry-run").stdout
    assert table(path, "attempts") == before


@pytest.mark.usefixtures("path")
def test_where_nothing_is_old_enough_it_says_so(run: Run) -> None:
    assert run("prune", "--older-than", "2d").stdout.startswith("No rows are older than 20")


@pytest.mark.parametrize("age", ["30", "a month", "-3d", "0d"])
def test_a_wrong_age_is_told_in_a_sentence(run: Run, age: str) -> None:
    result = run("prune", "--older-than", age)
    assert result.exit_code == 2
    assert f"`{age}` is not a duration. Write a number with a unit: 12h, 30d, 8w." in result.stderr


def test_a_database_that_cannot_be_pruned_is_told_in_a_sentence(run: Run, path: Path) -> None:
    change(path, "CREATE TRIGGER no BEFORE DELETE ON requests BEGIN SELECT RAISE(ABORT, 'no room'); END")
    result = run("prune", "--older-than", "1h")
    assert (result.exit_code, result.stderr) == (1, "Pruning failed: no room. Try again.\n")
