"""The database's tables; those of what was observed follow from its records (router/core/fields.py)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, text

from router.core.fields import columns_of
from router.core.messages import Frozen
from router.core.records import Observation, RequestSummary, ScoredAnswer

metadata = MetaData()

_TYPES = {int: Integer, float: Float, bool: Boolean}


def _columns_of(record: type[Frozen]) -> list[Column[Any]]:
    return [Column(field.name, _TYPES.get(field.type, Text)(), nullable=field.optional) for field in columns_of(record)]


observations = Table(
    "observations",
    metadata,
    Column("id", Integer, primary_key=True),
    *_columns_of(Observation),
    Index("observations_started", "started"),
    Index("observations_request", "request_id"),
    Index("observations_model", "model", "started"),
)

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True),
    *_columns_of(RequestSummary),
    Index("requests_started", "started"),
    Index("requests_experiment", "experiment", sqlite_where=text("experiment IS NOT NULL")),
)

imported = Table(
    "imported",
    metadata,
    Column(
        "request_id", Text, primary_key=True, comment="of every log that was imported: also of rows summarized since"
    ),
)

kinds = Table(
    "kinds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("labels", Text, nullable=False, unique=True, comment="JSON: values by the names of their columns"),
)


def _hours(name: str, *measures: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, comment="never given twice: a summary that changes gets a new one"),
        Column("hour", Integer, nullable=False, comment="Unix time of its beginning, in hours"),
        Column("kind", Integer, nullable=False),
        Column("rows", Integer, nullable=False, comment="how many it stands for"),
        Column("latency", Text, nullable=False, comment="JSON: [[bin, rows], …], see router/store/hours.py"),
        Column("ttft", Text, nullable=False, comment="JSON, as latency"),
        *measures,
        Column("cost", Float, nullable=False, comment="US dollars, as far as they are known"),
        Column("costs", Integer, nullable=False, comment="rows whose cost is known"),
        Index(f"{name}_hour_kind", "hour", "kind", unique=True),
        sqlite_autoincrement=True,
    )


request_hours = _hours("request_hours")
attempt_hours = _hours("attempt_hours", Column("speed", Text, nullable=False, comment="tokens/s, as latency"))

feedback = Table(
    "feedback",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("score", Float, nullable=False, comment="0 to 1"),
    Column("at", Float, nullable=False, comment="Unix time, seconds"),
    Column("comment", Text),
)

grades = Table(
    "grades",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("experiment", Text, nullable=False),
    Column("score", Float, comment="0 to 1; NULL where a grader could not tell"),
    Column("cost", Float, comment="US dollars of grading; NULL is unknown"),
    Column("at", Float, nullable=False, comment="Unix time, seconds"),
    Index("grades_at", "at"),
)

stops = Table(
    "stops",
    metadata,
    Column("experiment", Text, primary_key=True, comment="Experiment.guarded"),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False, comment="Unix time, seconds"),
)

scores = Table(
    "scores",
    metadata,
    Column("id", Integer, primary_key=True),
    *_columns_of(ScoredAnswer),
    Index("scores_cell", "run", "question", "lane", "repeat", "case", unique=True),
    Index("scores_at", "at"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created", Float, nullable=False, comment="Unix time, seconds"),
    Column("updated", Float, nullable=False),
    Column("settings", Text, nullable=False, comment="JSON"),
    Column("title", Text, comment="NULL until somebody gives it one: the first prompt serves"),
    Column("pinned", Boolean, nullable=False, server_default="0"),
)

turns = Table(
    "turns",
    metadata,
    Column("id", Text, primary_key=True),
    Column("conversation", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("turn", Text, nullable=False, comment="JSON"),
    Index("turns_conversation", "conversation"),
)

files = Table(
    "files",
    metadata,
    Column("conversation", Text, key="owner", primary_key=True, comment="the conversation's id, or the comparison's"),
    Column("id", Text, primary_key=True, comment="SHA-256 of the bytes"),
    Column("data", LargeBinary, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("updated", Float, nullable=False, comment="Unix time, seconds"),
)

presets = Table(
    "presets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("settings", Text, nullable=False, comment="JSON, without category and model"),
)

views = Table(
    "views",
    metadata,
    Column("name", Text, primary_key=True),
    Column("settings", Text, nullable=False, comment="JSON"),
    Column("updated", Float, nullable=False, comment="Unix time, seconds"),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created", Float, nullable=False, comment="Unix time, seconds"),
    Column("plan", Text, nullable=False, comment="JSON"),
)

cells = Table(
    "cells",
    metadata,
    Column("comparison", Text, primary_key=True),
    Column("lane", Integer, primary_key=True),
    Column("prompt", Integer, primary_key=True),
    Column("repeat", Integer, primary_key=True),
    Column("cell", Text, nullable=False, comment="JSON"),
)

votes = Table(
    "votes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created", Float, nullable=False, comment="Unix time, seconds"),
    Column("comparison", Text, nullable=False),
    Column("prompt", Integer, nullable=False),
    Column("category", Text, comment="NULL for prompts without one"),
    Column("left", Text, nullable=False, comment="the lane's label"),
    Column("right", Text, nullable=False),
    Column("winner", Text, nullable=False, comment="left, right, tie or both bad"),
)
