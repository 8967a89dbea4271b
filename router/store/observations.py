"""Observations: what was seen of every call, one row each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, insert, select

from router.messages import Attempt, Frozen, Source, Usage
from router.store.database import Database
from router.store.tables import observations
from router.store.writer import Writer

_INSERT = insert(observations)
_NAME = re.compile(r"[\w./:@+-]{1,200}")


class Observation(Frozen, frozen=True, kw_only=True):
    """An attempt with its request, as it is stored: no prompt text, no key, no error text."""

    request_id: str
    prompt_hash: str
    category: str | None
    chain: str
    source: Source
    sample: int
    attempt: Attempt


class ObservationLog:
    """Stores observations, and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def add(self, observation: Observation) -> None:
        """Accept an observation; it is on disk within the second."""
        self._writer.put(_INSERT, _row(observation))

    def get(self, ids: Sequence[int]) -> list[Observation]:
        """Those of the primary keys that are still stored, in the keys' order."""
        with self._database.reading() as connection:
            rows = connection.execute(select(observations).where(observations.c.id.in_(ids))).mappings().all()
        by_id = {row["id"]: row for row in rows}
        return [_observation(by_id[number]) for number in ids if number in by_id]

    def of_request(self, request_id: str) -> list[Observation]:
        """A request's attempts, in their order."""
        own = select(observations).where(observations.c.request_id == request_id).order_by(observations.c.id)
        with self._database.reading() as connection:
            return [_observation(row) for row in connection.execute(own).mappings()]

    def last(self, count: int) -> list[RowMapping]:
        """The newest rows, oldest first."""
        newest = select(observations).order_by(observations.c.id.desc()).limit(count)
        with self._database.reading() as connection:
            return list(reversed(connection.execute(newest).mappings().all()))


def _row(observation: Observation) -> dict[str, Any]:
    attempt = observation.attempt
    usage = attempt.usage or _NO_USAGE
    return {
        "request_id": observation.request_id,
        "prompt_hash": observation.prompt_hash,
        "category": observation.category,
        "chain": observation.chain,
        "source": observation.source,
        "sample": observation.sample,
        "model": attempt.model,
        "provider": attempt.provider,
        "place": attempt.place,
        "number": attempt.number,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "status": attempt.status,
        "started": attempt.started,
        "offset": attempt.offset,
        "wait": attempt.wait,
        "queued": attempt.queued,
        "latency": attempt.latency,
        "ttft": attempt.ttft,
        "served_model": _name(attempt.served_model),
        "served_by": _name(attempt.served_by),
        "generation_id": _name(attempt.generation_id),
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost": attempt.cost,
        "cost_source": attempt.cost_source,
        "cached": attempt.cached,
        "shared": attempt.shared,
        "injected": attempt.injected,
    }


_NO_USAGE = Usage()
_PLAIN = ("request_id", "prompt_hash", "category", "chain", "source", "sample")


def _observation(row: RowMapping) -> Observation:
    usage = Usage(**{name: row[name] for name in Usage.__struct_fields__ if name != "cost"})
    fields = {name: row[name] for name in Attempt.__struct_fields__ if name in row}
    attempt = Attempt(**fields, usage=None if usage == _NO_USAGE else usage)
    return Observation(**{name: row[name] for name in _PLAIN}, attempt=attempt)


def _name(text: str | None) -> str | None:
    """What a server calls itself; whatever is no name may be anything, also an echo of the prompt."""
    return text if text is not None and _NAME.fullmatch(text) else None
