"""Grades of live answers of experiments, one row a request."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "grades",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("experiment", sa.Text, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("cost", sa.Float),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("grades_at", "grades", ["at"])
