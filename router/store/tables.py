"""The database's tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

observations = Table(
    "observations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("prompt_hash", Text, nullable=False, comment="SHA-256 of the request's canonical JSON"),
    Column("category", Text, comment="NULL for a single model"),
    Column("chain", Text, nullable=False, comment="the chain's fingerprint"),
    Column("source", Text, nullable=False, comment="chat, compare, eval, cli or check"),
    Column("sample", Integer, nullable=False),
    Column("model", Text, nullable=False, comment="the reference asked for"),
    Column("provider", Text, nullable=False),
    Column("place", Integer, nullable=False, comment="0 is the primary"),
    Column("number", Integer, nullable=False, comment="1 is the first try, 0 no call"),
    Column("outcome", Text, nullable=False, comment="answered, failed, skipped or cancelled"),
    Column("reason", Text),
    Column("status", Integer, comment="HTTP"),
    Column("started", Float, nullable=False, comment="Unix time, seconds"),
    Column("offset", Float, nullable=False, comment="seconds since the request began"),
    Column("wait", Float, nullable=False, comment="seconds of back-off before"),
    Column("queued", Float, nullable=False, comment="seconds waited for a place"),
    Column("latency", Float, comment="seconds"),
    Column("ttft", Float, comment="seconds to the first token"),
    Column("served_model", Text),
    Column("served_by", Text),
    Column("generation_id", Text),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("cache_write_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("cost", Float, comment="US dollars; NULL is unknown"),
    Column("cost_source", Text, comment="provider or computed"),
    Column("cached", Boolean, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("injected", Boolean, nullable=False),
    Index("observations_started", "started"),
    Index("observations_request", "request_id"),
)

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("started", Float, nullable=False, comment="Unix time, seconds"),
    Column("category", Text, comment="NULL for a single model"),
    Column("chain", Text, nullable=False, comment="the chain's fingerprint"),
    Column("source", Text, nullable=False, comment="chat, compare, eval, cli or check"),
    Column("outcome", Text, nullable=False, comment="answered, failed or cancelled"),
    Column("path", Text, nullable=False, comment="JSON: a list of [model, provider, place, outcome, reason]"),
    Column("model", Text, comment="the reference that answered; NULL where none did"),
    Column("place", Integer, comment="its place in the chain; 0 is the primary"),
    Column("latency", Float, nullable=False, comment="seconds from asking to the end, waits and failures included"),
    Column("ttft", Float, comment="seconds from asking to the answer's first token, likewise"),
    Column("cost", Float, comment="US dollars of all attempts; NULL is unknown"),
    Column("cached", Boolean, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("injected", Boolean, nullable=False),
    Column("stand_in", Boolean, nullable=False, comment="the offline model answered in the chain's place"),
    Column("keyless", Boolean, nullable=False, comment="models were passed over, all of them for a missing key"),
    Index("requests_started", "started"),
)

kinds = Table(
    "kinds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("labels", Text, nullable=False, unique=True, comment="JSON: as router/store/hours.py lists them"),
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
        Column("ttft", Text, nullable=False, comment="likewise"),
        *measures,
        Column("cost", Float, nullable=False, comment="US dollars, as far as they are known"),
        Column("costs", Integer, nullable=False, comment="rows whose cost is known"),
        Index(f"{name}_hour_kind", "hour", "kind", unique=True),
        sqlite_autoincrement=True,
    )


request_hours = _hours("request_hours")
attempt_hours = _hours("attempt_hours", Column("speed", Text, nullable=False, comment="tokens/s, likewise"))

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created", Float, nullable=False, comment="Unix time, seconds"),
    Column("updated", Float, nullable=False),
    Column("settings", Text, nullable=False, comment="JSON"),
    Column("title", Text, comment="NULL until somebody gives it one: the first prompt serves"),
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
    Column("conversation", Text, primary_key=True),
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
