"""Comparisons as they are stored: the plan as JSON, one row a cell, one row a vote."""

from __future__ import annotations

import statistics
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.dialects.sqlite import insert

from router.messages import Answer, Attempt, Frozen
from router.store.conversations import Settings, TurnState
from router.store.database import Database
from router.store.tables import cells, comparisons, observations, votes
from router.store.writer import Writer

Winner = Literal["left", "right", "tie", "both bad"]

NEWEST_CALLS = 100
"""So many calls of a model say what its next ones are likely to take."""


class Prompt(Frozen, frozen=True, kw_only=True):
    """One row of a comparison: what is asked, and the category of work that it belongs to."""

    text: str
    category: str | None = None


class Plan(Frozen, frozen=True, kw_only=True):
    """What a comparison asks: every prompt of every lane, `repeats` times.

    Attributes:
        lanes: the columns; each a chain or a model with its parameters.
        cache: answers may come from the response cache, and go into it.
    """

    lanes: tuple[Settings, ...]
    prompts: tuple[Prompt, ...]
    repeats: int = 1
    cache: bool = True


class Key(NamedTuple):
    """Where a cell stands; all three count from 0."""

    lane: int
    prompt: int
    repeat: int


class Cell(Frozen, frozen=True, kw_only=True):
    """One prompt's answer in one lane.

    Attributes:
        state: running, answered, failed, or cut where it was stopped or lost.
        error: why there is no answer, one sentence.
    """

    lane: int
    prompt: int
    repeat: int
    state: TurnState = "running"
    answer: Answer = Answer()
    attempts: tuple[Attempt, ...] = ()
    error: str | None = None

    @property
    def key(self) -> Key:
        return Key(self.lane, self.prompt, self.repeat)


class Vote(Frozen, frozen=True, kw_only=True):
    """Which of two answers somebody liked better, names unseen; `left` and `right` are lanes' names."""

    id: str
    created: float
    comparison: str
    prompt: int
    category: str | None
    left: str
    right: str
    winner: Winner


class Comparison(Frozen, frozen=True, kw_only=True):
    """A comparison with what has come of it; a cell that is not there was never asked.

    Attributes:
        name: what somebody called it; empty until then.
        created: Unix time, seconds.
    """

    id: str
    name: str
    created: float
    plan: Plan
    cells: dict[Key, Cell]


class Usual(NamedTuple):
    """What the newest answered calls of a model took: the median latency in seconds, the mean length in tokens."""

    calls: int
    latency: float
    completion_tokens: float | None


_COMPARISON = insert(comparisons)
_SAVE_COMPARISON = _COMPARISON.on_conflict_do_update(index_elements=["id"], set_={"name": _COMPARISON.excluded.name})
_CELL = insert(cells)
_SAVE_CELL = _CELL.on_conflict_do_update(
    index_elements=["comparison", "lane", "prompt", "repeat"], set_={"cell": _CELL.excluded.cell}
)
_SAVE_VOTE = insert(votes)


class ComparisonLog:
    """Stores comparisons and votes, and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

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

    def usual(self, model: str) -> Usual | None:
        """What the newest answers of a model took, as far as the provider gave them itself; None where there are none.

        Args:
            model: the reference that was asked for.
        """
        seen = observations.c
        rows = (
            select(seen.latency, seen.completion_tokens)
            .where(seen.model == model, seen.outcome == "answered", seen.latency.is_not(None))
            .where(~seen.cached, ~seen.shared, ~seen.injected)
            .order_by(seen.id.desc())
            .limit(NEWEST_CALLS)
        )
        with self._database.reading() as connection:
            calls = connection.execute(rows).all()
        if not calls:
            return None
        tokens = [count for _, count in calls if count is not None]
        latency = statistics.median(latency for latency, _ in calls)
        return Usual(len(calls), latency, statistics.fmean(tokens) if tokens else None)


def _comparison(row: Row[Any], cells: dict[Key, Cell]) -> Comparison:
    plan = msgspec.json.decode(row.plan, type=Plan)
    return Comparison(id=row.id, name=row.name, created=row.created, plan=plan, cells=cells)
