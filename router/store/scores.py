"""What evaluations say of models' answers, one row an answer and case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.dialects.sqlite import insert

from router.core.records import ScoredAnswer
from router.store.database import Database
from router.store.tables import scores
from router.store.writer import Writer

_ROW = insert(scores)
_SAVE = _ROW.on_conflict_do_update(
    index_elements=["run", "question", "lane", "repeat", "case"],
    set_={name: _ROW.excluded[name] for name in ("at", "score", "passed")},
)
_DROP = text("DELETE FROM scores WHERE run = :run")


class Passes(NamedTuple):
    """How often a model's answers pass, averaged over cases, 0 to 1."""

    share: float
    cases: int


class Suite(NamedTuple):
    """Cases that are compared with themselves alone: a suite's answers by one model."""

    category: str | None
    model: str
    suite: str


class Passed(NamedTuple):
    """Whether an answer passed, and when it was graded: Unix time, seconds."""

    at: float
    passed: bool


class ScoreLog:
    """Stores scores, and sums them up."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def save(self, score: ScoredAnswer) -> None:
        """Accept a score, in place of an earlier one of the same answer; it is on disk within the second."""
        self._writer.put(_SAVE, msgspec.structs.asdict(score))

    def drop(self, run: str) -> None:
        """Delete the scores of a run."""
        self._writer.put(_DROP, {"run": run})

    def streams(self) -> Mapping[Suite, Sequence[Passed]]:
        """All answers of models that were asked first, oldest first."""
        row = scores.c
        rows = (
            select(row.category, row.model, row.suite, row.at, row.passed)
            .where(row.place == 0)
            .order_by(row.at, row.id)
        )
        found: dict[Suite, list[Passed]] = {}
        with self._database.reading() as connection:
            for category, model, suite, at, passed in connection.execute(rows):
                found.setdefault(Suite(category, model, suite), []).append(Passed(at, passed))
        return found

    def passes(self, since: float) -> Mapping[tuple[str, str], Passes]:
        """How often models pass, by category and model, where they were asked first.

        What a fallback answers is left out: it sees what others failed at, and nothing says how hard that is.

        Args:
            since: Unix time, seconds.
        """
        case = (
            select(scores.c.category, scores.c.model, func.avg(scores.c.passed).label("share"))
            .where(scores.c.at >= since, scores.c.place == 0, scores.c.category.is_not(None))
            .group_by(scores.c.category, scores.c.model, scores.c.question)
            .subquery()
        )
        rows = select(case.c.category, case.c.model, func.avg(case.c.share), func.count()).group_by(
            case.c.category, case.c.model
        )
        with self._database.reading() as connection:
            return {
                (category, model): Passes(share, cases) for category, model, share, cases in connection.execute(rows)
            }
