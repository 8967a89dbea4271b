"""Observations and conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "observations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("prompt_hash", sa.Text, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("sample", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("status", sa.Integer),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("offset", sa.Float, nullable=False),
        sa.Column("wait", sa.Float, nullable=False),
        sa.Column("queued", sa.Float, nullable=False),
        sa.Column("latency", sa.Float),
        sa.Column("ttft", sa.Float),
        sa.Column("served_model", sa.Text),
        sa.Column("served_by", sa.Text),
        sa.Column("generation_id", sa.Text),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("cached_tokens", sa.Integer),
        sa.Column("reasoning_tokens", sa.Integer),
        sa.Column("cost", sa.Float),
        sa.Column("cost_source", sa.Text),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("injected", sa.Boolean, nullable=False),
    )
    op.create_index("observations_started", "observations", ["started"])
    op.create_index("observations_request", "observations", ["request_id"])
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("conversation", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("turn", sa.Text, nullable=False),
    )
    op.create_index("turns_conversation", "turns", ["conversation"])
