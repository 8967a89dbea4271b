"""What is rolled up stays in every figure; nothing is lost or counted twice, whatever happens meanwhile."""

from __future__ import annotations

import math
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from router.config.policy import RetentionPolicy
from router.core.conversations import Settings, Turn
from router.metrics import (
    FIGURES,
    Filter,
    Observed,
    View,
    columns,
    summaries,
)
from router.metrics.summaries import middles
from router.store import Store, retention
from router.store.database import Database
from router.store.hours import ERROR, HOUR, bin_of
from router.store.retention import Retention
from tests.conftest import MakeLab
from tests.traffic import DAY, UNTIL, write_traffic

NOW = UNTIL + 1


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traffic") / "lab.sqlite"
    write_traffic(path, 3000, days=2)
    return path


@pytest.fixture
def path(traffic: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(traffic, tmp_path / "lab.sqlite"))


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path)
    yield database
    database.close()


def pruning(database: Database, **policy: Any) -> Retention:
    return Retention(database, lambda: RetentionPolicy(**policy), lambda: NOW)


def query(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def count(path: Path, table: str) -> int:
    return int(query(path, f"SELECT count(*) FROM {table}")[0][0])


def figures(observed: Observed, chosen: Filter = Filter(injected=True)) -> dict[str, Any]:
    view = View.of(observed.rows()).where(chosen)
    return {name: figure.of(view) for name, figure in FIGURES.items()}


def assert_same(found: dict[str, Any], before: dict[str, Any]) -> None:
    """Counts are what they were, money but for rounding, times but for the bins."""
    for name, expected in before.items():
        off = {"seconds": 0.02, "tokens/s": 0.02, "US dollars": 1e-6}.get(FIGURES[name].unit, 0)
        assert found[name].keys() == expected.keys(), name
        for key, estimate in expected.items():
            values, wanted = (
                [math.nan if part is None else part for part in each] for each in (found[name][key], estimate)
            )
            assert values == pytest.approx(wanted, rel=off, abs=1e-12, nan_ok=True), (name, key)


# --- Bins ------------------------------------------------------------------------------------------


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_the_middle_of_a_bin_is_close_to_what_lies_in_it(value: float) -> None:
    assert middles(np.array([bin_of(value)]))[0] == pytest.approx(value, rel=ERROR * (1 + 1e-9))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9])
def test_what_took_no_time_stays_so(value: float) -> None:
    assert middles(np.array([bin_of(value)])).tolist() == [0.0]


