"""fallback-lab log: the most recent calls."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import RowMapping

from router.cli import times
from router.cli.stored import stored
from router.cli.tables import STYLES, Cell, Column, Row, print_table
from router.cli.terminal import json_text
from router.core.formatting import dollars, seconds

_COLUMNS = (
    Column("time"),
    Column("category", optional=True),
    Column("model"),
    Column("outcome"),
    Column("reason", is_prose=True),
    Column("latency", is_number=True),
    Column("cost", is_number=True, optional=True),
    Column("tokens", is_number=True, optional=True),
    Column("first token", is_number=True, optional=True),
)


def _name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A name that can be looked up: bytes that are no text reach Python as surrogates."""
    if value is not None and any("\ud800" <= char <= "\udfff" for char in value):
        raise click.BadParameter("This is not UTF-8 text.")
    return value


@click.command(name="log")
@click.option(
    "--last", default=20, show_default=True, metavar="N", type=click.IntRange(1, 1_000_000), help="Number of calls."
)
@click.option("--since", metavar="TIME", callback=times.since, help="Only calls since then: 7d, 12h, or 2026-01-31.")
@click.option("--category", "-c", metavar="NAME", callback=_name, help="Only calls of this category.")
@click.option(
    "--model",
    "-m",
    metavar="TEXT",
    callback=_name,
    help="Only calls of models whose name contains this text, in any case.",
)
@click.option("--failed", is_flag=True, help="Only calls that failed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.pass_obj
def show_log(config_path: Path, /, last: int, as_json: bool, **only: Any) -> None:
    """Show the most recent calls, newest last."""
    with stored(config_path) as store:
        rows = store.observations.matching(last, **only)
        any_call = bool(rows or store.observations.last(1))
    if not rows:
        click.echo("No call matches." if any_call else "No calls yet. Try: fallback-lab ask 'Hello'", err=True)
    elif as_json:
        for row in rows:
            click.echo(json_text(dict(row)))
    else:
        today = datetime.now().astimezone()
        print_table(_COLUMNS, [_row(row, today) for row in rows])


def _row(row: RowMapping, today: datetime) -> Row:
    at, cost = datetime.fromtimestamp(row["started"]).astimezone(), row["cost"]
    return (
        Cell(f"{at:%Y-%m-%d %H:%M:%S}", short=f"{at:%H:%M:%S}" if at.date() == today.date() else f"{at:%m-%d %H:%M}"),
        row["category"] or "–",
        row["model"],
        Cell(row["outcome"] + (" (cached)" if row["cached"] else ""), STYLES.get(row["outcome"], "")),
        Cell(row["reason"] or "", short=(row["reason"] or "").replace("_", " ")),
        seconds(row["latency"]),
        Cell(f"${cost:.6f}", short=dollars(cost)) if cost is not None else "unknown" if row["number"] else "–",
        str(row["completion_tokens"] if row["completion_tokens"] is not None else "–"),
        seconds(row["ttft"]),
    )
