"""One row a request, beside the one row an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("place", sa.Integer),
        sa.Column("latency", sa.Float, nullable=False),
        sa.Column("ttft", sa.Float),
        sa.Column("cost", sa.Float),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("injected", sa.Boolean, nullable=False),
        sa.Column("stand_in", sa.Boolean, nullable=False),
        sa.Column("keyless", sa.Boolean, nullable=False),
    )
    op.create_index("requests_started", "requests", ["started"])
