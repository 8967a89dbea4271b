"""What evaluations say of answers."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "scores",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("suite", sa.Text, nullable=False),
        sa.Column("case", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("repeat", sa.Integer, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
    )
    op.create_index("scores_cell", "scores", ["run", "question", "lane", "repeat", "case"], unique=True)
    op.create_index("scores_at", "scores", ["at"])
