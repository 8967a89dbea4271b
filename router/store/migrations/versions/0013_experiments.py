"""Feedback as a score with a comment, what an experiment's requests are found by, and experiments that were stopped."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "feedback_scores",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("comment", sa.Text),
    )
    op.execute("INSERT INTO feedback_scores SELECT request_id, CAST(liked AS REAL), at, NULL FROM feedback")
    op.drop_table("feedback")
    op.rename_table("feedback_scores", "feedback")
    op.create_index("requests_experiment", "requests", ["experiment"], sqlite_where=sa.text("experiment IS NOT NULL"))
    op.create_table(
        "stops",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