# --- Figures ---------------------------------------------------------------------------------------


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(
    ages=st.lists(st.floats(0, 2 * DAY), min_size=1, max_size=4), late=st.integers(1, 3000), batch=st.integers(50, 900)
)
def test_every_figure_stays_whatever_is_pruned_when(traffic: Path, ages: list[float], late: int, batch: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(retention, "BATCH", batch)
        path = Path(shutil.copy(traffic, Path(folder) / "lab.sqlite"))
        database = Database(path)
        observed = Observed(database, path.with_name("observed"))
        # Some rows come when their hours are summaries already.
        move = [f"INSERT INTO {table} SELECT * FROM aside.{table}" for table in ("requests", "observations")]
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("ATTACH ? AS aside", (str(path.with_name("aside")),))
            for table in ("requests", "observations"):
                connection.execute(
                    f"CREATE TABLE aside.{table} AS SELECT * FROM main.{table} WHERE id % 3000 >= {late}"
                )
            before = figures(observed)
            for table in ("requests", "observations"):
                connection.execute(f"DELETE FROM main.{table} WHERE id % 3000 >= {late}")
            connection.commit()
            for number, age in enumerate(ages):
                pruning(database).prune(age)
                observed.rows()
                if number == 0:
                    for statement in move:
                        connection.execute(statement)
                    connection.commit()
        assert_same(figures(observed), before)
        observed.close()
        assert_same(figures(Observed(database, path.with_name("observed"))), before)
        assert_same(figures(Observed(database, path.with_name("none"))), before)
        database.close()


@pytest.mark.parametrize(
    "chosen",
    [Filter(), Filter(categories=("code", None)), Filter(models=("z-ai/glm-5",)), Filter(outcomes=("failed",))],
)
def test_filters_find_in_summaries_what_they_found_in_rows(database: Database, path: Path, chosen: Filter) -> None:
    observed = Observed(database, path.with_name("observed"))
    before = figures(observed, chosen)
    pruning(database).prune(0)
    assert_same(figures(observed, chosen), before)


def test_the_hours_of_a_chart_keep_their_figures(database: Database, path: Path) -> None:
    observed = Observed(database, path.with_name("observed"))
    hours = np.arange((NOW - 40 * DAY) // HOUR * HOUR, NOW + 2 * DAY, HOUR)

    def hourly() -> dict[float, int]:
        return {start: len(view.attempts) for start, view in View.of(observed.rows()).over_time(hours).items()}

    before = hourly()
    pruning(database).prune(0)
    assert hourly() == before


def test_a_row_that_only_a_summary_knows_has_no_id(database: Database, path: Path) -> None:
    observed = Observed(database, path.with_name("observed"))
    pruning(database).prune(DAY)
    both: tuple[Any, Any] = observed.rows()
    for rows, table in zip(both, ("requests", "observations"), strict=True):
        assert sorted(rows.id[rows.id > 0].tolist()) == [row[0] for row in query(path, f"SELECT id FROM {table}")]
        assert (np.diff(rows.id) >= 0).all()


def test_after_a_prune_no_row_is_read_again(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observed = Observed(database, path.with_name("observed"))
    before = figures(observed)
    pruning(database).prune(1.5 * DAY)
    figures(observed)
    known = [table._hours[0] for table in observed._tables]
    asked: list[int] = []
    monkeypatch.setattr(columns, "expand", lambda *args: (asked.append(args[2]), summaries.expand(*args))[1])
    monkeypatch.setattr(columns.Table, "_append", lambda *_: pytest.fail("read again"))
    pruning(database).prune(DAY)
    assert_same(figures(observed), before)
    assert sorted(asked) == sorted(known)


def test_a_reader_sees_no_row_twice_or_not_at_all_while_a_prune_goes_on(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Database(path)
    take = columns.Table._refresh_summaries

    def prune_first(*args: Any) -> int:
        pruning(other).prune(DAY)
        return take(*args)

    monkeypatch.setattr(columns.Table, "_refresh_summaries", prune_first)
    rows = Observed(database, path.with_name("observed")).rows()
    other.close()
    before = [len(each.id) for each in rows]
    monkeypatch.undo()
    assert before == [len(each.id) for each in Observed(database, path.with_name("observed")).rows()]


# --- What is pruned --------------------------------------------------------------------------------


def test_whole_hours_are_rolled_up_and_none_that_is_younger(database: Database, path: Path) -> None:
    pruning(database).prune(DAY)
    cut = (NOW - DAY) // HOUR * HOUR
    for table in ("requests", "observations"):
        [(oldest,)] = query(path, f"SELECT min(started) FROM {table}")
        assert cut <= oldest < cut + HOUR
    [(newest,)] = query(path, "SELECT max(hour) FROM attempt_hours")
    assert newest * HOUR == cut - HOUR


def test_the_policy_says_what_is_too_old(database: Database, path: Path) -> None:
    pruning(database, ttl=DAY).prune()
    assert query(path, "SELECT min(started) FROM requests")[0][0] >= (NOW - DAY) // HOUR * HOUR


def test_summaries_are_dropped_in_their_turn(database: Database, path: Path) -> None:
    done = pruning(database, ttl=HOUR, summaries=DAY).prune()
    oldest = min(query(path, f"SELECT min(hour) FROM {table}")[0][0] for table in ("request_hours", "attempt_hours"))
    assert oldest == (NOW - DAY) // HOUR
    assert done.dropped > 0


def test_what_a_prune_says_is_what_it_did_and_was_to_do(database: Database, path: Path) -> None:
    before = [count(path, table) for table in ("requests", "observations")]
    preview = pruning(database).preview(DAY)
    assert [count(path, table) for table in ("requests", "observations")] == before
    done = pruning(database).prune(DAY)
    gone = [old - count(path, table) for old, table in zip(before, ("requests", "observations"), strict=True)]
    assert preview[:4] == done[:4] == (preview.before, *gone, 0)


def test_a_transaction_deletes_no_more_than_a_batch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 100)
    deleted: list[int] = []

    @event.listens_for(database._engine, "after_cursor_execute")
    def note(_: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("DELETE"):
            deleted.append(cursor.rowcount)

    commits = 0

    @event.listens_for(database._engine, "commit")
    def committed(_: Any) -> None:
        nonlocal commits
        commits += 1

    pruning(database).prune(0)
    assert max(deleted) == 100
    assert commits >= len(deleted)


def test_those_who_write_get_their_turn_while_a_prune_goes_on(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two batches the lock is free."""
    other = Database(path)
    turns: list[int] = []

    resting = Retention(database, RetentionPolicy, lambda: NOW)

    def rest(_: float) -> bool:
        with other.writing() as connection:
            turns.append(connection.exec_driver_sql("UPDATE kinds SET labels = labels").rowcount)
        return False

    monkeypatch.setattr(resting._closing, "wait", rest)
    resting.prune(0)
    other.close()
    assert len(turns) > 2


# --- Size ------------------------------------------------------------------------------------------


def test_what_was_rolled_up_gives_its_room_back(database: Database) -> None:
    done = pruning(database).prune(0)
    room = database.room()
    assert done.freed > 0
    assert (done.size, room.file) == (room.used, room.used)


def test_the_oldest_rows_go_until_the_file_is_small_enough(database: Database, path: Path) -> None:
    limit = database.room().used * 2 // 3
    keeper = pruning(database, size_limit=limit)
    done = keeper.prune()
    assert database.room().used <= limit
    assert query(path, "SELECT min(started) FROM requests")[0][0] >= done.before
    assert count(path, "requests") > 100
    assert keeper.notice is None


def test_what_people_wrote_is_never_pruned(path: Path) -> None:
    store = Store(path)
    text = "x" * 3_000_000
    store.conversations.save(Turn(id="t", conversation="c", parent=None, created=1.0, prompt=text, settings=Settings()))
    assert store.writer.flush()
    before = count(path, "observations")
    keeper = pruning(store.database, size_limit=2_000_000)
    keeper.prune()
    assert [turn.prompt for turn in store.conversations.load("c")] == [text]
    assert count(path, "observations") == before, "rolling them up would not help"
    assert keeper.notice is not None
    assert keeper.notice.startswith("The database is larger than the 2 MB of policy.retention.size_limit")
    store.close()


def test_a_limit_that_nothing_fits_in_ends_with_a_notice(database: Database) -> None:
    keeper = pruning(database, size_limit=1)
    keeper.prune()
    assert keeper.notice is not None


def test_a_file_of_the_old_kind_reuses_its_room_until_it_is_compacted(tmp_path: Path, traffic: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(traffic)) as connection:
        old.executescript("\n".join(connection.iterdump()))
    database = Database(path)
    assert pruning(database).prune(0).freed <= 0
    assert not database.room().gives_back
    database.compact()
    assert database.room().gives_back
    database.close()


# --- Trouble ---------------------------------------------------------------------------------------

KILLED = """
import sys
from pathlib import Path
from sqlalchemy import event
from router.config.policy import RetentionPolicy
from router.store import retention
from router.store.database import Database

retention.BATCH = 300
database = Database(Path(sys.argv[1]))

@event.listens_for(database._engine, sys.argv[2])
def here(_, cursor=None, statement="", *rest):
    if not statement or statement.startswith(("INSERT OR REPLACE", "DELETE")):
        print(statement, flush=True)
        sys.stdin.readline()

retention.Retention(database, RetentionPolicy, lambda: float(sys.argv[3])).prune(0)
"""


@pytest.mark.process
@pytest.mark.parametrize("steps", [1, 2, 5, 8])
@pytest.mark.parametrize("where", ["after_cursor_execute", "commit"])
def test_kill_9_in_the_middle_of_a_prune_loses_nothing_and_counts_nothing_twice(
    path: Path, where: str, steps: int
) -> None:
    database = Database(path)
    before = figures(Observed(database, path.with_name("observed")))
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", KILLED, str(path), where, str(NOW)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        for _ in range(steps - 1):
            assert child.stdout.readline()
            child.stdin.write("\n")
            child.stdin.flush()
        assert child.stdout.readline()
        child.kill()
    assert_same(figures(Observed(database, path.with_name("none"))), before)
    pruning(database).prune(0)
    assert_same(figures(Observed(database, path.with_name("none"))), before)
    assert count(path, "requests") <= 1 + sum(
        row[0] >= NOW // HOUR * HOUR for row in query(path, "SELECT started FROM requests")
    )
    database.close()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds before five seconds are over: pruning has a thread."""
    pause = threading.Event()
    return any(holds() or pause.wait(0.01) for _ in range(500))


def test_a_lab_prunes_by_itself(make_lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_traffic(labs_database(tmp_path), 100, until=NOW)
    monkeypatch.setattr(retention, "FIRST", 0)
    make_lab("{chains: {chat: [a]}, policy: {retention: {ttl: 1h}}}")
    assert eventually(lambda: count(labs_database(tmp_path), "requests") == 0)


def test_what_keeps_a_lab_from_pruning_is_said(
    make_lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_traffic(labs_database(tmp_path), 100)
    with closing(sqlite3.connect(labs_database(tmp_path))) as connection:
        connection.execute("CREATE TRIGGER no BEFORE DELETE ON requests BEGIN SELECT RAISE(ABORT, 'no room'); END")
    monkeypatch.setattr(retention, "FIRST", 0)
    lab = make_lab("{chains: {chat: [a]}, policy: {retention: {ttl: 1h}}}")
    said = "Pruning failed: no room. The next attempt is in an hour."
    assert eventually(lambda: said in lab.notices())
    assert count(labs_database(tmp_path), "request_hours") == 0


def test_a_lab_that_cannot_give_room_back_says_so_and_tries_again(
    make_lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = labs_database(tmp_path)
    write_traffic(path, 100)
    give_back, tries = Database.give_back, []

    def beside_a_writer(database: Database, pages: int) -> int:
        tries.append(pages)
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            return give_back(database, pages)

    monkeypatch.setattr("router.store.opening.BUSY_SECONDS", 0.05)
    monkeypatch.setattr(Database, "give_back", beside_a_writer)
    monkeypatch.setattr(retention, "FIRST", 0)
    monkeypatch.setattr(retention, "EVERY", 0.01)
    lab = make_lab("{chains: {chat: [a]}, policy: {retention: {ttl: 1h}}}")
    said = f"The database {path} cannot free disk space: database is locked. The next attempt is in an hour."
    assert eventually(lambda: f"Pruning failed: {said}" in lab.notices())
    assert eventually(lambda: len(tries) > 1)


def test_a_prune_stops_when_the_lab_closes(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 50)
    before = count(path, "requests")
    keeper = pruning(database)
    keeper.close()
    keeper.prune(0)
    assert before - 50 <= count(path, "requests") < before


def test_what_is_forgotten_is_in_no_summary(make_lab: MakeLab, tmp_path: Path) -> None:
    write_traffic(labs_database(tmp_path), 100)
    lab = make_lab("{chains: {chat: [a]}}")
    lab.retention.prune(0)
    assert len(lab.observed.rows()[0].id) > 0
    lab.forget()
    assert [count(labs_database(tmp_path), table) for table in ("kinds", "request_hours", "attempt_hours")] == [0, 0, 0]
    assert len(lab.observed.rows()[0].id) == 0


def labs_database(folder: Path) -> Path:
    (folder / ".lab").mkdir(exist_ok=True)
    return folder / ".lab" / "lab.sqlite"
