"""Feedback on answers, and pinned conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("liked", sa.Boolean, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.add_column("conversations", sa.Column("pinned", sa.Boolean, nullable=False, server_default="0"))
