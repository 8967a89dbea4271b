"""Logs of other tools: which requests were imported; and a request's latency may be unknown."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table("imported", sa.Column("request_id", sa.Text, primary_key=True))
    with op.batch_alter_table("requests") as batch:
        batch.alter_column("latency", existing_type=sa.Float, nullable=True)
