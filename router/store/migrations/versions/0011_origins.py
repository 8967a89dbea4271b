"""Who sent a request, and what an experiment made of it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for table in ("observations", "requests"):
        op.add_column(table, sa.Column("caller", sa.Text))
        op.add_column(table, sa.Column("tags", sa.Text, nullable=False, server_default="[]"))
        op.add_column(table, sa.Column("experiment", sa.Text))
        op.add_column(table, sa.Column("arm", sa.Text))
    op.add_column("requests", sa.Column("session", sa.Text))
    op.add_column("requests", sa.Column("probability", sa.Float))
    # What was summarized before was sent by nobody by name.
    op.execute(
        "UPDATE kinds SET labels = json_insert(labels, '$.caller', NULL, '$.tags', json('[]'), '$.experiment', NULL,"
        " '$.arm', NULL)"
    )
