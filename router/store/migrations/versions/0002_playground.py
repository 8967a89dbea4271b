"""Tokens written to a prompt cache, titles of conversations, templates of prompts, comparisons and votes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("observations", sa.Column("cache_write_tokens", sa.Integer))
    op.add_column("conversations", sa.Column("title", sa.Text))
    first = "SELECT turn FROM turns WHERE conversation = conversations.id ORDER BY created LIMIT 1"
    op.execute(f"UPDATE conversations SET title = substr(json_extract(({first}), '$.prompt'), 1, 60)")  # noqa: S608  # our own text
    op.create_table(
        "files",
        sa.Column("conversation", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "templates",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
    )
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
    )
    op.create_table(
        "cells",
        sa.Column("comparison", sa.Text, primary_key=True),
        sa.Column("lane", sa.Integer, primary_key=True),
        sa.Column("prompt", sa.Integer, primary_key=True),
        sa.Column("repeat", sa.Integer, primary_key=True),
        sa.Column("cell", sa.Text, nullable=False),
    )
    op.create_table(
        "votes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("comparison", sa.Text, nullable=False),
        sa.Column("prompt", sa.Integer, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("left", sa.Text, nullable=False),
        sa.Column("right", sa.Text, nullable=False),
        sa.Column("winner", sa.Text, nullable=False),
    )
