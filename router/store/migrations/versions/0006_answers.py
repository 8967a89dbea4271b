"""The upstream attempts behind a call, and whether the answer fits the tools and the JSON that were asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("observations", sa.Column("upstream", sa.Text))
    op.add_column("observations", sa.Column("endpoints", sa.Integer))
    op.add_column("observations", sa.Column("validation", sa.Text))
