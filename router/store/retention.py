"""How long rows are kept: what is too old, or too much, becomes hourly summaries, a few thousand rows at a time.

Each batch is one transaction that adds rows to their summaries and deletes them: whatever ends the process, every row
is in one of the two places. Between batches others who write get their turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from router.config.policy import RetentionPolicy
from router.core.errors import StoreError
from router.store.database import Database
from router.store.hours import ATTEMPTS, HOUR, REQUESTS, Summarized, bin_of
from router.store.tables import metadata

log = logging.getLogger(__name__)

BATCH = 2_000
"""Rows of one transaction; the writer waits for one at the most."""

PAGES = 1_000
"""Free pages that go back to the disk in one transaction."""

FIRST, EVERY = 60.0, 3600.0
"""Seconds from the start to the first pruning, and from one to the next."""

_TOO_LARGE = (
    "The database is larger than the {:,.0f} MB of policy.retention.size_limit in models.yaml, and observations are"
    " not the cause. Delete conversations or comparisons, or raise the limit."
)

# Requests first: one that can still be opened has its attempts.
_TABLES = (REQUESTS, ATTEMPTS)


class Pruned(NamedTuple):
    """What a pruning did, or would do.

    Attributes:
        before: Unix time, seconds: rows that began earlier are summaries now.
        requests, attempts: how many became summaries.
        dropped: summaries that were too old themselves.
        freed, size: bytes that the file lost, and that it has.
    """

    before: float
    requests: int
    attempts: int
    dropped: int
    freed: int
    size: int


class Retention:
    """Prunes the database: soon after the start, then hourly, and when asked to.

    Args:
        policy: what models.yaml says now.
        clock: gives Unix time, seconds.

    Attributes:
        notice: a sentence about what stands in the way; None where nothing does.
    """

    def __init__(
        self, database: Database, policy: Callable[[], RetentionPolicy], clock: Callable[[], float] | None = None
    ) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock or time.time
        self._closing = threading.Event()
        self._pruning = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="store-retention", daemon=True)
        self.notice: str | None = None

    def start(self) -> None:
        """Prune from now on, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the current batch."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def prune(self, older_than: float | None = None) -> Pruned:
        """Roll up what is too old, and then the oldest until the file is small enough; give the room back.

        Args:
            older_than: seconds; None for the policy's `ttl`.

        Raises:
            DatabaseError, StoreError: the database cannot be written.
        """
        with self._pruning:
            policy, size = self._policy(), self._database.room().file
            before = self._hour(policy.ttl if older_than is None else older_than)
            done = self._roll_up(before)
            oldest = self._hour(policy.summaries) // HOUR
            dropped = sum(self._in_batches(partial(self._drop, table, oldest)) for table in _TABLES)
            self.notice = None
            while self._database.room().used > policy.size_limit and not self._closing.is_set():
                tenth = self._tenth(policy.size_limit)
                if tenth is None:
                    self.notice = _TOO_LARGE.format(policy.size_limit / 1e6)
                    break
                before = max(before, tenth)
                done += self._roll_up(tenth)
            self._in_batches(partial(self._database.give_back, PAGES))
            left = self._database.room().file
            return Pruned(before, done[REQUESTS.name], done[ATTEMPTS.name], dropped, size - left, left)

    def preview(self, older_than: float | None = None) -> Pruned:
        """What `prune` would do because of age alone.

        Raises:
            StoreError: the database cannot be read.
        """
        policy = self._policy()
        before = self._hour(policy.ttl if older_than is None else older_than)
        oldest = self._hour(policy.summaries) // HOUR
        with self._database.reading() as connection:
            requests, attempts = (_scalar(connection, _COUNT.format(table.name), before) for table in _TABLES)
            dropped = sum(_scalar(connection, _COUNT_HOURS.format(table.hours), oldest) for table in _TABLES)
        return Pruned(before, requests, attempts, dropped, 0, self._database.room().file)

    def _run(self) -> None:
        wait = FIRST
        while not self._closing.wait(wait):
            wait = EVERY
            try:
                self.prune()
            except (DatabaseError, StoreError, OSError) as error:
                log.warning("Pruning failed: %s", error)
                reason = str(getattr(error, "orig", error)).rstrip(".")
                self.notice = f"Pruning failed: {reason}. The next attempt is in an hour."

    def _hour(self, age: float) -> float:
        """The beginning of the hour that was so many seconds ago."""
        return (self._clock() - age) // HOUR * HOUR

    def _tenth(self, size_limit: int) -> float | None:
        """The hour before which the oldest tenth of all rows began; None where rolling it up would not help."""
        with self._database.reading() as connection:
            if _scalar(connection, f"SELECT {_OTHERS}") >= size_limit:
                return None
            rows, name = max(
                (_scalar(connection, _COUNT.format(table.name), self._hour(0)), table.name) for table in _TABLES
            )
            if not rows:
                return None
            at = f"SELECT started FROM {name} ORDER BY started LIMIT 1 OFFSET ?"  # noqa: S608  # our own names
            started = float(_scalar(connection, at, rows // 10))
        return min(self._hour(0), (started // HOUR + 1) * HOUR)

    def _roll_up(self, before: float) -> Counter[str]:
        """Make summaries of all that began earlier. Returns how many rows of each table."""
        return Counter({table.name: self._in_batches(partial(self._batch, table, before)) for table in _TABLES})

    def _in_batches(self, work: Callable[[], int]) -> int:
        """Work until nothing is left; rest as long as each batch took, so that whoever waits for the lock gets it."""
        total = 0
        while True:
            began = time.monotonic()
            done = work()
            total += done
            if not done or self._closing.wait(time.monotonic() - began):
                return total

    def _batch(self, table: Summarized, before: float) -> int:
        with self._database.writing() as connection:
            return roll_up(connection, table, before, BATCH)

    def _drop(self, table: Summarized, oldest: float) -> int:
        some = f"SELECT id FROM {table.hours} WHERE hour < ? LIMIT ?"  # noqa: S608  # our own names
        with self._database.writing() as connection:
            delete = f"DELETE FROM {table.hours} WHERE id IN ({some})"  # noqa: S608  # the same
            return connection.exec_driver_sql(delete, (oldest, BATCH)).rowcount


# --- One batch -------------------------------------------------------------------------------------


class _Summary:
    """Rows of one hour and kind, added up."""

    def __init__(self) -> None:
        self.rows = self.costs = 0
        self.cost = 0.0
        self.bins: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def add(self, rows: int, cost: float | None, costs: int) -> None:
        self.rows += rows
        self.cost += cost or 0.0
        self.costs += costs


def roll_up(connection: Connection, table: Summarized, before: float, most: int) -> int:
    """Put the oldest rows into summaries, and delete them.

    Args:
        before: Unix time, seconds; rows that began then or later stay.
        most: how many rows.

    Returns:
        How many they were.
    """
    measures = ", ".join(table.binned.values())
    rows = connection.exec_driver_sql(
        f"SELECT id, started, {table.named}, cost, {measures} FROM {table.name}"  # noqa: S608  # our own names
        " WHERE started < ? ORDER BY started LIMIT ?",
        (before, most),
    ).all()
    found: defaultdict[tuple[int, str], _Summary] = defaultdict(_Summary)
    for _, started, labels, cost, *values in rows:
        summary = found[int(started // HOUR), labels]
        summary.add(1, cost, cost is not None)
        for name, value in zip(table.binned, values, strict=True):
            if value is not None:
                summary.bins[name][bin_of(value)] += 1
    _add_stored(connection, table, found)
    _store(connection, table, found)
    gone = msgspec.json.encode([row[0] for row in rows]).decode()
    connection.exec_driver_sql(
        f"DELETE FROM {table.name} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608  # the same
        (gone,),
    )
    return len(rows)


def _add_stored(connection: Connection, table: Summarized, found: dict[tuple[int, str], _Summary]) -> None:
    """Add what is already summarized of these hours: a batch ends anywhere, and some rows come late."""
    hours = msgspec.json.encode(sorted({hour for hour, _ in found})).decode()
    stored = connection.exec_driver_sql(
        f"SELECT hour, labels, rows, cost, costs, {', '.join(table.binned)} FROM {table.hours}"  # noqa: S608  # the same
        " JOIN kinds ON kinds.id = kind WHERE hour IN (SELECT value FROM json_each(?))",
        (hours,),
    )
    for hour, labels, count, cost, costs, *bins in stored:
        summary = found.get((hour, labels))
        if summary is not None:
            summary.add(count, cost, costs)
            for name, text in zip(table.binned, bins, strict=True):
                summary.bins[name].update(dict(msgspec.json.decode(text)))


def _store(connection: Connection, table: Summarized, found: dict[tuple[int, str], _Summary]) -> None:
    if not found:
        return
    connection.exec_driver_sql(
        "INSERT OR IGNORE INTO kinds (labels) VALUES (?)", [(labels,) for labels in {labels for _, labels in found}]
    )
    # A summary that changes is replaced: its new id tells readers.
    connection.exec_driver_sql(
        f"INSERT OR REPLACE INTO {table.hours} (hour, kind, rows, cost, costs, {', '.join(table.binned)})"  # noqa: S608  # the same
        f" VALUES (?, (SELECT id FROM kinds WHERE labels = ?), ?, ?, ?{', ?' * len(table.binned)})",
        [
            (hour, labels, each.rows, each.cost, each.costs, *(_json(each.bins[name]) for name in table.binned))
            for (hour, labels), each in found.items()
        ],
    )


def _json(bins: Counter[int]) -> str:
    """The bins, the largest first."""
    return msgspec.json.encode(sorted(bins.items(), reverse=True)).decode()


# --- Counting --------------------------------------------------------------------------------------

_COUNT = "SELECT count(*) FROM {} WHERE started < ?"
_COUNT_HOURS = "SELECT count(*) FROM {} WHERE hour < ?"

_OBSERVED = {"kinds", *(name for table in _TABLES for name in (table.name, table.hours))}
_WRITTEN = ("turn", "data", "cell", "plan", "text", "settings")
_OTHERS = " + ".join(
    f"(SELECT ifnull(sum(length(CAST({column.name} AS BLOB))), 0) FROM {table.name})"  # noqa: S608  # the same
    for table in metadata.sorted_tables
    if table.name not in _OBSERVED
    for column in table.columns
    if column.name in _WRITTEN
)
"""Bytes of what people wrote and were answered, which is never pruned."""


def _scalar(connection: Connection, statement: str, *parameters: Any) -> Any:
    return connection.exec_driver_sql(statement, parameters).scalar_one()
