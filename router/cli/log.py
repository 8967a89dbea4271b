"""fallback-lab log: the newest calls."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.errors import FallbackLabError
from router.lab import Lab
from router.words import seconds


@click.command(name="log")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--last", default=20, show_default=True, type=click.IntRange(1, 1_000_000), help="How many calls.")
@click.pass_obj
def show_log(config_path: Path, as_json: bool, last: int) -> None:
    """Show the newest calls, the newest last."""
    with closing(Lab(config_path)) as lab:
        if lab.store is None:
            raise FallbackLabError(" ".join(lab.notices()))
        rows = [dict(row) for row in lab.store.observations.last(last)]
        if as_json:
            for row in rows:
                click.echo(msgspec.json.encode(row))
            return
        if not rows:
            click.echo("Nothing has been asked yet. Try: fallback-lab ask 'Hello'")
            return
        table = Table("time", "category", "model", "outcome", "reason", "latency", "first token", "tokens", "cost")
        for row in rows:
            table.add_row(*(Text(cell) for cell in _log_row(row)))
        Console(highlight=False).print(table)


def _log_row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        datetime.fromtimestamp(row["started"]).astimezone().strftime("%m-%d %H:%M:%S"),
        row["category"] or "–",
        row["model"],
        row["outcome"] + (" (cached)" if row["cached"] else ""),
        row["reason"] or "",
        seconds(row["latency"]),
        seconds(row["ttft"]),
        str(row["completion_tokens"] if row["completion_tokens"] is not None else "–"),
        f"${row['cost']:.6f}" if row["cost"] is not None else "unknown" if row["number"] else "–",
    )
