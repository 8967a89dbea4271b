"""What people think of answers, one row a request."""

from __future__ import annotations

import msgspec
from sqlalchemy import select, text
from sqlalchemy.dialects.sqlite import insert

from router.core.records import LONGEST_COMMENT, Feedback
from router.store.database import Database
from router.store.tables import feedback, observations
from router.store.writer import Writer

_ROW = insert(feedback)
_SAVE = _ROW.on_conflict_do_update(
    index_elements=["request_id"], set_={name: _ROW.excluded[name] for name in ("score", "at", "comment")}
)
_DELETE = text("DELETE FROM feedback WHERE request_id = :request_id")


class FeedbackLog:
    """Stores feedback, and reads it back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def save(self, given: Feedback) -> None:
        """Accept feedback in place of what was said before; it is on disk within the second."""
        if given.score is None:
            self._writer.put(_DELETE, {"request_id": given.request_id})
        else:
            comment = given.comment[:LONGEST_COMMENT] if given.comment else None
            self._writer.put(_SAVE, {**msgspec.structs.asdict(given), "comment": comment})

    def of_request(self, request_id: str) -> Feedback | None:
        """What was said of a request's answer."""
        row = select(feedback).where(feedback.c.request_id == request_id)
        with self._database.reading() as connection:
            found = connection.execute(row).mappings().one_or_none()
        return Feedback(**found) if found is not None else None

    def of_answers(self) -> dict[int, bool]:
        """Whether answers were more liked than not, by the ids of the stored observations that gave them."""
        gave = observations.c
        rows = (
            select(gave.id, feedback.c.score)
            .join_from(feedback, observations, feedback.c.request_id == gave.request_id)
            # The second condition is implied by the join; without it, SQLite reads every observation there is.
            .where(gave.outcome == "answered", gave.request_id.in_(select(feedback.c.request_id)))
        )
        with self._database.reading() as connection:
            return {row.id: row.score >= 0.5 for row in connection.execute(rows)}
