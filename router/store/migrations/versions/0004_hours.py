"""Hourly summaries of the requests and attempts that are no longer kept one by one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "kinds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("labels", sa.Text, nullable=False, unique=True),
    )
    for name, measures in (("request_hours", []), ("attempt_hours", [sa.Column("speed", sa.Text, nullable=False)])):
        op.create_table(
            name,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("hour", sa.Integer, nullable=False),
            sa.Column("kind", sa.Integer, nullable=False),
            sa.Column("rows", sa.Integer, nullable=False),
            sa.Column("latency", sa.Text, nullable=False),
            sa.Column("ttft", sa.Text, nullable=False),
            *measures,
            sa.Column("cost", sa.Float, nullable=False),
            sa.Column("costs", sa.Integer, nullable=False),
            sqlite_autoincrement=True,
        )
        op.create_index(f"{name}_hour_kind", name, ["hour", "kind"], unique=True)
