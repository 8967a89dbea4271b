"""What was observed: an observation of each attempt, a summary of each request, one row each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Generic

import msgspec
from sqlalchemy import ColumnElement, RowMapping, Table, func, insert, select

from router.core.attempts import UpstreamAttempt
from router.core.fields import Record, record_of, row_of
from router.core.records import Observation, RequestSummary
from router.store.database import Database
from router.store.tables import observations, requests
from router.store.writer import Writer

_NAME = re.compile(r"[\w./:@+-]{1,200}")
_LAST = chr(0x10FFFF)
"""No character comes after it."""

NEWEST_CALLS = 1000
"""So many calls of a model tell who stands behind it."""

_NAMED_BY_SERVERS = ("served_model", "served_by", "generation_id")


class RecordLog(Generic[Record]):
    """Stores records of one kind, and reads them back."""

    def __init__(self, database: Database, writer: Writer, table: Table, kind: type[Record]) -> None:
        self._database = database
        self._writer = writer
        self._table = table
        self._kind = kind
        self._insert = insert(table)

    def add(self, record: Record) -> None:
        """Accept a record; it is on disk within the second."""
        self._writer.put(self._insert, row_of(record))

    def get(self, ids: Sequence[int]) -> list[Record]:
        """The rows with these primary keys that are still stored, in the keys' order."""
        with self._database.reading() as connection:
            rows = connection.execute(select(self._table).where(self._table.c.id.in_(ids))).mappings().all()
        by_id = {row["id"]: row for row in rows}
        return [record_of(self._kind, by_id[number]) for number in ids if number in by_id]

    def last(self, count: int, *conditions: ColumnElement[bool]) -> list[RowMapping]:
        """The newest rows that meet all conditions, oldest first; an import of an older log has older ones."""
        row = self._table.c
        newest = select(self._table).where(*conditions).order_by(row.started.desc(), row.id.desc()).limit(count)
        with self._database.reading() as connection:
            return list(reversed(connection.execute(newest).mappings().all()))


class RequestLog(RecordLog[RequestSummary]):
    """Stores requests and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        super().__init__(database, writer, requests, RequestSummary)

    def unpriced(self, caller: str, since: float) -> int:
        """How many of a caller's requests have an unknown cost, in whole or in part.

        Args:
            since: Unix time, seconds.
        """
        row = requests.c
        count = select(func.count()).where(row.caller == caller, row.started >= since, row.cost.is_(None))
        with self._database.reading() as connection:
            return int(connection.execute(count).scalar_one())


class ObservationLog(RecordLog[Observation]):
    """Stores observations, and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        super().__init__(database, writer, observations, Observation)

    def spent(self, caller: str, since: float) -> float:
        """What a caller's calls cost, as far as it is known: also those of requests whose cost is not known in whole.

        Args:
            since: Unix time, seconds.
        """
        row = observations.c
        is_own = row.caller == caller, row.started >= since, row.cached.is_(False)
        total = select(func.coalesce(func.sum(row.cost), 0.0)).where(*is_own)
        with self._database.reading() as connection:
            return float(connection.execute(total).scalar_one())

    def add(self, record: Observation) -> None:
        """Accept an observation; whatever a server gave as a name and is none may be anything, also the prompt."""
        attempt, routing = record.attempt, record.attempt.routing
        changes: dict[str, Any] = {
            name: None for name in _NAMED_BY_SERVERS if (said := getattr(attempt, name)) is not None and not _name(said)
        }
        if routing is not None:
            named = (UpstreamAttempt(_name(one.provider), _name(one.model), one.status) for one in routing.upstream)
            changes["routing"] = msgspec.structs.replace(routing, upstream=tuple(named))
        if changes:
            record = msgspec.structs.replace(record, attempt=msgspec.structs.replace(attempt, **changes))
        super().add(record)

    def upstream(self, models: Iterable[str], since: float) -> dict[str, Counter[str]]:
        """By model, how many of its newest answers each upstream provider gave, as far as its provider says.

        Args:
            since: Unix time, seconds.
        """
        row = observations.c
        found: dict[str, Counter[str]] = {}
        with self._database.reading() as connection:
            for model in models:
                newest = (
                    select(row.served_by, row.outcome)
                    .where(row.model == model, row.started >= since)
                    .order_by(row.started.desc())
                    .limit(NEWEST_CALLS)
                )
                calls = connection.execute(newest)
                if count := Counter(by for by, outcome in calls if by is not None and outcome == "answered"):
                    found[model] = count
        return found

    def matching(
        self,
        count: int,
        *,
        since: float | None = None,
        category: str | None = None,
        model: str | None = None,
        failed: bool = False,
    ) -> list[RowMapping]:
        """The newest rows of a kind, oldest first.

        Args:
            since: Unix time, seconds.
            model: a part of the model reference, in any case.
            failed: only calls that failed.
        """
        row = observations.c
        conditions = [
            None if since is None else row.started >= since,
            None if category is None else row.category == category,
            None if model is None else row.model.icontains(model, autoescape=True),
            row.outcome == "failed" if failed else None,
        ]
        return self.last(count, *(condition for condition in conditions if condition is not None))

    def beginning_with(self, prefix: str, count: int) -> list[Observation]:
        """The first attempts of requests whose id begins so, by their ids; at most so many."""
        named = observations.c.request_id
        ids = (
            select(func.min(observations.c.id))
            .where(named >= prefix, named < prefix + _LAST)
            .group_by(named)
            .order_by(named)
            .limit(count)
        )
        first = select(observations).where(observations.c.id.in_(ids)).order_by(named)
        with self._database.reading() as connection:
            return [record_of(Observation, row) for row in connection.execute(first).mappings()]

    def of_request(self, request_id: str) -> list[Observation]:
        """A request's attempts, in their order."""
        own = select(observations).where(observations.c.request_id == request_id).order_by(observations.c.id)
        with self._database.reading() as connection:
            return [record_of(Observation, row) for row in connection.execute(own).mappings()]


def is_name(text: str) -> bool:
    """Whether it can be a model's, a provider's or a category's name."""
    return _NAME.fullmatch(text) is not None


def _name(text: str | None) -> str | None:
    return text if text is not None and is_name(text) else None
