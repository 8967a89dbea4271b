"""Comparisons as they are stored: the plan as JSON, one row a cell, one row a vote."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from router.core.comparisons import Cell, Comparison, Key, Plan, Usual, Vote
from router.store.files import FileLog
from router.store.tables import cells, comparisons, votes
from router.store.usual import usual

_COMPARISON = insert(comparisons)
_SAVE_COMPARISON = _COMPARISON.on_conflict_do_update(index_elements=["id"], set_={"name": _COMPARISON.excluded.name})
_CELL = insert(cells)
_SAVE_CELL = _CELL.on_conflict_do_update(
    index_elements=["comparison", "lane", "prompt", "repeat"], set_={"cell": _CELL.excluded.cell}
)
_SAVE_VOTE = insert(votes)
_DROP_VOTE = delete(votes).where(votes.c.id == bindparam("vote"))


class ComparisonLog(FileLog):
    """Stores comparisons and votes, and reads them back."""

    def save(self, comparison: Comparison) -> None:
        """Accept a comparison, new or renamed, without its cells; it is on disk within the second."""
        plan = msgspec.json.encode(comparison.plan).decode()
        row = {"id": comparison.id, "name": comparison.name, "created": comparison.created, "plan": plan}
        self._writer.put(_SAVE_COMPARISON, row)

    def save_cell(self, comparison: str, cell: Cell) -> None:
        """Accept a cell, new or changed."""
        row = {"comparison": comparison, **cell.key._asdict(), "cell": msgspec.json.encode(cell).decode()}
        self._writer.put(_SAVE_CELL, row)

    def save_vote(self, vote: Vote) -> None:
        """Accept a vote."""
        self._writer.put(_SAVE_VOTE, msgspec.structs.asdict(vote))

    def drop_vote(self, vote: str) -> None:
        """Delete a vote, and wait until it is gone."""
        self._writer.put(_DROP_VOTE, {"vote": vote})
        self._writer.flush(timeout=1)

    def load(self, comparison: str) -> Comparison | None:
        """A comparison with its cells; None where there is none of that id."""
        heading = select(comparisons).where(comparisons.c.id == comparison)
        rows = select(cells.c.cell).where(cells.c.comparison == comparison)
        with self._database.reading() as connection:
            found = connection.execute(heading).one_or_none()
            if found is None:
                return None
            stored = [msgspec.json.decode(row, type=Cell) for row in connection.execute(rows).scalars()]
        return _comparison(found, {cell.key: cell for cell in stored})

    def newest(self, count: int) -> list[Comparison]:
        """The newest comparisons without their cells, newest first."""
        rows = select(comparisons).order_by(comparisons.c.created.desc(), comparisons.c.id).limit(count)
        with self._database.reading() as connection:
            return [_comparison(row, {}) for row in connection.execute(rows)]

    def votes(self) -> list[Vote]:
        """All votes, oldest first."""
        rows = select(votes).order_by(votes.c.created, votes.c.id)
        with self._database.reading() as connection:
            return [msgspec.convert(row, Vote, from_attributes=True) for row in connection.execute(rows)]

    def usual(self, provider: str, model: str) -> Usual | None:
        """What the newest answers of a model took; see `router.store.usual`."""
        with self._database.reading() as connection:
            return usual(connection, provider, model)


def _comparison(row: Row[Any], cells: dict[Key, Cell]) -> Comparison:
    plan = msgspec.json.decode(row.plan, type=Plan)
    return Comparison(id=row.id, name=row.name, created=row.created, plan=plan, cells=cells)
