"""The requests of experiments, and which experiments were stopped where models.yaml could not say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from router.core.records import Arm, RequestOutcome
from router.store.database import Database
from router.store.tables import feedback, grades, observations, requests, stops
from router.store.writer import Writer

SESSIONS = 100_000
"""The most sessions whose arms are read back, the newest."""

_GRADE = insert(grades).on_conflict_do_nothing()
_STOP = insert(stops).on_conflict_do_nothing()


class Drawn(NamedTuple):
    """The arm that somebody was given, and with which probability."""

    arm: Arm
    probability: float


class Given(NamedTuple):
    """A request of an experiment.

    Attributes:
        started: Unix time, seconds.
        session: None without one.
        arm: the chain that it was given; `probability` is with which.
        plain: whether its answer took calls of its own, with every key there.
        reason: of its last model's end; None where that answered.
        latency: seconds, as of `RequestSummary`.
        cost: US dollars; None is unknown.
        score: what somebody thinks of its answer, 0 to 1; None where nobody said so.
        grade: what graders say of its answer, 0 to 1; None where it was not graded.
    """

    started: float
    session: str | None
    arm: Arm
    probability: float
    outcome: RequestOutcome
    plain: bool
    reason: str | None
    latency: float
    cost: float | None
    score: float | None
    grade: float | None


class Costs(NamedTuple):
    """US dollars of calls: of all together, and of the dearest one; unknown costs are not in it."""

    total: float = 0.0
    dearest: float = 0.0


class ExperimentLog:
    """Reads the requests of experiments, and keeps stops."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def requests(self, name: str, since: float | None = None) -> Sequence[Given]:
        """An experiment's requests, in the order in which they ended.

        Args:
            since: Unix time, seconds, from which on they count.
        """
        row = requests.c
        plain = ~(row.cached | row.shared | row.stand_in | row.keyless | row.injected)
        rows = (
            select(
                row.started,
                row.session,
                row.arm,
                row.probability,
                row.outcome,
                plain,
                func.json_extract(row.path, "$[#-1][4]"),
                row.latency,
                row.cost,
                feedback.c.score,
                grades.c.score,
            )
            .join_from(requests, feedback, feedback.c.request_id == row.request_id, isouter=True)
            .join(grades, grades.c.request_id == row.request_id, isouter=True)
            .where(row.experiment == name, row.probability.is_not(None), row.started >= (since or 0.0))
            .order_by(row.id)
        )
        with self._database.reading() as connection:
            return [Given(*found) for found in connection.execute(rows)]

    def sessions(self, name: str) -> Mapping[str, Drawn]:
        """What an experiment's sessions were given, by their digests, oldest first."""
        row = requests.c
        first = func.min(row.id)  # SQLite takes the other columns from this row
        rows = (
            select(row.session, row.arm, row.probability, first)
            .where(row.experiment == name, row.session.is_not(None), row.probability.is_not(None))
            .group_by(row.session)
            .order_by(first.desc())
            .limit(SESSIONS)
        )
        with self._database.reading() as connection:
            found = connection.execute(rows).all()
        return {session: Drawn(cast(Arm, arm), probability) for session, arm, probability, _ in reversed(found)}

    def grade(self, request_id: str, experiment: str, score: float | None, cost: float | None, at: float) -> None:
        """Accept what graders say of an experiment's answer.

        Args:
            score: 0 to 1; None where a grader could not tell.
            cost: US dollars of grading; None is unknown.
            at: Unix time, seconds.
        """
        row = {"request_id": request_id, "experiment": experiment, "score": score, "cost": cost, "at": at}
        self._writer.put(_GRADE, row)

    def grading_costs(self, since: float) -> Mapping[str, Costs]:
        """By experiment, what its grades cost since a Unix time, seconds."""
        row = grades.c
        rows = (
            select(row.experiment, func.total(row.cost), func.coalesce(func.max(row.cost), 0.0))
            .where(row.at >= since)
            .group_by(row.experiment)
        )
        with self._database.reading() as connection:
            return {experiment: Costs(*costs) for experiment, *costs in connection.execute(rows)}

    def stop(self, guarded: str, reason: str, at: float) -> None:
        """Accept that an experiment is stopped; see `Experiment.guarded`."""
        self._writer.put(_STOP, {"experiment": guarded, "reason": reason, "at": at})

    def stopped(self) -> Mapping[str, str]:
        """Why experiments were stopped."""
        with self._database.reading() as connection:
            return {row.experiment: row.reason for row in connection.execute(select(stops))}

    def shadow_costs(self, since: float) -> Mapping[str, Costs]:
        """By category, what its shadow calls cost since a Unix time, seconds."""
        row = observations.c
        rows = (
            select(row.category, func.total(row.cost), func.coalesce(func.max(row.cost), 0.0))
            .where(row.started >= since, row.source == "shadow", row.category.is_not(None))
            .group_by(row.category)
        )
        with self._database.reading() as connection:
            return {category: Costs(*costs) for category, *costs in connection.execute(rows)}
