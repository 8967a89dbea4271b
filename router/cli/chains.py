"""fallback-lab chains: the chains with what was observed of their models, and the way back after a change."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.lab import Lab
from router.observed.chains import DAYS, chain_lines
from router.words import place


@click.command(name="chains")
@click.option("--rollback", is_flag=True, help="Put the version of models.yaml before the last change in force again.")
@click.pass_obj
def show_chains(config_path: Path, rollback: bool) -> None:
    """Show each category's chain with what was observed of its models in the last days."""
    with closing(Lab(config_path)) as lab:
        if rollback:
            version = lab.editor.roll_back()
            click.echo(f"Taken back: {version.why}. {lab.path} is as it was before.")
        table = Table(title=f"Chains, as seen in the last {DAYS} days", title_justify="left")
        for heading in ("category", "place", "model", "answered", "rescued", "p50", "p95", "cost"):
            table.add_column(heading, overflow="fold")
        chains = lab.config().chains
        lines = chain_lines(lab.observed, chains, time.time())
        for name, chain in chains.items():
            for number, ref in enumerate(chain.models):
                line = lines[name].get(ref.text)
                cells = line.cells() if line is not None else ("–",) * 5
                table.add_row(Text("" if number else name), place(number), Text(ref.text), *cells)
        Console(highlight=False).print(table)
        for notice in lab.notices():
            click.echo(notice, err=True)
