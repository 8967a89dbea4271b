"""Requests: what became of each, one row when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import RowMapping, insert, select

from router.messages import Attempt, Frozen, Outcome, Source
from router.store.database import Database
from router.store.tables import requests
from router.store.writer import Writer

Ending = Literal["answered", "failed", "cancelled"]


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A model on a request's path, asked or passed over; `reason` is that of its last try."""

    model: str
    provider: str
    place: int
    outcome: Outcome
    reason: str | None


class RequestSummary(Frozen, frozen=True, kw_only=True):
    """A request that is over, as it is stored: no prompt text, no key, no error text.

    Attributes:
        started: Unix time, seconds.
        path: what it went through, in order.
        model, place: what answered; None where nothing did.
        latency: seconds from asking to the end, as the user saw them: queueing, waits and failed attempts included.
        ttft: seconds from asking to the first token of the answer, likewise.
        cost: US dollars of all attempts; None is unknown.
        cached, shared: the answer took no call of its own.
        injected: a fault was asked for.
        stand_in: the offline model answered in the chain's place.
        keyless: models were passed over, and all of them for a missing key alone.
    """

    request_id: str
    started: float
    category: str | None
    chain: str
    source: Source
    outcome: Ending
    path: tuple[Step, ...]
    model: str | None
    place: int | None
    latency: float
    ttft: float | None
    cost: float | None
    cached: bool
    shared: bool
    injected: bool
    stand_in: bool
    keyless: bool


_INSERT = insert(requests)
_encode_path = msgspec.json.Encoder().encode
_decode_path = msgspec.json.Decoder(tuple[Step, ...]).decode


class RequestLog:
    """Stores what became of requests, and reads it back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def add(self, summary: RequestSummary) -> None:
        """Accept a request that is over; it is on disk within the second."""
        row = msgspec.structs.asdict(summary)
        row["path"] = _encode_path(summary.path).decode()
        self._writer.put(_INSERT, row)

    def get(self, ids: Sequence[int]) -> list[RequestSummary]:
        """Those of the primary keys that are still stored, in the keys' order."""
        with self._database.reading() as connection:
            rows = connection.execute(select(requests).where(requests.c.id.in_(ids))).mappings().all()
        by_id = {row["id"]: row for row in rows}
        return [_summary(by_id[number]) for number in ids if number in by_id]

    def last(self, count: int) -> list[RowMapping]:
        """The newest rows, oldest first."""
        newest = select(requests).order_by(requests.c.id.desc()).limit(count)
        with self._database.reading() as connection:
            return list(reversed(connection.execute(newest).mappings().all()))


def _summary(row: RowMapping) -> RequestSummary:
    fields = {name: row[name] for name in RequestSummary.__struct_fields__}
    return RequestSummary(**{**fields, "path": _decode_path(row["path"])})


def path_of(attempts: Sequence[Attempt]) -> tuple[Step, ...]:
    """The way that attempts describe; the tries of one model in a row are one step."""
    steps: list[Step] = []
    for attempt in attempts:
        step = Step(attempt.model, attempt.provider, attempt.place, attempt.outcome, attempt.reason)
        again = attempt.number > 1 and steps and steps[-1].place == attempt.place
        steps[-1 if again else len(steps) :] = [step]
    return tuple(steps)


def passed_over_for_keys_alone(path: Sequence[Step]) -> bool:
    """Whether models were passed over, and nothing but missing keys stood in the way of an answer."""
    reasons = {step.reason for step in path if step.outcome in ("skipped", "failed")}
    return reasons == {"no_key"}
